"""The event loop of a server: its calls, its thread, its end."""

import asyncio
import contextlib
import contextvars
import functools
import gc
import os
import subprocess
import sys
import threading
import traceback
import weakref
from pathlib import Path

import pytest

from flaskJSONRPCServer.runtime import event_loop
from flaskJSONRPCServer.runtime import running_loop as module
from flaskJSONRPCServer.runtime.event_loop import EventLoopEndedError, EventLoopThread
from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.runtime.stats import Stats
from tests.helpers import wait_until

PATIENCE_S = 30
ROOT = Path(__file__).resolve().parents[2]
VARIABLE = contextvars.ContextVar("variable", default="unset")


class LoopOfTest(EventLoopThread):
    def run(self, awaitable):
        return self.submit(awaitable).result()


@pytest.fixture
def loop():
    """An event loop that is stopped at the end of the test."""
    tested = LoopOfTest("tested-loop", ServerLog("tested", 3), Stats(), lambda: 1)
    yield tested
    tested.stop(0)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "tested-loop"]


def in_thread(function):
    """Start a function in a thread; return a function that waits for its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()

    def result():
        thread.join(PATIENCE_S)
        return results[0]

    return result


def outcome_of(function):
    """Return the result of a function, or the exception that it raises."""
    try:
        return function()
    except BaseException as exc:  # noqa: BLE001  of any kind
        return exc


async def running_loop():
    return asyncio.get_running_loop()


async def for_ever(begun=None):
    if begun is not None:
        begun.set()
    await asyncio.Event().wait()


async def fail():
    await asyncio.sleep(0)
    raise LookupError("nowhere")


def test_first_call_starts_the_thread_and_all_calls_share_the_loop(loop):
    before = threads(), loop.is_running
    first, second = loop.run(running_loop()), in_thread(lambda: loop.run(running_loop()))()

    assert before == ([], False)
    assert first is second
    assert (len(threads()), loop.is_running) == (1, True)


def test_calls_from_many_threads_at_once_start_one_loop(loop):
    at_once = threading.Barrier(16)

    def call():
        at_once.wait(PATIENCE_S)
        return loop.run(running_loop())

    loops = {result() for result in [in_thread(call) for _ in range(16)]}

    assert len(loops) == 1
    assert len(threads()) == 1


def test_coroutines_run_at_the_same_time(loop):
    async def meet(own, other):
        own.set()
        await other.wait()
        return "met"

    async def make_events():
        return asyncio.Event(), asyncio.Event()

    left, right = loop.run(make_events())
    first = loop.submit(meet(left, right))

    assert loop.run(meet(right, left)) == first.result() == "met"


def test_exception_is_raised_in_the_caller_with_its_traceback(loop):
    with pytest.raises(LookupError, match="nowhere") as raised:
        loop.run(fail())

    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "fail"


class Local:
    """An object in a frame of a traceback."""


def test_exception_of_a_call_keeps_nothing_alive(loop):
    async def fail():
        local = Local()
        references.append(weakref.ref(local))
        await asyncio.sleep(0)
        raise LookupError

    references = []
    gc.disable()
    try:
        assert isinstance(outcome_of(lambda: loop.run(fail())), LookupError)
        wait_until(lambda: references[0]() is None)
    finally:
        gc.enable()


def test_any_awaitable_is_awaited(loop):
    class Awaitable:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    assert loop.run(Awaitable()) == "awaited"


def test_context_variables_of_the_caller_are_there_and_changes_stay_in_the_call(loop):
    async def read_and_set(value):
        before = VARIABLE.get()
        VARIABLE.set(value)
        await asyncio.sleep(0)
        return before, VARIABLE.get()

    def call(value):
        VARIABLE.set(value)
        return loop.run(read_and_set("inner")), VARIABLE.get()

    for value in ("a", "b"):
        assert contextvars.copy_context().run(call, value) == ((value, "inner"), value)
    assert loop.run(read_and_set("c")) == ("unset", "c")


class Panic(BaseException):
    """As a Rust extension raises it."""


STRANGE = [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, Panic]


@pytest.mark.parametrize("strange", STRANGE)
def test_exception_of_any_kind_is_raised_in_the_caller_and_the_loop_goes_on(loop, strange):
    async def fail():
        await asyncio.sleep(0)
        raise strange("as it was raised")

    before = loop.run(running_loop())
    with pytest.raises(strange, match="as it was raised"):
        loop.run(fail())

    assert loop.run(running_loop()) is before


def test_stop_iteration_is_a_runtime_error_as_in_any_coroutine(loop):
    async def stop():
        raise StopIteration(1)

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        loop.run(stop())


@pytest.mark.parametrize("strange", [KeyboardInterrupt, SystemExit])
def test_loop_goes_on_after_a_task_raises_what_ends_loops(loop, strange, caplog):
    async def leave():
        raise strange

    async def gather():
        return await asyncio.gather(asyncio.sleep(0), leave())

    before = loop.run(running_loop())
    with pytest.raises(strange):
        loop.run(gather())

    assert loop.run(running_loop()) is before
    assert f"the event loop goes on after {strange.__name__}" in caplog.text


def test_loop_goes_on_after_a_callback_raises_system_exit_or_stops_it(loop):
    before = loop.run(running_loop())
    for callback in (sys.exit, before.stop):
        before.call_soon_threadsafe(callback)

        assert loop.run(running_loop()) is before


def test_log_that_raises_does_not_end_the_loop(loop):
    class Owner:
        def _logger(self, *args):
            raise ValueError("the log is full")

    loop._log.write_through(Owner())
    before = loop.run(running_loop())
    before.call_soon_threadsafe(sys.exit)

    assert loop.run(running_loop()) is before


def test_exception_of_a_background_task_is_logged(loop, caplog):
    async def begin():
        asyncio.get_running_loop().create_task(fail()).add_done_callback(lambda task: ended.set())

    ended = threading.Event()
    loop.run(begin())
    assert ended.wait(PATIENCE_S)
    wait_until(lambda: gc.collect() is None or "Task exception was never retrieved" in caplog.text)

    assert "LookupError: nowhere" in caplog.text


def test_wait_returns_whether_the_coroutine_has_ended(loop):
    begun, go_on = threading.Event(), threading.Event()
    call = loop.submit(for_ever(begun))
    assert begun.wait(PATIENCE_S)
    waited = call.wait(0)
    call.cancel()

    assert waited is False
    assert call.wait(PATIENCE_S) is True
    assert not go_on.is_set()


def test_cancelled_coroutine_may_clean_up(loop):
    async def hold():
        try:
            await for_ever(begun)
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    begun, cleaned = threading.Event(), []
    call = loop.submit(hold())
    assert begun.wait(PATIENCE_S)
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        call.result()
    assert cleaned == [True]


def test_cancelled_coroutine_may_return_all_the_same(loop):
    async def hold():
        with contextlib.suppress(asyncio.CancelledError):
            await for_ever(begun)
        return "done"

    begun = threading.Event()
    call = loop.submit(hold())
    assert begun.wait(PATIENCE_S)
    call.cancel()

    assert call.result() == "done"


def test_coroutine_that_is_cancelled_before_its_first_step_does_not_run(loop):
    """The warnings of coroutines that are never awaited are errors here."""

    async def block():
        blocked.set()
        go_on.wait(PATIENCE_S)

    async def run():
        ran.append(True)

    blocked, go_on, ran = threading.Event(), threading.Event(), []
    blocking = loop.submit(block())
    assert blocked.wait(PATIENCE_S)
    call = loop.submit(run())
    call.cancel()
    go_on.set()
    blocking.result()

    with pytest.raises(asyncio.CancelledError):
        call.result()
    gc.collect()
    assert ran == []


def test_cancelling_an_ended_call_does_nothing(loop):
    call = loop.submit(running_loop())
    assert call.wait(PATIENCE_S)
    call.cancel()

    assert call.result() is loop.run(running_loop())


def test_waiting_in_the_thread_of_the_loop_is_refused(loop):
    async def call_itself():
        assert loop.is_current_thread
        return loop.run(running_loop())

    with pytest.raises(RuntimeError, match="await it instead"):
        loop.run(call_itself())
    assert not loop.is_current_thread


def descriptors():
    return len(list(Path("/dev/fd").iterdir()))


def test_stop_ends_everything_and_the_next_call_makes_a_new_loop(loop):
    async def numbers():
        try:
            for number in range(5):
                yield number
        finally:
            ended.append("generator")

    async def background():
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            ended.append("task")

    async def use():
        kept.append(iterator := numbers())
        kept.append(asyncio.create_task(background()))
        await asyncio.to_thread(ended.append, "thread")
        server = await asyncio.start_server(lambda *streams: None, "127.0.0.1", 0)
        kept.append(server)
        asyncio.get_running_loop().call_soon(server.close)
        return await anext(iterator)

    loop.run(running_loop())
    loop.stop(PATIENCE_S)
    before = descriptors(), threading.active_count()
    for _ in range(3):
        ended, kept = [], []
        assert loop.run(use()) == 0
        loop.stop(PATIENCE_S)
        loop.stop(PATIENCE_S)

        assert sorted(ended) == ["generator", "task", "thread"]
        wait_until(lambda: (descriptors(), threading.active_count()) == before)
        assert not loop.is_running


def test_stop_waits_for_the_calls(loop):
    async def make_event():
        return asyncio.Event(), asyncio.get_running_loop()

    event, running = loop.run(make_event())
    call = loop.submit(event.wait())
    stopped = in_thread(lambda: loop.stop(PATIENCE_S))
    wait_until(lambda: not loop.is_running)
    running.call_soon_threadsafe(event.set)

    assert stopped() is None
    assert call.result() is True
    assert threads() == []


@pytest.mark.parametrize("timeout_s", [0, threading.TIMEOUT_MAX])
def test_stop_takes_any_timeout(loop, timeout_s):
    loop.run(running_loop())
    loop.stop(timeout_s)

    assert threads() == []


def test_function_in_a_thread_that_outlasts_the_stop_is_left_behind(loop, monkeypatch, caplog):
    async def use_thread():
        asyncio.get_running_loop().run_in_executor(None, hold)

    def hold():
        begun.set()
        go_on.wait(PATIENCE_S)
        ended.set()

    monkeypatch.setattr(module, "_CLEANUP_S", 0.01)
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    loop.run(use_thread())
    assert begun.wait(PATIENCE_S)
    loop.stop(0)

    assert "1 functions in threads of the event loop go on, and are left behind" in caplog.text
    assert threads() == []
    go_on.set()
    assert ended.wait(PATIENCE_S)


def test_stop_cancels_the_calls_that_its_timeout_does_not_suffice_for(loop):
    begun = threading.Event()
    call = loop.submit(for_ever(begun))
    assert begun.wait(PATIENCE_S)
    loop.stop(0.01)

    with pytest.raises(EventLoopEndedError, match="has cancelled the coroutine"):
        call.result()
    assert threads() == []


def test_calls_are_cancelled_and_the_loop_goes_on(loop):
    before = loop.run(running_loop())
    begun = threading.Event()
    call = loop.submit(for_ever(begun))
    assert begun.wait(PATIENCE_S)
    loop.cancel_calls()

    with pytest.raises(EventLoopEndedError):
        call.result()
    assert loop.run(running_loop()) is before


def test_cancelled_error_of_its_own_stays_one_while_the_loop_runs(loop):
    async def cancel_itself():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        loop.run(cancel_itself())


def test_blocked_loop_is_left_behind_and_its_calls_fail(loop, monkeypatch, caplog):
    async def block():
        blocked.set()
        go_on.wait(PATIENCE_S)

    monkeypatch.setattr(module, "_CLEANUP_S", 0.01)
    monkeypatch.setattr(module, "_JOIN_S", 0.01)
    blocked, go_on = threading.Event(), threading.Event()
    call = loop.submit(block())
    assert blocked.wait(PATIENCE_S)
    (thread,) = threads()
    loop.stop(0)

    with pytest.raises(EventLoopEndedError):
        call.result()
    assert "something blocks the end of the event loop" in caplog.text
    assert loop.run(running_loop()), "there is a new one"
    go_on.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive(), "it ends when it can"


def test_task_that_refuses_to_be_cancelled_is_dropped(loop, monkeypatch, caplog):
    async def go_on():
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await for_ever(begun)

    monkeypatch.setattr(module, "_CLEANUP_S", 0.05)
    begun = threading.Event()
    call = loop.submit(go_on())
    assert begun.wait(PATIENCE_S)
    loop.stop(0)

    with pytest.raises(EventLoopEndedError):
        call.result()
    assert "1 tasks go on after their cancellation, and are dropped" in caplog.text
    assert threads() == []


class Stubborn:
    """A coroutine that goes on after its cancellation, until the test ends."""

    def __init__(self, loop):
        self.begun = threading.Event()
        self._is_over = False
        self.call = loop.submit(self._run())
        assert self.begun.wait(PATIENCE_S)

    async def _run(self):
        self.begun.set()
        while not self._is_over:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)

    def end(self):
        self._is_over = True


def abandoned(loop):
    report = loop._stats.report(in_ms=False)
    return report["abandonedCallCount"], report["processingAbandonedCallCount"]


# These stops return long before their timeouts, which are longer than that of a test.


def test_stop_does_not_wait_for_a_coroutine_that_was_left(loop, caplog):
    stubborn = Stubborn(loop)
    assert stubborn.call.leave()
    loop.stop(1000)

    assert "1 tasks go on after their cancellation, and are dropped" in caplog.text
    assert threads() == []


def test_stop_waits_for_a_coroutine_until_it_is_left(loop):
    stubborn = Stubborn(loop)
    stopped = in_thread(lambda: loop.stop(1000))
    wait_until(lambda: not loop.is_running)
    stubborn.call.leave()

    assert stopped() is None


def test_stop_does_not_wait_for_a_coroutine_that_was_left_and_blocks_the_loop(loop, caplog):
    async def block():
        blocked.set()
        go_on.wait(PATIENCE_S)

    blocked, go_on = threading.Event(), threading.Event()
    call = loop.submit(block())
    assert blocked.wait(PATIENCE_S)
    (thread,) = threads()
    assert call.leave()
    loop.stop(1000)

    assert "something blocks the end of the event loop" in caplog.text
    with pytest.raises(EventLoopEndedError):
        call.result()
    go_on.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_coroutine_that_is_left_before_it_begins_never_does(loop):
    async def block():
        blocked.set()
        go_on.wait(PATIENCE_S)

    async def mark():
        ran.append(True)

    blocked, go_on, ran = threading.Event(), threading.Event(), []
    blocking = loop.submit(block())
    assert blocked.wait(PATIENCE_S)
    waiting = loop.submit(mark())

    assert not waiting.leave()
    go_on.set()
    blocking.result()
    assert waiting.wait(PATIENCE_S)
    assert ran == []


def test_function_in_a_thread_is_abandoned_when_its_call_is_left(loop, monkeypatch):
    def hold(begun):
        begun.set()
        go_on.wait(PATIENCE_S)

    async def hold_and_go_on():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.to_thread(hold, first)
        await asyncio.to_thread(hold, second)

    monkeypatch.setattr(event_loop, "_MAX_THREADS", 1)
    first, second, go_on = threading.Event(), threading.Event(), threading.Event()
    call = loop.submit(hold_and_go_on())
    assert first.wait(PATIENCE_S)
    assert loop.may_abandon
    call.leave()

    assert second.wait(PATIENCE_S), "it has the place of the first one"
    wait_until(lambda: abandoned(loop) == (2, 2))
    assert not loop.may_abandon
    assert loop.run(asyncio.to_thread(int, "7")) == 7
    loop.stop(1000)
    go_on.set()
    wait_until(lambda: abandoned(loop) == (2, 0))


def test_function_in_a_thread_whose_call_ended_in_time_is_not_abandoned(loop):
    async def begin_two():
        asyncio.get_running_loop().run_in_executor(None, go_on.wait, PATIENCE_S)
        return await asyncio.to_thread(int, "7")

    go_on = threading.Event()
    assert loop.run(begin_two()) == 7
    go_on.set()
    loop.stop(PATIENCE_S)

    assert abandoned(loop) == (0, 0)


@pytest.mark.parametrize("strange", [RuntimeError, SystemExit])
def test_task_factory_that_raises_fails_the_call_alone(loop, strange):
    def fail_to_make(running, coroutine, **options):
        raise strange("factory")

    async def use_factory(factory):
        asyncio.get_running_loop().set_task_factory(factory)
        return asyncio.get_running_loop()

    running = loop.run(use_factory(fail_to_make))
    for _ in range(2):
        with pytest.raises(strange, match="factory"):
            loop.run(running_loop())
    running.call_soon_threadsafe(running.set_task_factory, None)
    assert loop.run(use_factory(fail_to_make)) is running
    loop.stop(PATIENCE_S)

    assert threads() == []


def test_failed_calls_are_not_waited_for_and_the_loop_goes_on(loop, monkeypatch):
    monkeypatch.setattr(module, "_CLEANUP_S", 0.01)
    before = loop.run(running_loop())
    stubborn = Stubborn(loop)
    loop.fail_calls()

    with pytest.raises(EventLoopEndedError):
        stubborn.call.result()
    assert loop.run(running_loop()) is before
    loop.stop(1000)


def test_coroutine_that_cleans_up_when_the_loop_ends_is_cancelled_once(loop):
    async def clean_up():
        try:
            await for_ever(begun)
        finally:
            cleaning.set()
            await asyncio.sleep(0.01)
            cleaned.append(True)

    begun, cleaning, cleaned = threading.Event(), threading.Event(), []
    loop.submit(clean_up())
    assert begun.wait(PATIENCE_S)
    loop.cancel_calls()
    assert cleaning.wait(PATIENCE_S)
    loop.stop(0)

    assert cleaned == [True]


def test_retired_loop_ends_after_its_calls(loop):
    async def make_event():
        return asyncio.Event(), asyncio.get_running_loop()

    event, running = loop.run(make_event())
    call = loop.submit(event.wait())
    (thread,) = threads()
    loop.retire()
    assert loop.run(running_loop()) is not running
    assert not call.wait(0)
    running.call_soon_threadsafe(event.set)

    assert call.result() is True
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_loop_ends_when_its_owner_is_dropped():
    event_loop = LoopOfTest("tested-loop", ServerLog("tested", 3), Stats())
    event_loop.run(running_loop())
    (thread,) = threads()
    del event_loop
    gc.collect()
    thread.join(PATIENCE_S)

    assert not thread.is_alive()


def test_loop_that_cannot_start_fails_the_call_and_the_next_call_tries_again(loop, monkeypatch):
    def no_descriptor(name):
        raise OSError("too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(module, "make_loop", no_descriptor)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="the event loop cannot start") as raised:
                loop.run(running_loop())
            assert isinstance(raised.value.__cause__, OSError)

    assert loop.run(running_loop()).is_running()


def test_calls_beside_stops_are_all_answered(loop):
    async def echo(value):
        await asyncio.sleep(0)
        return value

    def call():
        return [outcome_of(functools.partial(loop.run, echo(number))) for number in range(100)]

    callers = [in_thread(call) for _ in range(4)]
    for _ in range(50):
        loop.stop(PATIENCE_S)

    assert [caller() for caller in callers] == [list(range(100))] * 4


def test_forked_process_makes_a_loop_of_its_own(loop):
    loop.run(running_loop())
    if (child := os.fork()) == 0:
        status = 1
        try:
            was_dropped = not loop.is_running
            status = 0 if was_dropped and loop.run(running_loop()).is_running() else 2
            loop.stop(PATIENCE_S)
        finally:
            os._exit(status)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert loop.run(running_loop()).is_running()


PROGRAM = """
import asyncio, sys
from flaskJSONRPCServer.runtime.event_loop import EventLoopThread
from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.runtime.stats import Stats

async def background():
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned up", flush=True)

async def begin():
    tasks.append(asyncio.create_task(background()))
    await asyncio.sleep(0)

tasks = []
loop = EventLoopThread("name", ServerLog("name", 3), Stats())
assert "asyncio" in sys.modules  # of this program: the package has not imported it
loop.submit(begin()).result()
print("end", flush=True)
"""


def test_program_that_does_not_stop_the_loop_ends_cleanly():
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "end\ncleaned up\n", "")


HANGING = """
import asyncio, threading
from flaskJSONRPCServer.runtime import running_loop
from flaskJSONRPCServer.runtime.event_loop import EventLoopThread
from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.runtime.stats import Stats

def hang():
    begun.set()
    threading.Event().wait(1000)

begun = threading.Event()
running_loop._CLEANUP_S = 0.01
loop = EventLoopThread("name", ServerLog("name", 0), Stats())
call = loop.submit(asyncio.to_thread(hang))
begun.wait()
if leave:
    call.leave()
print("end", flush=True)
"""


@pytest.mark.parametrize("leave", [True, False])
def test_function_in_a_thread_does_not_keep_the_program_from_ending(leave):
    command = [sys.executable, "-W", "error", "-c", f"leave = {leave}{HANGING}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
