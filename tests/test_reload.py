"""Dispatchers are replaced while calls come."""

import contextlib
import gc
import http.client
import json
import logging
import sys
import threading
import types
import weakref

import pytest

from flaskJSONRPCServer import BreakingChangeError, RegistrationError, flaskJSONRPCServer
from tests.helpers import call, call_wsgi, get, result_of, wait_until

VERSION = """
import threading
version = {version!r}
same = {version!r}
def echo(value): return [version, value]
twice = lambda value: [version, value, value]
def whole():
    first = version
    return [first, same]
def late(): return version
late._alias = {aliases!r}
class Api:
    def __init__(self): self.made_with = version
    def first(self): return [self.made_with, "first"]
    def {method}(self): return [self.made_with, "{method}"]
    @staticmethod
    def still(): return [version, "still"]
ready = Api()
"""


def source(version, *, aliases=(), method="second", then=""):
    return VERSION.format(version=version, aliases=list(aliases), method=method) + then


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(source("old"), encoding="utf-8")
    names = set(sys.modules)
    yield path
    for name in set(sys.modules) - names:
        if name.startswith("_reloaded_script_"):
            del sys.modules[name]


@contextlib.contextmanager
def made():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, console=False)
    yield server
    server.unlock()
    server.stop()


@pytest.fixture
def server(small_heap):
    with made() as server:
        yield server


@pytest.fixture
def freezing_server():
    """A server that freezes objects at its start, and thaws them at each reload."""
    with made() as server:
        yield server


def ask(address, method, *params):
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=30)) as connection:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
        connection.request("POST", "/api", body, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())["result"]


def entry(dispatcher, script=None, **more):
    return {"dispatcher": dispatcher, "path": "/api", **({"scriptPath": str(script)} if script else {}), **more}


def names(server, path="/api/"):
    return sorted(route.name for route in server._engine.router.table.routes() if route.path == path)


def test_name_is_read_from_the_current_script(server, script):
    assert server.reload(entry("echo", script)) is True
    application = server.getWSGI()
    assert result_of(application, "echo", [1]) == ["old", 1]
    script.write_text(source("new"), encoding="utf-8")
    assert server.reload([entry("echo", script)]) is True
    assert result_of(application, "echo", [1]) == ["new", 1]


def test_quick_edits_of_the_same_length_are_seen(server, script):
    application = server.getWSGI()
    for version in ("aaa", "bbb", "ccc"):
        script.write_text(source(version), encoding="utf-8")
        assert server.reload(entry("echo", script))
        assert result_of(application, "echo", [1]) == [version, 1]


@pytest.mark.parametrize("key", ["name", "dispatcherName"])
def test_other_name_is_replaced(server, script, key):
    server.registerFunction(lambda value: value, path="/api", name="say")
    assert server.reload(entry("echo", script, **{key: "say"}))
    assert names(server) == ["say"]
    assert result_of(server.getWSGI(), "say", [1]) == ["old", 1]


@pytest.mark.parametrize("key", ["name", "dispatcherName"])
def test_name_alone_is_that_of_the_dispatcher(server, script, key):
    assert server.reload({key: "echo", "scriptPath": str(script), "path": "/api"})
    assert result_of(server.getWSGI(), "echo", [1]) == ["old", 1]


def test_script_that_reloads_itself_while_it_is_loaded_is_refused(server, script, monkeypatch):
    running = types.SimpleNamespace(server=server)
    monkeypatch.setitem(sys.modules, "running", running)
    again = f"""
import running
try:
    running.server.reload({entry("echo", script)!r}, safely=False)
except Exception as exc:
    running.refusal = exc
"""
    script.write_text(source("new", then=again), encoding="utf-8")
    assert server.reload(entry("echo", script))
    assert result_of(server.getWSGI(), "echo", [1]) == ["new", 1]
    assert isinstance(running.refusal, RegistrationError)
    assert f"{str(script)!r} loads itself while it is being loaded" in str(running.refusal)


