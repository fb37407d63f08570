"""Checks 38, 39, 47, 48 and 50: leftovers of calls, and garbage on queues."""

from __future__ import annotations

import functools

from .checks import Scope, check
from .processes import call_pool
from .results import Findings, Result
from .subject import Start
from .suites import run_tests

__all__: list[str] = []


@check(38, "A reload that fails leaves the old version; 100 reloads leave nothing behind", scope=Scope.ALONE)
def reloads(_start: Start) -> Result:
    return run_tests("tests/test_reload.py -k 'failure or every_call_is_old_or_new or nothing_grows'")


@check(
    39,
    "100,000 calls that make cycles: memory reaches a plateau; Python's own collection is restored",
    scope=Scope.ALONE,
)
def garbage(_start: Start) -> Result:
    return run_tests("tests/test_statistics.py -k 'plateau or collection'", "tests/runtime/test_garbage.py")


@check(47, "An exception of any kind fails only its own call")
def exceptions(start: Start) -> Result:
    findings = Findings()
    subject = start()
    text = "/secret/path tok123"
    answers = [subject.call("fail", text) for _ in range(3)]
    findings.measure(f"live: {[answer.code for answer in answers]}")
    findings.require(all(answer.code == -32603 for answer in answers), "not -32603")
    findings.require(not any(text.encode() in answer.received.data for answer in answers), "the text leaks")
    findings.require(subject.is_alive(), "the server is not alive")
    names = f"{subject.backend} and (any_exception or exception_of_any_kind or raises)"
    serving = run_tests(f"tests/servBackend/test_contract.py -k '{names}'", gevent=subject.backend == "pywsgi")
    for result in (serving, exec_backends()):
        findings.measure(result.figure)
        findings.faults.extend(result.faults)
    return findings.result()


@functools.cache
def exec_backends() -> Result:
    """Run the tests of exceptions in every exec backend, once: they do not depend on the serving backend."""
    return run_tests("tests/execBackend/test_contract.py -k 'exception or strange or raise or fail'")


@check(48, "What one call sets in its context or its process is not seen by another client's", quick=True)
def contexts(start: Start) -> Result:
    findings = Findings()
    subject = start(threads=1)
    before = subject.call("read_state").result
    inside = subject.call("set_state").result
    after = subject.call("read_state").result
    findings.require(bool(before and inside and after), "a call was not answered")
    if findings.faults:
        return findings.result()
    changed = [name for name in before if inside[name] != before[name]]
    seen = [name for name in before if after[name] != before[name]]
    findings.measure(f"set in a call: {', '.join(changed)}; seen by the next: {', '.join(seen) or 'none'}")
    findings.require(len(changed) == len(before), f"only {changed} could be set")
    findings.require(not seen, f"seen by the next call: {', '.join(seen)}")
    return findings.result()


@check(50, "Garbage on every queue and channel is counted and set aside, and the worker goes on")
def queues(start: Start) -> Result:
    findings = Findings()
    subject = start(pool={"poolSize": 1})
    value = call_pool(subject, ("pooled_echo", ("a",)))
    findings.require(isinstance(value, dict) and "result" in value, f"a call in a child process: {value}")
    result = garbage_on_queues()
    findings.measure(f"live: a child process has answered; {result.figure}")
    findings.faults.extend(result.faults)
    return findings.result()


@functools.cache
def garbage_on_queues() -> Result:
    """Run the tests of the queues and channels, once: they do not depend on the serving backend."""
    return run_tests(
        "tests/execBackend/celery -k 'misfit or garbage'",
        "tests/execBackend/parallel/test_channel.py -k 'garbage or pickle or not_json or without_an_end'",
    )
