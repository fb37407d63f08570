"""A server that is served, and its sessions."""

import contextlib

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.mcp.session_client import Client
from tests.mcp.session_tools import Work, add, broken, chatter, folders, greet, page, sample


@pytest.fixture
def work():
    work = Work()
    yield work
    work.may_end.set()


@pytest.fixture
def served(work):
    """Return a server that is served, and its endpoint."""
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=0)
    endpoint = server.mcp("/mcp", instructions="Use them.")
    for function in (add, greet, page, sample, folders, chatter, broken, work.wait):
        server.registerFunction(function, path="/api", mcp=True)
    server.start()
    yield server, endpoint
    work.may_end.set()
    server.stop()


@pytest.fixture
def begin(served):
    """Return a function that begins a session."""
    with contextlib.ExitStack() as stack:

        def begin(revision="2025-11-25", **options):
            return stack.enter_context(contextlib.closing(Client(served[0], revision, **options)))

        yield begin
