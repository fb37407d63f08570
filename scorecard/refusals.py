"""Checks 41, 42 and 46: refusals of requests that are still being sent."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from . import wire
from .checks import check
from .load import Client, Crowd, p99, valid_calls
from .outside_sources import SourceError, node_modules
from .results import Findings, Result
from .slow_clients import ENDLESS_BYTES, ENDLESS_S
from .subject import Start, Subject, wait_until

__all__: list[str] = []

MIB = 1024 * 1024

_BODY_BYTES = 20_000

# How long a client with a hidden request stays connected, in seconds.
_STAY_S = 5.0


def refused_heads() -> dict[str, bytes]:
    """Return heads of requests that are refused, each for a body of :data:`_BODY_BYTES`."""
    length = b"Content-Length: %d\r\n\r\n" % _BODY_BYTES
    plain = wire.HEAD.replace(b"application/json", b"text/plain")
    return {
        "415": plain + length,
        "413": wire.HEAD + b"Content-Length: 100000000\r\n\r\n",
        "400": wire.HEAD + b"Transfer-Encoding: xchunked\r\n" + length,
        "421": wire.HEAD.replace(b"127.0.0.1", b"evil.test") + length,
    }


def bodies(head: bytes) -> list[bytes]:
    """Return bodies that together contain a complete request at each offset.

    Args:
        head: The head before them. The hidden requests have the same length: a server that confuses the two must not
            run them.
    """
    hidden = wire.get("hidden", b"X: ").replace(b"X: ", b"X: " + b"x" * (len(head) - len(wire.get("hidden", b"X: "))))
    repeated = hidden * (_BODY_BYTES // len(hidden) + 2)
    shifted = [repeated[shift:] for shift in range(len(hidden))]
    # Many parsers skip empty lines before a request: wherever one begins to read, it reaches the request.
    padded = [b"\r\n" * (start // 2) + hidden + b"\r\n" * _BODY_BYTES for start in range(0, _BODY_BYTES, 1000)]
    return [body[:_BODY_BYTES] for body in shifted + padded]


@check(41, "A complete request hidden in the body of a refused one never runs")
def hidden_requests(start: Start) -> Result:
    findings = Findings()
    subject = start()
    at_once, afterwards = [], []
    for head in refused_heads().values():
        hiding = bodies(head)
        at_once += [Client(head + body) for body in hiding]
        # The body comes after the refusal: the server has already decided whether to keep the connection.
        afterwards += [Client(head, follow_up=body, follow_up_after_s=0.5) for body in hiding]
    began = time.monotonic()
    with Crowd(subject.address, at_once + afterwards).running() as crowd:
        wait_until(lambda: crowd.open_count == 0, _STAY_S + 1)
        stayed_s = time.monotonic() - began
    ran = subject.marked("hidden")
    count = len(at_once + afterwards)
    findings.measure(f"{count} bodies with requests at each offset to {_BODY_BYTES}, up to {stayed_s:.0f} s: {ran} ran")
    findings.require(ran == 0, f"{ran} hidden requests ran")
    findings.require(subject.is_alive(), "the server is not alive")
    return findings.result()


@check(42, "Refused and finished clients that stay leave no descriptor; one that keeps sending is cut off")
def staying_clients(start: Start) -> Result:
    findings = Findings()
    subject = start()
    valid_calls(subject, 40)
    wait_until(lambda: not subject.process.net_connections("tcp")[1:], 3)
    before = subject.settled_descriptors()
    refused = [Client(wire.HEAD + b"Content-Length: 100000000\r\n\r\nabc", reads=False) for _ in range(60)]
    answered = [Client(wire.post(wire.ECHO, b"Connection: close"), reads=False) for _ in range(60)]
    began = time.monotonic()
    with Crowd(subject.address, refused + answered).running():
        wait_until(lambda: subject.descriptors() > before, 1)
        wait_until(lambda: subject.descriptors() <= before, 5)
        after = subject.settled_descriptors()
        findings.measure(f"descriptors {before} -> {after} after {time.monotonic() - began:.1f} s")
        findings.require(after <= before, f"{after - before} descriptors are left behind")
    stream_on(subject, findings)
    return findings.result()


def stream_on(subject: Subject, findings: Findings) -> None:
    """Send without end after a refusal, and make valid calls meanwhile."""
    head = wire.HEAD + b"Content-Length: 100000000000\r\n\r\n"
    client = Client(head + bytes(ENDLESS_BYTES + 64 * MIB))
    began = time.monotonic()
    with Crowd(subject.address, [client]).running() as crowd:
        worst = p99(valid_calls(subject, 100, timeout_s=2))
        wait_until(lambda: crowd.open_count == 0 or not client.to_send, ENDLESS_S)
        cut_s = (client.ended_at or time.monotonic()) - began
        is_cut = not client.is_open
    findings.measure(f"a streaming client cut after {client.sent_bytes / MIB:.0f} MiB and {cut_s:.1f} s")
    findings.measure(f"p99 of others {worst * 1000:.0f} ms")
    findings.require(is_cut and client.sent_bytes < ENDLESS_BYTES, "a streaming client is not cut")
    findings.require(worst < 0.1, "it costs others 0.1 s or more")


_SIZES = {"6 MB": 6_000_000, "50 MB": 50_000_000}

_FETCH = """
const body = JSON.stringify({jsonrpc: "2.0", method: "echo", params: ["x".repeat(Number(process.argv[2]))], id: 1});
fetch(process.argv[1], {method: "POST", body, headers: {"Content-Type": "application/json"}})
  .then((answer) => console.log(answer.status), (error) => console.log(String(error.cause || error)));
