"""Fixtures of the tests of the examples."""

import contextlib

import pytest

from tests.examples.processes import running


@pytest.fixture
def launch():
    """Start programs that end with the test: `launch(command, NAME='value')`."""
    with contextlib.ExitStack() as stack:
        yield lambda command, **environment: stack.enter_context(running(command, **environment))