def test_lambda_has_the_requested_name(server, script):
    assert server.reload(entry("twice", script))
    assert result_of(server.getWSGI(), "twice", [1]) == ["old", 1, 1]


def test_object_is_used_directly(server, script):
    def echo(value):
        return ["given", value]

    server.registerFunction(lambda value: value, path="/api", name="echo")
    assert server.reload(entry(echo))
    assert result_of(server.getWSGI(), "echo", [1]) == ["given", 1]
    assert server.reload(entry(echo, script))
    assert result_of(server.getWSGI(), "echo", [1]) == ["old", 1]
    assert server.reload(entry(lambda value: [value], name="echo"))
    assert result_of(server.getWSGI(), "echo", [1]) == [1]


class Api:
    def first(self):
        return ["given", "first"]


@pytest.mark.parametrize("dispatcher", [Api(), Api])
def test_passed_instance_or_class_replaces_the_old_one(server, dispatcher):
    server.registerInstance(Api(), path="/api")
    before = server._engine.router.table.find("/api/", "first").function.__self__
    assert server.reload(entry(dispatcher, isInstance=True))
    now = server._engine.router.table.find("/api/", "first").function.__self__
    assert now is not before
    assert isinstance(now, Api)


def test_class_is_instantiated_and_an_instance_is_used_directly(server, script):
    assert server.reload(entry("Api", script, isInstance=True))
    assert names(server) == ["first", "second", "still"]
    script.write_text(source("new", method="third"), encoding="utf-8")
    assert server.reload(entry("ready", script, isInstance=True))
    application = server.getWSGI()
    assert names(server) == ["first", "still", "third"]
    assert result_of(application, "third") == ["new", "third"]
    assert result_of(application, "still") == ["new", "still"]


def test_instance_of_a_renamed_class_takes_the_place_of_the_named_one(server, script):
    assert server.reload(entry("Api", script, isInstance=True))
    script.write_text("class Other:\n    def third(self): return 3", encoding="utf-8")
    assert server.reload(entry("Other", script, isInstance=True, name="Api"))
    assert names(server) == ["third"]


def test_instance_that_takes_a_name_takes_the_place_of_its_object(server, script):
    server.registerInstance(Api(), path="/api")
    server.registerFunction(len, path="/api")
    script.write_text("class Other:\n    def first(self): return 1\n    def more(self): return 2", encoding="utf-8")
    assert server.reload(entry("Other", script, isInstance=True))
    assert names(server) == ["first", "len", "more"]


def test_entries_of_one_script_share_one_module(server, script):
    assert server.reload([entry("echo", script), entry("late", script), entry("ready", script, isInstance=True)])
    table = server._engine.router.table
    assert table.find("/api/", "echo").function.__globals__ is table.find("/api/", "late").function.__globals__
    assert table.find("/api/", "echo").function.__globals__["ready"] is table.find("/api/", "first").function.__self__


def test_script_does_not_run_as_the_main_program(server, script):
    script.write_text(source("new", then='\nif __name__ == "__main__":\n    raise SystemExit\n'), encoding="utf-8")
    assert server.reload(entry("echo", script))


def test_main_program_is_loaded_without_a_path(server, script, monkeypatch):
    server._parentModule = types.SimpleNamespace(__file__=str(script))
    assert server.reload({"dispatcher": "echo", "scriptPath": "", "name": ""})
    assert result_of(server.getWSGI(), "echo", [1], target="/") == ["old", 1]


