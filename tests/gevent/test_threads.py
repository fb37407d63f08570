"""Greenlets and native threads in one process."""

import json

from tests.gevent.processes import lines_of, run

# `meet` returns only if `number` native threads are inside it at once.
MEET = """
inside = []

def meet(number, _connection=None):
    inside.append(native_ident())
    while len(inside) < number:
        native_sleep(0.001)
    return [native_ident() != main, _connection and _connection.nativeThread]

main = native_ident()
"""


def test_dispatchers_run_in_native_threads_while_greenlets_go_on():
    out = lines_of(
        MEET
        + """
gate = monkey.get_original("_thread", "allocate_lock")()
gate.acquire()

def hold():
    gate.acquire()
    return "held"

def release(_connection):
    gate.release()
    return _connection.nativeThread

server.registerFunction(meet, path="/api", dispatcherBackend="threadedNative")
server.registerFunction(hold, path="/api", dispatcherBackend="threadedNative")
server.registerFunction(release, path="/api", dispatcherBackend="threaded")
server.start()
print([caller.get() for caller in [gevent.spawn(call, "meet", 20) for _ in range(20)]] == [[True, True]] * 20)
print(len(set(inside)))
holding = gevent.spawn(call, "hold")
until(lambda: server.stats()["threadedNative_running"])
print(call("release"), holding.get())
server.stop()
"""
    )
    assert out == ["True", "20", "False held"]


def test_call_async_runs_any_number_of_native_threads_at_once():
    out = lines_of(
        MEET
        + """
checkers = [server.callAsync(meet, [50], returnChecker=True) for _ in range(50)]
until(lambda: all(checker()[0] for checker in checkers))
print(len(set(inside)), main in inside, {checker()[2] for checker in checkers})
"""
    )
    assert out == ["50 False {None}"]


def test_call_async_lets_greenlets_go_on_and_brings_results_and_exceptions_back():
    out = lines_of(
        """
import traceback
gate = monkey.get_original("_thread", "allocate_lock")()
gate.acquire()

def fail():
    raise ValueError("as it was raised")

gevent.spawn(gate.release)
print(server.callAsync(gate.acquire), server.callAsync(pow, [2], {"exp": 10}))
try:
    server.callAsync(fail)
except ValueError as exc:
    print(exc, traceback.extract_tb(exc.__traceback__)[-1].name)
slept = []
nap = lambda seconds: slept.append(seconds) or time.sleep(seconds)
print(server.callAsync(native_sleep, [0.05], sleepTime=0.001, sleepMethod=nap), len(slept) > 1)
"""
    )
    assert out == ["True 1024", "as it was raised fail", "None True"]


def test_native_threads_release_the_event_loops_that_they_made():
    out = lines_of(
        """
def descriptors():
    return server._countFileDescriptor()

server.callAsync(time.sleep, [0])
before = descriptors()
for _ in range(20):
    server.callAsync(time.sleep, [0])
until(lambda: descriptors() <= before)  # a thread ends after its function
print("released")
"""
    )
    assert out == ["released"]


def test_locks_hold_and_wake_native_threads_and_greenlets():
    out = lines_of(
        """
def native(_connection):
    _connection.call.lock(greenlet)
    _connection.call.waitThis()
    return "native"

def greenlet():
    return "greenlet"

server.registerFunction(native, path="/api", dispatcherBackend="threadedNative")
server.registerFunction(greenlet, path="/api")
server.start()
for _ in range(20):
    server.lock(native)
    server.unlock(native)
    print(call("native"), end=" ")
    held = gevent.spawn(call, "greenlet")
    waiting = server.callAsync(server.wait, [greenlet], returnChecker=True)
    gevent.sleep(0)
    assert not held.ready() and not waiting()[0]
    server.callAsync(server.unlock, [greenlet])
    print(held.get(), end=" ")
    until(lambda: waiting()[0])
server.stop()
print()
"""
    )
    assert out[0].split() == ["native", "greenlet"] * 20


def test_call_waits_in_its_native_thread_for_a_lock_that_it_took():
    out = lines_of(
        """
def held(_connection):
    _connection.call.lockThis()
    print("locked", flush=True)
    _connection.call.waitThis()
    return "released"

server.registerFunction(held, path="/api", dispatcherBackend="threadedNative")
server.start()
waiting = gevent.spawn(call, "held")
until(lambda: server.wait(held, returnStatus=True))
server.unlock(held)
print(waiting.get())
server.stop()
"""
    )
    assert out == ["locked", "released"]


