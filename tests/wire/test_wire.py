"""One table of requests with exact answers, checked over every way to a server."""

import contextlib
import re

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import Request, post
from tests.wire.api import echo
from tests.wire.cases import CASES
from tests.wire.cases_http import CALL, DOUBLE_SLASHES, WRONG_METHODS
from tests.wire.connection import why_unsendable
from tests.wire.ways import WAYS, Servers

_CORRELATION_ID = re.compile(rb'"correlationId":"[0-9a-f]{40}"')
_ID_OF_A_FAILURE = re.compile(rb"\[[0-9a-f]{40}\]")
_TRACEBACK = re.compile(rb'"traceback":"Traceback \(most recent call last\):(?:[^"\\]|\\.)*"')

_MAX_UNSENDABLE = 4
_MAX_DIFFERENCES = 12


@pytest.fixture(scope="module")
def servers():
    with contextlib.closing(Servers()) as all_servers:
        yield all_servers


def comparable(answer, *, ordered=False):
    """Replace values that differ each time by placeholders, and sort the headers."""
    body = _TRACEBACK.sub(b'"traceback":"<traceback>"', answer.body)
    body = _CORRELATION_ID.sub(b'"correlationId":"<id>"', body)
    body = _ID_OF_A_FAILURE.sub(b"[<id>]", body)
    headers = [
        (name, str(int(value) + len(body) - len(answer.body)) if name.lower() == "content-length" else value)
        for name, value in answer.headers
    ]
    return answer.status, headers if ordered else sorted(headers), body


def ways_of(case):
    """Return the ways on which a case can be sent."""
    return [way for way in WAYS if not (way.is_native and why_unsendable(case.request))]


def expected(case, way):
    return case.over_native if way.is_native and case.over_native else case.answer


def test_the_table_is_large_enough_and_names_are_unique():
    names = [case.name for case in CASES]

    assert len(names) >= 700
    assert sorted(names) == sorted(set(names))


def test_nearly_all_cases_can_be_sent_over_a_connection_with_the_same_answer():
    unsendable = {case.name: why for case in CASES if (why := why_unsendable(case.request))}
    differing = [case.name for case in CASES if case.over_native]

    assert len(unsendable) <= _MAX_UNSENDABLE, unsendable
    assert len(differing) <= _MAX_DIFFERENCES, differing


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_answer_is_exactly_that_of_the_table_on_all_ways(case, servers):
    answers = {way: servers.ask(way, case.configuration, case.request) for way in ways_of(case)}

    for way, answer in answers.items():
        assert comparable(answer) == comparable(expected(case, way)), way.name
    orders = {tuple(comparable(answer, ordered=True)[1]) for way, answer in answers.items() if not differs(case, way)}
    assert len(orders) == 1


def differs(case, way):
    return way.is_native and case.over_native is not None


@pytest.mark.parametrize("request_", DOUBLE_SLASHES, ids=lambda request: f"{request.method} {request.target}")
def test_double_slashes_are_answered_alike_on_all_ways(request_, servers):
    answers = [comparable(servers.ask(way, "plain", request_), ordered=True) for way in WAYS]

    assert answers[1:] == answers[:-1]
    assert answers[0][0][:3] in ("308", "404")


def server_of_one_path(**options):
    server = flaskJSONRPCServer(None, log=False, **options)
    server.registerFunction(echo, path="/api")
    return server


@pytest.fixture(scope="module")
def callers(servers):
    """Return for each way a function that sends requests to a server of one path."""
    return {way: servers.caller_of(way, server_of_one_path) for way in WAYS}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize(("method", "target", "allowed"), WRONG_METHODS)
def test_wrong_http_method_is_405_with_the_right_ones(method, target, allowed, way, callers):
    answer = callers[way](Request(method, target))

    assert answer.code == 405
    assert set(answer.header("Allow").split(", ")) == allowed


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("target", ["/no", "/apii", "/api/no_such", "/api/.."])
def test_post_to_the_url_of_a_method_is_404(target, way, servers):
    assert servers.ask(way, "plain", post(CALL, target)).code == 404


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_get_of_a_path_is_405_although_there_are_methods_at_the_root(way, servers):
    assert servers.ask(way, "plain", Request("GET", "/api")).code == 405
