"""The command line."""

import json
import os
import pty
import re
import runpy
import signal
import subprocess
import sys
import textwrap
import threading
import urllib.request
from pathlib import Path

import pytest

import flaskJSONRPCServer
from flaskJSONRPCServer import __main__ as command_line
from flaskJSONRPCServer.commands.errors import CommandError
from flaskJSONRPCServer.commands.finding import find_server
from tests.examples.processes import running

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.parametrize("flag", ["-v", "--version"])
def test_version(flag, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main([flag])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"flaskJSONRPCServer {flaskJSONRPCServer.__version__}\n"


def test_help_names_every_flag_and_is_shown_without_arguments(capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(["-h"])
    text = capsys.readouterr().out
    command_line.main([])

    assert ended.value.code == 0
    assert capsys.readouterr().out == text
    assert text.startswith("usage: python -m flaskJSONRPCServer ")
    assert all(f"\n  {flag}" in text for flag in ("-h", "-v", "-l", "-x", "-d")), text
    commands = ("serve", "worker", "openrpc", "openrpc-diff", "client", "call", "completion")
    assert all(f"\n    {command} " in text for command in commands)


def test_list_has_a_line_for_each_example(capsys):
    command_line.main(["-l"])
    lines = capsys.readouterr().out.splitlines()

    assert [line.split()[0] for line in lines] == sorted(path.stem for path in EXAMPLES.glob("*.py"))
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize("name", ["auth", "auth.py"])
def test_path_of_an_example(name, capsys):
    command_line.main(["-d", name])

    assert capsys.readouterr().out == f"{EXAMPLES / 'auth.py'}\n"


def test_path_of_the_examples(capsys):
    command_line.main(["-d"])

    assert capsys.readouterr().out == f"{EXAMPLES}\n"


@pytest.mark.parametrize("flag", ["-d", "-x"])
@pytest.mark.parametrize("name", ["simpel", "../setup", "__init__", "simple.txt"])
def test_unknown_example_error_says_how_to_list_them(flag, name, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main([flag, name])

    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert f"unknown example {name!r}" in message
    assert "-l lists them" in message
    assert ("did you mean 'simple'?" in message) is (name in ("simpel", "simple.txt"))


@pytest.mark.parametrize("arguments", [["-l", "-d"], ["-l", "simple"], ["--unheard-of"], ["-d", "auth", "simple"]])
def test_arguments_that_do_not_fit_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)

    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "name", "arguments"),
    [
        (["-x"], "simple", []),
        (["-x", "auth"], "auth", []),
        (["-x", "auth.py", "0"], "auth", ["0"]),
        (["-x", "auth", "-l", "--flag"], "auth", ["-l", "--flag"]),
    ],
)
def test_example_runs_as_a_script_with_its_arguments(command, name, arguments, monkeypatch):
    ran = []
    monkeypatch.setattr(sys, "argv", ["before"])
    monkeypatch.setattr(sys, "path", ["before"])
    monkeypatch.setattr(runpy, "run_path", lambda path, run_name: ran.append((path, run_name)))

    command_line.main(command)

    path = str(EXAMPLES / f"{name}.py")
    assert ran == [(path, "__main__")]
    assert sys.argv == [path, *arguments]
    assert sys.path == [str(EXAMPLES), "before"]


def test_example_serves_until_a_signal_ends_it():
    with running([sys.executable, "-m", "flaskJSONRPCServer", "-x", "simple", "0"]) as program:
        with urllib.request.urlopen(f"{program.url()}/api/echo?value=hello", timeout=10) as answer:
            assert b'"result":"hello"' in answer.read()
        assert program.end(signal.SIGTERM) == 0, program.output