def test_module_of_a_package_keeps_its_name_and_its_package(server, tmp_path, monkeypatch):
    package = tmp_path / "shop_for_reload"
    package.mkdir()
    (package / "__init__.py").write_text("from . import prices", encoding="utf-8")
    (package / "base.py").write_text("FACTOR = 2", encoding="utf-8")
    text = """
from __future__ import annotations
import dataclasses, pickle, typing
from .base import FACTOR
@dataclasses.dataclass
class Price:
    net: int
    unit: typing.ClassVar[str] = "cent"
def price(net): return [pickle.loads(pickle.dumps(Price(net))).net * FACTOR, __name__, {0}]
"""
    (package / "prices.py").write_text(text.format(1), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import shop_for_reload
    from shop_for_reload import prices

    server.registerFunction(prices.price, path="/api")
    (package / "prices.py").write_text(text.format(2), encoding="utf-8")
    try:
        assert server.reload(entry("price", package / "prices.py"))
        assert result_of(server.getWSGI(), "price", [4]) == [8, "shop_for_reload.prices", 2]
        assert shop_for_reload.prices is sys.modules["shop_for_reload.prices"] is not prices
        (package / "prices.py").write_text("def price(", encoding="utf-8")
        kept = shop_for_reload.prices
        assert not server.reload(entry("price", package / "prices.py"))
        assert shop_for_reload.prices is sys.modules["shop_for_reload.prices"] is kept
    finally:
        for name in [module_name for module_name in sys.modules if module_name.startswith("shop_for_reload")]:
            del sys.modules[name]


def test_overload_is_applied_before_the_dispatcher_is_read(server, script):
    seen = []

    def callback(asked, module, dispatcher):
        seen.append((asked, module.version, dispatcher))
        dispatcher.made_with += " and called"

    assert server.reload(
        entry("Api", script, isInstance=True, overload=[{"version": "set", "unheard_of": 1}, callback])
    )
    assert result_of(server.getWSGI(), "first") == ["set and called", "first"]
    [(asked, version, dispatcher)] = seen
    assert (asked, version) == (server, "set")
    assert server._engine.router.table.find("/api/", "first").function.__self__ is dispatcher


def test_overload_gets_the_fresh_function(server, script):
    seen = []
    assert server.reload(entry("echo", script, overload=lambda server, module, dispatcher: seen.append(dispatcher)))

    assert seen == [server._engine.router.table.find("/api/", "echo").function]


def test_unknown_key_of_an_entry_is_a_warning(script, caplog):
    server = flaskJSONRPCServer(None)
    assert server.reload({**entry("echo", script), "info": "of an old program", "scriptpath": "x"})

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [warning.endswith("; it is ignored") for warning in warnings] == [True, True]
    assert "did you mean 'scriptPath'?" in warnings[1]


@pytest.mark.parametrize(
    "overload", [{"version": "set"}, lambda server, module, dispatcher: setattr(module, "version", "set")]
)
def test_single_overload_needs_no_list(server, script, overload):
    assert server.reload(entry("echo", script, overload=overload))
    assert result_of(server.getWSGI(), "echo", [1]) == ["set", 1]


def test_state_goes_from_old_to_new(server, script):
    script.write_text("visits = []\ndef visit(who):\n    visits.append(who)\n    return visits", encoding="utf-8")
    assert server.reload(entry("visit", script))
    application = server.getWSGI()
    assert result_of(application, "visit", ["Ann"]) == ["Ann"]
    old = server._engine.router.table.find("/api/", "visit").function.__globals__
    assert server.reload(
        entry("visit", script, overload=lambda server, module, name: setattr(module, "visits", old["visits"]))
    )
    assert result_of(application, "visit", ["Bob"]) == ["Ann", "Bob"]


setting = "as it was"


def read_setting():
    return setting


def test_overload_of_a_passed_function_changes_its_own_module(server, monkeypatch):
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "setting", setting)
    server.registerFunction(read_setting, path="/api")
    before = server._engine.router.table
    assert not server.reload(
        [entry(read_setting, overload={"setting": "wrong", "newer": 1}), entry(read_setting, name="\n")]
    )
    assert server._engine.router.table is before
    assert (module.setting, hasattr(module, "newer")) == ("as it was", False)
    assert server.reload(entry(read_setting, overload={"setting": "set"}))
    assert result_of(server.getWSGI(), "read_setting") == "set"


