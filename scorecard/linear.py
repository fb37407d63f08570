"""Check 9: the time to read a request is proportional to its length."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_wsgi, get, post

from .checks import Scope, check
from .results import Findings, Result
from .subject import Start

__all__: list[str] = []

_SIZES = (1024, 10 * 1024, 100 * 1024)

# Ten times the length takes ten times as long if the code is linear, and a hundred times if it is quadratic.
_MAX_RATIO = 35.0

# Shorter durations are noise, in seconds.
_NOISE_S = 0.003

_REPEATS = 3

_HEADERS = (
    "Host",
    "Origin",
    "Referer",
    "Content-Type",
    "Content-Encoding",
    "Accept-Encoding",
    "Cookie",
    "Authorization",
    "X-Forwarded-For",
    "Access-Control-Request-Headers",
    "Sec-Fetch-Site",
    "Content-Length",
)

# Units that make regular expressions with repetitions backtrack.
_UNITS = ("a", " ", ",", ";", "a,", "a;", "a=b;", '"', '\\"', "a.", "127.0.0.1,", "1", "[", "%41", "\t;=", "a=")

_TEXTS = {
    "brackets": "[",
    "braces": '{"a":',
    "digits": "1",
    "spaces": " ",
    "backslashes": "\\\\",
    "quotes": '"',
    "commas": ",",
    "members": '{"a":1},',
    "escapes": "\\u0061",
    "strings": '"a",',
}


@check(9, "The time of every validator and parser is linear at 1, 10 and 100 KiB", scope=Scope.ALONE)
def linear(_start: Start) -> Result:
    findings = Findings()
    application = make_application()
    worst, worst_name, count = 0.0, "", 0
    for name, run in cases(application):
        count += 1
        ratio = growth(run)
        if ratio > worst:
            worst, worst_name = ratio, name
        findings.require(ratio < _MAX_RATIO, f"{name}: {ratio:.0f} times as long at 100 KiB as at 10 KiB")
    findings.measure(f"{count} inputs; the most is {worst:.0f} times as long for ten times the length ({worst_name})")
    return findings.result()


def make_application() -> Any:
    server = flaskJSONRPCServer(
        None,
        log=0,
        cors=True,
        allowCompress=True,
        trusted_proxies=["127.0.0.1"],
        allowed_origins=["https://a.test"],
        max_url_bytes=1024 * 1024,
    )
    server.registerFunction(lambda value=None: None, path="/api", name="echo")
    return server.getWSGI()


def cases(application: Any) -> Iterator[tuple[str, Callable[[int], object]]]:
    """Yield names and inputs. An input is a function that takes a size in bytes."""
    for header in _HEADERS:
        for unit in _UNITS:
            yield f"{header}: {unit}", functools.partial(send_header, application, header, unit)
    for unit in _UNITS:
        for place in ("/api/echo?value={}", "/api/echo?jsonp={}", "/{}", "/api/{}"):
            yield place.format(unit), functools.partial(send_target, application, place, unit)
    for name, unit in _TEXTS.items():
        yield f"a body of {name}", functools.partial(send_body, application, unit)


def send_header(application: Any, header: str, unit: str, size: int) -> object:
    return call_wsgi(application, post(b'{"jsonrpc":"2.0","method":"echo","id":1}', headers={header: fill(unit, size)}))


def send_target(application: Any, place: str, unit: str, size: int) -> object:
    return call_wsgi(application, get(place.format(fill(unit, size).replace(" ", "+").replace("\t", "+"))))


def send_body(application: Any, unit: str, size: int) -> object:
    return call_wsgi(
        application, post(b'{"jsonrpc":"2.0","method":"echo","id":1,"params":' + fill(unit, size).encode())
    )


def fill(unit: str, size: int) -> str:
    return unit * (size // len(unit))


def growth(run: Callable[[int], object]) -> float:
    """Return how many times as long the largest input takes as the middle one; 0 if both are too quick to measure."""
    for size in _SIZES[:1]:
        run(size)
    middle, largest = (min(timed(run, size) for _ in range(_REPEATS)) for size in _SIZES[1:])
    return 0.0 if largest < _NOISE_S else largest / middle


def timed(run: Callable[[int], object], size: int) -> float:
    began = time.perf_counter()
    run(size)
    return time.perf_counter() - began
