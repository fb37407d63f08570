"""Settings from the environment and from a TOML file."""

import contextlib
import json
import signal
import socket
import sys
import textwrap
import traceback

import pytest

from flaskJSONRPCServer import SettingsError, configuration, flaskJSONRPCServer
from flaskJSONRPCServer import __main__ as command_line
from flaskJSONRPCServer.configuration import Configuration, configured_by, current_configuration, variable_of
from flaskJSONRPCServer.settings import OPTIONS, Settings
from tests.examples.processes import running
from tests.helpers import call_wsgi, get


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in OPTIONS:
        monkeypatch.delenv(variable_of(name), raising=False)


def from_environment(**variables):
    return configuration.read(None, {f"FJRPC_{name}": text for name, text in variables.items()}).values


def file_of(folder, text):
    path = folder / "api.toml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("THREADS", "64", "threads", 64),
        ("threads", " 64 ", "threads", 64),
        ("MAX_BODY_BYTES", "1_000", "max_body_bytes", 1000),
        ("MaxBodyBytes", "5", "max_body_bytes", 5),
        ("DISPATCHER_BACKEND", "threaded", "dispatcherBackend", "threaded"),
        ("DISPATCHERBACKEND", "threaded", "dispatcherBackend", "threaded"),
        ("dispatcherBackend", "threaded", "dispatcherBackend", "threaded"),
        ("CONTROL_GC_EVERY_SECONDS", "0.5", "controlGC_everySeconds", 0.5),
        ("DEBUG", "true", "debug", True),
        ("DEBUG", "False", "debug", False),
        ("DEBUG", "1", "debug", 1),
        ("TRACING", "1", "tracing", True),
        ("CONSOLE", "0", "console", False),
        ("CORS", "1", "cors", True),
        ("RELOAD_ON_CHANGE", "1", "reloadOnChange", True),
        ("MAX_BATCH_LENGTH", "1", "max_batch_length", 1),
        ("COMPRESS_MIN_SIZE", "0", "compressMinSize", 0),
        ("LOG", "4", "log", 4),
        ("NAME", "5", "name", "5"),
        ("NAME", "a b", "name", "a b"),
        ("NAME", "None", "name", None),
        ("NAME", '"none"', "name", "none"),
        ("MAX_BATCH_LENGTH", "none", "max_batch_length", None),
        ("TIMEOUT", "2.5", "timeout", 2.5),
        ("TIMEOUT", "inf", "timeout", float("inf")),
        ("BIND_ADRESS", "127.0.0.1:8080", "bindAdress", ["127.0.0.1", 8080]),
        ("BINDADRESS", "[::1]:0", "bindAdress", ["::1", 0]),
        ("BINDADRESS", '["::1", 0]', "bindAdress", ["::1", 0]),
        ("BINDADRESS", "unix:api.sock", "bindAdress", "./api.sock"),
        ("BINDADRESS", "/run/api.sock", "bindAdress", "/run/api.sock"),
        ("ALLOWED_HOSTS", "a.test", "allowed_hosts", ["a.test"]),
        ("ALLOWED_HOSTS", "a.test, b.test,", "allowed_hosts", ["a.test", "b.test"]),
        ("ALLOWED_HOSTS", '["a.test"]', "allowed_hosts", ["a.test"]),
        ("ALLOWED_HOSTS", "[]", "allowed_hosts", []),
        ("SSL", "key.pem,certificate.pem", "ssl", ["key.pem", "certificate.pem"]),
        ("SSL", "false", "ssl", False),
        ("TWEAK_DESCRIPTORS", "1024,4096", "tweakDescriptors", [1024, 4096]),
        ("RATE_LIMIT", "5/minute", "rateLimit", "5/minute"),
        ("RATE_LIMIT", "5/minute,1/second", "rateLimit", ["5/minute", "1/second"]),
        ("RATE_LIMIT", '{default = "5/minute"}', "rateLimit", {"default": "5/minute"}),
        ("CORS", '{origin = "https://a.test"}', "cors", {"origin": "https://a.test"}),
        ("API_INFO", '{title = "Shop", version = "2"}', "api_info", {"title": "Shop", "version": "2"}),
        ("RELOAD_ON_CHANGE", "true", "reloadOnChange", True),
        ("RELOAD_ON_CHANGE", "a.py,b.py", "reloadOnChange", ["a.py", "b.py"]),
        ("ACCESS_LOG_FORMAT", "{host} {id}", "accessLogFormat", "{host} {id}"),
        ("AUTH", "package.module:check", "auth", "package.module:check"),
        ("SECRET", "none", "secret", None),
        ("SECRET", "0123456789" * 4, "secret", "0123456789" * 4),
        ("SECRET", "a,b#" * 10, "secret", "a,b#" * 10),
        ("SECRET", f'"{"s" * 32}"', "secret", "s" * 32),
    ],
)
def test_value_of_a_variable(variable, text, name, value):
    values = from_environment(**{variable: text})

    assert values == {name: value}
    assert type(values[name]) is type(value)