"""

_JAYSON = """
const url = new URL(process.argv[1]);
const jayson = require("jayson");
const client = jayson.client.http({hostname: url.hostname, port: url.port, path: url.pathname});
client.request("echo", ["x".repeat(Number(process.argv[2]))], (error, answer) => {
  console.log(error ? error.code + " " + error.message : "answered");
});
"""


@check(46, "413 reaches http.client, urllib, requests, jayson and fetch while they send 6 MB and 50 MB")
def refusal_arrives(start: Start) -> Result:
    findings = Findings()
    subject = start()
    url = "http://{}:{}/api".format(*subject.address)
    outcomes = {}
    for name, post in CLIENTS.items():
        for size, length in _SIZES.items():
            outcomes[f"{name} {size}"] = attempt(post, subject, url, length)
    arrived = [name for name, text in outcomes.items() if text.startswith("413")]
    findings.measure(f"{len(arrived)} of {len(outcomes)} clients got 413")
    for name, text in outcomes.items():
        findings.require(name in arrived, f"{name}: {text}")
    findings.require(subject.ran() == 0, "a dispatcher ran")
    findings.require(subject.is_alive(), "the server is not alive")
    return findings.result()


def attempt(post: Callable[[Subject, str, int], str], subject: Subject, url: str, length: int) -> str:
    try:
        return post(subject, url, length)
    except (OSError, http.client.HTTPException, SourceError, subprocess.SubprocessError) as exc:
        return f"{type(exc).__name__}: {exc}"[:80]


def by_http_client(subject: Subject, _url: str, length: int) -> str:
    host, port = subject.address
    connection = http.client.HTTPConnection(host, port, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", "/api", wire.rpc("echo", "x" * length), {"Content-Type": "application/json"})
        return str(connection.getresponse().status)


def by_urllib(_subject: Subject, url: str, length: int) -> str:
    body = wire.rpc("echo", "x" * length)
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return str(error.code)


def by_requests(_subject: Subject, url: str, length: int) -> str:
    import requests

    body = wire.rpc("echo", "x" * length)
    return str(requests.post(url, body, headers={"Content-Type": "application/json"}, timeout=20).status_code)


def by_fetch(_subject: Subject, url: str, length: int) -> str:
    return by_node(_FETCH, url, length, {})


def by_jayson(_subject: Subject, url: str, length: int) -> str:
    return by_node(_JAYSON, url, length, {"NODE_PATH": str(node_modules("jayson"))})


def by_node(script: str, url: str, length: int, environ: dict[str, Any]) -> str:
    node = shutil.which("node")
    if node is None:
        raise SourceError("there is no Node.js")
    done = subprocess.run(
        [node, "-e", script, url, str(length)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **environ},
        check=False,
    )
    return (done.stdout or done.stderr).strip()[-80:]


CLIENTS: dict[str, Callable[[Subject, str, int], str]] = {
    "http.client": by_http_client,
    "urllib": by_urllib,
    "requests": by_requests,
    "fetch": by_fetch,
    "jayson": by_jayson,
}
