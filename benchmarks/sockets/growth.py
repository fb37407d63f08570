"""Measure the memory of a server over a million calls through sockets."""

from .environments import Runner
from .loads import SINGLE
from .roster import Contestant
from .serving import Pins, Served, serving
from .wrk import measure

CALLS = 1_000_000

_SLICE_S = 5


def growth_mb(contestant: Contestant, runner: Runner, pins: Pins, calls: int = CALLS) -> float:
    """Return the growth of the server's memory from about the first tenth of the calls to the last one, in MB."""
    with serving(contestant, runner, pins) as served:
        first = put_calls(served, calls // 10, pins)
        early_mb = served.memory_mb()
        put_calls(served, calls - first, pins)
        return served.memory_mb() - early_mb


def put_calls(served: Served, calls: int, pins: Pins) -> int:
    """Load a server until it has answered at least that many calls; return the actual number."""
    done, slice_s = 0, 0.5
    while done < calls:
        sample = measure(served.url, SINGLE.body, connections=SINGLE.connections, seconds=slice_s, prefix=pins.load)
        if not sample.requests_per_s:
            raise RuntimeError("the server answers no more")
        done += round(sample.requests_per_s * slice_s)
        slice_s = min(_SLICE_S, max(0.5, (calls - done) / sample.requests_per_s))
    return done
