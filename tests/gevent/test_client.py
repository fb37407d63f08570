"""The synchronous client under gevent: each greenlet waits for its call alone."""

import textwrap

import pytest

from tests.gevent.processes import lines_of

SERVER = """
from flaskJSONRPCServer.client import Client, RequestTimeoutError
from gevent.event import Event

CALLS = 30
meeting, hanging, everyone, never = [], [], Event(), Event()

def meet(number):
    meeting.append(number)
    if len(meeting) == CALLS:
        everyone.set()
    return everyone.wait(30) and number

def hang():
    hanging.append(1)
    never.wait(30)

def add(a, b=1):
    return a + b

for function in (meet, hang, add):
    server.registerFunction(function, path="/api")
server.start()
client = Client("http://%s:%s/api" % server.addresses[0])
"""


def lines_with_server(script):
    return lines_of(f"{SERVER}\n{textwrap.dedent(script)}\nclient.close()\nserver.stop()")


def test_calls_of_greenlets_run_at_once():
    script = """
    calls = [gevent.spawn(client.meet, number) for number in range(CALLS)]
    gevent.joinall(calls)
    print([call.value for call in calls] == list(range(CALLS)), len(client._transport._pool))
    with client.batch() as batch:
        batch.add(1)
        batch.notify.add(1)
        batch.add(5, b=5)
    print(batch.results(), client.notify.add(1))
    """
    assert lines_with_server(script) == ["True 10", "[2, 10] None"]


def test_call_that_ends_early_disturbs_no_other():
    """By its time limit, by a timeout of gevent, or by the end of its greenlet."""
    script = """
    def timed_out():
        try:
            client.options(timeout=0.2).hang()
        except RequestTimeoutError:
            return "timeout"

    def timed_out_by_gevent():
        with gevent.Timeout(0.2, False):
            client.hang()
        return client.add(1)

    killed = gevent.spawn(client.hang)
    until(lambda: len(hanging) == 1)
    calls = [gevent.spawn(client.add, number) for number in range(50)]
    print(gevent.spawn(timed_out).get(), gevent.spawn(timed_out_by_gevent).get())
    print([call.get() for call in calls] == list(range(1, 51)))
    killed.kill()
    print([client.add(number) for number in range(20)] == list(range(1, 21)))
    never.set()
    """
    assert lines_with_server(script) == ["timeout 2", "True", "True"]


@pytest.mark.parametrize("kind", ["tcp", "stdio"])
def test_greenlets_share_a_channel(kind):
    script = """
    import os, sys
    from flaskJSONRPCServer.client import Client, RequestTimeoutError, StdioTransport, TcpTransport
    from tests.client.transports import stream_server

    with contextlib.ExitStack() as stack:
        if KIND == "tcp":
            transport = TcpTransport(*stack.enter_context(stream_server.listening("newline")))
        else:
            command = [sys.executable, stream_server.__file__, "newline"]
            transport = StdioTransport(command, env=os.environ | {"PYTHONPATH": os.getcwd()})
        client = stack.enter_context(Client(transport=transport))
        calls = [gevent.spawn(client.add, number, 1) for number in range(50)]
        print([call.get() for call in calls] == list(range(1, 51)))
        try:
            client.options(timeout=0.2).sleep()
        except RequestTimeoutError:
            print(client.add(1, 2))
        late = gevent.spawn(client.sleep)
        until(lambda: client.add(1) and late.ready())
        print(late.get())
    """
    assert lines_of(f"KIND = {kind!r}\n{textwrap.dedent(script)}") == ["True", "3", "late"]
