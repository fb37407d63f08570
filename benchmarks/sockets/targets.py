"""The targets of a run, and whether they are met."""

from collections.abc import Iterator
from dataclasses import dataclass

from .imports import FLASK, OURS_WHOLE, SANSIO
from .loads import BATCH, KEPT_ALIVE, MEGABYTES, SINGLE, Load
from .results import Results
from .roster import BARE, FLASK_VIEW, OURS, VIA_FLASK, Contestant

# The target against each peer: how many times its calls per second.
_OVER_PEERS = {
    "flaskJSONRPCServer, granian, orjson": 0.95,
    "jayson, Node http": 0.95,
    "pjrpc, aiohttp": 4,
    "bare WSGI, cheroot": 4,
    "fastapi-jsonrpc, uvicorn": 8,
    "Flask-JSONRPC, Flask": 22,
    "jsonrpcserver, Flask": 22,
    "jsonrpcserver, its serve()": 22,
    "flaskJSONRPCServer 0.9.3": 50,
}

# The same in batches.
_OVER_PEERS_IN_BATCHES = {"jayson, Node http": 0.6}

# The least ratio to the calls per second of the bare application, which always uses orjson.
_OVER_BARE = {"orjson": 0.82, "simplejson": 0.72}

_MAX_OVER_FLASK_MS = 60
_MAX_SANSIO_MS = 40
_MAX_GROWTH_MB = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure and its target.

    Attributes:
        what: The name of the figure.
        figure: The figure.
        bound: The target.
        at_most: Whether the target is an upper bound.
    """

    what: str
    figure: float
    bound: float
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        return self.figure <= self.bound if self.at_most else self.figure >= self.bound

    def cells(self) -> list[str]:
        sign = "≤" if self.at_most else "≥"
        return [self.what, f"{self.figure:.2f}", f"{sign} {self.bound:g}", "met" if self.is_met else "**not met**"]


def verdicts(results: Results, import_ms: dict[str, float], growth_mb: dict[str, float]) -> list[Verdict]:
    """Compare every measured figure that has a target with it."""
    return [
        *over_bare(results),
        *over_flask_views(results),
        *of_champion(results),
        *of_imports(import_ms),
        *(
            Verdict(f"{name}: MB more after 1,000,000 calls than after 100,000", growth, _MAX_GROWTH_MB, at_most=True)
            for name, growth in growth_mb.items()
        ),
    ]


def pairs(results: Results, kind: str, other: str, load: Load) -> Iterator[tuple[Contestant, Contestant]]:
    """Yield each contestant of one kind with each one of another kind on the same serving backend."""
    measured = [one for one in results.contestants if results.has(one, load)]
    for one in measured:
        for its in measured:
            if (one.kind, its.kind) == (kind, other) and one.backend == its.backend:
                yield one, its


def over_bare(results: Results) -> Iterator[Verdict]:
    for ours, bare in pairs(results, OURS, BARE, SINGLE):
        if bare.json == "orjson":
            yield Verdict(f"{ours.name} / {bare.name}", results.ratio(ours, bare, SINGLE), _OVER_BARE[ours.json])
    for ours, bare in pairs(results, OURS, BARE, MEGABYTES):
        what = f"{ours.name} / {bare.name}: {MEGABYTES.title}"
        yield Verdict(what, results.ratio(ours, bare, MEGABYTES), 0.9)


def over_flask_views(results: Results) -> Iterator[Verdict]:
    for ours, bare in pairs(results, VIA_FLASK, FLASK_VIEW, SINGLE):
        yield Verdict(f"{ours.name} / {bare.name}", results.ratio(ours, bare, SINGLE), 0.85)


def of_champion(results: Results) -> Iterator[Verdict]:
    champion = results.champion()
    if champion is None:
        return
    for peer in results.contestants:
        if peer is not champion and peer.name in _OVER_PEERS and results.has(peer, SINGLE):
            what = f"{champion.name} / {peer.name}"
            yield Verdict(what, results.ratio(champion, peer, SINGLE), _OVER_PEERS[peer.name])
        if peer.name in _OVER_PEERS_IN_BATCHES and results.has(peer, BATCH) and results.has(champion, BATCH):
            what = f"{champion.name} / {peer.name}: {BATCH.title}"
            yield Verdict(what, results.ratio(champion, peer, BATCH), _OVER_PEERS_IN_BATCHES[peer.name])
    spread = results.median(champion, SINGLE, lambda sample: sample.p99_ms / sample.p50_ms)
    yield Verdict(f"{champion.name}: p99 / p50", spread, 3, at_most=True)
    yield from of_loads(results, champion)


def of_loads(results: Results, champion: Contestant) -> Iterator[Verdict]:
    if results.has(champion, BATCH):
        what = f"{champion.name}: calls/s in batches / single"
        yield Verdict(what, results.ratio_of_loads(champion, BATCH, SINGLE), 5)
    if results.has(champion, KEPT_ALIVE):
        what = f"{champion.name}: {KEPT_ALIVE.title} / {SINGLE.connections}"
        yield Verdict(what, results.ratio_of_loads(champion, KEPT_ALIVE, SINGLE), 0.8)
        what = f"{champion.name}: {KEPT_ALIVE.title}, failed"
        yield Verdict(what, results.failed(champion, KEPT_ALIVE), 0, at_most=True)


def of_imports(import_ms: dict[str, float]) -> Iterator[Verdict]:
    if import_ms:
        over = import_ms[OURS_WHOLE] - import_ms[FLASK]
        yield Verdict("import, ms more than Flask alone", over, _MAX_OVER_FLASK_MS, at_most=True)
        yield Verdict("import of sansio_jsonrpc alone, ms", import_ms[SANSIO], _MAX_SANSIO_MS, at_most=True)
