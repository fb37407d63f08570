"""The command `call`."""

import base64
import contextlib
import io
import json
import os
import ssl
import subprocess
import sys
import threading

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer
from flaskJSONRPCServer import __main__ as command_line
from flaskJSONRPCServer.client import Client
from flaskJSONRPCServer.testing import MockServer, served
from tests.certificates import make_certificates
from tests.client.raw_server import RawServer, answered


@pytest.fixture(scope="module")
def server():
    server = flaskJSONRPCServer(None, log=0)

    @server.method("/api")
    def add(a, b=1):
        """Add two numbers."""
        return a + b

    @server.method("/api")
    def echo(*args, **kwargs):
        return kwargs or [*args]

    @server.method("/api")
    def fail(data=None):
        raise JsonRpcApplicationError("f\u00fcr immer", code=5, data=data)

    @server.method("/api")
    def headers(_connection, names):
        return [_connection.headers.get(name) for name in names]

    with served(server) as running:
        yield running


@pytest.fixture
def run(server, monkeypatch, capsys):
    """Run `call` on the server. Return its exit status and its outputs."""
    monkeypatch.delenv("JSONRPC_AUTH", raising=False)

    def run_call(*arguments, url=server.url, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = 0
        try:
            command_line.main(["call", *([url] if url else []), *arguments])
        except SystemExit as ended:
            status = ended.code
        return (status, *capsys.readouterr())

    return run_call


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (["add", "1", "2"], "3"),
        (["add", "a=1", "b=2"], "3"),
        (["add", "1", "b=2"], "3"),
        (["add", "-1", "-2.5"], "-3.5"),
        (["add", "a", "b"], '"ab"'),
        (["add", '"1"', '"2"'], '"12"'),
        (["add", "a=[1]", 'b=[{"x": null}]'], '[1,{"x":null}]'),
        (["echo", "true", "null", "NaN", "Infinity", "", "{", "1e2"], '[true,null,"NaN","Infinity","","{",100.0]'),
        (["echo", '"a=1"', "1=2", "=x"], '["a=1","1=2","=x"]'),
        (
            ["echo", "user-name=x", "a.b=", "c==d", "\u00e4=\u00fc"],
            '{"user-name":"x","a.b":"","c":"=d","\u00e4":"\u00fc"}',
        ),
        (["echo"], "[]"),
        (["echo", "--", "--notify", "-x"], '["--notify","-x"]'),
    ],
)
def test_parameters_are_json_or_else_text(run, arguments, result):
    assert run(*arguments) == (0, f"{result}\n", "")


@pytest.mark.parametrize("arguments", [["--timeout", "9", "add", "1"], ["add", "--timeout", "9", "1"]])
def test_options_may_be_anywhere(run, server, arguments):
    assert run(*arguments) == (0, "2\n", "")
    assert run("--timeout", "9", server.url, "add", "1", url=None) == (0, "2\n", "")


def test_value_may_come_from_a_file_or_from_standard_input(run, tmp_path):
    (tmp_path / "value.json").write_text('{"a": [1]}', encoding="utf-8")
    (tmp_path / "text").write_text("\u00e4\n", encoding="utf-8")

    assert run("echo", f"x=@{tmp_path}/value.json", f"y=@{tmp_path}/text") == (
        0,
        '{"x":{"a":[1]},"y":"\u00e4\\n"}\n',
        "",
    )
    assert run("echo", "@-", '"@text"', stdin=b"[2]") == (0, '[[2],"@text"]\n', "")


def test_output_is_indented_on_a_terminal(run, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    assert run("echo", "a=1", "b=[]")[1] == '{\n  "a": 1,\n  "b": []\n}\n'


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["fail"], {"code": 5, "message": "f\u00fcr immer"}),
        (["fail", '{"a": 1}'], {"code": 5, "message": "f\u00fcr immer", "data": {"a": 1}}),
        (["missing"], {"code": -32601, "message": "Method not found"}),
        (["add"], {"code": -32602, "message": "Invalid params: missing 'a'"}),
    ],
)
def test_error_of_the_server_is_json_on_standard_error(run, arguments, error):
    status, output, errors = run(*arguments)

    assert (status, output, json.loads(errors)) == (1, "", error)
    assert errors.count("\n") == 1


def test_notification_has_no_output(run):
    with MockServer() as mock:
        mock.on("log", "x").times(1)
        assert run("log", "x", "--notify", url=mock.url) == (0, "", "")
        assert mock.calls[0].is_notification


