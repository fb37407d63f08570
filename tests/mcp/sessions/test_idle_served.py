"""How long sessions live, over real sockets and by a clock that the tests set."""

import contextlib
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp.sessions.store import IDLE_S, Sessions
from tests.helpers import Clock, wait_until
from tests.mcp.session_client import PATIENCE_S, Client
from tests.mcp.session_tools import Work


class IdleClock(Clock):
    def pass_idle_time(self):
        self.now += IDLE_S + 1


@pytest.fixture
def clock():
    return IdleClock()


@pytest.fixture
def serve(monkeypatch):
    """Return a function that serves an endpoint with a table of sessions; it returns the server and the endpoint."""
    with contextlib.ExitStack() as stack:

        def serve(table, *functions):
            monkeypatch.setattr("flaskJSONRPCServer.mcp.public.Sessions", lambda: table)
            server = flaskJSONRPCServer(("127.0.0.1", 0), log=0)
            endpoint = server.mcp("/mcp")
            for function in functions:
                server.registerFunction(function, path="/api", mcp=True)
            server.start()
            stack.callback(server.stop)
            return server, endpoint

        yield serve


def connected(client):
    """Return the stream of a session, when the server has attached the connection to it."""
    events = client.open("GET")
    assert events.response.readline().startswith(b"id: ")
    return events


def test_session_lives_on_when_a_stream_ends_that_was_open_for_long(serve, clock):
    server, _ = serve(Sessions(clock=clock))
    with contextlib.closing(Client(server)) as client:
        events = connected(client)
        clock.pass_idle_time()
        server.restart()
        assert list(events) == []
        assert client.ask("ping") == {}


def test_session_lives_on_when_a_request_ends_that_took_long(serve, clock):
    work = Work()
    server, _ = serve(Sessions(clock=clock), work.wait)
    with contextlib.closing(Client(server)) as client:
        call, accept = client.request("tools/call", {"name": "wait"}), {"Accept": "application/json"}
        calling = threading.Thread(target=client.exchange, args=(call, accept))
        calling.start()
        assert work.has_begun.wait(PATIENCE_S)
        clock.pass_idle_time()
        work.may_end.set()
        calling.join()
        assert client.ask("ping") == {}


def test_idle_session_ends_although_no_other_begins(serve, clock):
    table = Sessions(clock=clock)
    server, endpoint = serve(table)
    with contextlib.closing(Client(server)) as client:
        endpoint.tools_changed()
        assert table.kept_bytes.count > 0
        clock.pass_idle_time()
        wait_until(lambda: table.kept_bytes.count == 0)
        assert len(table) == 0
        assert client.exchange(client.request("ping"))[0].status == 404


class EndsAtOnce(Sessions):
    """Sessions each of which another thread ends as soon as it has begun."""

    def add(self, session):
        super().add(session)
        self.end_all()


def test_session_that_ends_while_it_begins_leaves_no_subscription(serve):
    server, endpoint = serve(EndsAtOnce())
    with contextlib.closing(Client(server)) as client:
        assert client.exchange(client.request("ping"))[0].status == 404
    assert len(endpoint._subscriptions) == 0


def test_session_that_is_refused_leaves_no_subscription(serve):
    server, endpoint = serve(Sessions(most=1))
    with contextlib.closing(Client(server)) as client:
        connected(client)
        params = {"protocolVersion": "2025-11-25", "capabilities": {}}
        answer, _ = client.exchange(client.request("initialize", params), {"Mcp-Session-Id": None})
        assert answer.status == 503
        assert len(endpoint._subscriptions) == 1
