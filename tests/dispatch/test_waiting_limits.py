"""How many calls may wait for messages of their clients."""

from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.dispatch.streams import StreamRegistry
from flaskJSONRPCServer.dispatch.streams.registry import FOREIGN_STREAMS
from flaskJSONRPCServer.dispatch.waiting_limits import WaitingLimit, WaitingLimits
from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.servBackend.stream_limits import FOREIGN, SERVED, WRAPPED, stream_limits, waiting_limits
from flaskJSONRPCServer.settings import Settings


def kind_of(head):
    return head["kind"]


def make_limits(**options):
    settings = Settings(**options)
    streams = StreamRegistry("streams", settings, ServerLog("streams", 0), kind_of)
    streams.limits = stream_limits("mine", settings)
    return WaitingLimits(settings, kind_of, streams.limit)


def exchange_of(kind, *, is_local=False):
    return SimpleNamespace(head={"kind": kind}, is_local=is_local)


@pytest.mark.parametrize(
    ("backend", "settings", "setting", "served", "wrapped"),
    [
        ("native", {}, "threads", 32, 16),
        ("native", {"threads": 1}, "threads", 1, 1),
        ("pywsgi", {"max_concurrent_calls": 10}, "max_concurrent_calls", 5, 1),
        ("granian", {}, "threads", 16, 16),
        ("granian", {"threads": 3}, "threads", 1, 1),
        ("werkzeug", {"max_streams": 4}, "threads", 30, 30),
    ],
)
def test_waiting_calls_leave_room_for_streams_and_calls(backend, settings, setting, served, wrapped):
    made = Settings(**settings)
    limits = make_limits()
    limits.by_kind = waiting_limits(backend, made)
    at_once = getattr(made, setting)
    assert limits.of(exchange_of(SERVED)) == WaitingLimit(served, setting, at_once)
    assert limits.of(exchange_of(WRAPPED)) == WaitingLimit(wrapped, setting, at_once)


@pytest.mark.parametrize(("max_streams", "most"), [(None, FOREIGN_STREAMS), (3, 3)])
@pytest.mark.parametrize("kind", [FOREIGN, SERVED])
def test_waiting_calls_of_other_programs_are_as_many_as_streams(kind, max_streams, most):
    limits = make_limits(max_streams=max_streams)
    limits.by_kind = waiting_limits("mine", Settings(max_streams=max_streams))
    assert limits.of(exchange_of(kind)) == WaitingLimit(most, "max_streams", most)


def test_waiting_calls_over_the_standard_streams_leave_half_of_the_threads():
    limits = make_limits(threads=9)
    limits.by_kind = {FOREIGN: WaitingLimit(1, "max_streams", 1)}
    assert limits.of(exchange_of(FOREIGN, is_local=True)) == WaitingLimit(4, "threads", 9)