SERVED = """
    from flaskJSONRPCServer import flaskJSONRPCServer

    def make_server():
        made = flaskJSONRPCServer(["127.0.0.1", 0], log=0, name="served")
        made.registerFunction(lambda: "here", path="/api", name="where")
        return made

    def make_for(client):
        return make_server()

    server = make_server()
    unbound = flaskJSONRPCServer(None, log=0, name="unbound")
    unbound.registerFunction(lambda: "here", path="/api", name="where")
    frozen = make_server()
    frozen.getWSGI()
"""
OTHERS = {
    "running": "from served import server; server.start()",
    "forever": "from served import server; server.serveForever()",
    "failing": "import no_such_module_here",
    "wrong": "1 / 0",
    "typing_error": "def server(): raise TypeError('of the function itself')",
    "refused": "from served import make_server; server = make_server(); server.settings.log = 'loud'",
}


@pytest.fixture
def folder(tmp_path):
    """A folder with modules to serve."""
    for name, text in {"served": SERVED, **OTHERS}.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "inner.py").write_text("import served as of\n", encoding="utf-8")
    return tmp_path


def serving(folder, *arguments):
    return running([sys.executable, "-m", "flaskJSONRPCServer", "serve", *arguments], cwd=folder)


def where(url):
    with urllib.request.urlopen(f"{url}/api/where", timeout=20) as answer:
        return answer.read()


@pytest.mark.parametrize(
    "arguments",
    [
        ["served"],
        ["served:server"],
        ["served:make_server"],
        ["package.inner:of.server"],
        ["served:unbound", "--bind", "127.0.0.1:0"],
        ["served", "--serv-backend", "werkzeug"],
        ["--bind=127.0.0.1:0", "served"],
    ],
    ids=" ".join,
)
def test_serve_prints_the_url_and_exits_cleanly(folder, arguments):
    with serving(folder, *arguments) as program:
        url = program.url()

        assert program.output.startswith("serving '"), program.output
        assert where(url) == b'{"jsonrpc":"2.0","result":"here","id":null}'
        assert program.end(signal.SIGTERM) == 0, program.output


