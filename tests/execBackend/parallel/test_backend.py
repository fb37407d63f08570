"""The pool of processes: what runs there, and what becomes of calls whose process is lost."""

import concurrent.futures
import contextlib
import functools
import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

from flaskJSONRPCServer import MissingExtraError, ServerStateError, SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend, execBackendMap
from flaskJSONRPCServer.execBackend.parallel import process
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.execBackend.parallel import computed
from tests.helpers import call, call_socket, call_wsgi, post, result_of, rpc, wait_until

ROOT = Path(__file__).resolve().parents[3]

NAMED = ("add", "pid", "sleep", "hold", "hold_with_program", "kill_itself", "segfault", "leave", "unserialisable")
TOLD = ("described", "parallel", "in_child", "lock_itself", "counted")


def make(backend, address=None, **options):
    server = flaskJSONRPCServer(address, name="many", dispatcherBackend=backend, **{"log": False, **options})
    for name in (*NAMED, *TOLD):
        server.registerFunction(getattr(computed, name), path="/api")
    return server


@contextlib.contextmanager
def running(backend=None, **options):
    """Yield a server and its application; its processes end with the block."""
    server = make(backend or ParallelBackend(poolSize=2), **options)
    application = server.getWSGI()
    server._startExecBackends()
    try:
        yield server, application
    finally:
        server.stop()


@pytest.fixture(scope="module")
def shared():
    with running() as (server, application):
        yield server, application


@pytest.fixture
def application(shared):
    return shared[1]


def counts(server, backend_id="parallel"):
    return {
        name.removeprefix(f"{backend_id}_"): count
        for name, count in server.stats().items()
        if name.startswith(f"{backend_id}_")
    }


def until_whole(server, size=2):
    wait_until(lambda: counts(server)["alive"] == size)


def error_of(application, method, params=None):
    return call(application, method, params)["error"]


