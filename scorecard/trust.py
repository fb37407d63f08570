"""Checks 23 to 28: forged headers, secrets, and TLS."""

from __future__ import annotations

import ast
import contextlib
import ssl
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import wire
from .checks import Scope, check
from .load import p99
from .results import Findings, Result
from .subject import ROOT, Start, Subject, SubjectError
from .suites import run_tests

if TYPE_CHECKING:
    from tests.certificates import Certificates

__all__: list[str] = []

_CLOSE = b"Connection: close"
_CELERY = "tests/execBackend/celery"


@check(23, "CR, LF and NUL in headersOut and cookiesOut are 500, and nothing is injected", quick=True)
def injected_headers(start: Start) -> Result:
    findings = Findings()
    subject = start()
    bad = ["a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rX-Injected: 1", "a\0b"]
    answers = [subject.call("header", "X-A", value) for value in bad]
    answers += [subject.call("header", value, "a") for value in bad]
    answers += [subject.call("cookie", "a", value) for value in bad]
    refused = sum(answer.status == 500 for answer in answers)
    injected = [answer for answer in answers if answer.received.fields("X-Injected")]
    findings.measure(f"{refused} of {len(answers)} are 500, {len(injected)} injected")
    findings.require(refused == len(answers), f"statuses {[answer.status for answer in answers]}")
    findings.require(not injected, "a header was injected")
    findings.require(subject.is_alive(), "the server is not alive")
    return findings.result()


@check(24, "X-Real-IP and X-Forwarded-For from an untrusted peer are ignored", quick=True)
def forwarded_addresses(start: Start) -> Result:
    findings = Findings()
    subjects = [start()]
    try:
        # A trusted proxy that is not the peer.
        subjects.append(start(trusted_proxies=["127.0.0.2"]))
    except SubjectError as exc:
        findings.measure("trusted_proxies is refused")
        findings.require("trusted_proxies" in str(exc), str(exc))
    names = [b"X-Forwarded-For", b"X-Real-IP", b"Forwarded", b"X_Forwarded_For", b"X-Forwarded_For"]
    believed = set()
    for subject in subjects:
        for name in names:
            value = b"for=10.1.2.3" if name == b"Forwarded" else b"10.1.2.3"
            request = wire.post(wire.rpc("whoami"), name + b": " + value, b"Connection: close")
            believed.add(str(wire.answer_of(wire.exchange(subject.address, request), 0).result))
    findings.measure(f"{len(subjects) * len(names)} forged headers: the address is {', '.join(sorted(believed))}")
    findings.require(believed == {"127.0.0.1"}, "a forged address was believed, or there was no answer")
    return findings.result()


@check(25, "Tokens are compared in constant time; one that is not ASCII is 403", scope=Scope.ONCE, quick=True)
def tokens(start: Start) -> Result:
    findings = Findings()
    comparisons = comparisons_of_secrets()
    findings.measure(f"{len(comparisons)} comparisons of secrets by ==")
    findings.require(not comparisons, f"compared by ==: {', '.join(comparisons)}")
    subject = start(auth="token")
    codes = [with_token(subject, token) for token in (b"wrong", "gr\u00fc\u00df".encode(), b"\xff\xfe", b"")]
    right = with_token(subject, b"Bearer right")
    findings.measure(f"wrong and non-ASCII tokens: {codes}, the right one: {right}")
    findings.require(codes == [[403]] * 4, f"{codes}")
    findings.require(right == [200], "the right token is refused")
    findings.require(subject.ran() == 1, "a call ran without the token")
    return findings.result()


# Comparisons that do not check input.
_HARMLESS = {"secret == url"}  # masks a text for a log


def with_token(subject: Subject, token: bytes) -> list[int]:
    return wire.exchange(subject.address, wire.post(wire.ECHO, b"Authorization: " + token, _CLOSE), 2).statuses


