"""The target of the fuzzers: ``python -m scorecard.fuzz_target hypothesis|atheris SECONDS``."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

FUZZERS = ("hypothesis", "atheris")

_METHODS = ("POST", "GET", "HEAD", "OPTIONS", "PUT")
_HEADERS = (
    "Accept-Encoding",
    "Access-Control-Request-Headers",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Host",
    "Origin",
    "Referer",
    "Sec-Fetch-Site",
    "X-Forwarded-For",
)

# The allowed statuses. A 500 is a fault of the server: none of its dispatchers fails.
_EXPECTED = frozenset({200, 204, 308, 400, 403, 404, 405, 411, 413, 414, 415, 421, 431})


def main() -> None:
    fuzzer, seconds = sys.argv[1], int(sys.argv[2])
    if fuzzer == "hypothesis":
        by_hypothesis(seconds)
    else:
        by_atheris(seconds)


class Target:
    """A server whose answers are checked, and a connection of the backend ``native``."""

    def __init__(self) -> None:
        from flaskJSONRPCServer import flaskJSONRPCServer
        from tests.helpers import Request, call_wsgi

        server = flaskJSONRPCServer(None, log=0, cors=True, allowCompress=True, compressMinSize=10)
        server.registerFunction(lambda value=None: value, path="/api", name="echo")
        self._application = server.getWSGI()
        self._request = Request
        self._call = call_wsgi
        self.count = 0

    def request(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        """Send a request by WSGI."""
        self.count += 1
        cleaned = {name: clean(value) for name, value in headers.items()}
        answer = self._call(self._application, self._request(method, "/" + clean(target), cleaned, body))
        if answer.code not in _EXPECTED:
            raise AssertionError(f"status {answer.status} for {method} {target!r} {cleaned} {body!r}")
        if answer.code == 200 and method == "POST" and answer.header("Content-Encoding") is None:
            json.loads(answer.body, parse_constant=refuse_constant)

    def connection(self, pieces: list[bytes], ends: bool) -> None:
        """Feed a connection of ``native`` with bytes, piece by piece, and answer its requests."""
        self.count += 1
        http = make_connection()
        for now, piece in enumerate(pieces):
            if not http.wants_to_receive:
                break
            http.receive_data(piece, float(now))
            self._answer(http, float(now))
        if ends and not http.has_eof:
            http.receive_eof(float(len(pieces)))
            self._answer(http, float(len(pieces)))
        http.expire(math.inf)
        http.abort()

    def _answer(self, http: Any, now: float) -> None:
        while request := http.next_request(now):
            if request.head.get("REQUEST_METHOD") in (None, ""):
                raise AssertionError(f"a request without a method: {request.head}")
            http.queue(b"answer", now)
            http.finish_answer(now, keeps_alive=request.keeps_alive)


def make_connection() -> Any:
    from flaskJSONRPCServer.servBackend.native.parser import ParserLimits
    from flaskJSONRPCServer.servBackend.native.protocol import HttpConnection
    from flaskJSONRPCServer.servBackend.native.timeouts import HttpTimeouts

    limits = ParserLimits(4096, 1024, 20, 10_000, 5000, lambda head: (20_000, "max_body_bytes"))
    timeouts = HttpTimeouts(10, 10, 10, 10, 10, 10, 10, 100, 100, 1000)
    return HttpConnection(limits, timeouts, {"REMOTE_ADDR": "127.0.0.1"}, 0.0)


def clean(text: str) -> str:
    """Return a text as a server would pass it on: Latin-1, without line ends and NUL."""
    return text.encode("latin-1", "replace").decode("latin-1").translate({10: None, 13: None, 0: None})


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def by_hypothesis(seconds: int) -> None:
    import hypothesis
    from hypothesis import strategies as st

    target = Target()
    deadline = time.monotonic() + seconds
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
    members = st.sampled_from(["jsonrpc", "method", "params", "id", "x"])
    values = st.sampled_from(["2.0", "echo", [1], {"value": 1}, 1, None]) | json_values
    messages = st.dictionaries(members, values)
    bodies = st.binary() | (messages | st.lists(messages) | json_values).map(lambda value: json.dumps(value).encode())
    headers = st.dictionaries(
        st.sampled_from(_HEADERS), st.text() | st.sampled_from(["application/json", "gzip", "*/*"])
    )
    targets = st.text() | st.sampled_from(["api", "api/echo", "api/echo?value=1&jsonp=f", "api/"])
    fragments = st.binary(max_size=50) | st.sampled_from(_FRAGMENTS)
    settings = hypothesis.settings(
        max_examples=300, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    round_number = 0
    while time.monotonic() < deadline:
        round_number += 1
        for run in (
            hypothesis.given(st.sampled_from(_METHODS), targets, headers, bodies)(target.request),
            hypothesis.given(st.lists(fragments), st.booleans())(target.connection),
        ):
            hypothesis.seed(round_number)(settings(run))()
    print(f"Done {target.count} runs")


_FRAGMENTS = [
    b"POST /api HTTP/1.1\r\n",
    b"GET /api/echo?value=1 HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\n",
    b"Host: a\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"Upgrade: x\r\nConnection: upgrade\r\n",
    b"\r\n",
    b"5\r\nabcde\r\n",
    b"0\r\n\r\n",
    b"0\r\nX: 1\r\n\r\n",
    b"abcde",
]


_WORDS = [
    b'{"jsonrpc":"2.0","method":"echo","params":[1],"id":1}',
    b'"jsonrpc":"2.0"',
    b'"method":"echo"',
    b'"params":',
    b'"id":',
    b"null",
    b"NaN",
    b"1e400",
    b"\\ud800",
    b"gzip",
    b"application/json",
    b"jsonp=",
    b"api/echo?",
]


def dictionary_line(word: bytes) -> str:
    r"""Return an entry of a dictionary of libFuzzer.

    >>> dictionary_line(b"a")
    '"\\x61"\n'
    """
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


def by_atheris(seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["flaskJSONRPCServer"]):
        target = Target()
        make_connection()

    def run(data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)
        kind = provider.ConsumeIntInRange(0, 2)
        if kind == 0:
            target.connection([provider.ConsumeBytes(provider.ConsumeIntInRange(0, 64)) for _ in range(20)], ends=True)
            return
        headers = {
            _HEADERS[provider.ConsumeIntInRange(0, len(_HEADERS) - 1)]: provider.ConsumeUnicodeNoSurrogates(40)
            for _ in range(provider.ConsumeIntInRange(0, 4))
        }
        if kind == 1:
            headers["Content-Type"] = "application/json"
        method = _METHODS[0] if kind == 1 else _METHODS[provider.ConsumeIntInRange(0, len(_METHODS) - 1)]
        path = "api" if kind == 1 else provider.ConsumeUnicodeNoSurrogates(60)
        target.request(method, path, headers, provider.ConsumeBytes(provider.remaining_bytes()))

    # Words that random bytes would hardly ever contain, in libFuzzer's own format.
    dictionary = Path("words.dict")
    dictionary.write_text("".join(map(dictionary_line, [*_WORDS, *_FRAGMENTS])), encoding="ascii")
    options = [f"-max_total_time={seconds}", "-max_len=2000", f"-dict={dictionary}"]
    atheris.Setup([sys.argv[0], *options], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