@contextlib.contextmanager
def calls_in(application, *calls):
    """Make calls at the same time, and yield their futures."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as threads:
        yield [threads.submit(call, application, method, params) for method, params in calls]


def held(folder, name):
    """Wait until a call of `hold` runs; return the number of its process."""
    return int(wait_until(lambda: (path := folder / f"{name}.runs").exists() and path.read_text()))


def let_go(folder):
    (folder / "go on").touch()


def told(message):
    """Return what a message may be. gevent asks how children have ended, once it has watched one, and tells nobody."""
    return {message, re.sub("it (was )?ended.*", "it ended", message)} if is_patched() else {message}


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_names_lead_to_the_backend():
    assert execBackendMap["parallel"] is execBackendMap["parallelWithSocket"] is ParallelBackend
    server = flaskJSONRPCServer(None, log=False)
    assert server._registerExecBackend("parallelWithSocket", False) == "parallel"


def test_call_runs_in_another_process(application):
    assert result_of(application, "pid") != os.getpid()


def test_each_kind_of_function_runs(shared):
    server, application = shared
    kinds = {
        "module_function": computed.add,
        "lambda_": lambda number: number + 1,
        "closure": computed.make_closure(1),
        "partial": computed.partial,
        "bound": computed.Counter(1).next,
        "callable": computed.Counter(1),
        "recursive": recursive(),
        "cached": functools.cache(recursive()),
    }
    for name, function in kinds.items():
        server.registerFunction(function, path="/kinds", name=name)

    answers = {name: result_of(application, name, [1], target="/kinds") for name in kinds}
    assert answers == {**dict.fromkeys(kinds, 2), "partial": 11}


def recursive():
    def counting(number):
        return 2 if number > 1 else counting(number + 1)

    return counting


def test_wrong_call_is_refused_as_inline(application):
    assert error_of(application, "add", {"c": 1})["code"] == -32602
    assert error_of(application, "nothing")["code"] == -32601


FIELDS = post(rpc("described"), headers={"X-Asked": "yes", "Cookie": "c=d"})


def test_connection_says_the_same_as_inline(shared):
    there = call_wsgi(shared[1], FIELDS)
    inline = call_wsgi(make("simple").getWSGI(), FIELDS)

    assert (there.headers, there.json()) == (inline.headers, inline.json())


def test_connection_tells_of_the_pool(application):
    kind, size, number = result_of(application, "parallel")

    assert (kind, size) == ("parallel", 2)
    assert number in (0, 1)


def test_server_knows_that_it_is_in_a_child(application):
    assert result_of(application, "in_child") is True


def test_dispatcher_may_lock_itself_and_ask_the_server(shared):
    server, application = shared
    assert result_of(application, "lock_itself") is True
    assert server.wait(computed.lock_itself, returnStatus=True) is True
    server.unlock(computed.lock_itself)
    assert result_of(application, "counted") == server.stats()["dispatcherCount"]


def test_batch_runs_at_the_same_time(application, tmp_path):
    batch = [rpc("hold", [str(tmp_path), name], name) for name in ("a", "b")]
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        answer = threads.submit(call_wsgi, application, post(batch))
        assert held(tmp_path, "a") != held(tmp_path, "b")
        let_go(tmp_path)
        assert [each["result"] for each in answer.result().json()] == ["a", "b"]


@pytest.mark.parametrize(
    ("method", "how"),
    [
        ("kill_itself", "it was ended by SIGKILL"),
        ("segfault", "it was ended by SIGSEGV"),
        ("leave", "it ended with the status 3"),
    ],
)
def test_lost_process_concerns_its_call_alone(shared, tmp_path, method, how):
    server, application = shared
    until_whole(server)
    with calls_in(application, ("hold", [str(tmp_path), "beside"])) as (beside,):
        held(tmp_path, "beside")
        error = error_of(application, method)
        assert error["code"] == -32005
        assert error["message"] in told(f"The process that ran the call was lost: {how}")
        until_whole(server)
        assert result_of(application, "add", [1]) == 2
        let_go(tmp_path)
        assert beside.result()["result"] == "beside"
    assert server.stats()["processingDispatcherCount"] == 0


def test_forked_process_answers_no_call():
    with running(ParallelBackend(poolSize=1)) as (server, application):
        for function in (computed.fork, computed.let_fork_return):
            server.registerFunction(function, path="/forks")
        forked = result_of(application, "fork", target="/forks")
        assert result_of(application, "let_fork_return", forked, target="/forks") == "mine"
        assert result_of(application, "add", [1]) == 2
        assert (counts(server)["done"], counts(server)["restarted"]) == (3, 0)


def test_what_a_process_leaves_behind_does_not_hold_its_call():
    with running(ParallelBackend(poolSize=1)) as (server, application):
        server.registerFunction(computed.fork_and_die, path="/api")
        assert error_of(application, "fork_and_die")["code"] == -32005
        assert result_of(application, "add", [1]) == 2


def test_function_of_a_module_that_is_found_since_the_start_runs(shared, tmp_path, monkeypatch):
    server, application = shared
    assert result_of(application, "add", [1]) == 2
    (tmp_path / "found_late.py").write_text("def late():\n    return 'found'\n")
    monkeypatch.syspath_prepend(tmp_path)
    server.registerFunction(importlib.import_module("found_late").late, path="/late")
    assert result_of(application, "late", target="/late") == "found"


def test_result_that_ends_whoever_loads_it_is_an_unexpected_exception(shared):
    server, application = shared
    server.registerFunction(computed.end_reader, path="/read")
    assert call(application, "end_reader", target="/read")["error"]["code"] == -32603
    assert result_of(application, "add", [1]) == 2


def test_interrupt_that_no_signal_has_raised_ends_no_process(shared):
    server, application = shared
    server.registerFunction(computed.thrown, path="/api")
    assert error_of(application, "thrown")["code"] == -32603


def test_result_that_cannot_be_pickled_counts_as_failed():
    with running(ParallelBackend(poolSize=1)) as (server, application):
        server.registerFunction(lambda: threading.Lock(), path="/api", name="locked")  # noqa: PLW0108  under gevent, Lock is a class
        assert error_of(application, "locked")["code"] == -32603
        assert (counts(server)["done"], counts(server)["failed"]) == (0, 1)


@pytest.mark.parametrize("timeout", [1e9, float("inf")])
def test_timeout_may_be_longer_than_any_wait(timeout):
    with running(ParallelBackend(poolSize=1, timeout=timeout)) as (_, application):
        assert result_of(application, "add", [1]) == 2


def test_process_that_cannot_be_made_is_tried_again(monkeypatch):
    made, refusals = process.started, [KeyError("an environment that changes meanwhile")]

    def refused_once(connected):
        if refusals:
            raise refusals.pop()
        return made(connected)

    monkeypatch.setattr(process, "started", refused_once)
    with running(ParallelBackend(poolSize=1)) as (_, application):
        assert result_of(application, "add", [1]) == 2


def test_notification_that_comes_while_the_pool_stops_is_counted(monkeypatch, caplog):
    backend = ParallelBackend(poolSize=1)
    with running(backend, log=2) as (server, application):
        server.registerFunction(computed.add, path="/told", notifBackend=backend)
        job = backend._job

        def stopped_meanwhile(*call):
            server._stopExecBackends()
            return job(*call)

        monkeypatch.setattr(backend, "_job", stopped_meanwhile)
        call_wsgi(application, post({"jsonrpc": "2.0", "method": "add", "params": [1]}, "/told"))
        assert server.stats()["notificationLostCount"] == 1
        assert server.stats()["processingDispatcherCount"] == 0
        assert "notification /told/add is lost: exec backend 'parallel' has stopped" in caplog.text


def test_process_that_is_killed_from_outside_is_replaced(shared, tmp_path):
    server, application = shared
    until_whole(server)
    with calls_in(application, ("hold", [str(tmp_path), "killed"])) as (killed,):
        os.kill(held(tmp_path, "killed"), signal.SIGKILL)
        assert killed.result()["error"]["code"] == -32005
    until_whole(server)
    idle = result_of(application, "pid")
    restarted = counts(server)["restarted"]
    os.kill(idle, signal.SIGKILL)
    wait_until(lambda: counts(server)["restarted"] == restarted + 1)
    until_whole(server)
    assert result_of(application, "pid") != idle


def test_timeout_ends_the_work_with_what_it_has_started(tmp_path):
    with running(ParallelBackend(poolSize=1, timeout=1.5)) as (server, application):
        error = error_of(application, "hold_with_program", [str(tmp_path)])
        assert error == {"code": -32006, "message": "The call took longer than 1.5 s, and was ended"}
        program = int((tmp_path / "program").read_text())
        wait_until(lambda: is_gone(program))
        assert result_of(application, "add", [1]) == 2
        assert counts(server) | {"alive": 1} == {
            "poolSize": 1,
            "alive": 1,
            "waiting": 0,
            "running": 0,
            "done": 1,
            "failed": 1,
            "killed": 1,
            "restarted": 1,
            "refused": 0,
            "cancelled": 0,
        }


def test_function_may_have_a_timeout_of_its_own(shared):
    server, application = shared

    def slow():
        computed.sleep(1000)

    slow._timeout = 0.05
    server.registerFunction(slow, path="/timed")
    assert call(application, "slow", target="/timed")["error"]["code"] == -32006


def test_process_is_replaced_after_so_many_calls():
    with running(ParallelBackend(poolSize=1, maxTasksPerChild=2)) as (_, application):
        pids = [result_of(application, "pid") for _ in range(5)]

    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


def test_two_pools_stand_side_by_side():
    with running(ParallelBackend(poolSize=1, id="small")) as (server, application):
        server.registerFunction(computed.pid, path="/big", dispatcherBackend=ParallelBackend(poolSize=1, id="big"))
        assert result_of(application, "pid") != result_of(application, "pid", target="/big")
        assert (counts(server, "small")["done"], counts(server, "big")["done"]) == (1, 1)


def test_what_cannot_be_pickled_is_told_in_the_log(caplog):
    with running(ParallelBackend(poolSize=1), log=2) as (server, application):
        lock = threading.Lock()
        server.registerFunction(lambda: lock, path="/api", name="locked")
        assert error_of(application, "locked")["code"] == -32603
        assert "dispatcher /api/locked cannot be sent to a child process: " in caplog.text
        assert "run it on another exec backend" in caplog.text
        assert error_of(application, "unserialisable")["code"] == -32603
        assert result_of(application, "add", [1]) == 2


def test_function_that_a_child_cannot_load_is_told_in_the_log(caplog, monkeypatch):
    module = type(sys)("nowhere_to_be_found")
    exec("def lost(): return 1", vars(module))
    monkeypatch.setitem(sys.modules, "nowhere_to_be_found", module)
    with running(ParallelBackend(poolSize=1), log=2) as (server, application):
        server.registerFunction(module.lost, path="/api")
        assert error_of(application, "lost")["code"] == -32603
        assert "No module named 'nowhere_to_be_found'" in caplog.text
        assert call_wsgi(application, post({"jsonrpc": "2.0", "method": "lost"})).code == 204


def test_notification_of_a_lost_process_is_logged(caplog):
    with running(ParallelBackend(poolSize=1), log=2) as (server, application):
        server.registerFunction(computed.kill_itself, path="/told", notifBackend=server.settings.dispatcherBackend)
        call_wsgi(application, post({"jsonrpc": "2.0", "method": "kill_itself"}, "/told"))
        wait_until(lambda: "notification /told/kill_itself failed: The process that ran the call" in caplog.text)


def test_call_beyond_the_queue_is_refused(tmp_path):
    backend = ParallelBackend(poolSize=1, queue_calls=1)
    with (
        running(backend) as (server, application),
        calls_in(application, *(("hold", [str(tmp_path), name]) for name in ("a", "b"))) as calls,
    ):
        wait_until(lambda: (counts(server)["running"], counts(server)["waiting"]) == (1, 1))
        assert error_of(application, "add", [1]) == {
            "code": -32002,
            "message": "Server busy: exec backend 'parallel' has 1 calls waiting already",
        }
        assert counts(server)["refused"] == 1
        let_go(tmp_path)
        assert sorted(each.result()["result"] for each in calls) == ["a", "b"]


@pytest.mark.parametrize("serving", ["native", "werkzeug"])
def test_call_whose_client_has_gone_ends_or_does_not_run(tmp_path, serving):
    server = make(ParallelBackend(poolSize=1), ["127.0.0.1", 0], servBackend=serving)
    server.start()
    try:
        with asking(server.addresses[0], rpc("hold", [str(tmp_path), "runs"])):
            pid = held(tmp_path, "runs")
            with asking(server.addresses[0], rpc("hold", [str(tmp_path), "waits"])):
                wait_until(lambda: counts(server)["waiting"] == 1)
        wait_until(lambda: counts(server)["cancelled"] == 2)
        let_go(tmp_path)
        assert call_socket(server.addresses[0], post(rpc("add", [1]))).json()["result"] == 2
        assert is_gone(pid)
        assert not (tmp_path / "waits.runs").exists()
    finally:
        server.stop()


@contextlib.contextmanager
def asking(address, message):
    """Send a call, and close the connection at the end of the block, without waiting for the answer."""
    body = json.dumps(message).encode()
    head = f"POST /api HTTP/1.1\r\nHost: {address[0]}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(address) as connected:
        connected.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        yield


def test_stop_drops_what_waits_and_kills_what_does_not_end(tmp_path, caplog):
    with running(ParallelBackend(poolSize=1), log=2) as (server, application):
        server.registerFunction(computed.hold, path="/told", notifBackend=server.settings.dispatcherBackend)
        call_wsgi(application, post({"jsonrpc": "2.0", "method": "hold", "params": [str(tmp_path), "n"]}, "/told"))
        pid = held(tmp_path, "n")
        with calls_in(application, ("add", [1])) as (waits,):
            wait_until(lambda: counts(server)["waiting"] == 1)
            server._stopExecBackends(timeout=0)
            assert waits.result()["error"] == {"code": -32003, "message": "Not run: the exec backend has stopped"}
        assert is_gone(pid)
        assert server.stats()["notificationLostCount"] == 1
        assert "exec backend 'parallel' stopped with 1 notifications not finished" in caplog.text


def test_stop_finishes_what_was_taken():
    server = make("simple", notifBackend=ParallelBackend(poolSize=2))
    application = server.getWSGI()
    call_wsgi(application, post([{"jsonrpc": "2.0", "method": "add", "params": [number]} for number in range(50)]))
    server.stop()

    stats = server.stats()
    assert (stats["dispatcherCount"], stats["notificationLostCount"]) == (50, 0)


def test_server_restarts_and_stops_with_its_processes():
    server = make(ParallelBackend(poolSize=1), ["127.0.0.1", 0])
    server.start()
    first = call_socket(server.addresses[0], post(rpc("pid"))).json()["result"]
    server.restart()
    second = call_socket(server.addresses[0], post(rpc("pid"))).json()["result"]
    server.stop()

    assert first != second
    assert is_gone(first)
    assert is_gone(second)


def test_call_that_comes_while_it_stops_starts_it_anew(tmp_path):
    backend = ParallelBackend(poolSize=1)
    with running(backend) as (server, application), calls_in(application, ("hold", [str(tmp_path), "a"])) as (first,):
        held(tmp_path, "a")
        former = backend._channel
        stopping = threading.Thread(target=server._stopExecBackends)
        stopping.start()
        wait_until(lambda: backend._pool is None)
        assert result_of(application, "add", [1]) == 2
        let_go(tmp_path)
        stopping.join()
        assert first.result()["result"] == "a"
        assert result_of(application, "counted") == 3  # by the channel
        with pytest.raises(ServerStateError, match="is not open"):
            _ = former.address


def test_object_serves_one_server_at_a_time():
    with running() as (server, _):
        other = flaskJSONRPCServer(None, log=False, dispatcherBackend=server.settings.dispatcherBackend)
        with pytest.raises(ServerStateError, match="'parallel' runs for 'many'; each server needs its own"):
            other._startExecBackends()


def test_children_that_cannot_start_do_not_hold_calls(monkeypatch, caplog):
    monkeypatch.setattr(process, "get_executable", lambda: "/bin/false")
    with running(ParallelBackend(poolSize=1), log=1) as (_, application):
        error = error_of(application, "add", [1])

    assert error["code"] == -32005
    assert error["message"] in told("Not run: child process 0 did not become ready: it ended with the status 1")
    assert error["message"].removeprefix("Not run: ") in caplog.text


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"poolSize": 0}, "poolSize=0 is refused: it takes a whole number of at least 1, or None"),
        ({"maxTasksPerChild": "2"}, "maxTasksPerChild='2' is refused"),
        ({"queue_calls": -1}, "queue_calls=-1 is refused"),
        ({"timeout": 0}, "timeout=0 is refused: it takes a number of seconds above 0"),
        ({"importGlobalsFromParent": 1}, "importGlobalsFromParent=1 is refused: it takes True, False, or a dict of"),
        ({"importGlobalsFromParent": {"typeof": 1}}, "unknown filter of importGlobalsFromParent 'typeof'"),
    ],
)
def test_wrong_setting_is_refused(options, what):
    with pytest.raises(SettingsError, match=what):
        ParallelBackend(**options)


def test_missing_extra_is_told_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "loky", None)
    server = make("parallel")
    with pytest.raises(MissingExtraError, match=r"needs loky; install it: pip install 'loky>=3\.4' 'cloudpickle"):
        server._startExecBackends()


RELOADED = """
FACTOR = {factor}