def test_options_of_the_replaced_dispatcher_are_inherited(server, script):
    server.registerFunction(
        lambda value: value,
        path="/api",
        name="echo",
        fallback="hello %(callback)s %(data)s",
        dispatcherBackend="threaded",
    )
    server.registerFunction(lambda value: value, path="/api", name="twice", fallback=False)
    table = server._engine.router.table
    old = {name: table.find("/api/", name) for name in ("echo", "twice")}
    assert server.reload([entry("echo", script), entry("twice", script), entry("late", script)])
    table = server._engine.router.table
    for name, route in old.items():
        new = table.find("/api/", name)
        assert new.function is not route.function
        assert (new.output_format, new.allows_cross_site_get, new.backends) == (
            route.output_format,
            route.allows_cross_site_get,
            route.backends,
        )
    assert old["echo"].backends is not None
    assert table.find("/api/", "late").backends is None
    server._engine.exec_backends.stop()


def test_aliases_change_with_the_function(server, script):
    script.write_text(source("old", aliases=["a", "b"]), encoding="utf-8")
    assert server.reload(entry("late", script))
    server.registerFunction(server._engine.router.table.find("/api/", "late").function, path="/api", name="explicit")
    script.write_text(source("new", aliases=["b", "c"]), encoding="utf-8")
    assert server.reload(entry("late", script))
    assert names(server) == ["b", "c", "explicit", "late"]
    assert [result_of(server.getWSGI(), name) for name in ("b", "c", "explicit")] == ["new", "new", "old"]


def test_clear_old_removes_all_others_and_their_paths(server, script):
    server.registerFunction(len, path="/api")
    server.registerFunction(len, path="/other")
    server.registerFunction(len)
    application = server.getWSGI()
    assert server.reload(entry("echo", script), clearOld=True)
    assert [(route.path, route.name) for route in server._engine.router.table.routes()] == [("/api/", "echo")]
    for target in ("/other", "/other/", "/other/len", "/", "/len"):
        assert call_wsgi(application, get(target)).code == 404
    urls = ["/static/<path:filename>", "/api/<method>/", "/api/<method>", "/api/", "/api", "/openrpc.json"]
    urls += ["/healthz", "/readyz"]
    assert sorted(server._getServerUrl()) == sorted(urls)
    server.registerFunction(len, path="/other")
    assert result_of(application, "len", ["ab"], target="/other") == 2


FAILURES = {
    "syntax": "def echo(",
    "import": "import no_such_module_anywhere",
    "raises": "raise ValueError('half-way')",
    "exit": "raise SystemExit(3)",
    "interrupt": "raise KeyboardInterrupt",
    "no exception": "raise GeneratorExit",
    "missing": "def other(): pass",
    "not a function": "echo = 5",
    "class": "class echo: pass",
    "generator": "def echo():\n    yield 1",
}


def modules_loaded():
    """Return the modules that come from files; the interpreter imports others when it writes a traceback."""
    return {name: module for name, module in sys.modules.items() if name not in sys.builtin_module_names}


