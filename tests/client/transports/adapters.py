"""Clients over the HTTP libraries of others, for the tests of all transports."""

import contextlib
import importlib
import sys

from flaskJSONRPCServer.client import (
    AsyncHttpxTransport,
    AsyncNiquestsTransport,
    HttpxTransport,
    RequestsTransport,
    ThreadedTransport,
)
from tests.client.faces import AsyncFace, Face

SYNC = {"httpx": HttpxTransport, "httpx2": HttpxTransport, "requests": RequestsTransport, "niquests": RequestsTransport}
ASYNC = {"httpx": AsyncHttpxTransport, "httpx2": AsyncHttpxTransport, "niquests": AsyncNiquestsTransport}

# How a client runs, and its library. A threaded one is asynchronous over a synchronous transport.
KINDS = [("sync", "httpx"), ("async", "httpx"), ("sync", "requests"), ("threaded", "requests")]
if sys.version_info >= (3, 11):  # httpx2 needs it
    KINDS += [("sync", "httpx2"), ("async", "httpx2")]

# These take the place of the others in the environment of `test_niquests.py`.
NIQUESTS_KINDS = [("sync", "niquests"), ("async", "niquests"), ("threaded", "niquests")]


def connected(stack, kind, url, max_answer_bytes=None, **options):
    """Return a `Face` over a library. The stack closes it, and then the session of the library."""
    way, name = kind
    library = importlib.import_module(name)
    limit = {} if max_answer_bytes is None else {"max_answer_bytes": max_answer_bytes}
    if way == "async":
        session = library.AsyncClient() if "httpx" in name else library.AsyncSession()
        face = AsyncFace(url, transport=ASYNC[name](session, **limit), **options)
        stack.push(lambda *_: close_both(face, session))
        return face
    session = stack.enter_context(library.Client() if "httpx" in name else library.Session())
    transport = SYNC[name](session, **limit)
    if way == "threaded":
        face = AsyncFace(url, transport=ThreadedTransport(transport), **options)
    else:
        face = Face(url, transport=transport, **options)
    return stack.enter_context(contextlib.closing(face))


def close_both(face, session):
    """Close the session of a library in the event loop of its client, and then the client."""
    with contextlib.closing(face):
        face.wait(session.aclose() if hasattr(session, "aclose") else session.close())