class Kept:
    pass

def times(number):
    return number * FACTOR, isinstance(Kept(), Kept)
"""


def test_reload_reaches_the_children(tmp_path):
    script = tmp_path / "reloaded_times.py"
    entry = {"dispatcher": "times", "scriptPath": str(script), "path": "/api"}
    with running(ParallelBackend(poolSize=1)) as (server, application):
        results = []
        for factor in (2, 3):
            script.write_text(RELOADED.format(factor=factor))
            server.reload(entry)
            results.append(result_of(application, "times", [10]))
        server.reload({**entry, "overload": {"FACTOR": 4}})
        results.append(result_of(application, "times", [10]))
        kept = server.settings.dispatcherBackend._pool.pickler.namespaces

    assert results == [[20, True], [30, True], [40, True]]
    assert len(kept) == 2  # the main program's, and that of the script as it is now


def run(script, *arguments, warnings=False, **environment):
    return subprocess.run(
        [sys.executable, *(["-W", "error"] if warnings else []), str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )


def written(folder, text):
    script = folder / "program.py"
    script.write_text(textwrap.dedent(text))
    return script


PROGRAM = """
import functools, json, os, sys, threading
from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend
from tests.helpers import call

NUMBER = 5
TEXT = "text"
LOCK = threading.Lock()
calls = 0
OPTIONS = eval(sys.argv[1])
print("main program runs")