def test_each_setting_has_a_variable_of_its_own():
    assert len({variable_of(name).replace("_", "").lower() for name in OPTIONS}) == len(OPTIONS)
    assert all(configuration.option_of(variable_of(name)) == name for name in OPTIONS)


def test_empty_and_other_variables_are_ignored():
    assert configuration.read(None, {"FJRPC_THREADS": " ", "FJRPCTHREADS": "x", "fjrpc_threads": "x"}).values == {}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"THREADS": "many"},
            "threads='many' is refused: it takes a whole number of at least 1; change .*FJRPC_THREADS",
        ),
        ({"THREADS": "0"}, "threads='0' is refused"),
        ({"THREADS": "none"}, "threads='none' is refused"),
        (
            {"DEBUG": "maybe"},
            "debug='maybe' is refused: it takes True or False, also as 1 or 0; change .* variable FJRPC_DEBUG",
        ),
        ({"THREADS": "1\nb = 2"}, "threads='1.*' is refused"),
        ({"THREDS": "5"}, "unknown environment variable 'FJRPC_THREDS'; did you mean 'FJRPC_THREADS'"),
        ({"DISPATCHR_BACKEND": "x"}, "did you mean 'FJRPC_DISPATCHER_BACKEND'"),
        ({"": "x"}, "unknown environment variable 'FJRPC_'"),
        ({"THREADS": "5", "threads": "6"}, "FJRPC_THREADS and FJRPC_threads set the same: threads"),
    ],
)
def test_variable_that_cannot_be_used_is_named_with_the_remedy(variables, message):
    with pytest.raises(SettingsError, match=message):
        from_environment(**variables)


FLAGS = [name for name, option in OPTIONS.items() if "True" in option["accepts"] and name != "reloadOnChange"]


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("text", ["2", "-1", "1.0", "yes", "on", "truth"])
def test_flag_takes_no_other_words_and_numbers(name, text):
    with pytest.raises(SettingsError, match=f"{name}='{text}' is refused: it takes True.* False"):
        from_environment(**{name: text})


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("0", False), ("FALSE", False)])
def test_each_flag_takes_the_same_words(name, text, value):
    assert from_environment(**{name: text}) == {name: value}


