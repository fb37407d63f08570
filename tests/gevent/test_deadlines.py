"""Deadlines in greenlets, which can be cancelled where they wait."""

from tests.gevent.processes import lines_of


def test_greenlet_is_cancelled_and_may_clean_up():
    out = lines_of(
        """
from gevent.event import Event

def wait():
    try:
        Event().wait()
    finally:
        print("cleaned up", flush=True)

server.registerFunction(wait, path="/api", timeout=0.5)
server.registerFunction(wait, path="/api", name="threaded", timeout=0.5, dispatcherBackend="threaded")
server.start()
for name in ("wait", "threaded"):
    print(call(name)["data"])
stats = server.stats()
print(stats["abandonedCallCount"], stats["processingDispatcherCount"])
server.stop()
"""
    )
    assert out == ["cleaned up", "{'work': 'cancelled'}"] * 2 + ["0 0"]


def test_greenlet_that_goes_on_all_the_same_is_abandoned():
    out = lines_of(
        """
from gevent.event import Event

go, exceptions = Event(), []

def stubborn():
    try:
        Event().wait()
    except gevent.GreenletExit as exc:
        exceptions.append(str(exc))
    go.wait()
    return "done"

server.registerFunction(stubborn, path="/api", timeout=0.5)
server.start()
print(call("stubborn")["data"], exceptions)
print(server.stats()["processingAbandonedCallCount"])
go.set()
until(lambda: server.stats()["processingAbandonedCallCount"] == 0)
print(call("stubborn")["data"])  # it ends just after its deadline, and its result is dropped
server.stop()
"""
    )
    assert out == ["{'work': 'abandoned'} ['the deadline of the call has passed']", "1", "{'work': 'cancelled'}"]


def test_greenlet_that_has_ended_its_call_is_not_cancelled_in_the_next_one():
    # The calls end at about their deadlines, so that many exceptions come too late for them.
    out = lines_of(
        """
def near(seconds):
    gevent.sleep(seconds)
    return "in time"

def next_one():
    gevent.sleep(0.02)
    return "next"

server.registerFunction(near, path="/api", timeout=0.05, dispatcherBackend="threaded")
server.registerFunction(next_one, path="/api", dispatcherBackend="threaded")
server.start()
near_calls = [gevent.spawn(call, "near", 0.045 + number / 10_000) for number in range(100)]
gevent.sleep(0.03)
next_calls = [gevent.spawn(call, "next_one") for number in range(60)]
print({greenlet.get() for greenlet in next_calls})
answers = [greenlet.get() for greenlet in near_calls]
works = {"in time" if answer == "in time" else answer["data"]["work"] for answer in answers}
print(works <= {"in time", "cancelled", "not started", "abandoned"})
server.stop()
"""
    )
    assert out == ["{'next'}", "True"]


def test_call_in_a_native_thread_is_abandoned():
    out = lines_of(
        """
import time

go = []

def spin():
    while not go:
        server._sleep(0.001, True)

server.registerFunction(spin, path="/api", timeout=0.5, dispatcherBackend="threadedNative")
server.start()
print(call("spin")["data"])
go.append(1)
until(lambda: server.stats()["processingAbandonedCallCount"] == 0)
server.stop()
"""
    )
    assert out == ["{'work': 'abandoned'}"]