class Shape:
    sides = 4

    def __init__(self, sides):
        self.sides = sides

    def count(self):
        return helper(self.sides)

square = Shape(4)

@functools.lru_cache(maxsize=10)
def fibonacci(number):
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)

def helper(number):
    return number + NUMBER

def count():
    global calls
    calls += 1
    return calls

def look():
    return sorted({"NUMBER", "TEXT", "LOCK", "helper", "Shape"} & set(globals())), __name__

def identity():
    return isinstance(square, Shape), square.count()

def name():
    return server.name, server._importGlobalsFromParent(filterByName=["TEXT"]), server._getScriptName()

server = flaskJSONRPCServer(
    None, name="main", log=0, dispatcherBackend=ParallelBackend(poolSize=1, **OPTIONS)
)
for function in (helper, fibonacci, count, look, identity, name, square.count):
    server.registerFunction(function, path="/api", name=function.__qualname__)
application = server.getWSGI()
server._startExecBackends()
NUMBER = 6
for method in ("look", "helper", "fibonacci", "count", "count", "identity", "name", "Shape.count"):
    answer = call(application, method, {"helper": [1], "fibonacci": [50]}.get(method))
    print(json.dumps(answer.get("result", answer.get("error", {}).get("code"))))
server.stop()
"""


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ("{}", ["NUMBER", "Shape", "TEXT", "helper"]),
        ("{'importGlobalsFromParent': False}", []),
        ("{'importGlobalsFromParent': {'typeOf': [str]}}", ["TEXT"]),
        ("{'importGlobalsFromParent': {'filterByName': ['TEXT', 'LOCK']}}", ["TEXT"]),
        (
            "{'importGlobalsFromParent': {'filterByName': ['TEXT'], 'filterByNameReversed': True}}",
            ["NUMBER", "Shape", "helper"],
        ),
    ],
)
def test_globals_of_the_main_program_are_there_as_they_were(tmp_path, options, seen):
    done = run(written(tmp_path, PROGRAM), options)

    lines = done.stdout.splitlines()
    assert (done.stderr, lines[0]) == ("", "main program runs")  # once
    assert json.loads(lines[1]) == [seen, "__main__"]
    # What a function refers to comes with it, at its first call: filtered globals too, as they are by then.
    number = 5 if "NUMBER" in seen else 6
    texts = {"TEXT": "text"} if "TEXT" in seen else {}
    expected = [1 + number, 12586269025, 1, 2, [True, 4 + number], ["main", texts, "program"], 4 + number]
    assert [json.loads(line) for line in lines[2:]] == expected


def test_global_that_cannot_be_pickled_is_named_in_the_debug_log(tmp_path):
    done = run(written(tmp_path, PROGRAM.replace("log=0", "log=4")), "{}")

    assert "global 'LOCK' of '__main__' is not there in child processes: cannot pickle" in done.stderr


LEFT = """
import os, sys, tempfile, threading
from pathlib import Path
import psutil
from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend
from tests.helpers import call

