"""The fixtures of the test kit, as a pytest plugin.

pytest imports this module at each start in an environment that has this package. So it imports pytest alone, which is
loaded already, and each fixture imports what it needs.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from ..client import Client
    from .mock import MockServer
    from .recording import RecordedServer
    from .servers import ServedServer

__all__ = ["jsonrpc_cassette", "jsonrpc_client", "jsonrpc_contract", "jsonrpc_mock", "jsonrpc_server"]

_MODES = ("none", "once", "new_episodes", "all")

# Of a file's name, in characters: file systems allow 255 bytes.
_LONGEST_NAME = 120


class Checked(Protocol):
    """The value of a fixture that is checked after the test."""

    def problems(self) -> list[str]:
        """Return why the test is wrong; none if it is right."""

    def passed(self) -> None:
        """Note that the test has passed."""


_checked_parts = pytest.StashKey[list[Checked]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for cassettes."""
    parser.getgroup("jsonrpc").addoption(
        "--jsonrpc-record-mode",
        choices=_MODES,
        default="none",
        help="cassettes of jsonrpc_cassette: none only replays them, once records those that do not exist, "
        "new_episodes adds calls that they do not have, all records them anew",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "jsonrpc_mock(contract=None, path=None, assert_all_called=True): the arguments of the fixture jsonrpc_mock",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test whose calls were not the declared ones. If it has failed already, show them below its report."""
    outcome: Any = yield
    for part in item.stash.get(_checked_parts, ()):
        problems = part.problems()
        if outcome.excinfo is None and problems:
            outcome.force_exception(pytest.fail.Exception("\n".join(problems), pytrace=False))
        elif problems:
            item.add_report_section("call", "jsonrpc", "\n".join(problems))
        elif outcome.excinfo is None:
            part.passed()


@pytest.fixture
def jsonrpc_server() -> Iterator[Callable[..., ServedServer]]:
    """Start servers on free ports, and stop them after the test.

    Call it with a server, or with a function that registers methods on a server. It returns a `ServedServer` with `url`
    and `client`. `path=` chooses one of several paths; further arguments are options of the client.
    """
    from .servers import served

    with contextlib.ExitStack() as running:
        yield lambda source, path=None, **options: running.enter_context(served(source, path, **options))


@pytest.fixture
def jsonrpc_client() -> Iterator[Callable[..., Client]]:
    """Call servers in this process, without a socket.

    Call it with a server, an application of Flask or WSGI, or a function that registers methods on a server. It returns
    a `Client`. `path=` chooses one of several paths; further arguments are options of the client.
    """
    from .servers import in_process

    with contextlib.ExitStack() as clients:
        yield lambda source, path=None, **options: clients.enter_context(in_process(source, path, **options))


@pytest.fixture
def jsonrpc_contract() -> Any:
    """Return the contract of `jsonrpc_mock`: None, for no check. Replace this fixture by your own."""
    return None


@pytest.fixture
def jsonrpc_mock(request: pytest.FixtureRequest, jsonrpc_contract: Any) -> Iterator[MockServer]:
    """Answer the calls that the test declares: a `MockServer`.

    The test fails if other calls come, or declared ones do not.
    """
    from .mock import MockServer

    marker = request.node.get_closest_marker("jsonrpc_mock")
    options = {"contract": jsonrpc_contract, **({} if marker is None else marker.kwargs)}
    with contextlib.closing(MockServer(**options)) as mock, checked_after(request.node, mock):
        yield mock


@pytest.fixture
def jsonrpc_cassette(request: pytest.FixtureRequest) -> Iterator[Callable[..., RecordedServer]]:
    """Replay recorded calls of a server, or record them: see the option ``--jsonrpc-record-mode``.

    Call it with the URL of the server. It returns a `RecordedServer` with `client` and `url`. `name=` is the name of
    the cassette, if a test has several; `hide=` has the names of members that are not to be recorded; further arguments
    are options of the client.
    """
    from .cassette import Cassette
    from .recording import RecordedServer

    mode = request.config.getoption("--jsonrpc-record-mode")
    folder = request.path.parent / "cassettes" / request.path.stem
    used: set[str] = set()
    with contextlib.ExitStack() as servers:

        def recorded(url: str, name: str | None = None, hide: Any = (), **options: Any) -> RecordedServer:
            name = name or name_of(request.node)
            if name in used:
                raise ValueError(f"the test has a cassette {name!r} already; give this one another name=")
            used.add(name)
            cassette = Cassette(folder / f"{name}.json", mode, hide)
            server = servers.enter_context(contextlib.closing(RecordedServer(url, cassette, **options)))
            servers.enter_context(checked_after(request.node, server))
            return server

        yield recorded


@contextlib.contextmanager
def checked_after(item: pytest.Item, part: Checked) -> Iterator[None]:
    """Check the value of a fixture after the test, which runs in the block."""
    parts = item.stash.setdefault(_checked_parts, [])
    parts.append(part)
    try:
        yield
    finally:
        parts.remove(part)  # a plugin may run the test again, with new fixtures


def name_of(item: pytest.Item) -> str:
    """Return a file's name for a test; with a hash, if characters of the test's name have to be replaced."""
    full = item.nodeid.partition("::")[2].replace("::", ".")
    plain = re.sub(r"[^\w.-]+", "-", full, flags=re.ASCII)[:_LONGEST_NAME].strip("-")
    return plain if plain == full else f"{plain}-{hashlib.sha256(full.encode()).hexdigest()[:8]}"
