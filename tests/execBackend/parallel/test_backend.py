"""The backend in a server: functions of each kind, globals of the main program, its start and its stop."""

import concurrent.futures
import functools
import importlib
import json
import os
import re
import sys
import threading

import pytest

from flaskJSONRPCServer import MissingExtraError, ServerStateError, SettingsError, UnsupportedError, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.locks import lock_key
from flaskJSONRPCServer.execBackend import ParallelBackend, execBackendMap
from tests.execBackend.parallel import dispatchers
from tests.execBackend.parallel.pools import (
    calls_in,
    counts,
    error_of,
    is_gone,
    make,
    release,
    run,
    running,
    wait_for_hold,
    write_program,
)
from tests.helpers import call_socket, call_wsgi, post, result_of, rpc, wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections


@pytest.fixture
def application(shared):
    return shared[1]


def test_names_lead_to_the_backend():
    assert execBackendMap["parallel"] is execBackendMap["parallelWithSocket"] is ParallelBackend
    server = flaskJSONRPCServer(None, log=False)
    assert server._registerExecBackend("parallelWithSocket", False) == "parallel"


def test_call_runs_in_another_process(application):
    assert result_of(application, "pid") != os.getpid()


def test_each_kind_of_function_runs(shared):
    server, application = shared
    kinds = {
        "module_function": dispatchers.add,
        "lambda_": lambda number: number + 1,
        "closure": dispatchers.make_closure(1),
        "partial": dispatchers.partial,
        "bound": dispatchers.Counter(1).next,
        "callable": dispatchers.Counter(1),
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


def test_connection_has_the_same_fields_as_in_the_server(shared):
    there = call_wsgi(shared[1], FIELDS)
    inline = call_wsgi(make("simple").getWSGI(), FIELDS)

    assert (there.headers, there.json()) == (inline.headers, inline.json())


def test_connection_has_the_size_of_the_pool_and_the_number_of_the_process(application):
    kind, size, number = result_of(application, "parallel")

    assert (kind, size) == ("parallel", 2)
    assert number in (0, 1)


def test_server_knows_that_it_is_in_a_child(application):
    assert result_of(application, "in_child") is True


def test_dispatcher_may_lock_itself_and_ask_the_server(shared):
    server, application = shared
    assert result_of(application, "lock_itself") is True
    assert server.wait(dispatchers.lock_itself, returnStatus=True) is True
    (lock,) = server._engine.locks.held([lock_key(dispatchers.lock_itself)]).dispatchers.values()
    assert lock.by == "/api/lock_itself"
    server.unlock(dispatchers.lock_itself)
    assert result_of(application, "counted") == server.stats()["dispatcherCount"]


def test_batch_runs_at_the_same_time(application, tmp_path):
    batch = [rpc("hold", [str(tmp_path), name], name) for name in ("a", "b")]
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        answer = threads.submit(call_wsgi, application, post(batch))
        assert wait_for_hold(tmp_path, "a") != wait_for_hold(tmp_path, "b")
        release(tmp_path)
        assert [member["result"] for member in answer.result().json()] == ["a", "b"]


def test_function_of_a_module_in_a_folder_added_after_the_start_runs(shared, tmp_path, monkeypatch):
    server, application = shared
    assert result_of(application, "add", [1]) == 2
    (tmp_path / "found_late.py").write_text("def late():\n    return 'found'\n")
    monkeypatch.syspath_prepend(tmp_path)
    server.registerFunction(importlib.import_module("found_late").late, path="/late")
    assert result_of(application, "late", target="/late") == "found"


def test_notification_that_comes_while_the_pool_stops_is_counted(monkeypatch, caplog):
    backend = ParallelBackend(poolSize=1)
    with running(backend, log=2) as (server, application):
        server.registerFunction(dispatchers.add, path="/notified", notifBackend=backend)
        make_job = backend._make_job

        def stopped_meanwhile(*call):
            server._stopExecBackends()
            return make_job(*call)

        monkeypatch.setattr(backend, "_make_job", stopped_meanwhile)
        call_wsgi(application, post({"jsonrpc": "2.0", "method": "add", "params": [1]}, "/notified"))
        assert server.stats()["notificationLostCount"] == 1
        assert server.stats()["processingDispatcherCount"] == 0
        assert "notification /notified/add is lost: exec backend 'parallel' has stopped" in caplog.text


def test_two_pools_run_side_by_side():
    with running(ParallelBackend(poolSize=1, id="small")) as (server, application):
        server.registerFunction(dispatchers.pid, path="/big", dispatcherBackend=ParallelBackend(poolSize=1, id="big"))
        assert result_of(application, "pid") != result_of(application, "pid", target="/big")
        assert (counts(server, "small")["done"], counts(server, "big")["done"]) == (1, 1)


def test_stop_finishes_the_calls_that_were_taken():
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


def test_call_during_the_stop_starts_another_pool(tmp_path):
    backend = ParallelBackend(poolSize=1)
    with running(backend) as (server, application), calls_in(application, ("hold", [str(tmp_path), "a"])) as (first,):
        wait_for_hold(tmp_path, "a")
        stopping = threading.Thread(target=server._stopExecBackends)
        stopping.start()
        wait_until(lambda: backend._pool is None)
        assert result_of(application, "add", [1]) == 2
        release(tmp_path)
        stopping.join()
        assert first.result()["result"] == "a"
        assert result_of(application, "counted") == 3  # by the channel


def test_object_serves_one_server_at_a_time():
    with running() as (server, _):
        other = flaskJSONRPCServer(None, log=False, dispatcherBackend=server.settings.dispatcherBackend)
        with pytest.raises(ServerStateError, match="'parallel' runs for 'many'; each server needs its own"):
            other._startExecBackends()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"poolSize": 0}, "poolSize=0 is refused: it takes a whole number of at least 1, or None"),
        ({"maxTasksPerChild": "2"}, "maxTasksPerChild='2' is refused"),
        ({"queue_calls": -1}, "queue_calls=-1 is refused"),
        ({"timeout": 0}, "timeout=0 is refused: it takes a number of seconds above 0"),
        ({"importGlobalsFromParent": 1}, "importGlobalsFromParent=1 is refused: it takes True, False, or a dict of"),
        ({"importGlobalsFromParent": {"typeof": 1}}, "unknown filter of importGlobalsFromParent 'typeof'"),
    ],
)
def test_wrong_setting_is_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        ParallelBackend(**options)