BATCH = [{"method": "add", "params": [1, 2]}, {"method": "fail"}, {"method": "echo", "params": {"a": "\u00e4"}}]
ANSWERS = '[{"result":3},{"error":{"code":5,"message":"f\u00fcr immer"}},{"result":{"a":"\u00e4"}}]\n'


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(BATCH),
        json.dumps(BATCH, indent=2),
        "\n\n".join(map(json.dumps, BATCH)),
        json.dumps([{"jsonrpc": "2.0", "id": 7, **item} for item in BATCH]),
        json.dumps([*BATCH, {"method": "echo", "notify": True}]),
    ],
)
def test_batch_prints_its_answers_in_order(run, tmp_path, text):
    file = tmp_path / "batch"
    file.write_text(text, encoding="utf-8")

    assert run("--batch", str(file)) == (1, ANSWERS, "")
    assert run("--batch", "-", stdin=text.encode()) == (1, ANSWERS, "")


def test_batch_without_errors_has_status_0(run):
    assert run("--batch", "-", stdin=b'{"method": "add", "params": [1]}') == (0, '[{"result":2}]\n', "")


def test_batch_of_notifications_has_no_output(run):
    with MockServer() as mock:
        mock.on("log").times(2)
        text = b'[{"method": "log", "notify": true}, {"method": "log", "params": [1]}]'
        assert run("--batch", "-", "--notify", url=mock.url, stdin=text) == (0, "", "")
        assert [call.is_notification for call in mock.calls] == [True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[", "- is no JSON: "),
        (b"{}\n{", "-, line 2 is no JSON: "),
        (b"", "- has no calls"),
        (b"[]", "- has no calls"),
        (b"[3]", '-, call 1: it takes an object such as {"method": "add", "params": [1, 2]}'),
        (b'{"method": "a"}\n{"method": 3}', "-, call 2: it takes an object"),
        (b'{"method": "a", "parms": []}', "-, call 1: unknown member 'parms'; known: method, params, notify"),
        (b'{"method": "a", "params": 3}', "-, call 1: params is no array and no object"),
        (b"\xff", "- is not encoded in UTF-8"),
        (b"[" * 100_000, "- is no JSON: "),
    ],
)
def test_batch_that_cannot_be_read_is_an_error_of_usage(run, text, message):
    status, output, errors = run("--batch", "-", stdin=text)

    assert (status, output) == (2, "")
    assert errors.startswith(f"python -m flaskJSONRPCServer call: error: {message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no METHOD; --list prints the methods of a server"),
        (["add", "--batch", "-"], "--batch has the calls in its file; leave out METHOD and --list"),
        (["--list", "--batch", "-"], "--batch has the calls in its file; leave out METHOD and --list"),
        (["--list", "--notify"], "--list calls no method; leave out --notify"),
        (["add", "a=1", "a=2"], "the parameter 'a' is passed twice"),
        (["add", "a=@missing"], "missing: No such file or directory"),
        (["add", "1", "a=2"], "add got two values for a"),
        (["missing", "1", "a=2"], "missing"),
        (["add", "--timeout", "-3"], "timeout=-3.0; it takes a positive number"),
        (["add", "--auth", "sesame"], "--auth or JSONRPC_AUTH is neither user:password nor bearer:TOKEN"),
        (["add", "--auth", "bearer:sesame\r"], "the token has characters that a header field cannot have"),
        (["add", "--header", "sesame"], "--header takes a name and a value"),
        (["add", "--header", "a b: c"], "'a b' is not the name of a header field"),
        (["add", "--key", "key.pem"], "--key needs --cert"),
        (["add", "--cacert", "missing.pem"], "No such file or directory"),
        (["add", "--insecure"], "not https"),
    ],
)
def test_arguments_that_do_not_fit_are_an_error_of_usage(run, arguments, message):
    status, output, errors = run(*arguments)

    assert (status, output) == (2, "")
    assert errors.startswith("python -m flaskJSONRPCServer call: error: ")
    assert message in errors
    assert "sesame" not in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["call"], "usage: "),
        (["call"], "the following arguments are required: URL\n"),
        (["call", "http://127.0.0.1", "add", "--timeout", "soon"], "invalid float value"),
        (["call", "http://127.0.0.1", "add", "--unheard-of"], "unrecognized arguments: --unheard-of"),
        (["call", "127.0.0.1:80/api", "add"], "is not the URL of a server"),
        (["call", "ftp://127.0.0.1/api", "add"], "is not the URL of a server"),
    ],
)
def test_wrong_usage_has_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)

    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_server_that_cannot_be_reached_has_status_3(run):
    status, output, errors = run("add", url="http://127.0.0.1:9/api")

    assert (status, output) == (3, "")
    assert errors.startswith("python -m flaskJSONRPCServer call: error: no connection to 127.0.0.1:9")


def test_answer_that_is_not_json_rpc_has_status_3(run, server):
    status, output, errors = run("add", url=server.url.replace("/api", "/other"))

    assert (status, output) == (3, "")
    assert "error: HTTP status 404" in errors


