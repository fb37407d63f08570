"""Scripts are reloaded when they change on the disk."""

import contextlib
import http.client
import importlib.util
import json
import queue
import sys
import threading
import time

import pytest

from flaskJSONRPCServer import MissingExtraError, SettingsError, flaskJSONRPCServer

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts and reloads

PATIENCE_S = 40


def put(path, text):
    """Change a file atomically, so that it is never half written."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


SCRIPT = """
version = {version!r}
def echo(value): return [version, value]
echo._alias = "again"
named = lambda: version
def maker(): return lambda: version
class Api:
    def who(self): return version
    def kept(self): return version
class Single:
    def single(self): return version
class Needs:
    def __init__(self, needed): pass
    def needs(self): return version
ready = Single()
"""


class Logged:
    """A server's log with a method to wait for a record."""

    def __init__(self, server):
        self.lines = queue.SimpleQueue()
        server._logger = lambda level, *args: self.lines.put(" ".join(map(str, args)))

    def line_with(self, text):
        while text not in (line := self.lines.get(timeout=PATIENCE_S)):
            pass
        return line


@pytest.fixture
def script(tmp_path, monkeypatch):
    path = tmp_path.resolve() / "watched_by_tests.py"
    path.write_text(SCRIPT.format(version="old"), encoding="utf-8")
    before = set(sys.modules)
    yield path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def module(script):
    spec = importlib.util.spec_from_file_location("watched_by_tests", script)
    module = importlib.util.module_from_spec(spec)
    sys.modules["watched_by_tests"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make():
    with contextlib.ExitStack() as stack:

        def module(scripts):
            server = flaskJSONRPCServer(["127.0.0.1", 0], reloadOnChange=scripts)
            stack.callback(server.stop)
            return server

        yield module


def ask(server, method, *params):
    with contextlib.closing(http.client.HTTPConnection(*server.addresses[0], timeout=30)) as connection:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
        connection.request("POST", "/api", body, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())["result"]


def until(result, ask):
    deadline = time.monotonic() + PATIENCE_S
    while (answer := ask()) != result:
        assert time.monotonic() < deadline, answer


@pytest.mark.parametrize("watched", ["path", True])
def test_change_reaches_every_kind_of_dispatcher(make, script, module, watched):
    server = make(True if watched is True else [script])
    server.registerFunction(module.echo, path="/api")
    server.registerFunction(module.echo, path="/api", name="other")
    server.registerFunction(module.named, path="/api", name="named_here")
    server.registerInstance(module.Api(), path="/api")
    server.registerInstance(module.ready, path="/api")
    server.start()
    before = {(route.path, route.name) for route in server._engine.router.table.routes()}

    put(script, SCRIPT.format(version="new").replace("def kept", "def newer"))
    until(["new", 1], lambda: ask(server, "echo", 1))
    assert ask(server, "other", 1) == ask(server, "again", 1) == ["new", 1]
    assert [ask(server, method) for method in ("named_here", "who", "newer", "single")] == ["new"] * 4
    now = server._engine.router.table
    assert {(route.path, route.name) for route in now.routes()} == before - {("/api/", "kept")} | {("/api/", "newer")}
    assert now.find("/api/", "single").function.__self__ is sys.modules["watched_by_tests"].ready

    put(script, SCRIPT.format(version="newest").replace('"again"', '"anew"'))
    until(["newest", 1], lambda: ask(server, "echo", 1))
    assert now.find("/api/", "again")
    assert server._engine.router.table.find("/api/", "again") is None
    assert ask(server, "anew", 1) == ["newest", 1]


def test_broken_script_leaves_the_old_version(make, script, module):
    server = make([str(script)])
    logged = Logged(server)
    server.registerFunction(module.echo, path="/api")
    server.start()
    put(script, "def echo(")
    assert f"{script} has changed; reloading /api/echo" in logged.line_with("has changed")
    assert "SyntaxError" in logged.line_with("failed; all is as before")
    assert ask(server, "echo", 1) == ["old", 1]
    put(script, SCRIPT.format(version="new"))
    until(["new", 1], lambda: ask(server, "echo", 1))


def test_dispatchers_without_a_name_are_reported(make, script, module):
    server = make([script])
    logged = Logged(server)
    server.registerFunction(module.maker(), path="/api", name="nameless")
    server.registerFunction(module.Api().who, path="/api", name="single_method")
    server.start()
    put(script, SCRIPT.format(version="new"))
    line = logged.line_with("has changed")
    assert f"{script} has changed; /api/nameless, /api/single_method stay as they are" in line
    assert ask(server, "nameless") == "old"


def test_instance_that_needs_arguments_stays(make, script, module):
    server = make([script])
    logged = Logged(server)
    server.registerInstance(module.Needs(1), path="/api")
    server.start()
    put(script, SCRIPT.format(version="new"))
    assert "TypeError" in logged.line_with("reload of 'Needs' on '/api/' failed")
    assert ask(server, "needs") == "old"


def test_script_without_dispatchers_is_reported(make, script):
    server = make([script])
    logged = Logged(server)
    server.start()
    put(script, "pass")
    assert logged.line_with("has changed") == f"{script} has changed; no dispatcher comes from it"


def test_failing_reload_does_not_end_the_watching(make, script, module):
    server = make([script])
    logged = Logged(server)
    server.registerFunction(module.echo, path="/api")
    server.start()
    right, server.reload = server.reload, lambda *arguments, **named: 1 / 0
    put(script, SCRIPT.format(version="new"))
    assert "ZeroDivisionError" in logged.line_with("could not be reloaded")
    server.reload = right
    put(script, SCRIPT.format(version="newer"))
    until(["newer", 1], lambda: ask(server, "echo", 1))


def test_only_the_users_own_scripts_are_watched(make, script, module):
    server = make(True)
    for function in (module.echo, json.dumps, pytest.importorskip, flaskJSONRPCServer.getWSGI.__get__(server), len):
        server.registerFunction(function, path="/api")
    from flaskJSONRPCServer.autoreload import AutoReload

    assert AutoReload(server._engine, server)._files() == {script}


def test_watching_ends_with_the_server(make, script):
    before = set(threading.enumerate())
    server = make([script])
    server.start()
    assert "reload on change" in {thread.name for thread in threading.enumerate()}
    server.stop()
    assert "reload on change" not in {thread.name for thread in threading.enumerate()}
    assert before.issuperset(threading.enumerate())


def test_missing_script_is_refused(make):
    with pytest.raises(SettingsError, match=r"reloadOnChange names '/no/such\.py', which is no file"):
        make(["/no/such.py"])


@pytest.mark.parametrize("value", ["script.py", 5, [5]])
def test_invalid_values_are_refused(make, value):
    with pytest.raises(SettingsError, match="it takes True, or a list of paths of scripts"):
        make(value)


def test_missing_extra_is_named(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'watchfiles>=0\.24'"):
        make(True)
