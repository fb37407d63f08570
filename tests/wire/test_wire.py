"""One table of requests, each with its exact answer, over every way to a server."""

import functools
import re

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import Request, call_socket, call_wsgi, post
from tests.wire.api import WAYS, echo, make_server
from tests.wire.cases import CASES
from tests.wire.cases_http import CALL, DOUBLE_SLASHES, WRONG_METHODS

_CORRELATION_ID = re.compile(rb'"correlationId":"[0-9a-f]{40}"')
_ID_OF_A_FAILURE = re.compile(rb"\[[0-9a-f]{40}\]")
_TRACEBACK = re.compile(rb'"traceback":"Traceback \(most recent call last\):(?:[^"\\]|\\.)*"')

# A connection cannot say these: they are WSGI's own, or the serving program's to answer.
_SOCKET_CASES = [
    case
    for case in CASES
    if case.configuration == "plain"
    and not case.request.chunked
    and not case.request.environ
    and case.request.method != "HEAD"
    and case.answer.code in (200, 204, 403, 404, 405, 415, 500)
    and not {"Host", "Content-Length"} & set(case.request.headers)
    and "//" not in case.request.target
    and all(value is None or value.isascii() for value in case.request.headers.values())
    and all(value.isascii() for _, value in case.answer.headers)
]


@functools.cache
def application_of(way, configuration):
    return WAYS[way](configuration)


def comparable(answer, *, ordered=False):
    """Put placeholders in the place of what is new each time, and the headers in a fixed order."""
    body = _TRACEBACK.sub(b'"traceback":"<traceback>"', answer.body)
    body = _CORRELATION_ID.sub(b'"correlationId":"<id>"', body)
    body = _ID_OF_A_FAILURE.sub(b"[<id>]", body)
    headers = [
        (name, str(int(value) + len(body) - len(answer.body)) if name.lower() == "content-length" else value)
        for name, value in answer.headers
    ]
    return answer.status, headers if ordered else sorted(headers), body


def as_sent(answer):
    """Return what is comparable over a connection: reasons and the case of names are the serving program's."""
    status, headers, body = comparable(answer)
    return status[:3], sorted((name.lower(), value) for name, value in headers), body


def test_the_table_is_large_enough_and_names_are_unique():
    names = [case.name for case in CASES]

    assert len(names) >= 140
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_answer_is_exactly_as_the_table_says(case, way):
    answer = call_wsgi(application_of(way, case.configuration), case.request)

    assert comparable(answer) == comparable(case.answer)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_ways_give_the_same_answer_in_the_same_order(case):
    answers = [
        comparable(call_wsgi(application_of(way, case.configuration), case.request), ordered=True) for way in WAYS
    ]

    assert answers[1:] == answers[:-1]


@pytest.mark.parametrize("request_", DOUBLE_SLASHES, ids=lambda request: f"{request.method} {request.target}")
def test_double_slashes_are_answered_alike_on_all_ways(request_):
    answers = [comparable(call_wsgi(application_of(way, "plain"), request_), ordered=True) for way in WAYS]

    assert answers[1:] == answers[:-1]
    assert answers[0][0][:3] in ("308", "404")


def server_of_one_path(way):
    server = flaskJSONRPCServer(None, log=False, flaskContext=way == "through_flask")
    server.registerFunction(echo, path="/api")
    if way != "mounted":
        return server.getWSGI()
    application = flask.Flask("theirs")
    server.init_app(application)
    return application


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("method", "target", "allowed"), WRONG_METHODS)
def test_wrong_http_method_is_405_with_the_right_ones(method, target, allowed, way):
    answer = call_wsgi(server_of_one_path(way), Request(method, target))

    assert answer.code == 405
    assert set(answer.header("Allow").split(", ")) == allowed


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", ["/no", "/apii", "/api/no_such", "/api/.."])
def test_post_to_an_unknown_path_is_404_although_a_get_of_a_method_would_look_like_it(target, way):
    assert call_wsgi(application_of(way, "plain"), post(CALL, target)).code == 404


@pytest.mark.parametrize("way", WAYS)
def test_get_of_a_path_is_405_although_there_are_methods_at_the_root(way):
    assert call_wsgi(application_of(way, "plain"), Request("GET", "/api")).code == 405


@pytest.fixture(scope="module")
def address():
    # fallback=True is what the table is about: by default, loopback addresses are closed to pages of other origins.
    server = make_server("plain", bindAdress=["127.0.0.1", 0], controlGC=False, fallback=True)
    server.start()
    yield server.addresses[0]
    server.stop()


@pytest.mark.parametrize("case", _SOCKET_CASES, ids=lambda case: case.name)
def test_answer_over_a_socket_is_exactly_as_the_table_says(case, address):
    answer = call_socket(address, case.request)

    assert as_sent(answer) == as_sent(case.answer)


def test_enough_cases_go_over_a_socket():
    assert len(_SOCKET_CASES) >= 100
