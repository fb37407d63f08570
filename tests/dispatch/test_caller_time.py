"""The header Request-Timeout: calls that have not begun when the time of their caller is over do not begin."""

import threading

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.caller_time import ShortenedCalls, caller_seconds
from flaskJSONRPCServer.http.refusals import BadRequest
from flaskJSONRPCServer.runtime.stats import Stats
from tests.helpers import call_wsgi, get, post, rpc, wait_until

NOT_STARTED = {"code": -32006, "message": "Deadline exceeded", "data": {"work": "not started"}}
LONG_AGO = {"flaskJSONRPCServer.arrived_at": 0.0}
"""The arrival of a request whose time is over: the clock began before this process."""


SECONDS = {"1": 1, "2.5": 2.5, " 0.001\t": 0.001, "999999999": 999_999_999, "0.000000001": 1e-9}


@pytest.mark.parametrize("value", SECONDS)
def test_seconds(value):
    assert caller_seconds(value) == SECONDS[value]


MALFORMED = ["", "0", "0.0", "-1", "+1", "1e3", ".5", "5.", "1,5", "1;2", "inf", "nan", "1_0", "0x1", "1 s", "\u0661"]


@pytest.mark.parametrize("value", [*MALFORMED, "1" * 10, "1." + "1" * 10, "0." + "0" * 9, "1, 1"])
def test_malformed_seconds_are_refused(value):
    with pytest.raises(BadRequest, match="Request-Timeout is malformed"):
        caller_seconds(value)


def make(**options):
    server = flaskJSONRPCServer(None, **{"log": False, "fallback": True, **options})
    server.ran = []
    server.registerFunction(lambda: server.ran.append(1) or 1, path="/api", name="run")
    return server


def direct(server):
    return server.getWSGI()


def mounted(server):
    application = flask.Flask("theirs")
    server.init_app(application)
    return application


@pytest.fixture(params=[direct, mounted], ids=lambda way: way.__name__)
def way(request):
    return request.param


def timed(payload, seconds="1", **options):
    return post(payload, headers={"Request-Timeout": seconds}, **options)


def test_call_in_time_runs(way):
    server = make()
    application = way(server)

    assert call_wsgi(application, timed(rpc("run"), "60")).json()["result"] == 1
    assert call_wsgi(application, get("/api/run", {"Request-Timeout": "60"})).json()["result"] == 1


@pytest.mark.parametrize("backend", ["simple", "threaded", "threadedNative", "parallel"])
@pytest.mark.parametrize("timeout", [None, 60])
def test_late_call_does_not_begin(backend, timeout):
    server = make(dispatcherBackend=backend, timeout=timeout)
    application = server.getWSGI()
    notification = {"jsonrpc": "2.0", "method": "run"}

    assert call_wsgi(application, timed(rpc("run"), environ=LONG_AGO)).json()["error"] == NOT_STARTED
    replies = call_wsgi(application, timed([rpc("run"), notification, rpc("run")], environ=LONG_AGO)).json()
    assert [reply["error"] for reply in replies] == [NOT_STARTED] * 2
    assert call_wsgi(application, timed(notification, environ=LONG_AGO)).code == 204
    late_get = get("/api/run", {"Request-Timeout": "1"}, environ=LONG_AGO)
    assert call_wsgi(application, late_get).json()["error"] == NOT_STARTED
    assert server.stats()["notificationLostCount"] == 2
    assert not server.ran
    server._stopExecBackends()


@pytest.mark.parametrize("value", ["", "0", "inf", "1e3"])
def test_malformed_header_is_400_that_names_it(way, value):
    server = make()
    application = way(server)

    for request in (timed(rpc("run"), value), get("/api/run", {"Request-Timeout": value})):
        refused = call_wsgi(application, request)
        assert (refused.code, refused.body[:16]) == (400, b"Request-Timeout ")
    assert not server.ran


