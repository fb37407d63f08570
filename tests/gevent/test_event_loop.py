"""Coroutines in a patched process: the event loop runs in a native thread, and greenlets wait for it."""

from tests.gevent.processes import lines_of, run

# `server.registerFunction` before the start, and greenlets that call meanwhile.
COROUTINES = """
import asyncio

async def where(_connection):
    await asyncio.sleep(0)
    return [native_ident() != main, _connection.nativeThread, id(asyncio.get_running_loop())]

async def hold():
    events.append((asyncio.get_running_loop(), asyncio.Event()))
    await events[-1][1].wait()
    return "held"

def release():
    loop, event = events.pop()
    loop.call_soon_threadsafe(event.set)
    return "released"

events = []
main = native_ident()
for function in (where, hold, release):
    server.registerFunction(function, path="/api")
"""


def test_coroutine_runs_in_a_native_thread_while_greenlets_go_on():
    out = lines_of(
        COROUTINES
        + """
server.start()
print(call("where")[:2])
holding = [gevent.spawn(call, "hold") for _ in range(20)]
until(lambda: len(events) == 20)
print(server.stats()["processingDispatcherCount"], {call("release") for _ in range(20)})
print({greenlet.get() for greenlet in holding})
server.stop()
"""
    )
    assert out == ["[True, True]", "20 {'released'}", "{'held'}"]


def test_all_exec_backends_of_the_process_share_the_loop():
    out = lines_of(
        COROUTINES
        + """
for backend in ("threaded", "threadedNative"):
    server.registerFunction(where, path="/api", name=backend, dispatcherBackend=backend)
server.start()
places = [call(name) for name in ("where", "threaded", "threadedNative")]
print(len({loop for _, _, loop in places}), [is_other for is_other, _, _ in places])
server.stop()
"""
    )
    assert out == ["1 [True, True, True]"]


def test_sockets_threads_and_names_work_on_the_loop():
    out = lines_of(
        """
import asyncio

async def answer(reader, writer):
    writer.write(await reader.readline())
    writer.close()

async def echo(text):
    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        reader, writer = await asyncio.open_connection("localhost", listening.sockets[0].getsockname()[1])
        writer.write(text.encode() + b"\\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return line.decode().strip()

async def in_threads():
    def meet():
        inside.append(native_ident())
        while len(inside) < 2:
            native_sleep(0.001)
        return "met"
    inside = []
    return await asyncio.gather(asyncio.to_thread(meet), asyncio.to_thread(meet)), len(set(inside))

async def fail_in_thread():
    await asyncio.to_thread(int, "x")

async def stop_in_thread():
    await asyncio.to_thread(next, iter(()))

async def in_executor():
    with ThreadPool() as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, native_ident) != native_ident()

from concurrent.futures import Executor, Future

class ThreadPool(Executor):
    def submit(self, function, *args):
        future = Future()
        server._thread(lambda: future.set_result(function(*args)), forceNative=True)
        return future

for function in (echo, in_threads, fail_in_thread, stop_in_thread, in_executor):
    server.registerFunction(function, path="/api")
server.settings.log = 0
server.start()
print(call("echo", "hello"), call("in_threads"), call("in_executor"))
print(call("fail_in_thread")["code"], call("stop_in_thread")["code"], call("echo", "again"))
server.stop()
"""
    )
    assert out == ["hello [['met', 'met'], 2] True", "-32603 -32603 again"]


def test_stop_ends_the_loop_and_a_start_makes_another_without_leaking():
    out = lines_of(
        COROUTINES
        + """
import os

async def use():
    await asyncio.to_thread(native_sleep, 0)
    async with await asyncio.start_server(lambda *streams: None, "127.0.0.1", 0):
        background.append(asyncio.create_task(asyncio.Event().wait()))
    await asyncio.sleep(0)

background, counts = [], []
server.registerFunction(use, path="/api")
for _ in range(4):
    server.start()
    call("use")
    server.stop()
    until(lambda: server._countFileDescriptor() <= min(counts, default=10**6))
    counts.append(server._countFileDescriptor())
print(len(set(counts)), [task.cancelled() for task in background], server._engine.event_loop.is_running)
"""
    )
    assert out == ["1 [True, True, True, True] False"]


def test_coroutine_that_outlasts_the_stop_is_cancelled_and_answered():
    out = lines_of(
        COROUTINES
        + """
server.start()
holding = gevent.spawn(call, "hold")
until(lambda: events)
server.stop(timeout=1)
print(holding.get())
"""
    )
    assert out == ["{'code': -32005, 'message': 'The server has stopped in the call'}"]


def test_exceptions_of_any_kind_fail_their_call_alone():
    out, err = run(
        COROUTINES
        + """
async def fail(name):
    await asyncio.sleep(0)
    raise {"exit": SystemExit, "interrupt": KeyboardInterrupt, "kill": gevent.GreenletExit}[name]

server.registerFunction(fail, path="/api")
server.start()
before = call("where")
print([call("fail", name)["code"] for name in ("exit", "interrupt", "kill")], call("where") == before)
server.stop()
"""
    )
    assert out == "[-32603, -32603, -32603] True"
    assert err.count("Traceback") == 3


def test_killed_greenlet_cancels_the_coroutine_that_it_waits_for():
    out = lines_of(
        COROUTINES
        + """
async def wait():
    try:
        running.append(True)
        await asyncio.Event().wait()
    finally:
        running.clear()

running = []
server.registerFunction(wait, path="/api")
target = server._engine.router.table.find("/api/", "wait").target
waiting = gevent.spawn(target)
until(lambda: running)
waiting.kill()
until(lambda: not running)
print(waiting.dead)
server.stop()
"""
    )
    assert out == ["True"]


def test_log_of_the_loop_comes_through_the_serving_thread():
    _, err = run(
        COROUTINES
        + """
async def note(_connection):
    _connection.call.log(2, "noted in", native_ident() != main)
    asyncio.get_running_loop().call_soon(fail)

def fail():
    raise LookupError("of a callback")

server.registerFunction(note, path="/api")
server.start()
call("note")
call("where")
server.stop()
"""
    )
    assert err.count("noted in True") == 1
    assert "LookupError: of a callback" in err


def test_program_ends_without_a_stop():
    out, err = run(
        COROUTINES
        + """
async def wait():
    try:
        running.append(True)
        await asyncio.Event().wait()
    finally:
        print("cleaned up", flush=True)

running = []
server.registerFunction(wait, path="/api")
server.start()
gevent.spawn(call, "wait")
until(lambda: running)
print("end", flush=True)
"""
    )
    assert out == "end\ncleaned up"
    assert "event loop" not in err


def test_function_that_hangs_in_a_thread_is_left_behind_and_ends_with_the_program():
    out, err = run(
        """
import asyncio

async def hang():
    await asyncio.to_thread(native_sleep, 1000)

server.registerFunction(hang, path="/api", timeout=0.5)
server.start()
print(call("hang")["code"], server.stats()["processingAbandonedCallCount"])
server.stop(timeout=1000)
print("end")
"""
    )
    assert (out, err) == ("-32006 1\nend", "")
