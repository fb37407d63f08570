"""Checks 4, 5, 43 and 44: clients that send or read slowly, or not at all."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from . import wire
from .checks import check
from .load import Client, Crowd, p99, valid_calls
from .results import Findings, Result
from .subject import Start, Subject, wait_until

__all__ = ["ENDLESS_BYTES", "ENDLESS_S"]

MIB = 1024 * 1024

# After how many bytes, and how long, a client that sends without end has to be cut. Guessed, above the 50 MB that a
# client may still be sending when it is refused.
ENDLESS_BYTES = 256 * MIB
ENDLESS_S = 40.0

# The shortest timeouts that distinguish a byte every two seconds from silence.
_TIMEOUT_S = 3.0

# The size of the answer that each of 200 clients requests, too large for the buffers of any kernel; and how much of
# that a server may hold in all.
_ANSWER_BYTES = 3_000_000
_HELD_BYTES = 64 * MIB

# How much more it may use for its own objects, and for running calls: guessed.
_SLACK_BYTES = 32 * MIB

# Without this, glibc keeps freed blocks of some megabytes, and the resident memory would not show how much is in use.
_GIVES_MEMORY_BACK = {"MALLOC_MMAP_THRESHOLD_": "262144"}


def timeouts(seconds: float) -> dict[str, Any]:
    """Return the settings that limit the time of a head and of a body."""
    return {
        "read_timeout_s": seconds,
        "head_timeout_s": seconds,
        "body_timeout_s": seconds,
        "idle_timeout_s": seconds,
        "min_body_rate": 1000,
        "rate_grace_s": seconds,
    }


@check(4, "A dripping header and a dripping body are cut at their timeouts")
def dripping(start: Start) -> Result:
    findings = Findings()
    subject = start(**timeouts(_TIMEOUT_S))
    head = Client(wire.HEAD, drip=b"X: " + b"a" * 100)
    body = Client(wire.HEAD + b"Content-Length: 1000\r\n\r\n{", drip=b" " * 100)
    began = time.monotonic()
    with Crowd(subject.address, [head, body]).running() as crowd:
        wait_until(lambda: crowd.open_count == 0, _TIMEOUT_S + 4)
    for name, client in (("header", head), ("body", body)):
        cut_s = None if client.ended_at is None else client.ended_at - began
        findings.measure(f"{name} cut after {cut_s:.1f} s" if cut_s is not None else f"{name} never cut")
        findings.require(
            cut_s is not None and cut_s <= _TIMEOUT_S + 2, f"a {name} is not cut within {_TIMEOUT_S} + 2 s"
        )
    findings.require(subject.ran() == 0, "a dispatcher ran")
    return findings.result()


@check(5, "200 half-sent headers and 200 half-sent bodies hold nobody up; an endless body is cut")
def half_sent(start: Start) -> Result:
    findings = Findings()
    cap = 16
    subject = start(threads=cap, max_body_bytes=MIB)
    valid_calls(subject, cap)
    before = subject.threads()
    heads = [Client(wire.HEAD[:40]) for _ in range(200)]
    bodies = [Client(wire.post(wire.ECHO)[:-10]) for _ in range(200)]
    with Crowd(subject.address, heads + bodies).running() as crowd:
        wait_until(lambda: all(client.sent_at for client in crowd.clients), 5)
        durations = valid_calls(subject, 200, timeout_s=2)
        threads = subject.threads()
    worst = p99(durations)
    findings.measure(f"p99 {worst * 1000:.0f} ms, threads {before} -> {threads} (cap {cap})")
    findings.require(worst < 1, "a valid call's p99 is 1 s or more")
    findings.require(threads <= before + cap, "more threads than the cap")
    send_endless_body(subject, findings)
    findings.require(subject.ran() == cap + len(durations) or worst == float("inf"), "a half-sent request ran")
    return findings.result()


def send_endless_body(subject: Subject, findings: Findings) -> None:
    """Send chunks until the connection ends, or until the server has accepted too many bytes."""
    began = time.monotonic()
    sent, is_cut = 0, True
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    with wire.connect(subject.address, 5) as client, contextlib.suppress(OSError):
        client.sendall(wire.HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while time.monotonic() - began < ENDLESS_S and sent < ENDLESS_BYTES:
            client.sendall(chunk)
            sent += len(chunk)
        is_cut = False
    cut = "cut" if is_cut else "not cut"
    findings.measure(f"an endless body {cut} after {sent / MIB:.0f} MiB and {time.monotonic() - began:.1f} s")
    findings.require(is_cut, "an endless chunked body is not cut")


@check(43, "400 bodies of 70 KB and 900 KB, half sent and then dripping, hold nobody up and are cut")
def half_sent_large_bodies(start: Start) -> Result:
    findings = Findings()
    timeout_s = 6.0
    subject = start(**timeouts(timeout_s))
    valid_calls(subject, 20)
    clients = [half_body(size) for size in (70_000, 900_000) for _ in range(200)]
    began = time.monotonic()
    with Crowd(subject.address, clients).running() as crowd:
        durations = valid_calls(subject, 300, timeout_s=1)
        wait_until(lambda: crowd.open_count == 0, began + timeout_s + 6 - time.monotonic())
        left = crowd.open_count
        last_s = max((client.ended_at - began for client in clients if client.ended_at is not None), default=0)
    worst = p99(durations)
    findings.measure(f"p99 {worst * 1000:.0f} ms, {400 - left} of 400 cut, the last after {last_s:.1f} s")
    findings.require(worst < 0.1, "a valid call's p99 is 0.1 s or more")
    findings.require(left == 0, f"{left} are not cut {timeout_s} + 6 s after the start")
    findings.require(subject.is_alive(), "the server is not alive")
    return findings.result()


def half_body(size: int) -> Client:
    request = wire.post(wire.rpc("echo", "x" * size))
    half = len(request) - size // 2
    return Client(request[:half], drip=request[half:])


def read_steadily(start: Start) -> tuple[int, float]:
    """Read an answer of 50 MB at 200 KB/s, which a timeout for the whole answer would cut off.

    Returns:
        How many bytes came, and in how many seconds.
    """
    subject = start(max_response_bytes=64 * MIB, read_timeout_s=10)
    began = time.monotonic()
    received = 0
    with socket.socket() as client:
        # Without this, the system would accept many megabytes at once.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(30)
        client.connect(subject.address)
        client.sendall(wire.post(wire.rpc("big", 50_000_000), b"Connection: close"))
        with contextlib.suppress(OSError):
            while chunk := client.recv(20_000):
                received += len(chunk)
                time.sleep(max(0.0, began + received / 200_000 - time.monotonic()))
    return received, time.monotonic() - began


@check(
    44,
    "A steady slow reader gets its whole answer; one that reads nothing is cut off; 200 hold bounded memory",
    beforehand=read_steadily,
)
def slow_readers(start: Start, steady: tuple[int, float]) -> Result:
    findings = Findings()
    received, seconds = steady
    findings.measure(f"{received / 1e6:.0f} MB read in {seconds:.0f} s at 200 KB/s")
    findings.require(received > 50_000_000, "a steady reader did not get the whole answer")
    subject = start(
        **timeouts(4),
        min_answer_rate=10_000,
        max_buffered_bytes=_HELD_BYTES,
        threads=4,
        environ=_GIVES_MEMORY_BACK,
    )
    for _ in range(8):
        subject.call("big", _ANSWER_BYTES)
    before = subject.memory()
    request = wire.post(wire.rpc("big", _ANSWER_BYTES), b"Connection: close")
    clients = [Client(request, reads=False) for _ in range(200)]
    with Crowd(subject.address, clients, receive_buffer=4096).running() as crowd:
        wait_until_settled(subject)
        held = subject.memory() - before
        is_idle = wait_until(lambda: is_at_rest(subject, crowd), 12)
        findings.measure(f"200 that read nothing hold {held / MIB:.0f} MiB of {200 * _ANSWER_BYTES / MIB:.0f} MiB")
        findings.require(
            held < _HELD_BYTES + _SLACK_BYTES, f"they hold more than {_HELD_BYTES // MIB} MiB and a little"
        )
        findings.require(is_idle, "their connections are still there 12 s later")
        findings.require(subject.is_alive(), "the server is not alive")
    return findings.result()


def wait_until_settled(subject: Subject) -> None:
    """Wait until no further call begins."""
    last = -1
    deadline = time.monotonic() + 8
    while (ran := subject.ran()) != last and time.monotonic() < deadline:
        last = ran
        time.sleep(0.4)  # far longer than a call takes


def is_at_rest(subject: Subject, crowd: Crowd) -> bool:
    """Return whether the server has closed all connections of the crowd."""
    connections = [sock for sock in subject.process.net_connections("tcp") if sock.status != "LISTEN"]
    return all(client.sent_at for client in crowd.clients) and not connections