def left():
    files = sorted(os.listdir(tempfile.gettempdir()))
    return len(os.listdir("/proc/self/fd")), psutil.Process().children(), threading.enumerate(), files

def add(a):
    return a + 1

server = flaskJSONRPCServer(
    None, log=False, gevent=eval(sys.argv[1]), dispatcherBackend=ParallelBackend(poolSize=2, maxTasksPerChild=2)
)
server.registerFunction(add, path="/api")
seen = []
for _ in range(3):
    application = server.getWSGI()
    for number in range(5):
        assert call(application, "add", [number])["result"] == number + 1
    server.stop()
    seen.append(left())
assert seen[0] == seen[1] == seen[2], seen
print(seen[0][1], len(seen[0][2]))
"""


@pytest.mark.parametrize("gevent", [False, True])
def test_stop_leaves_nothing(tmp_path, gevent):
    done = run(written(tmp_path, LEFT), repr(gevent), warnings=not gevent, TMPDIR=str(tmp_path))

    assert (done.stdout, done.stderr) == ("[] 1\n", "")


ENDED = """
import os, signal, subprocess, sys
from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.execBackend.parallel import computed

def spin(folder, name):
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    open(os.path.join(folder, name), "w").write(f"{os.getpid()} {program.pid}")
    while True:
        pass

