"""Checks 17 to 22: requests that a page of another site can make a browser send."""

from __future__ import annotations

from . import wire
from .checks import Scope, check
from .results import Findings, Result
from .subject import Start, Subject
from .suites import run_tests

__all__: list[str] = []

_CLOSE = b"Connection: close"


@check(17, "JSONP: bad callbacks are 400, a good one is guarded", scope=Scope.ALONE)
def jsonp(_start: Start) -> Result:
    return run_tests("tests/http/test_jsonp.py", "tests/wire/test_wire.py -k jsonp")


@check(18, "URLs with a file extension or a parameter are 404", scope=Scope.ONCE, quick=True)
def reflected_downloads(start: Start) -> Result:
    findings = Findings()
    subject = start()
    targets = [b"/api/echo.bat?value=1", b"/api/echo;/x.cmd?value=1", b"/api;/x.cmd", b"/api/echo/x.bat?value=1"]
    codes = [get_status(subject, target) for target in targets]
    findings.measure(f"{len(targets)} URLs: {codes}; {subject.ran()} dispatchers ran")
    findings.require(codes == [[404]] * len(targets), f"statuses {codes}")
    findings.require(subject.ran() == 0, "a dispatcher ran")
    return findings.result()


def get_status(subject: Subject, target: bytes) -> list[int]:
    request = b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    return wire.exchange(subject.address, request, 2).statuses


@check(19, "Cross-site JSONP with only a cookie is refused", scope=Scope.ALONE)
def jsonp_with_a_cookie(_start: Start) -> Result:
    return run_tests("tests/wire/test_wire.py -k 'cross_site or cookie'", "tests/http/test_guard.py -k cross_site")


@check(20, "Other origins may read nothing; credentials are never allowed with *", scope=Scope.ALONE)
def cors(_start: Start) -> Result:
    return run_tests("tests/http/test_cors.py", "tests/wire/test_wire.py -k cors")


@check(21, "A foreign Host is 421, an absolute URL that disagrees with Host is 400", quick=True)
def hosts(start: Start) -> Result:
    findings = Findings()
    subject = start()
    post = wire.post(wire.ECHO, _CLOSE)
    foreign = wire.exchange(subject.address, post.replace(b"Host: 127.0.0.1", b"Host: evil.test"), 2)
    absolute = post.replace(b"POST /api", b"POST http://evil.test/api")
    disagreeing = wire.exchange(subject.address, absolute, 2)
    names_setting = b"allowed_hosts" in foreign.body
    findings.measure(
        f"Host evil.test: {foreign.statuses}; http://evil.test/ with Host 127.0.0.1: {disagreeing.statuses}"
    )
    findings.require(foreign.statuses == [421], f"Host evil.test: {foreign.statuses}")
    findings.require(names_setting, "the refusal does not name allowed_hosts")
    findings.require(disagreeing.statuses == [400], f"a disagreeing absolute URL: {disagreeing.statuses}")
    findings.require(subject.ran() == 0, "a dispatcher ran")
    return findings.result()


@check(22, "Forms and plain text are 415; a GET of a dispatcher without fallback is 403", quick=True)
def simple_requests(start: Start) -> Result:
    findings = Findings()
    subject = start()
    kinds = [b"text/plain", b"application/x-www-form-urlencoded", b"text/plain; application/json"]
    post = wire.post(wire.ECHO, _CLOSE)
    codes = [wire.exchange(subject.address, post.replace(b"application/json", kind), 2).statuses for kind in kinds]
    get = b"GET /posted/mark?text=got HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    got = wire.exchange(subject.address, get, 2)
    findings.measure(f"three media types: {codes}; GET without fallback: {got.statuses}")
    findings.require(codes == [[415]] * 3, f"media types: {codes}")
    findings.require(got.statuses == [403], f"the GET: {got.statuses}")
    findings.require(subject.ran() == 0, "a dispatcher ran")
    return findings.result()
