"""Checks 6 to 8: requests that are too large are refused at little cost."""

from __future__ import annotations

import functools
import gzip
import time
import zlib

from . import wire
from .checks import check
from .results import Findings, Result
from .subject import Start

__all__ = ["gzip_bomb"]

MIB = 1024 * 1024
GIB = 1024 * MIB
GZIP = b"Content-Encoding: gzip"


@check(6, "Too many headers, a long header and a long URL are refused without cost", quick=True)
def oversized_heads(start: Start) -> Result:
    findings = Findings()
    subject = start()
    get = wire.get("head", b"Connection: close")
    requests = {
        "101 headers": wire.get("head", b"Connection: close", *(b"X-%d: 1" % number for number in range(99))),
        "64 KiB header": wire.get("head", b"Connection: close", b"X: " + b"a" * 65536),
        "16 KiB URL": get.replace(b"text=head", b"text=" + b"a" * 16384),
    }
    for _ in range(20):
        subject.call("echo")
    before = subject.memory()
    for name, request in requests.items():
        received = [wire.exchange(subject.address, request, 2) for _ in range(5)]
        codes = sorted({code for response in received for code in response.statuses})
        findings.measure(f"{name}: {', '.join(map(str, codes)) or 'a close'}")
        findings.require(codes and set(codes) <= {400, 414, 431}, f"{name}: {codes or 'no answer'}")
    grown = subject.memory() - before
    findings.measure(f"memory +{grown / MIB:.1f} MiB")
    findings.require(grown < 5 * MIB, "memory grew by 5 MiB or more")
    findings.require(subject.marked("head") == 0, "a dispatcher ran")
    return findings.result()


@check(7, "A body over the limit is 413, unread where its length is declared", quick=True)
def oversized_bodies(start: Start) -> Result:
    findings = Findings()
    subject = start(max_body_bytes=1000)
    head = wire.HEAD + b"Connection: close\r\n"
    declared = wire.exchange(subject.address, head + b"Content-Length: 1001\r\n\r\n", 2)
    body = wire.ECHO.ljust(1001)
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    streamed = wire.exchange(subject.address, chunked, 2)
    findings.measure(f"declared: {declared.statuses} before any byte of the body; chunked: {streamed.statuses}")
    findings.require(declared.statuses == [413], "a declared length of limit + 1 is not 413 at once")
    findings.require(streamed.statuses == [413], "limit + 1 bytes in chunks are not 413")
    findings.require(subject.ran() == 0, "a dispatcher ran")
    at_the_limit = wire.exchange(subject.address, wire.post(wire.ECHO.ljust(1000), b"Connection: close"), 2)
    findings.require(at_the_limit.statuses == [200], f"a body at the limit: {at_the_limit.statuses}")
    return findings.result()


@check(8, "A gzip bomb is 413 in under 1 s and under twice the limit of memory; broken gzip is 400 or 415", quick=True)
def gzip_bodies(start: Start) -> Result:
    findings = Findings()
    subject = start()
    bomb = gzip_bomb()
    limit = 5 * MIB  # max_body_bytes, by default
    subject.call("echo")
    before = subject.memory()
    subject.reset_peak()
    began = time.monotonic()
    received = wire.exchange(subject.address, wire.post(bomb, GZIP, b"Connection: close"), 5)
    took_s = time.monotonic() - began
    grown = subject.peak() - before
    findings.measure(
        f"{len(bomb) / 1e6:.1f} MB for 1 GiB: {received.statuses} after {took_s:.2f} s, +{grown / MIB:.1f} MiB"
    )
    findings.require(received.statuses == [413], f"the bomb: {received.statuses or 'no answer'}")
    findings.require(took_s < 1, "the refusal took a second or more")
    findings.require(grown < 2 * limit, "it took twice the limit of memory or more")
    zipped = gzip.compress(wire.ECHO)
    broken = {"truncated": zipped[:-1], "twice": gzip.compress(zipped), "trailing bytes": zipped + b"x"}
    for name, body in broken.items():
        codes = wire.exchange(subject.address, wire.post(body, GZIP, b"Connection: close"), 2).statuses
        twice = wire.exchange(subject.address, wire.post(body, GZIP + b", gzip", b"Connection: close"), 2).statuses
        findings.measure(f"{name}: {codes} {twice}")
        # A body that is encoded twice but declared once decodes to bytes that are no JSON: a parse error is right too.
        allowed = ([400], [415], [200]) if name == "twice" else ([400], [415])
        findings.require(codes in allowed and twice in ([400], [415]), f"{name}: {codes} {twice}")
    findings.require(subject.ran() == 1, "a dispatcher ran")
    return findings.result()


@functools.cache
def gzip_bomb() -> bytes:
    """Return 1 GiB of zeros, compressed."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(4 * MIB)
    return b"".join([*(compressor.compress(zeros) for _ in range(GIB // len(zeros))), compressor.flush()])