def comparisons_of_secrets() -> list[str]:
    """Return the places where the package compares a token, a password or a secret by ``==`` or ``!=``."""
    places = []
    for path in sorted((ROOT / "flaskJSONRPCServer").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
                text = ast.unparse(node)
                if text not in _HARMLESS and any(word in text.lower() for word in ("token", "password", "secret")):
                    places.append(f"{path.name}:{node.lineno}")
    return places


@check(26, "A pickle on a queue is refused and never loaded", scope=Scope.ALONE)
def pickles(_start: Start) -> Result:
    return run_tests(
        f"{_CELERY} -k pickle",
        "tests/execBackend/parallel/test_channel.py -k pickle",
    )


@check(27, "Each request is one log record, whatever it contains; no record has a secret", scope=Scope.ONCE)
def log_records(start: Start) -> Result:
    findings = Findings()
    for level in range(5):
        subject = start(log=level)
        for request in hostile_requests():
            wire.exchange(subject.address, request, 2)
        subject.is_alive()
        text = subject.log()
        leaked = [secret for secret in _SECRETS if secret in text]
        forged = [line for line in text.splitlines() if line.startswith(_FORGED)]
        findings.measure(f"level {level}: {len(text.splitlines())} lines")
        findings.require(not leaked, f"level {level}: {leaked} in the log")
        findings.require(not forged, f"level {level}: a record was forged: {forged[:1]}")
        findings.require("\x1b" not in text, f"level {level}: an escape sequence in the log")
    suite = run_tests(
        "tests/runtime/test_logs.py -k 'escaped or forges or raw_text'", f"{_CELERY} -k 'secrets or password'"
    )
    findings.measure(suite.figure)
    findings.faults.extend(suite.faults)
    return findings.result()


_FORGED = "FORGED"
_SECRETS = ("tok3n-in-a-header", "s3cret-in-params", "s3cret-in-a-query", "s3cret-in-a-cookie")


def hostile_requests() -> list[bytes]:
    """Return requests with secrets, and with texts that could forge a record or control a terminal."""
    authorization = b"Authorization: Bearer tok3n-in-a-header"
    cookie = b"Cookie: session=s3cret-in-a-cookie"
    break_out = "\r\n" + _FORGED + "\x1b[31m"
    closing = [authorization, cookie, _CLOSE]
    return [
        wire.post(wire.rpc("echo", "s3cret-in-params"), *closing),
        wire.post(wire.rpc("nothing" + break_out, "s3cret-in-params"), *closing),
        wire.post(wire.rpc("fail", break_out), *closing),
        wire.post(wire.rpc("echo", 1, request_id=break_out), *closing),
        wire.post(b'{"s3cret-in-params": ', *closing),
        wire.get("s3cret-in-a-query", *closing),
        wire.get("x", *closing).replace(b"/api/mark", b"/api/%0d%0aFORGED%1b[31m"),
        wire.get("x", *closing).replace(b"GET /", b"G\x1bT /"),
        wire.post(wire.ECHO, *closing).replace(b"application/json", b"text/plain"),
    ]


@check(28, "50 idle connections on the TLS port hold nobody up; nothing below TLS 1.2 is taken")
def tls(start: Start) -> Result:
    from tests.certificates import make_certificates

    findings = Findings()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        certificates = make_certificates(Path(folder))
        subject = start(ssl=[str(file) for file in certificates.files])
        for _ in range(50):
            stack.enter_context(wire.connect(subject.address))
        durations = [tls_call(subject, certificates.client())[1] for _ in range(50)]
        accepted = {
            name: is_accepted(subject, certificates, name) for name in ("TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3")
        }
    worst = p99(durations)
    findings.measure(
        f"p99 {worst * 1000:.0f} ms, taken: {', '.join(name for name, works in accepted.items() if works)}"
    )
    findings.require(worst < 1, "a call's p99 is 1 s or more")
    findings.require(not accepted["TLSv1"] and not accepted["TLSv1_1"], "TLS below 1.2 is taken")
    findings.require(accepted["TLSv1_2"] and accepted["TLSv1_3"], "TLS 1.2 or 1.3 is not taken")
    return findings.result()


def tls_call(subject: Subject, context: ssl.SSLContext) -> tuple[Any, float]:
    """Make a call over TLS. Return its result, and how long it took; infinity without an answer."""
    began = time.monotonic()
    try:
        with (
            wire.connect(subject.address, 3) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
        ):
            client.sendall(wire.post(wire.ECHO, b"Connection: close"))
            answer = wire.answer_of(wire.receive(client, 3), 0)
    except OSError:
        return None, float("inf")
    return answer.result, time.monotonic() - began if answer.result == "a" else float("inf")


def is_accepted(subject: Subject, certificates: Certificates, version: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # naming an old version
        context = certificates.client()
        # At its default security level, OpenSSL would not offer the old versions.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    return bool(tls_call(subject, context)[0] == "a")
