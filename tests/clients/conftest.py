"""Fixtures of the tests of the clients."""

import contextlib

import pytest

from tests.clients.api import serving


@pytest.fixture
def serve():
    """Serve an `Api` until the end of the test: `serve(cors=True).url`."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(serving(**options))


@pytest.fixture
def api(serve):
    """Serve an `Api` with the default options."""
    return serve()