def pid():
    return os.getpid()

server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, dispatcherBackend=ParallelBackend(poolSize=2))
for function in (spin, pid, computed.hold):
    server.registerFunction(function, path="/api")
server.serveForever(on_start=lambda server: print(server.addresses[0][1], flush=True))
"""


@contextlib.contextmanager
def served(script):
    """Start a script that prints its port; yield the process and its address."""
    command = [sys.executable, str(script)]
    with (
        tempfile.TemporaryDirectory() as folder,  # what is killed cannot clean up after itself
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": folder},
        ) as process,
    ):
        try:
            yield process, ("127.0.0.1", int(process.stdout.readline()))
        finally:
            process.kill()


def test_children_end_with_what_they_started_when_the_parent_is_killed(tmp_path):
    with served(written(tmp_path, ENDED)) as (process, address):
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            lost = threads.submit(call_socket, address, post(rpc("spin", [str(tmp_path), "busy"])))
            busy = wait_until(lambda: (path := tmp_path / "busy").exists() and path.read_text()).split()
            idle = call_socket(address, post(rpc("pid"))).json()["result"]
            process.send_signal(signal.SIGKILL)
            wait_until(lambda: all(is_gone(int(each)) for each in (*busy, idle)))
            assert isinstance(lost.exception(), OSError)


INHERITING = """
import os, socket, sys
from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call