def test_call_that_takes_too_long_has_status_3(run):
    is_over = threading.Event()
    with MockServer() as mock:
        mock.on("wait").side_effect(lambda: is_over.wait(30))
        status, output, errors = run("wait", "--timeout", "0.2", url=mock.url)
        is_over.set()

    assert (status, output) == (3, "")
    assert "no answer within 0.2 s" in errors


BASIC = "Basic " + base64.b64encode(b"eve:se:same").decode()


@pytest.mark.parametrize(
    ("option", "variable", "header"),
    [
        ("eve:se:same", None, BASIC),
        (None, "eve:se:same", BASIC),
        ("bearer:a:b", None, "Bearer a:b"),
        ("bearer:mine", "eve:se:same", "Bearer mine"),
        (None, None, None),
        (None, "", None),
        ("", "", None),
        ("bearer:mine", "", "Bearer mine"),
    ],
)
def test_credentials_come_from_the_option_or_the_environment(run, monkeypatch, option, variable, header):
    if variable is not None:
        run("echo")  # the fixture unsets the variable
        monkeypatch.setenv("JSONRPC_AUTH", variable)
    options = [] if option is None else ["--auth", option]

    status, output, _ = run("headers", '["Authorization"]', *options)
    assert (status, json.loads(output)) == (0, [header])


def test_header_fields_are_sent(run):
    options = ["--header", "X-One: 1", "--header", "X-Two:b:c"]

    assert run("headers", '["X-One", "X-Two", "X-Three"]', *options)[1] == '["1","b:c",null]\n'


def test_methods_and_parameters_are_listed(run, monkeypatch):
    assert run("--list") == (0, "add\necho\nfail\nheaders\n", "")
    assert run("--list", "add") == (0, "a=\nb=\n", "")
    assert run("--list", "echo") == (0, "", "")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run("--list")[1].splitlines()[0] == "add      Add two numbers."


@pytest.mark.parametrize(
    ("document", "methods", "status", "params"),
    [
        ([], "", 1, ""),
        ({"methods": None}, "", 1, ""),
        ({"methods": [None, {}, {"name": 5}, {"name": "a", "params": 5, "summary": 5}]}, "a\n", 0, ""),
        ({"methods": [{"name": "a", "params": [1, {}, {"name": None}, {"name": "b"}]}]}, "a\n", 0, "b=\n"),
        ({"methods": [{"name": "a\x1b[31m\nb"}]}, "a\ufffd[31m\ufffdb\n", 1, ""),
    ],
)
def test_document_of_a_server_may_have_anything(run, document, methods, status, params):
    server = RawServer(lambda connection: connection.send(answered(document, connection.read_id())))
    with contextlib.ExitStack() as ends:
        ends.callback(server.stop)
        assert run("--list", url=server.url) == (0, methods, "")
        listed, output, errors = run("--list", "a", url=server.url)

    assert (listed, output) == (status, params)
    assert "\x1b" not in errors


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("missing", "unknown method 'missing'; known: add, echo, fail, headers"),
        ("ad", "unknown method 'ad'; did you mean 'add'? Known: add, echo, fail, headers"),
    ],
)
def test_parameters_of_an_unknown_method_are_not_listed(run, method, reason):
    assert run("--list", method) == (1, "", f"python -m flaskJSONRPCServer call: error: {reason}\n")


def test_server_without_a_document_cannot_list_its_methods(run):
    with MockServer() as mock:
        status, output, errors = run("--list", url=mock.url)

    assert (status, output, json.loads(errors)["code"]) == (1, "", -32601)


@pytest.mark.parametrize("form", ["unix:{}:/api", "http+unix://{}/api"])
def test_server_on_a_unix_socket_is_called(run, form, tmp_path):
    path = str(tmp_path / "a.sock")
    server = flaskJSONRPCServer(path, log=0)
    server.registerFunction(lambda a: a + 1, "/api", name="next")
    server.start()
    try:
        url = form.format(path if form.startswith("unix") else path.replace("/", "%2F"))
        assert run("next", "1", url=url) == (0, "2\n", "")
    finally:
        server.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    certificates = make_certificates(folder)
    certificates.authority.cert_pem.write_to_path(folder / "ca.pem")
    return certificates


def test_certificate_of_the_server_is_checked_unless_it_is_insecure(run, certificates):
    server = flaskJSONRPCServer(None, log=0, ssl=certificates.files)
    server.registerFunction(lambda a: a + 1, "/api", name="next")
    with served(server) as secure:
        status, output, errors = run("next", "1", url=secure.url)
        assert (status, output) == (3, "")
        assert "certificate verify failed" in errors
        assert run("next", "1", "--insecure", url=secure.url) == (0, "2\n", "")
        assert run("next", "1", "--cacert", str(certificates.key.with_name("ca.pem")), url=secure.url)[0] == 0