def test_server_is_stopped_and_restarted_from_native_threads():
    out = lines_of(
        """
def restart():
    server.restart()
    return "asked"

def echo(value):
    return value

server.registerFunction(restart, path="/api", dispatcherBackend="threadedNative")
server.registerFunction(echo, path="/api")
server.callAsync(server.start)
messages = []
server._logger = lambda level, *args: messages.append(args)
print(call("restart"))
until(lambda: any("has restarted" in str(args) for args in messages))
server.callAsync(server.restart)
print(call("echo", 1))
with contextlib.closing(connect()) as idle:
    ask(idle, "echo", 2)
    server.callAsync(server.stop)
print(server.addresses)
"""
    )
    assert out == ["asked", "1", "[]"]


def test_many_calls_from_greenlets_and_native_threads_are_all_answered_and_counted():
    out, err = run(
        """
def add(a, b, _connection):
    _connection.call.log(4, "adding", a, b)
    server._speedStatsAdd("add", 1)
    server.stats()
    return a + b

for name in ("simple", "threaded", "threadedNative"):
    server.registerFunction(add, path="/api", name=name, dispatcherBackend=name)
server.settings.log = 4
server.start()

def client(seed):
    wrong = 0
    with contextlib.closing(connect()) as connection:
        for number in range(60):
            name = ("simple", "threaded", "threadedNative")[(seed + number) % 3]
            wrong += ask(connection, name, seed, number) != seed + number
    return wrong

greenlets = [gevent.spawn(client, seed) for seed in range(10)]
print(sum(greenlet.get() for greenlet in greenlets))
stats = server.stats()
print(stats["dispatcherCount"], stats["requestCount"], stats["threadedNative_done"])
print(stats["processingRequestCount"], stats["processingDispatcherCount"])
server.stop()
print(server.stats()["dispatcherCount"])
"""
    )
    assert out.split("\n") == ["0", "600 600 200", "0 0", "600"]
    assert err.count("adding") == 600


def test_batch_on_native_threads_runs_its_calls_at_once():
    [line] = lines_of(
        MEET
        + """
server.registerFunction(meet, path="/api", dispatcherBackend="threadedNative")
server.start()
batch = [{"jsonrpc": "2.0", "method": "meet", "params": [8], "id": number} for number in range(8)]
with contextlib.closing(connect()) as connection:
    connection.request("POST", "/api", json.dumps(batch), {"Content-Type": "application/json"})
    print(connection.getresponse().read().decode())
server.stop()
"""
    )
    assert [answer["result"] for answer in json.loads(line)] == [[True, True]] * 8


def test_long_batch_lets_other_calls_be_answered_meanwhile():
    out = lines_of(
        """
ran = []

def step(number):
    ran.append(number)
    deadline = time.monotonic() + 0.002  # a busy loop, so that no greenlet switches
    while time.monotonic() < deadline:
        pass

server.registerFunction(step, path="/api")
server.registerFunction(lambda: len(ran), path="/api", name="progress")
server.start()
batch = [{"jsonrpc": "2.0", "method": "step", "params": [number], "id": number} for number in range(50)]

def send():
    with contextlib.closing(connect()) as connection:
        connection.request("POST", "/api", json.dumps(batch), {"Content-Type": "application/json"})
        return len(json.loads(connection.getresponse().read()))

with contextlib.closing(connect()) as other:
    ask(other, "progress")
    sending = gevent.spawn(send)
    until(lambda: ran)
    print(0 < ask(other, "progress") < 50)
print(sending.get(), ran == list(range(50)))
server.stop()
""",
        options="{'antifreeze_batchMaxTime': 5, 'antifreeze_batchSleep': 0.02}",
    )
    assert out == ["True", "50 True"]


def test_long_batch_without_a_pause_blocks_other_calls():
    out = lines_of(
        """
ran = []
server.registerFunction(lambda number: ran.append(number), path="/api", name="step")
server.registerFunction(lambda: len(ran), path="/api", name="progress")
server.start()
batch = [{"jsonrpc": "2.0", "method": "step", "params": [number], "id": number} for number in range(50)]
with contextlib.closing(connect()) as connection:
    connection.request("POST", "/api", json.dumps(batch), {"Content-Type": "application/json"})
    until(lambda: ran)
    print(call("progress"))
    connection.getresponse().read()
server.stop()
""",
        options="{'antifreeze_batchMaxTime': 60_000}",
    )
    assert out == ["50"]


def test_blocking_processes_one_request_at_a_time():
    out = lines_of(
        """
running, most = [], []

def overlap():
    running.append(1)
    most.append(len(running))
    time.sleep(0.001)
    running.pop()

server.registerFunction(overlap, path="/api")
server.start()
gevent.joinall([gevent.spawn(call, "overlap") for _ in range(20)], raise_error=True)
print(len(most), max(most))
server.stop()
""",
        options="{'blocking': True}",
    )
    assert out == ["20 1"]