def test_serve_listens_on_every_address_that_is_bound(folder):
    addresses = ["127.0.0.1:0", f"unix:{folder / 'a.sock'}", "[::1]:0", str(folder / "b.sock")]
    with serving(folder, "served", *(f"--bind={address}" for address in addresses)) as program:
        tcp = r"(http://\S+:[1-9]\d*)/"
        first, last = program.line_with(f"on {tcp} unix:{folder}/a.sock {tcp} unix:{folder}/b.sock$").groups()

        assert where(first) == where(last)
        assert program.end(signal.SIGINT) == 0, program.output
    assert not list(folder.glob("*.sock"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "there is no module 'missing' in "),
        (["missing.inner:server"], "there is no module 'missing' in "),
        (["package.missing"], "there is no module 'package.missing' in "),
        (["served.py"], "'served.py' is not the name of a module"),
        (["./served"], "'./served' is not the name of a module"),
        ([":server"], "'' is not the name of a module"),
        (["served:servr"], "unknown server 'servr'; did you mean 'server'?"),
        (["served:server.nam"], "unknown name 'nam'; did you mean 'name'?"),
        (["served:server.name"], "'served:server.name' is no flaskJSONRPCServer but of type 'str'"),
        (["served:dict"], "unknown server 'dict'; known: frozen, server, unbound\n"),
        (["package.inner:of.make_for"], "cannot be called without parameters (missing a required argument: 'client')"),
        (
            ["running"],
            "the module starts server 'served' while 'serve' imports it; put start() or",
        ),
        (
            ["forever"],
            "the module starts server 'served' while 'serve' imports it; put start() or",
        ),
        (
            ["served:unbound"],
            "server 'unbound' has bindAdress=None; give an address by --bind, FJRPC_BIND_ADRESS or --config",
        ),
        (["served:frozen", "--bind", "127.0.0.1:0"], "cannot change while the server is in use"),
        (["served", "--bind", "8080"], "--bind '8080' is no address; it takes HOST:PORT"),
        (["served", "--bind", ":8080"], "--bind ':8080' is no address"),
        (["served", "--bind", "::1:8080"], "--bind '::1:8080' is no address"),
        (["served", "--bind", "127.0.0.1:65536"], "--bind '127.0.0.1:65536' is no address"),
        (["served", "--bind", "unix:"], "--bind 'unix:' is no address"),
        (["served", "--bind", "fd://"], "--bind 'fd://' is no address"),
        (["served", "--bind", "fd://x"], "--bind 'fd://x' is no address"),
        (["served", "--bind", "fd://-1"], "--bind 'fd://-1' is no address"),
        (["served", "--bind", "fd://99"], "--bind 'fd://99': cannot listen on descriptor 99: it is not open in this"),
        (
            ["served", "--bind", "systemd"],
            "--bind 'systemd': systemd has handed no sockets down: LISTEN_PID is not set",
        ),
        (["served", "--bind", "unix:/no/such/folder/a.sock"], "cannot listen on unix:/no/such/folder/a.sock"),
        (["served", "--serv-backend", "werkzeg"], "unknown serving backend 'werkzeg'; did you mean 'werkzeug'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_server_that_cannot_be_served_gives_a_one_line_error(folder, arguments, message):
    with serving(folder, *arguments) as program:
        assert program.wait() == 2
        assert program.output.startswith("python -m flaskJSONRPCServer serve: error: "), program.output
        assert message in program.output
        assert program.output.count("\n") == 1, program.output


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("failing", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("wrong", "ZeroDivisionError"),
        ("typing_error", "TypeError: of the function itself"),
        ("refused", "log='loud' is refused"),
    ],
)
def test_exception_of_the_module_itself_has_its_traceback(folder, name, error):
    with serving(folder, name) as program:
        assert program.wait() == 1
        assert "Traceback" in program.output
        assert f'{name}.py"' in program.output
        assert error in program.output


@pytest.mark.parametrize("arguments", [["serve"], ["serve", "a", "b"], ["serve", "a", "--unheard-of"], ["sevre", "a"]])
def test_serve_with_wrong_arguments_shows_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)

    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_of_serve_names_its_options(capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(["serve", "-h"])
    text = capsys.readouterr().out

    assert ended.value.code == 0
    assert all(word in text for word in ("MODULE[:SERVER]", "--bind", "--serv-backend"))


def test_module_runs_as_a_program():
    run = subprocess.run(
        [sys.executable, "-m", "flaskJSONRPCServer", "-v"], capture_output=True, text=True, timeout=30, check=False
    )

    assert (run.returncode, run.stdout) == (0, f"flaskJSONRPCServer {flaskJSONRPCServer.__version__}\n")


def test_refused_start_names_the_command_that_imports_the_module(tmp_path, monkeypatch):
    source = """
        from flaskJSONRPCServer import flaskJSONRPCServer
        flaskJSONRPCServer(["127.0.0.1", 0], log=0, name="early").start()
    """
    (tmp_path / "started_early.py").write_text(textwrap.dedent(source))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    with pytest.raises(CommandError, match="server 'early' while 'worker' imports it"):
        find_server("started_early", "worker")


def openrpc_document(*names, **parameter):
    """Return a document as JSON text, whose methods have one parameter."""
    params = [{"name": "a", "schema": {"type": "integer"}, **parameter}]
    methods = [{"name": name, "params": params, "result": {"name": "r", "schema": True}} for name in names]
    return json.dumps({"openrpc": "1.4.1", "info": {"title": "T", "version": "1"}, "methods": methods})


@pytest.fixture
def documents(tmp_path, monkeypatch):
    """The current directory, with OpenRPC documents of one API in several versions."""
    monkeypatch.chdir(tmp_path)
    contents = {
        "old": openrpc_document("add"),
        "more": openrpc_document("add", "subtract"),
        "required": openrpc_document("add", required=True),
        "broken": '{"openrpc": ',
        "list": "[]",
        "nan": '{"openrpc": NaN}',
        "type": openrpc_document("add", schema={"type": "strnig"}),
    }
    for name, text in contents.items():
        Path(f"{name}.json").write_text(text, encoding="utf-8")
    Path("binary.json").write_bytes(b"\xff\xfe\x00\xff")
    Path("deep.json").write_text("[" * 200_000, encoding="utf-8")
    return tmp_path


DESCRIBED = """
    from flaskJSONRPCServer import flaskJSONRPCServer

    def add(a: int, b: int = 1) -> int:
        \"\"\"Add b\u00fccher.\"\"\"

    def make_server():
        made = flaskJSONRPCServer(["127.0.0.1", 0], log=0, name="described")
        made.registerFunction(add, path="/api")
        made.registerFunction(add, path="/other", name="sum")
        made.registerFunction(add, path="/api", name="hidden", visible=False)
        return made

    server = make_server()
    silent = flaskJSONRPCServer(None, log=0, discover=False)
    silent.registerFunction(add, path="/api")
"""


@pytest.fixture
def described(tmp_path, monkeypatch):
    """Work in a folder with the module `described`."""
    (tmp_path / "described.py").write_text(textwrap.dedent(DESCRIBED), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("described", None)


@pytest.mark.parametrize(
    ("arguments", "urls"),
    [
        (["described"], ["/api", "/other"]),
        (["described:server"], ["/api", "/other"]),
        (["described:make_server", "--url", "https://a.test/v1"], ["https://a.test/v1/api", "https://a.test/v1/other"]),
        (["described:silent"], ["/api"]),
    ],
)
def test_openrpc_prints_the_document(described, arguments, urls, capsys):
    command_line.main(["openrpc", *arguments])

    document = json.loads(capsys.readouterr().out)
    assert [method["servers"][0]["url"] for method in document["methods"]] == urls
    assert [method["name"] for method in document["methods"]] == ["add", "sum"][: len(urls)]


def test_openrpc_prints_the_document_of_a_path(described, capsys):
    command_line.main(["openrpc", "described", "--path", "other"])

    document = json.loads(capsys.readouterr().out)
    assert document["servers"] == [{"url": "/other"}]
    assert [method["name"] for method in document["methods"]] == ["sum"]


@pytest.mark.parametrize("option", ["-o", "--output"])
def test_openrpc_writes_the_document_to_a_file(described, option, capsys):
    command_line.main(["openrpc", "described", option, "openrpc.json"])
    command_line.main(["openrpc", "described"])

    written = (described / "openrpc.json").read_text(encoding="utf-8")
    assert "Add b\u00fccher." in written
    assert capsys.readouterr().out == written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "missing"),
        (["described:other"], "other"),
        (["described", "--path", "/apu"], "unknown path '/apu/'; did you mean '/api/'?"),
        (["described", "-o", "no/such/folder"], "no/such/folder cannot be written: "),
        (["described", "-o", "."], ". cannot be written: "),
    ],
)
def test_openrpc_that_fails_says_why_in_one_line(described, arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(["openrpc", *arguments])

    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.startswith("python -m flaskJSONRPCServer openrpc: error: ")


def test_openrpc_is_utf_8_on_any_console(described):
    done = subprocess.run(
        [sys.executable, "-m", "flaskJSONRPCServer", "openrpc", "described"],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(EXAMPLES.parent)},
        capture_output=True,
        check=True,
    )

    assert "Add b\u00fccher." in done.stdout.decode("utf-8")
    assert done.stderr == b""


