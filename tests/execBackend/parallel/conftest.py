"""Fixtures of the tests of the channel, and of the server in a child. Each test file defines its own `server`."""

import contextlib
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.execBackend.parallel.channel import ChannelClient, ChannelSession
from flaskJSONRPCServer.execBackend.parallel.child import ChildServer
from flaskJSONRPCServer.execBackend.parallel.messages import make_setup
from flaskJSONRPCServer.execBackend.parallel.methods import ParentMethods
from flaskJSONRPCServer.execBackend.parallel.process import socket_pair
from tests.execBackend.parallel.children import Child, record_waits, send_setup
from tests.execBackend.parallel.pools import running


@pytest.fixture(scope="module")
def shared():
    """Return a server with a pool of processes and its application, for the tests of one file."""
    with running() as (server, application):
        yield server, application


@pytest.fixture
def methods(server):
    return ParentMethods(server._backend_context)


@pytest.fixture
def connect(server, methods):
    """Return a function that starts a session; it returns the session and the child's end of its channel."""
    opened = []

    def connect():
        with contextlib.ExitStack() as undo:
            ours, theirs = socket_pair(undo)
            undo.pop_all()
        session = ChannelSession(ours, methods, server.log)
        session.start()
        opened.append((session, theirs))
        return session, theirs

    yield connect
    for session, theirs in opened:
        session.end()
        assert session._has_ended.is_set()
        theirs.close()


@pytest.fixture
def channel(connect):
    """Return both ends of a channel inside this process: `session` and `client`."""
    session, theirs = connect()
    return SimpleNamespace(session=session, client=ChannelClient(theirs))


@pytest.fixture
def closed_channel(channel):
    """Return the child's end of a channel whose session has ended."""
    channel.session.end()
    return channel.client


@pytest.fixture
def ask(channel):
    return channel.client.request


@pytest.fixture
def child_server(server, channel):
    """Return a ChildServer in this process, which makes no difference to it."""
    setup = make_setup(server._backend_context, number=3, pool_size=4)
    return ChildServer(send_setup(setup), channel.client)


@pytest.fixture
def child(server, connect):
    session, theirs = connect()
    child = Child(make_setup(server._backend_context, number=0, pool_size=1), session, theirs)
    yield child
    child.kill()


@pytest.fixture
def waits(methods):
    return record_waits(methods)