def test_missing_extra_is_an_error_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "loky", None)
    server = make("parallel")
    with pytest.raises(MissingExtraError, match=r"needs loky; install it: pip install 'loky>=3\.4' 'cloudpickle"):
        server._startExecBackends()


def test_system_without_posix_spawn_is_refused(monkeypatch):
    monkeypatch.delattr(os, "posix_spawn")
    server = make(ParallelBackend(poolSize=1))
    with pytest.raises(UnsupportedError, match="'parallel' needs posix_spawn, which this system does not have"):
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
        kept = server.settings.dispatcherBackend._pool._parts.pickler.namespaces

    assert results == [[20, True], [30, True], [40, True]]
    assert len(kept) == 2  # the main program's, and that of the script as it is now


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
def test_processes_have_the_globals_of_the_main_program_at_the_start(tmp_path, options, seen):
    done = run(write_program(tmp_path, PROGRAM), options)

    lines = done.stdout.splitlines()
    assert (done.stderr, lines[0]) == ("", "main program runs")  # once
    assert json.loads(lines[1]) == [seen, "__main__"]
    # A function brings the globals that it refers to at its first call, filtered ones too, with their values by then.
    number = 5 if "NUMBER" in seen else 6
    texts = {"TEXT": "text"} if "TEXT" in seen else {}
    expected = [1 + number, 12586269025, 1, 2, [True, 4 + number], ["main", texts, "program"], 4 + number]
    assert [json.loads(line) for line in lines[2:]] == expected


def test_global_that_cannot_be_pickled_is_named_in_the_debug_log(tmp_path):
    done = run(write_program(tmp_path, PROGRAM.replace("log=0", "log=4")), "{}")

    assert "global 'LOCK' of '__main__' is not there in child processes: cannot pickle" in done.stderr


LEFTOVERS = """
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
for _ in range(2):
    application = server.getWSGI()
    for number in range(5):
        assert call(application, "add", [number])["result"] == number + 1
    server.stop()
    seen.append(left())
assert seen[0] == seen[1], seen
print(seen[0][1], len(seen[0][2]))
"""


@pytest.mark.parametrize("gevent", [False, True])
def test_stop_leaves_nothing(tmp_path, gevent):
    done = run(write_program(tmp_path, LEFTOVERS), repr(gevent), warnings=not gevent, TMPDIR=str(tmp_path))

    assert (done.stdout, done.stderr) == ("[] 1\n", "")


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
    program = write_program(tmp_path, FAILING)
    done = run(program)

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
def test_dispatchers_read_and_change_the_main_program(backend, tmp_path):
    done = run(write_program(tmp_path, IN_MAIN.replace("BACKEND", repr(backend))))

    results, unpicklable, after = done.stdout.splitlines()
    assert results.startswith(
        "[6, {'LIMIT': 6, 'SEEN': [5]}, 42, \"NameError: the main program has no global 'NOTHING'\""
    )
    assert "'ZeroDivisionError: division by zero', 'SystemExit: 3', \"SyntaxError: " in results
    assert results.endswith(", 6]")
    assert unpicklable == (" cannot travel" if backend == "parallel" else "")
    assert after == "6 [5]"
