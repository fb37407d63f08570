"""Checks 10 to 16: hostile JSON and JSON-RPC."""

from __future__ import annotations

import json
from typing import Any

from . import wire
from .checks import Scope, check
from .outside_sources import SourceError, json_cases
from .results import Findings, Result
from .subject import Start, Subject
from .suites import run_tests

__all__: list[str] = []

JSON_BACKENDS = ("simplejson", "json", "orjson", "msgspec", "rapidjson")

_CLOSE = b"Connection: close"
_MILLION = 1_000_000

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INTERNAL_ERROR = -32603


def send(subject: Subject, body: bytes) -> wire.Answer:
    """Post a text."""
    return wire.answer_of(wire.exchange(subject.address, wire.post(body, _CLOSE), 10), 0)


def code_of(answer: wire.Answer) -> Any:
    """Return the code of the error, ``ok`` for a result, or the status if it is not 200."""
    if answer.status != 200:
        return f"status {answer.status}"
    return answer.code if answer.code is not None else "ok"


@check(
    10, "A million opening brackets, and a result nested as deep, are errors with every JSON backend", scope=Scope.ONCE
)
def nesting(start: Start) -> Result:
    findings = Findings()
    for backend in JSON_BACKENDS:
        subject = start(jsonBackend=backend)
        coming = code_of(send(subject, b"[" * _MILLION))
        going = code_of(subject.call("nested", _MILLION, timeout_s=20))
        is_alive = subject.is_alive()
        findings.measure(f"{backend}: {coming} in, {going} out")
        findings.require(coming == PARSE_ERROR, f"{backend}: {coming} for a million brackets")
        findings.require(going == INTERNAL_ERROR, f"{backend}: {going} for a nested result")
        findings.require(is_alive, f"{backend}: the server is not alive")
    return findings.result()


@check(11, "Integers of 4,301 digits are errors, with the id if there is one", scope=Scope.ONCE)
def long_integers(start: Start) -> Result:
    findings = Findings()
    digits = b"1" * 4301
    for backend in JSON_BACKENDS:
        subject = start(jsonBackend=backend)
        param = send(subject, b'{"jsonrpc":"2.0","method":"echo","params":[' + digits + b'],"id":7}')
        number = send(subject, b'{"jsonrpc":"2.0","method":"echo","params":[1],"id":' + digits + b"}")
        result = subject.call("integer", 4301)
        codes = [code_of(answer) for answer in (param, number, result)]
        findings.measure(f"{backend}: params {codes[0]}, id {codes[1]}, result {codes[2]}")
        findings.require(all(isinstance(code, int) for code in codes), f"{backend}: {codes}")
        ids = [answer.value.get("id") if isinstance(answer.value, dict) else None for answer in (param, result)]
        findings.require(ids == [7, 1], f"{backend}: ids {ids}")
    return findings.result()


@check(12, "NaN, Infinity and 1e400 are neither read nor written, with every JSON backend", scope=Scope.ONCE)
def numbers_that_json_lacks(start: Start) -> Result:
    findings = Findings()
    texts = ("NaN", "Infinity", "-Infinity", "1e400")
    for backend in JSON_BACKENDS:
        subject = start(jsonBackend=backend)
        calls = [f'{{"jsonrpc":"2.0","method":"echo","params":[{text}],"id":1}}'.encode() for text in texts]
        coming = {code_of(send(subject, call)) for call in calls}
        answers = [subject.call("number", text) for text in ("nan", "inf", "-inf")]
        going = {code_of(answer) for answer in answers}
        bodies = [answer.received.body for answer in answers]
        findings.measure(f"{backend}: {coming} in, {going} out")
        findings.require(coming == {PARSE_ERROR}, f"{backend}: {coming} coming in")
        findings.require(going == {INTERNAL_ERROR}, f"{backend}: {going} going out")
        findings.require(
            not any(b"NaN" in body or b"Infinity" in body for body in bodies), f"{backend}: no strict JSON"
        )
    return findings.result()


ODD_TEXTS = {
    "a member twice": (b'{"jsonrpc":"2.0","method":"fail","method":"echo","params":["a"],"id":1}', {"ok"}),
    "a lone surrogate": (b'{"jsonrpc":"2.0","method":"echo","params":["\\ud800"],"id":1}', None),
    "0xff": (b'{"jsonrpc":"2.0","method":"echo","params":["\xff"],"id":1}', {PARSE_ERROR}),
    "a byte order mark": (b"\xef\xbb\xbf" + wire.ECHO, {PARSE_ERROR, "ok"}),
    "UTF-16": (wire.ECHO.decode().encode("utf-16"), {PARSE_ERROR}),
}