def test_without_the_setting_the_header_means_nothing():
    application = make(caller_timeouts=False).getWSGI()

    assert call_wsgi(application, timed(rpc("run"), "malformed", environ=LONG_AGO)).json()["result"] == 1
    assert call_wsgi(application, get("/api/run", {"Request-Timeout": "0"})).json()["result"] == 1


def test_without_keys_the_header_is_honoured():
    application = make(idempotency=False).getWSGI()

    assert call_wsgi(application, timed(rpc("run"), environ=LONG_AGO)).json()["error"] == NOT_STARTED
    keyed = timed({**rpc("run"), "idempotencyKey": 5}, "60")
    assert call_wsgi(application, keyed).json()["result"] == 1


def test_late_call_with_a_key_may_be_sent_again():
    server = make()
    application = server.getWSGI()
    key = {"Idempotency-Key": "k"}

    late = post(rpc("run"), headers={**key, "Request-Timeout": "1"}, environ=LONG_AGO)
    assert call_wsgi(application, late).json()["error"] == NOT_STARTED
    assert call_wsgi(application, post(rpc("run"), headers=key)).json()["result"] == 1
    assert call_wsgi(application, late).json()["result"] == 1  # the answer is there: nothing has to begin


def test_call_behind_a_lock_does_not_begin_after_its_time():
    server = make()
    application = server.getWSGI()
    server.lock()

    assert call_wsgi(application, timed(rpc("run"), "0.01")).json()["error"] == NOT_STARTED
    assert not server.ran


def test_call_that_has_begun_goes_on_without_a_timeout():
    server = make()

    def last(_connection):
        return [_connection.deadline, threading.Event().wait(1.1)]

    server.registerFunction(last, path="/api")
    assert call_wsgi(server.getWSGI(), timed(rpc("last"), "1")).json()["result"] == [None, False]


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_deadline_of_a_method_becomes_earlier_and_never_later(backend):
    server = make(dispatcherBackend=backend)
    may_end = threading.Event()
    server.registerFunction(lambda: may_end.wait(60), path="/api", name="hold", timeout=60)
    server.registerFunction(lambda _connection: _connection.remaining, path="/api", name="remaining", timeout=30)
    application = server.getWSGI()

    abandoned = {"code": -32006, "message": "Deadline exceeded", "data": {"work": "abandoned"}}
    assert call_wsgi(application, timed(rpc("hold"), "0.5")).json()["error"] == abandoned
    assert call_wsgi(application, timed(rpc("remaining"), "10")).json()["result"] < 10
    assert 20 < call_wsgi(application, timed(rpc("remaining"), "3600")).json()["result"] < 30
    may_end.set()
    server._stopExecBackends()


def test_callers_cannot_keep_the_calls_of_others_from_beginning():
    server = make(max_abandoned_calls=4)
    may_end = threading.Event()
    server.registerFunction(lambda: may_end.wait(60), path="/api", name="hold", timeout=60)
    application = server.getWSGI()
    answers = []

    def call():
        answers.append(call_wsgi(application, timed(rpc("hold"), "0.5")).json())

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: server.stats()["processingAbandonedCallCount"] == 2)
    server.registerFunction(lambda: 1, path="/api", name="other", timeout=60)
    assert call_wsgi(application, post(rpc("other"))).json()["result"] == 1
    may_end.set()
    for thread in threads:
        thread.join()
    assert server.stats()["abandonedCallCount"] == 2
    errors = [answer["error"]["data"]["work"] for answer in answers if "error" in answer]
    assert errors.count("abandoned") == 2
    server._stopExecBackends()


def test_shortened_calls_are_counted_until_their_answers():
    calls, first, second = ShortenedCalls(Stats(), 2), object(), object()

    assert calls.take()
    calls.note(first)
    assert calls.take()
    assert not calls.take()
    calls.end(second)
    assert not calls.take()
    calls.end(first)
    calls.end(first)
    assert calls.take()
    assert not calls.take()
    calls.give_back()
    assert calls.take()