def described():
    return len(os.listdir("/dev/fd")), sys.stdin.read(), os.getpid() == os.getpgrp()

with socket.create_server(("127.0.0.1", 0)) as handed_down:
    handed_down.set_inheritable(True)
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend="parallel")
    server.registerFunction(described, path="/api")
    print(call(server.getWSGI(), "described")["result"])
    server.stop()
"""


def test_child_inherits_nothing_but_the_output(tmp_path):
    done = run(written(tmp_path, INHERITING))

    # The standard streams, the socket to the parent, and what the folder is read by.
    assert (done.stdout, done.stderr) == ("[5, '', True]\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_all_processes_lets_the_call_finish(tmp_path, number):
    with served(written(tmp_path, ENDED)) as (process, address):
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            answer = threads.submit(call_socket, address, post(rpc("hold", [str(tmp_path), "held"])))
            pid = held(tmp_path, "held")
            for each in (pid, process.pid):
                os.kill(each, number)
            let_go(tmp_path)
            assert answer.result().json()["result"] == "held"
        assert process.wait(30) == 0
        assert is_gone(pid)


def run_program(folder, text):
    """Run a main program in a process of its own; return its file, and what it left."""
    program = folder / "program.py"
    program.write_text(text, encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(program)]
    return program, subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


FAILING = """
import functools
import sys
from flaskJSONRPCServer import flaskJSONRPCServer