def test_document_compares_with_that_of_a_newer_version(described, capsys):
    command_line.main(["openrpc", "described", "-o", "old.json"])
    newer = DESCRIBED.replace("b: int = 1", "b: int")
    (described / "newer.py").write_text(textwrap.dedent(newer), encoding="utf-8")
    command_line.main(["openrpc", "newer", "-o", "new.json"])
    with pytest.raises(SystemExit) as ended:
        command_line.main(["openrpc-diff", "old.json", "new.json"])

    assert ended.value.code == 1
    assert capsys.readouterr().out.splitlines()[-1] == "breaking"


@pytest.mark.parametrize(
    ("new", "status", "lines"),
    [
        ("old", None, ["equal"]),
        ("more", None, ["compatible: subtract: the method is new", "compatible"]),
        ("required", 1, ["breaking: add: params.a: the parameter was optional and is required", "breaking"]),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.usefixtures("documents")
def test_openrpc_diff_prints_the_findings_and_the_verdict(new, status, lines, as_json, capsys):
    command = ["openrpc-diff", *(["--json"] if as_json else []), "old.json", f"{new}.json"]
    if status is None:
        command_line.main(command)
    else:
        with pytest.raises(SystemExit) as ended:
            command_line.main(command)
        assert ended.value.code == status

    printed = capsys.readouterr().out
    if not as_json:
        assert printed.splitlines() == lines
        return
    comparison = json.loads(printed)
    found = [": ".join(filter(None, finding.values())) for finding in comparison["findings"]]
    assert [*found, comparison["verdict"]] == lines
    assert all(finding.keys() == {"kind", "method", "place", "text"} for finding in comparison["findings"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("missing.json", "old.json", "missing.json: No such file or directory"),
        ("old.json", ".", ".: Is a directory"),
        ("old.json", "broken.json", "broken.json is no JSON: "),
        ("old.json", "binary.json", "binary.json is no JSON: "),
        ("old.json", "deep.json", "deep.json is no JSON: "),
        ("list.json", "old.json", "old document: the document is []; it takes an object"),
        ("old.json", "nan.json", "new document: the number nan is not finite"),
        ("old.json", "type.json", "method 'add': params.a: type is \"strnig\"; it takes "),
        ("-", "-", "only one of the two documents can be standard input"),
    ],
)
@pytest.mark.usefixtures("documents")
def test_openrpc_diff_that_cannot_read_a_document_ends_with_status_2(old, new, message, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(["openrpc-diff", old, new])

    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"python -m flaskJSONRPCServer openrpc-diff: error: {message}")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "text", "status", "verdict"),
    [
        (["old.json", "-"], openrpc_document("add", required=True), 1, "breaking"),
        (["-", "old.json"], openrpc_document("add", required=True), 0, "compatible"),
    ],
)
def test_openrpc_diff_reads_a_document_from_standard_input(documents, arguments, text, status, verdict):
    command = [sys.executable, "-m", "flaskJSONRPCServer", "openrpc-diff", *arguments]
    run = subprocess.run(command, input=text, cwd=documents, capture_output=True, text=True, timeout=30, check=False)

    assert (run.returncode, run.stdout.splitlines()[-1], run.stderr) == (status, verdict, "")


