"""The documented helpers for sleep, threads, sockets, console and imports, with gevent and without."""

import socket
import sys
import threading
import time

import pytest

from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from tests.gevent.processes import lines_of


@pytest.fixture
def server():
    return flaskJSONRPCServer(None, log=0)


def test_sleep_lets_greenlets_go_on_unless_it_is_native():
    out = lines_of(
        """
order = []
other = gevent.spawn(order.append, "other")
server._sleep(0.01, forceNative=True)
order.append("native")
server._sleep(0.01)
order.append("gevent")
print(order)
started = time.monotonic()
server.callAsync(server._sleep, [0.01])
print(time.monotonic() - started >= 0.01)
"""
    )
    assert out == ["['native', 'other', 'gevent']", "True"]


def test_thread_is_a_greenlet_unless_it_is_native():
    out = lines_of(
        """
main = native_ident()
idents = []

def record(*args, **kwargs):
    idents.append(native_ident() == main)
    print(args, kwargs)

greenlet = server._thread(record, [1], {"a": 2})
print(isinstance(greenlet, gevent.Greenlet))
greenlet.join()
native = server._thread(record, forceNative=True)
native.join()
print(native.is_alive(), native.daemon, isinstance(native, gevent.Greenlet), idents)
inner = server.callAsync(server._thread, [record])
inner.join()
print(idents)
"""
    )
    assert out == [
        "True",
        "(1,) {'a': 2}",
        "() {}",
        "False True False [True, False]",
        "() {}",
        "[True, False, False]",
    ]


def test_join_of_a_native_thread_lets_greenlets_go_on():
    out = lines_of(
        """
gate = monkey.get_original("_thread", "allocate_lock")()
gate.acquire()
native = server._thread(gate.acquire, forceNative=True)
native.join(timeout=0.001)
print(native.is_alive())
gevent.spawn(gate.release)
native.join()
print(native.is_alive())
"""
    )
    assert out == ["True", "False"]


def test_socket_is_that_of_gevent():
    out = lines_of("print(server._socket() is gevent.socket.socket, server._socket().__module__)")
    assert out == ["True gevent._socket3"]


def test_line_is_read_while_greenlets_go_on():
    out = lines_of(
        """
import os, sys
receiver, sender = os.pipe()
sys.stdin = os.fdopen(receiver)
gevent.spawn(os.write, sender, b"from a greenlet\\nsecond\\n")
print(server._raw_input("prompt> "))
print(server._raw_input(forceNative=True))
sys.stdin.close()
"""
    )
    assert out == ["prompt> from a greenlet", "second"]


def test_end_of_input_is_raised():
    script = """
for forced in (False, True):
    try:
        server._raw_input(forceNative=forced)
    except EOFError:
        print("end")
"""
    assert lines_of(script) == ["end", "end"]


def test_imports_give_patched_modules_and_keep_the_patch():
    out = lines_of(
        """
import socket, sys
scope = server._importAll({"sleep": None, "other": 1})
print(sorted(scope), scope["threading"] is threading, scope["time"] is time, scope["socket"] is socket)
print(scope["sleep"] is time.sleep is gevent.sleep, monkey.is_object_patched("socket", "socket"))
print(sorted(server._import({"os.path": "p", "json": "j"})), sorted(server._import("os.path")))
"""
    )
    assert out == [
        "['other', 'sleep', 'socket', 'threading', 'time'] True True True",
        "True True",
        "['j', 'p'] ['path']",
    ]


def test_module_imported_before_the_patch_is_imported_again(tmp_path):
    (tmp_path / "early.py").write_text("from time import sleep\nruns = True\n")
    script = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
import early
from flaskJSONRPCServer import flaskJSONRPCServer
server = flaskJSONRPCServer(None, gevent=True, log=0)
import time
print(server._import("early", forceDelete=False)["early"] is early, early.sleep is time.sleep)
fresh = server._import(["early"])["early"]
print(fresh is early, fresh.sleep is time.sleep, sys.modules["early"] is fresh)
print(server._import("early")["early"] is fresh)
early.__spec__ = None
with open({str(tmp_path / "early.py")!r}, "w") as file:
    file.write("raise RuntimeError('broken')")
sys.modules["early"] = early
try:
    server._import("early")
except RuntimeError as exc:
    print(exc, sys.modules["early"] is early)
"""
    assert lines_of(script, prelude="import sys; sys.dont_write_bytecode = True") == [
        "True False",
        "False True True",
        "True",
        "broken True",
    ]


def test_sleep_and_threads_are_native_without_gevent(server):
    ended = threading.Event()
    server._sleep(0)
    server._sleep(0, forceNative=True)
    for native in (False, True):
        thread = server._thread(lambda *args, **kwargs: ended.set(), ["a"], {"b": 1}, forceNative=native)
        thread.join()
        assert ended.is_set()
        assert isinstance(thread, threading.Thread)
        assert thread.daemon
        ended.clear()


def test_imports_give_the_native_modules_without_gevent(server):
    scope = {}
    assert server._importAll(scope) is scope
    assert scope == {"threading": threading, "time": time, "sleep": time.sleep, "socket": socket}
    assert server._importThreading()["threading"] is threading
    assert server._import("json")["json"] is sys.modules["json"]
    assert server._socket() is socket.socket


def test_unknown_module_is_an_import_error(server):
    with pytest.raises(ImportError, match="no_such_module"):
        server._import("no_such_module")


def test_line_is_read_by_input_without_gevent(server, monkeypatch):
    prompts = []
    monkeypatch.setattr("builtins.input", lambda prompt: prompts.append(prompt) or "typed")
    assert [server._raw_input("> "), server._raw_input(), server._raw_input(forceNative=True)] == ["typed"] * 3
    assert prompts == ["> ", "", ""]


def test_gevent_is_there(server):
    assert server._tryGevent()


def test_gevent_is_for_the_constructor_only(server):
    with pytest.raises(ServerStateError, match="setting 'gevent' is fixed; give it to the constructor"):
        server.settings.gevent = True
