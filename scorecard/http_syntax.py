"""Checks 1 to 3: requests that are malformed, or that two parsers could read differently."""

from __future__ import annotations

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from . import wire
from .checks import check
from .outside_sources import HttpCase, SourceError, gunicorn_cases
from .results import Findings, Result
from .subject import Start, Subject

__all__: list[str] = []

# How long a server has to refuse, or to answer a request that hides behind another one. Many cases wait concurrently.
_WAIT_S = 2.0
_CONCURRENCY = 16

HIDDEN = b"GET /api/mark?text=smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

SMUGGLED = {
    "two lengths": wire.HEAD + b"Content-Length: %d\r\nContent-Length: 0\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "space before the colon": wire.HEAD + b"Content-Length : %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "xchunked": wire.HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + HIDDEN,
    "chunked, identity": wire.HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "gzip, chunked": wire.HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "length and chunked": wire.HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked twice": wire.HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked in HTTP/1.0": wire.HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
}

MARK = b"GET /api/mark HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = wire.HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "+5": wire.HEAD + b"Content-Length: +5\r\n\r\nabcde",
    "1_0": wire.HEAD + b"Content-Length: 1_0\r\n\r\n0123456789",
    "-5": wire.HEAD + b"Content-Length: -5\r\n\r\n",
    "5, 5": wire.HEAD + b"Content-Length: 5, 5\r\n\r\nabcde",
    "chunk size 0x5": CHUNKED + b"0x5\r\nabcde\r\n0\r\n\r\n",
    "bare LF": MARK.replace(b"\r", b"") + b"\n",
    "bare CR": MARK + b"X: a\rb\r\n\r\n",
    "obs-fold": MARK + b"X: a\r\n b\r\n\r\n",
    "NUL": MARK + b"X: a\x00b\r\n\r\n",
    "no Host": b"GET /api/mark HTTP/1.1\r\n\r\n",
    "two Hosts": MARK + b"Host: 127.0.0.1\r\n\r\n",
}


# Cases that gunicorn refuses, but that a server may pass on to the application, which answers 404.
TOLERATED = {
    "006": "a limit of gunicorn's own on the request line",
    "007": "a limit of gunicorn's own on a header field",
    "008": "a limit of gunicorn's own on a header field",
    "rfc9110_trailer_forbidden_cl_01": "trailers may be discarded (RFC 9110, section 6.5.1)",
    "rfc9110_trailer_forbidden_host_01": "trailers may be discarded",
    "rfc9110_trailer_forbidden_te_01": "trailers may be discarded",
    "rfc9112_target_asterisk_non_options_01": "there is nothing at this target",
    "rfc9112_target_authority_non_connect_01": "there is nothing at this target",
    "rfc9112_target_relative_01": "there is nothing at this target",
}


@check(1, "Malformed requests of gunicorn's suite are refused, its valid ones do no harm")
def gunicorn_suite(start: Start) -> Result:
    findings = Findings()
    try:
        cases = gunicorn_cases()
    except SourceError as exc:
        return Result(False, "", (str(exc),))
    subject = start(read_timeout_s=2, head_timeout_s=2, body_timeout_s=2)
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        received = dict(zip(cases, pool.map(lambda case: send_and_half_close(subject, case), cases), strict=True))
    judge_invalid([case for case in cases if not case.is_valid], received, findings)
    valid = [case for case in cases if case.is_valid]
    harmed = [case for case in valid if not received[case].ended or 500 in received[case].statuses]
    findings.measure(f"{len(valid)} valid ones without hang or 500")
    findings.require(not harmed, f"a hang or 500: {names(harmed)}")
    findings.require(subject.ran() == 0, f"{subject.ran()} dispatchers ran")
    findings.require(subject.is_alive(), "the server is not alive")
    return findings.result()


def judge_invalid(cases: list[HttpCase], received: dict[HttpCase, wire.Received], findings: Findings) -> None:
    refused = [case for case in cases if is_refused(received[case])]
    # The page for every other path answers a request that the server itself has accepted.
    passed_on = [case for case in cases if received[case].data.endswith(b"page")]
    findings.measure(
        f"{len(refused)} of {len(cases)} invalid ones refused, {len(cases) - len(passed_on)} by the server itself"
    )
    findings.require(refused == cases, f"answered: {names(set(cases) - set(refused))}")
    accepted = [case for case in passed_on if case.name not in TOLERATED]
    findings.require(not accepted, f"passed on to the application: {names(accepted)}")


def send_and_half_close(subject: Subject, case: HttpCase) -> wire.Received:
    """Send a case in two pieces, then end the sending side: some cases of gunicorn are incomplete requests."""
    with wire.connect(subject.address) as client:
        with contextlib.suppress(OSError):
            client.sendall(case.data[: len(case.data) // 2])
            time.sleep(0.01)  # so that the rest arrives as a separate piece
            client.sendall(case.data[len(case.data) // 2 :])
        beginning = wire.receive(client, 0.5)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
        rest = wire.receive(client, 4) if not beginning.ended else wire.Received(b"", True, 0)
    return wire.Received(beginning.data + rest.data, rest.ended, beginning.seconds + rest.seconds)


def is_refused(received: wire.Received) -> bool:
    """Return whether the connection has ended, without an answer or with a refusal as the last one.

    A case may contain valid requests before the invalid one.
    """
    return received.ended and (not received.statuses or received.statuses[-1] >= 400)


def names(cases: object) -> str:
    return ", ".join(sorted(case.name for case in cases))  # type: ignore[attr-defined]


@check(2, "A second request hidden by ambiguous framing never runs", quick=True)
def smuggling(start: Start) -> Result:
    findings = Findings()
    subject = start()
    answers = send_all(subject, SMUGGLED)
    good = [name for name, received in answers.items() if received.statuses in ([400], [501])]
    findings.measure(f"{len(good)} of {len(SMUGGLED)} get one 400 or 501")
    for name, received in answers.items():
        findings.require(name in good, f"{name}: {received.statuses or 'no answer'}")
    findings.require(subject.marked("smuggled") == 0, f"the hidden request ran {subject.marked('smuggled')} times")
    return findings.result()


@check(3, "Malformed lengths, chunks, lines and hosts are 400 and end the connection", quick=True)
def malformed(start: Start) -> Result:
    findings = Findings()
    subject = start()
    answers = send_all(subject, MALFORMED)
    good = [name for name, received in answers.items() if received.statuses == [400] and received.ended]
    findings.measure(f"{len(good)} of {len(MALFORMED)} get 400 and a close")
    for name, received in answers.items():
        end = "" if received.ended else " and no close"
        findings.require(name in good, f"{name}: {received.statuses or 'no answer'}{end}")
    findings.require(subject.ran() == 0, f"{subject.ran()} dispatchers ran")
    return findings.result()


def send_all(subject: Subject, requests: dict[str, bytes]) -> dict[str, wire.Received]:
    """Send all requests concurrently, each over a new connection."""
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        received = pool.map(lambda data: wire.exchange(subject.address, data, _WAIT_S), requests.values())
        return dict(zip(requests, received, strict=True))