def test_stop_that_waits_says_so_on_a_terminal(tmp_path):
    (tmp_path / "slow.py").write_text(
        textwrap.dedent(
            """
            import threading
            from flaskJSONRPCServer import flaskJSONRPCServer
            from flaskJSONRPCServer.runtime import progress

            progress._AFTER_S = 0.01
            server = flaskJSONRPCServer(["127.0.0.1", 0], name="slow", log=0)
            wait = lambda: print("called", flush=True) or threading.Event().wait(2)
            server.registerFunction(wait, "/api", name="wait")
            """
        ),
        encoding="utf-8",
    )
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "flaskJSONRPCServer", "serve", "slow"]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    try:
        shown = read_until(leader, rb"(http://127\.0\.0\.1:\d+/)\r?\n")
        url = re.findall(rb"http://127\.0\.0\.1:\d+/", shown)[-1].decode()
        caller = threading.Thread(target=lambda: urllib.request.urlopen(f"{url}api/wait", timeout=30).close())
        caller.start()
        read_until(leader, rb"called")
        process.send_signal(signal.SIGINT)
        read_until(leader, rb"stopping 'slow': 1 request to be answered; Ctrl-C ends it at once \.\.\. \d s")
        caller.join()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def read_until(descriptor, pattern):
    """Read from a terminal until the pattern has come, and return all that has come."""
    shown = b""
    while not re.search(pattern, shown):
        part = os.read(descriptor, 4096)
        assert part, shown
        shown += part
    return shown