def fail():
    return 1 / 0  # in a function of the main program


def closure(value):
    def inside():
        raise ValueError(value)  # in a closure

    return inside


if __name__ == "__main__":
    server = flaskJSONRPCServer(None, name="many", dispatcherBackend="parallel", log=1)
    server.registerFunction(fail, path="/api")
    server.registerFunction(closure("text"), path="/api", name="closure")
    server.registerFunction(lambda: [][1], path="/api", name="lambda")  # in a lambda
    from tests.helpers import call
    for name in ("fail", "closure", "lambda"):
        call(server.getWSGI(), name)
    server.stop()
"""


def test_traceback_of_a_child_shows_file_and_line_of_the_users_program(tmp_path):
    program, done = run_program(tmp_path, FAILING)

    assert "dynamic-code" not in done.stderr
    lines = FAILING.splitlines()
    for remark in ("# in a function of the main program", "# in a closure", "# in a lambda"):
        [(number, line)] = [(number, line) for number, line in enumerate(lines, 1) if line.endswith(remark)]
        shown = rf'File "{re.escape(str(program))}", line {number}, in \S+\n +{re.escape(line.strip())}\n'
        assert re.search(shown, done.stderr), done.stderr


IN_MAIN = """
from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from tests.helpers import call

LIMIT = 5
SEEN = []
LOCK = __import__("threading").Lock()


def attempt(function, *arguments):
    try:
        return function(*arguments)
    except BaseException as exc:
        return f"{type(exc).__name__}: {exc}"


def work(_connection):
    main = _connection.call
    main.execute("SEEN.append(LIMIT); LIMIT = 6")
    return [
        main.copyGlobal("LIMIT"),
        main.copyGlobal(["LIMIT", "SEEN"]),
        main.eval("LIMIT * 7"),
        attempt(main.copyGlobal, "NOTHING"),
        attempt(main.eval, "1 / 0"),
        attempt(main.execute, "raise SystemExit(3)"),
        attempt(main.eval, "("),
        attempt(main.eval, "LIMIT"),
    ]


def unpicklable(_connection):
    return str(attempt(_connection.call.eval, "LOCK")).partition(" cannot travel")[1]


if __name__ == "__main__":
    server = flaskJSONRPCServer(None, name="many", dispatcherBackend=BACKEND, log=1)
    server.registerFunction(work, path="/api")
    server.registerFunction(unpicklable, path="/api")
    for name in ("work", "unpicklable"):
        print(call(server.getWSGI(), name)["result"])
    print(LIMIT, SEEN)
    server.stop()
"""


@pytest.mark.parametrize("backend", ["parallel", "threaded", "simple"])
def test_main_program_is_read_and_changed_by_its_dispatchers(backend, tmp_path):
    _, done = run_program(tmp_path, IN_MAIN.replace("BACKEND", repr(backend)))

    results, unpicklable, after = done.stdout.splitlines()
    assert results.startswith(
        "[6, {'LIMIT': 6, 'SEEN': [5]}, 42, \"NameError: the main program has no global 'NOTHING'\""
    )
    assert "'ZeroDivisionError: division by zero', 'SystemExit: 3', \"SyntaxError: " in results
    assert results.endswith(", 6]")
    assert unpicklable == (" cannot travel" if backend == "parallel" else "")
    assert after == "6 [5]"