@pytest.mark.parametrize("safely", [True, False])
@pytest.mark.parametrize("text", FAILURES.values(), ids=FAILURES.keys())
def test_failure_changes_nothing(server, script, text, safely, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(source("old"), encoding="utf-8")
    assert server.reload([entry("late", other), entry("echo", script)])
    application = server.getWSGI()
    table, modules, finders = server._engine.router.table, modules_loaded(), list(sys.meta_path)
    other.write_text(source("new"), encoding="utf-8")
    script.write_text(text, encoding="utf-8")
    api = [entry("late", other), entry("echo", script)]
    if safely:
        assert server.reload(api, clearOld=True) is False
        assert modules_loaded() == modules
    else:
        with pytest.raises((Exception, SystemExit, KeyboardInterrupt, GeneratorExit)):
            server.reload(api, clearOld=True, safely=False)
    assert sys.meta_path == finders
    assert server._engine.router.table is table
    assert not server._engine.locks.closed
    assert [result_of(application, "late"), result_of(application, "echo", [1])] == ["old", ["old", 1]]
    script.write_text(source("new"), encoding="utf-8")
    assert server.reload(api)
    assert result_of(application, "late") == "new"
    for name in set(modules_loaded()) - set(modules):
        del sys.modules[name]
    del sys.modules[server._engine.router.table.find("/api/", "late").function.__module__]


@pytest.mark.parametrize(
    "overload", [lambda *arguments: 1 / 0, {"version": "new"}, [{"version": "new"}, lambda *arguments: sys.exit(1)]]
)
def test_failure_in_a_callback_or_a_constructor(server, script, overload, caplog):
    assert server.reload(entry("echo", script))
    table = server._engine.router.table
    script.write_text(source("new", then="\nclass Api:\n    def __init__(self, needs): pass"), encoding="utf-8")
    modules = modules_loaded()
    with caplog.at_level(logging.ERROR, server.name):
        assert server.reload([entry("echo", script), entry("Api", script, isInstance=True, overload=overload)]) is False
    assert server._engine.router.table is table
    assert modules_loaded() == modules


def test_failure_is_logged_with_its_traceback(script):
    server = flaskJSONRPCServer(None, log=3)
    lines = []
    server._logger = lambda level, *args: lines.append((level, " ".join(map(str, args))))
    script.write_text("raise ValueError('half-way')", encoding="utf-8")
    server.reload(entry("echo", script))
    ((level, text),) = lines
    assert level == 1
    assert text.startswith("reload of 'echo' on '/api' failed; all is as before")
    assert "ValueError: half-way" in text
    assert str(script) in text


@pytest.mark.parametrize(
    ("api", "message"),
    [
        (5, "api=5 is refused"),
        ([5], "api=5 is refused"),
        ({}, "has no 'dispatcher'"),
        ({"dispatcher": ""}, "has no 'dispatcher'"),
        ({"dispatcher": 5}, "dispatcher 5 is not a function; for an instance, give isInstance=True"),
        ({"dispatcher": Api}, "is a class; for an instance, give isInstance=True"),
        ({"dispatcher": len, "path": 5}, "path=5 is refused"),
        ({"dispatcher": len, "name": "a", "dispatcherName": "b"}, "name='a' and dispatcherName='b' mean the same"),
        ({"dispatcher": "a", "scriptPath": "/no/such.py"}, "scriptPath='/no/such.py' is refused"),
        ({"dispatcher": "a", "scriptPath": 5}, "scriptPath=5 is refused"),
        ({"dispatcher": len, "overload": 5}, "overload=5 is refused"),
        ({"dispatcher": len, "overload": [{}, 5]}, "overload=5 is refused"),
    ],
)
def test_invalid_entry_is_refused(server, api, message):
    with pytest.raises(RegistrationError, match=message.replace("(", r"\(").replace("?", r"\?")):
        server.reload(api)


def test_script_name_is_without_effect(server, script):
    assert server.reload(entry("echo", script, scriptName="no such"))


def test_two_functions_cannot_take_one_name(server, script):
    assert not server.reload([entry("echo", script), entry("late", script, name="echo")])
    assert names(server) == []


def test_every_call_is_old_or_new_and_none_is_lost(server, script):
    assert server.reload(entry("whole", script))
    server.start()
    address, done = server.addresses[0], threading.Event()
    answers, failures = [], []

    def hammer():
        try:
            while not done.is_set():
                answers.append(tuple(ask(address, "whole")))
        except (OSError, http.client.HTTPException, KeyError) as exc:
            failures.append(exc)

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(30):
        script.write_text(source(number), encoding="utf-8")
        assert server.reload(entry("whole", script))
        assert ask(address, "whole") == [number, number]
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(first == second for first, second in answers)
    assert len(set(answers)) > 1


def test_running_dispatcher_is_waited_for_and_new_requests_are_held(server, script):
    entered, leave, results = threading.Event(), threading.Event(), []
    server.registerFunction(lambda: entered.set() or leave.wait(30), path="/api", name="slow")
    server.start()
    address = server.addresses[0]
    slow = threading.Thread(target=lambda: results.append(ask(address, "slow")))
    slow.start()
    assert entered.wait(30)
    reload = threading.Thread(target=lambda: results.append(server.reload(entry("echo", script, name="slow"))))
    reload.start()
    while not server._engine.locks.closed:
        pass
    held = threading.Thread(target=lambda: results.append(ask(address, "slow", 1)))
    held.start()
    assert results == []
    leave.set()
    for thread in (slow, reload, held):
        thread.join()
    assert sorted(map(str, results)) == ["True", "True", "['old', 1]"]


@pytest.mark.parametrize("options", [{"processingDispatcherCountMax": 1}, {"timeout": 0}])
def test_dispatcher_within_the_allowed_count_ends_with_the_old_code(server, script, options):
    entered, leave, results = threading.Event(), threading.Event(), []
    server.registerFunction(lambda: entered.set() or leave.wait(30), path="/api", name="slow")
    server.start()
    address = server.addresses[0]
    slow = threading.Thread(target=lambda: results.append(ask(address, "slow")))
    slow.start()
    assert entered.wait(30)
    assert server.reload(entry("late", script, name="slow"), **options)
    assert ask(address, "slow") == "old"
    assert results == []
    leave.set()
    slow.join()
    assert results == [True]


def test_dispatchers_reload_at_once_without_waiting_for_each_other(server, script):
    together = threading.Barrier(4)

    def renew(_connection):
        together.wait(30)
        return _connection.server.reload([entry("echo", script), entry(renew)], timeout=300)

    server.registerFunction(renew, path="/api")
    server.start()
    address, results = server.addresses[0], []
    threads = [threading.Thread(target=lambda: results.append(ask(address, "renew"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4
    assert ask(address, "echo", 1) == ["old", 1]


def test_lock_holds_on_through_reloads(server, script):
    assert server.reload(entry("late", script))
    server.start()
    address, results = server.addresses[0], []
    first = server._engine.router.table.find("/api/", "late").function
    server.lock(first)
    waiting = threading.Thread(target=lambda: results.append(ask(address, "late")))
    waiting.start()
    wait_until(lambda: server._engine.locks._changed._waiters)
    for _ in range(2):
        script.write_text(source("new"), encoding="utf-8")
        assert server.reload(entry("late", script))
    latest = server._engine.router.table.find("/api/", "late").function
    assert server.wait(latest, returnStatus=True)
    assert server.wait(first, returnStatus=True)
    assert results == []
    server.unlock(latest)
    waiting.join()
    assert results == ["old"]
    assert not server.wait(first, returnStatus=True)
    server.lock(first)
    assert server.wait(latest, returnStatus=True)
    server.unlock(first)
    assert ask(address, "late") == "new"


@pytest.mark.timeout(180)  # each reload collects garbage, which takes long in the process of a test run
def test_nothing_grows_by_reloads(freezing_server, script):
    server = freezing_server
    api = [entry("echo", script), entry("ready", script, isInstance=True)]
    assert server.reload(api)
    server.start()
    address = server.addresses[0]
    seen = []
    for number in range(12):
        script.write_text(source(number), encoding="utf-8")
        assert server.reload(api)
        assert ask(address, "echo", 1) == [number, 1]
        if number == 0:
            server._waitProcessingDispatchers()
            descriptors = server._countFileDescriptor()  # before the modules are counted: it imports psutil
            counts = threading.active_count(), len(sys.modules), len(sys.meta_path)
        seen.append(weakref.ref(sys.modules[server._engine.router.table.find("/api/", "echo").function.__module__]))
    gc.collect()
    assert [reference for reference in seen[:-1] if reference() is not None] == []
    assert seen[-1]() is not None
    assert len(sys.modules) == counts[1]
    assert len(sys.meta_path) == counts[2]
    assert len(server._engine.locks._replaced._current) == 0
    # The last connection's thread may be about to end.
    wait_until(lambda: threading.active_count() <= counts[0])
    wait_until(lambda: server._countFileDescriptor() <= descriptors)


def test_mounted_server_is_reloaded_too(script):
    import flask

    app = flask.Flask("host")
    server = flaskJSONRPCServer(None, log=0)
    server.init_app(app)
    server.registerFunction(len, path="/gone")
    assert server.reload(entry("echo", script), clearOld=True)
    assert call(app.wsgi_app, "echo", [1])["result"] == ["old", 1]
    assert call_wsgi(app.wsgi_app, get("/gone")).code == 404


TYPED = "def add(a: int) -> int: return a\n"


@pytest.fixture
def typed(server, script):
    """Return a function that reloads another text of `add`, if it does not break callers."""
    script.write_text(TYPED, encoding="utf-8")
    assert server.reload(entry("add", script))

    def reload(text, **options):
        script.write_text(text, encoding="utf-8")
        return server.reload(entry("add", script), contract="compatible", **options)

    return reload


@pytest.mark.parametrize(
    "text",
    [TYPED, "def add(a: int, b: int = 1) -> int: return a + b\n", "def add(a: float) -> int: return 1\n"],
)
def test_compatible_reload_is_made(server, typed, text):
    assert typed(text) is True


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("def add(a: int, b: int) -> int: return a + b\n", "add: params.b: the new parameter is required"),
        ("def add(a: str) -> int: return 1\n", "breaking: add: params.a"),
        ("def add(b: int) -> int: return 1\n", "breaking: add"),
        ("def add(a: int) -> int | None: return None\n", "breaking: add: result"),
    ],
)
def test_breaking_reload_is_refused_with_the_changes(server, typed, text, change, caplog):
    document = server.openrpc("/api")
    server.log.set_level(1)

    with caplog.at_level(logging.ERROR):
        assert typed(text) is False
    assert change in caplog.text
    with pytest.raises(BreakingChangeError, match="the reload is refused") as raised:
        typed(text, safely=False)

    assert change in str(raised.value)
    assert result_of(server.getWSGI(), "add", [5]) == 5
    assert server.openrpc("/api") == document


def test_reload_that_removes_methods_is_refused_if_it_must_be_compatible(server, script):
    assert server.reload([entry("echo", script), entry("twice", script)])

    assert server.reload(entry("echo", script), clearOld=True, contract="compatible") is False
    assert names(server) == ["echo", "twice"]
    assert server.reload(entry("echo", script), clearOld=True) is True


def test_reload_under_another_path_is_refused_if_it_must_be_compatible(server, typed, script):
    moved = {**entry("add", script), "path": "/other"}
    application = server.getWSGI()

    assert server.reload(moved, clearOld=True, contract="compatible") is False
    assert result_of(application, "add", [5]) == 5
    assert server.reload([moved, entry("add", script)], clearOld=True, contract="compatible") is True
    assert result_of(application, "add", [5], target="/other") == result_of(application, "add", [5]) == 5


@pytest.mark.parametrize("visible", [False, lambda request: False])
def test_methods_that_no_document_shows_have_callers_too(server, script, visible):
    namespace = {}
    exec(TYPED, namespace)
    server.registerFunction(namespace["add"], path="/api", visible=visible)
    script.write_text(TYPED.replace("int", "str"), encoding="utf-8")

    assert server.reload(entry("add", script), contract="compatible") is False
    assert result_of(server.getWSGI(), "add", [5]) == 5
    script.write_text(TYPED.replace("a: int", "a: float"), encoding="utf-8")
    assert server.reload(entry("add", script), contract="compatible") is True


def test_method_that_is_checked_from_now_on_is_refused(server, script):
    """A replaced function that was never checked keeps this option; one from its decorator is its own."""
    unchecked = "from flaskJSONRPCServer import rpc\n@rpc(validate=False)\n" + TYPED
    script.write_text(unchecked, encoding="utf-8")
    assert server.reload(entry("add", script))
    application = server.getWSGI()

    script.write_text(TYPED, encoding="utf-8")
    assert server.reload(entry("add", script), contract="compatible") is False
    assert result_of(application, "add", ["unchecked"]) == "unchecked"
    script.write_text(unchecked.replace("a: int", "a: int = 1"), encoding="utf-8")
    assert server.reload(entry("add", script), contract="compatible") is True


@pytest.mark.parametrize(
    ("old", "new", "is_made"),
    [
        ("a", "a, *, b=1", True),
        ("a", "a, *args, **kwargs", True),
        ("*args, verbose=0", "*args", False),
        ("*args, **kwargs", "*args", False),
        ("*args, k: float = 1", "*args, k: int = 1", False),
    ],
)
def test_all_ways_of_passing_parameters_are_compared(server, script, old, new, is_made):
    script.write_text(f"def add({old}): return 1\n", encoding="utf-8")
    assert server.reload(entry("add", script))
    script.write_text(f"def add({new}): return 2\n", encoding="utf-8")

    assert server.reload(entry("add", script), contract="compatible") is is_made
    assert result_of(server.getWSGI(), "add", [1]) == (2 if is_made else 1)


def test_reload_that_takes_an_alias_away_is_refused(server, script):
    script.write_text(source("old", aliases=["later"]), encoding="utf-8")
    assert server.reload(entry("late", script))
    script.write_text(source("new"), encoding="utf-8")

    assert server.reload(entry("late", script), contract="compatible") is False
    assert result_of(server.getWSGI(), "later") == "old"


def test_new_method_beside_one_of_the_same_name_on_another_path_is_compatible(server, typed, script):
    for path in ("/a", "/z"):
        assert server.reload({**entry("add", script), "path": path}, contract="compatible") is True


def test_unknown_contract_is_refused(server, script):
    with pytest.raises(RegistrationError, match="contract='equal' is refused: it takes 'compatible' or None"):
        server.reload(entry("echo", script), contract="equal")


def test_reload_keeps_the_options_of_the_registration(server, script):
    script.write_text(TYPED, encoding="utf-8")
    namespace = {}
    exec(TYPED, namespace)
    server.registerFunction(namespace["add"], path="/api", title="Add", tags=["math"], validate=False)

    assert server.reload(entry("add", script))
    (method,) = server.openrpc("/api")["methods"]
    assert (method["summary"], method["tags"]) == ("Add", [{"name": "math"}])
    assert result_of(server.getWSGI(), "add", ["unchecked"]) == "unchecked"


UNCHECKED = """
def show(value: "Missing"): return ["{version}", value]
class Api:
    def show(self, value: "Missing"): return ["{version}", value]
"""


@pytest.mark.parametrize("is_instance", [False, True])
def test_hint_that_cannot_be_used_stays_unchecked_after_a_reload(server, script, is_instance):
    namespace = {}
    exec(UNCHECKED.format(version="old"), namespace)
    if is_instance:
        server.registerInstance(namespace["Api"](), path="/api", validate=False)
    else:
        server.registerFunction(namespace["show"], path="/api", validate=False)

    script.write_text(UNCHECKED.format(version="new"), encoding="utf-8")
    assert server.reload(entry("Api" if is_instance else "show", script, isInstance=is_instance))
    assert result_of(server.getWSGI(), "show", [1]) == ["new", 1]


def test_reload_changes_the_checks_and_the_document(server, script):
    script.write_text(TYPED, encoding="utf-8")
    assert server.reload(entry("add", script))
    application = server.getWSGI()
    assert call(application, "add", ["x"])["error"]["code"] == -32602

    script.write_text(TYPED.replace("a: int", "a: str"), encoding="utf-8")
    assert server.reload(entry("add", script))
    assert result_of(application, "add", ["x"]) == "x"
    assert server.openrpc("/api")["methods"][0]["params"][0]["schema"] == {"type": "string"}