def test_certificate_of_the_client_is_sent(run, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    context.verify_mode = ssl.CERT_REQUIRED
    certificates.authority.configure_trust(context)
    server = flaskJSONRPCServer(None, log=0, ssl=context)
    server.registerFunction(lambda a: a + 1, "/api", name="next")
    options = ["--cert", str(certificates.certificate), "--key", str(certificates.key)]
    with served(server) as secure:
        assert run("next", "1", "--insecure", url=secure.url)[0] == 3
        assert run("next", "1", "--insecure", *options, url=secure.url) == (0, "2\n", "")


def run_program(*arguments, **options):
    command = [sys.executable, "-m", "flaskJSONRPCServer", *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, **options)


def test_output_is_utf_8_on_any_console(server):
    done = run_program(
        *("call", server.url, "echo", "\u00e4"), env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    )

    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, '["\u00e4"]\n', b"")


def test_reader_of_the_output_may_have_read_enough(server):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "flaskJSONRPCServer", "call", server.url, "--list"]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (1, b"")


def test_interrupted_call_ends_without_a_traceback(run, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "call", interrupt)

    assert run("add", "1") == (130, "", "")


def test_call_loads_no_server():
    script = """
import sys
from flaskJSONRPCServer.__main__ import main
try:
    main(["call", "http://127.0.0.1:9", "add"])
except SystemExit as ended:
    print(ended.code, *sorted({"flask", "werkzeug", "pydantic", "flaskJSONRPCServer.server"} & {*sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == "3\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_that_lists_names_by_this_interpreter(shell, capsys):
    command_line.main(["completion", shell])
    script = capsys.readouterr().out

    assert script.count(f"{sys.executable} -m flaskJSONRPCServer call") == 2
    assert "--list" in script
    assert "{command}" not in script


def test_bash_completes_methods_and_parameters(server, tmp_path, capsys):
    command_line.main(["completion", "bash"])
    lines = [
        f"jsonrpc {server.url} ",
        f"jsonrpc --timeout 9 {server.url} ec",
        f"jsonrpc {server.url} add a=1 b",
        f"jsonrpc {server.url} --no",
        "jsonrpc http",
    ]
    script = tmp_path / "complete.bash"
    tries = [f"try '{line}'" for line in lines]
    function = 'try() { COMP_LINE="$1"; COMP_POINT=${#1}; COMPREPLY=(); _jsonrpc; echo "${COMPREPLY[*]}"; }'
    script.write_text("\n".join([capsys.readouterr().out, function, *tries, f"jsonrpc {server.url} add 1 2"]))

    done = subprocess.run(["bash", script], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.splitlines() == ["add echo fail headers", "echo", "b=", "", "", "3"]
    assert done.stderr == ""


def test_bash_does_not_run_the_names_of_a_server(tmp_path, capsys):
    command_line.main(["completion", "bash"])
    script = tmp_path / "complete.bash"
    names = ["$(touch${IFS}ran)", "`touch ran`", "a;touch ran", "*", "two words"]
    server = flaskJSONRPCServer(None, log=0)
    for name in names:
        server.registerFunction(print, path="/api", name=name)
    with served(server) as running:
        line = f"jsonrpc {running.url} "
        script.write_text(
            f"{capsys.readouterr().out}\nCOMP_LINE='{line}' COMP_POINT={len(line)}\n"
            "_jsonrpc; printf '%s\\n' \"${COMPREPLY[@]}\"; eval \"printf '%s\\n' ${COMPREPLY[*]}\""
        )
        done = subprocess.run(["bash", script], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)

    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()[len(names) :]) == sorted(names)
    assert not (tmp_path / "ran").exists()


def test_unknown_shell_is_an_error_of_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(["completion", "tcsh"])

    assert ended.value.code == 2
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a device of Linux")
@pytest.mark.parametrize("size", [1, 100_000], ids=["at the end", "within"])
def test_full_output_is_no_traceback(server, size):
    script = f"{sys.executable} -m flaskJSONRPCServer call {server.url} echo {'x' * size} > /dev/full"

    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (1, "error: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        ("add 1 >&-", 1, "error: the standard output is closed"),
        ("add @- <&-", 2, "error: the standard input is closed"),
        ("--batch - <&-", 2, "error: the standard input is closed"),
    ],
    ids=["output", "parameter", "batch"],
)
def test_closed_stream_is_no_traceback_and_calls_nothing(arguments, status, why):
    script = f"{sys.executable} -m flaskJSONRPCServer call http://127.0.0.1:1/api {arguments}"

    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.endswith(why + "\n")
    assert "Traceback" not in done.stderr