def test_values_of_a_file(tmp_path):
    path = file_of(
        tmp_path,
        """
        bindAdress = "127.0.0.1:0"
        threads = 8
        max_batch_length = "none"
        allowed_hosts = ["a.test"]
        dispatcherBackend = "threaded"

        [cors]
        origin = "https://a.test"
        """,
    )
    assert configuration.read(path, {}).values == {
        "bindAdress": ["127.0.0.1", 0],
        "threads": 8,
        "max_batch_length": None,
        "allowed_hosts": ["a.test"],
        "dispatcherBackend": "threaded",
        "cors": {"origin": "https://a.test"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('threads = "8"', "threads='8' is refused: it takes a whole number .*; change the key 'threads' of .*api.toml"),
        ("threads = 1979-05-27", "threads=.* is refused"),
        ("threds = 8", "the key 'threds' of .*api.toml: unknown option 'threds'; did you mean 'threads'"),
        ("THREADS = 8", "did you mean 'threads'"),
        ("[server]\nthreads = 8", "the key 'server' of .*api.toml: unknown option"),
        ("threads = ", "api.toml is no TOML: Invalid value"),
        ("threads = 1\nthreads = 2", "api.toml is no TOML"),
        ('accessLogFormat = "{nothing}"', "accessLogFormat=.* is refused"),
    ],
)
def test_file_that_cannot_be_used_is_named_with_the_remedy(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        configuration.read(file_of(tmp_path, text), {})


def test_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "api.toml"
    path.write_bytes(b"\xef\xbb\xbfname = '\xc3\xa4'\r\nthreads = 8\r\n")

    assert configuration.read(path, {}).values == {"name": "ä", "threads": 8}


@pytest.mark.parametrize("content", [None, b"\xff = 1"])
def test_file_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "api.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingsError, match=r"api\.toml"):
        configuration.read(path, {})


def test_keywords_before_the_environment_before_the_file_before_the_defaults(tmp_path, monkeypatch):
    path = file_of(tmp_path, "threads = 2\nbacklog = 2\nmax_head_bytes = 2048\nname = 'filed'")
    monkeypatch.setenv("FJRPC_THREADS", "3")
    monkeypatch.setenv("FJRPC_BACKLOG", "3")
    monkeypatch.setenv("FJRPC_LOG", "0")
    settings = flaskJSONRPCServer.fromConfig(path, threads=4, log=1).settings

    assert (settings.threads, settings.backlog, settings.max_head_bytes) == (4, 3, 2048)
    assert settings.max_url_bytes == Settings().max_url_bytes
    assert (settings.log, settings.name, settings.bindAdress) == (1, "filed", None)


def test_settings_that_matter_at_the_registration_are_in_force_by_then(tmp_path):
    server = flaskJSONRPCServer.fromConfig(file_of(tmp_path, "timeout = 2.5\nhealth = false\nfallback = true\nlog = 0"))
    server.registerFunction(lambda: 1, "/api", name="one")

    assert server._engine.router.table.find("/api/", "one").timeout_s == 2.5
    assert call_wsgi(server.getWSGI(), get("/healthz")).code == 404
    assert server.settings.fallback_is_explicit


def test_plain_constructor_reads_nothing(monkeypatch):
    monkeypatch.setenv("FJRPC_THREADS", "3")
    monkeypatch.setenv("FJRPC_NONSENSE", "3")

    assert flaskJSONRPCServer(None).settings.threads == 64
    assert current_configuration() is None


def test_configuration_ends_with_its_block():
    with contextlib.suppress(ZeroDivisionError), configured_by(Configuration({"threads": 2}, {"threads": "a test"})):
        assert flaskJSONRPCServer(None).settings.threads == 2
        raise ZeroDivisionError
    assert flaskJSONRPCServer(None).settings.threads == 64


@pytest.mark.parametrize("bind", [{}, {"bindAdress": None}])
def test_address_of_a_server_that_chooses_none(monkeypatch, bind):
    monkeypatch.setenv("FJRPC_BINDADRESS", "127.0.0.1:1")

    assert flaskJSONRPCServer.fromConfig(**bind).settings.bindAdress == ["127.0.0.1", 1]
    assert flaskJSONRPCServer.fromConfig(bindAdress=["::1", 2]).settings.bindAdress == ["::1", 2]


@pytest.mark.parametrize(
    ("variable", "text", "error"),
    [
        ("BINDADRESS", "nonsense", SettingsError),
        ("SERV_BACKEND", "natve", SettingsError),
        ("SSL", "/no/key.pem,/no/certificate.pem", SettingsError),
        ("TWEAK_DESCRIPTORS", "few", SettingsError),
        ("DISPATCHER_BACKEND", "treaded", SettingsError),
    ],
)
def test_error_of_a_later_check_names_the_variable(monkeypatch, variable, text, error):
    monkeypatch.setenv("FJRPC_BINDADRESS", "127.0.0.1:0")
    monkeypatch.setenv(f"FJRPC_{variable}", text)

    with pytest.raises(error, match=f"is set by the environment variable FJRPC_{variable}"):
        flaskJSONRPCServer.fromConfig()


def test_error_of_a_keyword_names_no_variable(monkeypatch):
    monkeypatch.setenv("FJRPC_SERV_BACKEND", "native")

    with pytest.raises(SettingsError) as refused:
        flaskJSONRPCServer.fromConfig(servBackend="natve")
    assert "FJRPC" not in str(refused.value)


def test_function_of_auth_is_imported(monkeypatch, tmp_path):
    (tmp_path / "guards.py").write_text("class Guard:\n    @staticmethod\n    def check(*_):\n        return False\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FJRPC_AUTH", "guards:Guard.check")
    server = flaskJSONRPCServer.fromConfig(log=0)
    server.registerFunction(lambda: 1, "/api", name="one")

    assert call_wsgi(server.getWSGI(), get("/api/one")).code == 403


@pytest.mark.parametrize("path", ["nothing", "nothing:check", "json:nothing", "json:", ":check", "json:decoder"])
def test_auth_that_is_no_function_is_refused(monkeypatch, path):
    monkeypatch.setenv("FJRPC_AUTH", path)

    with pytest.raises(SettingsError, match=r"auth=.* is refused: .*FJRPC_AUTH") as refused:
        flaskJSONRPCServer.fromConfig(log=0)
    assert str(refused.value).count("FJRPC_AUTH") == 1


def test_subclass_is_made(tmp_path):
    class Mine(flaskJSONRPCServer):
        pass

    assert type(Mine.fromConfig(file_of(tmp_path, "threads = 3"))) is Mine


# The command line

MODULE = """
    from flaskJSONRPCServer import flaskJSONRPCServer

    server = flaskJSONRPCServer(None, name="served", log=3)
    server.registerFunction(lambda: [server.settings.threads, server.settings.backlog], path="/api", name="show")
"""


def write_module(folder, text=MODULE):
    (folder / "served.py").write_text(textwrap.dedent(text), encoding="utf-8")


def page_of(url, path):
    """Return the answer to a GET, with its head."""
    port = int(url.rpartition(":")[2].strip("/"))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        return client.makefile("rb").read().decode()


def show(url):
    return json.loads(page_of(url, "/api/show").partition("\r\n\r\n")[2])["result"]


SERVE = [sys.executable, "-m", "flaskJSONRPCServer", "serve", "served"]


def test_serve_takes_the_file_and_the_environment_and_reads_them_again_at_sighup(tmp_path):
    write_module(tmp_path)
    path = file_of(tmp_path, "threads = 5\nbacklog = 5\nbindAdress = '127.0.0.1:0'\n")
    with running([*SERVE, "--config", str(path)], tmp_path, FJRPC_BACKLOG="6") as program:
        url = program.url()
        assert show(url) == [5, 6]
        path.write_text("thread = 7\n", encoding="utf-8")
        program.process.send_signal(signal.SIGHUP)
        program.line_with("did you mean 'threads'")
        path.write_text("threads = 7\nbindAdress = '127.0.0.1:0'\n", encoding="utf-8")
        program.process.send_signal(signal.SIGHUP)
        program.line_with("serves now")
        assert show(url) == [7, 6]


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_command_ends_with_the_reason(tmp_path, monkeypatch, capsys, command):
    write_module(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = file_of(tmp_path, "threds = 5\n")
    with pytest.raises(SystemExit) as ended:
        command_line.main([command, "--config", str(path), "served"])

    assert ended.value.code == 2
    assert "did you mean 'threads'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["127.0.0.1:0", '["127.0.0.1", 0]'])
def test_address_of_the_metrics_has_the_forms_of_other_addresses(text, monkeypatch):
    monkeypatch.setenv("FJRPC_METRICS", "true")
    monkeypatch.setenv("FJRPC_METRICS_ADDRESS", text)
    server = flaskJSONRPCServer.fromConfig(bindAdress=["127.0.0.1", 0])
    assert list(server.settings.metrics_address) == ["127.0.0.1", 0]


def test_wrong_address_of_the_metrics_is_named_by_its_own_name(monkeypatch):
    with pytest.raises(SettingsError, match=r"metrics_address='nowhere' is refused: it takes \[ip, port\]"):
        flaskJSONRPCServer(["127.0.0.1", 0], metrics=True, metrics_address="nowhere")


def test_name_of_a_unix_socket_may_have_no_slash(monkeypatch):
    monkeypatch.setenv("FJRPC_BIND_ADRESS", "unix:api.sock")
    assert flaskJSONRPCServer.fromConfig().settings.bindAdress == "./api.sock"


def test_who_may_read_the_metrics_is_named_like_auth(monkeypatch):
    monkeypatch.setenv("FJRPC_METRICS", "true")
    monkeypatch.setenv("FJRPC_METRICS_AUTH", "tests.test_configuration:allow")
    assert flaskJSONRPCServer.fromConfig().settings.metrics_auth is allow


def allow(server, path, request, method):
    return True


@pytest.mark.parametrize("text", ["a=" + "[" * 5000, "auth = '.os:path'"])
def test_strange_files_are_one_clear_error(text, tmp_path):
    file = tmp_path / "server.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"server\.toml"):
        flaskJSONRPCServer.fromConfig(file)


def test_refused_secret_is_not_shown(tmp_path):
    secret = "shown-nowhere"
    path = file_of(tmp_path, f"secret = '{secret}'")

    with pytest.raises(SettingsError, match=r"the value of secret is refused: .* FJRPC_SECRET$") as of_variable:
        from_environment(SECRET=secret)
    with pytest.raises(
        SettingsError, match=r"the value of secret is refused: .* the key 'secret' of .*toml$"
    ) as of_file:
        configuration.read(path, {})
    for caught in (of_variable, of_file):
        assert secret not in "".join(traceback.format_exception(caught.value))


def test_configuration_shows_no_values():
    assert "shown-nowhere" not in repr(configuration.read(None, {"FJRPC_SECRET": "shown-nowhere" * 3}))


SECRETIVE = """
    from flaskJSONRPCServer import flaskJSONRPCServer

    server = flaskJSONRPCServer(["127.0.0.1", 0], log=4, debug=True, console=True, metrics=True, client_js=True)
    server.registerFunction(lambda: 1 / 0, path="/api", name="fail")
    server.registerFunction(lambda: len(server.settings.secret), path="/api", name="show")
"""


def test_secret_is_on_no_page_and_in_no_line_of_the_log(tmp_path):
    write_module(tmp_path, SECRETIVE)
    pages = [
        "/api/fail",
        "/api/openrpc.json",
        "/api/client.js",
        "/console/",
        "/console/live.json",
        "/metrics",
        "/readyz",
    ]
    with running(SERVE, tmp_path, FJRPC_SECRET="shown-nowhere" * 3) as program:
        url = program.url()
        assert show(url) == 39
        answers = [page_of(url, page) for page in pages]
        assert program.end(signal.SIGTERM) == 0

    assert [answer.split()[1] for answer in answers] == ["200"] * len(pages)
    assert "ZeroDivisionError" in answers[0]
    assert "shown-nowhere" not in "".join(answers) + program.output
