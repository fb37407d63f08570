"""Fixtures of the tests of the client."""

import contextlib

import pytest

from tests.client.faces import FACES
from tests.client.raw_server import RawServer
from tests.clients.api import serving


@pytest.fixture
def stack():
    """Servers that end after the clients of a test: a server waits for clients that keep connections."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(stack):
    """Serve an `Api` until the end of the test: `serve(auth=...).url`."""
    return lambda **options: stack.enter_context(serving(**options))


@pytest.fixture(params=FACES)
def connect(request, stack):
    """Make a client of either kind: `connect(url, timeout=2)` returns a `Face`. It is closed after the test."""
    with contextlib.ExitStack() as clients:
        yield lambda *args, **options: clients.enter_context(contextlib.closing(FACES[request.param](*args, **options)))


@pytest.fixture
def raw():
    """Serve raw bytes by a function: `raw(handle)` returns a `RawServer`."""
    with contextlib.ExitStack() as stack:

        def start(handle):
            server = RawServer(handle)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture(scope="module")
def api():
    """Serve an `Api`, for the tests of a module."""
    with serving() as api:
        yield api