@check(
    13, "Odd texts get the documented answer; the JSON test suite is accepted and refused as it says", scope=Scope.ONCE
)
def odd_texts(start: Start) -> Result:
    findings = Findings()
    try:
        cases = json_cases()
    except SourceError as exc:
        return Result(False, "", (str(exc),))
    for backend in JSON_BACKENDS:
        subject = start(jsonBackend=backend)
        for name, (text, allowed) in ODD_TEXTS.items():
            code = code_of(send(subject, text))
            is_good = code in allowed if allowed else not str(code).startswith("status")
            findings.require(is_good, f"{backend}, {name}: {code}")
        wrong = [
            name
            for name, text in cases.items()
            if not is_as_named(name, send(subject, text.encode("utf-8", "replace")))
        ]
        taken = len(cases) - len(wrong)
        findings.measure(f"{backend}: {taken} of {len(cases)} cases")
        findings.require(not wrong, f"{backend}: {', '.join(wrong[:5])}")
        findings.require(subject.is_alive(), f"{backend}: the server is not alive")
    return findings.result()


def is_as_named(name: str, answer: wire.Answer) -> bool:
    """Return whether the outcome of a text is the one that its name requires. No text of the suite is a call."""
    if answer.status not in (200, 204):
        return False
    is_parse_error = code_of(answer) == PARSE_ERROR
    return is_parse_error if name.startswith("n_") else not is_parse_error or name.startswith("i_")


@check(
    14, "A batch over its limit runs nothing; output over its limit stops it; each item is authorised", scope=Scope.ONCE
)
def batches(start: Start) -> Result:
    findings = Findings()
    subject = start(max_batch_length=100, max_response_bytes=10_000)
    items = [json.loads(wire.rpc("mark", "batch", request_id=number)) for number in range(101)]
    answer = send(subject, json.dumps(items).encode())
    ran = subject.marked("batch")
    findings.measure(f"101 of 100: {code_of(answer)}, {ran} ran")
    findings.require(code_of(answer) == INVALID_REQUEST and ran == 0, f"{code_of(answer)}, and {ran} calls ran")
    before = subject.ran()
    large = [json.loads(wire.rpc("big", 2000, request_id=number)) for number in range(50)]
    answers = send(subject, json.dumps(large).encode()).value
    ran = subject.ran() - before
    findings.measure(f"50 answers of 2 KB under a limit of 10 KB: {ran} calls ran")
    findings.require(isinstance(answers, list) and len(answers) == 50, "not every call has its answer")
    findings.require(ran <= 6, f"{ran} calls ran")
    suite = run_tests("tests/wire/test_wire.py -k 'batch'")
    findings.measure(suite.figure)
    findings.faults.extend(suite.faults)
    return findings.result()


@check(15, "Names that were not registered are -32601", scope=Scope.ONCE, quick=True)
def unregistered_names(start: Start) -> Result:
    findings = Findings()
    subject = start()
    names = ["__class__", "__init__", "_count", "_x", "echo.__call__", "a.b", "__dict__", "ran", "mro", "__reduce__"]
    names += [name for name in dir(object) if name not in names]
    codes = {name: code_of(subject.call(name)) for name in names}
    findings.measure(f"{len(names)} names: {sorted(set(map(str, codes.values())))}")
    findings.require(set(codes.values()) == {METHOD_NOT_FOUND}, f"{codes}")
    findings.require(subject.ran() == 0, "something ran")
    return findings.result()


@check(16, "Neither the text of an exception nor a traceback reaches a client", scope=Scope.ONCE, quick=True)
def exception_texts(start: Start) -> Result:
    findings = Findings()
    subject = start()
    single = subject.call("fail", "/secret/path tok123")
    batch = send(subject, b"[" + wire.rpc("fail", "/secret/path tok123") + b"]")
    received = single.received.data + batch.received.data
    leaked = [text for text in (b"/secret/path", b"tok123", b"Traceback", b'File "') if text in received]
    logged = "tok123" in subject.log() and "Traceback" in subject.log()
    findings.measure(f"code {code_of(single)}, {len(leaked)} of 4 texts leaked; in the log: {logged}")
    findings.require(code_of(single) == INTERNAL_ERROR, f"{code_of(single)}")
    findings.require(not leaked, f"leaked: {leaked}")
    findings.require(logged, "the log has no traceback")
    return findings.result()
