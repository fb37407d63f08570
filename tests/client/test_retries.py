"""Which requests are sent again, how often and when; counted at the server."""

import datetime
import json
import threading
from email.utils import format_datetime

import pytest

from flaskJSONRPCServer.client import (
    Client,
    ClientRequest,
    ConnectionLostError,
    Deadline,
    HttpStatusError,
    RequestTimeoutError,
    Retry,
    idempotent,
)
from flaskJSONRPCServer.client.attempts import with_deadline
from flaskJSONRPCServer.client.retries import RetryBudget, retry_after_s
from flaskJSONRPCServer.client.transports import async_stream
from tests.client.raw_server import answered, http

AT_ONCE = Retry(base_pause_s=0)

UNAVAILABLE = http(b"down", "503 Service Unavailable")


def failing(times, data=UNAVAILABLE):
    """Answer the first requests with data, which is b"" for the end of the connection; all others with a result."""

    def handle(connection):
        while True:
            request_id = connection.read_id()
            if len(connection.server.requests) > times:
                connection.send(answered("well", request_id))
            elif data:
                connection.send(data)
            else:
                return

    return handle


@pytest.mark.parametrize(
    "data", [UNAVAILABLE, http(b"", "429 Too Many Requests"), http(b"", "504 Gateway Timeout"), b""]
)
@pytest.mark.parametrize("options", [{"idempotent": True}, {"idempotency_key": "k"}, {"idempotency_key": True}])
def test_safe_call_is_repeated(connect, raw, data, options):
    server = raw(failing(2, data))
    face = connect(server.url, retry=AT_ONCE)

    assert face.call("add", 1, 2, options=options) == "well"

    bodies = {request["body"] for request in server.requests}
    keys = {request["headers"].get("idempotency-key") for request in server.requests}
    assert (len(server.requests), len(bodies), len(keys)) == (3, 1, 1)


@pytest.mark.parametrize("data", [UNAVAILABLE, http(b"", "429 Too Many Requests"), b""])
@pytest.mark.parametrize("options", [{}, {"idempotency_key": None}, {"headers": {"X": "y"}}])
def test_unsafe_call_is_sent_once(connect, raw, data, options):
    server = raw(failing(1, data))

    with pytest.raises((HttpStatusError, ConnectionLostError)):
        connect(server.url, retry=AT_ONCE).call("add", options=options)

    assert len(server.requests) == 1


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_attempts_are_limited(connect, raw, attempts):
    server = raw(failing(99))
    retry = Retry(attempts=attempts, base_pause_s=0)

    with pytest.raises(HttpStatusError, match="503: down"):
        connect(server.url, retry=retry).call("add", options={"idempotent": True})

    assert len(server.requests) == attempts


def test_status_that_is_not_listed_is_not_repeated(connect, raw):
    server = raw(failing(1, http(b"", "500 Internal Server Error")))

    with pytest.raises(HttpStatusError):
        connect(server.url, retry=AT_ONCE).call("add", options={"idempotent": True})

    assert len(server.requests) == 1


def test_notification_and_batch_are_repeated_if_they_are_safe(connect, raw):
    def handle(connection):
        while True:
            message = json.loads(connection.read()["body"])
            if len(connection.server.requests) % 2:
                connection.send(UNAVAILABLE)
            elif isinstance(message, list):
                connection.send(http(b'[{"jsonrpc":"2.0","result":1,"id":%d}]' % message[0]["id"]))
            else:
                connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    server = raw(handle)
    face = connect(server.url, retry=AT_ONCE)

    assert face.notify("log", options={"idempotent": True}) is None
    batch, raised = face.batch(lambda batch: batch.add(1), options={"idempotency_key": "k"})
    assert (raised, batch.results(), len(server.requests)) == (None, [1], 4)


def test_repetitions_share_the_deadline(connect, raw):
    server = raw(failing(99, http(b"", "503 Service Unavailable", Retry_After="3600")))
    face = connect(server.url, retry=Retry(attempts=9))

    with pytest.raises(HttpStatusError):
        face.call("add", options={"idempotent": True, "timeout": 5})

    assert len(server.requests) == 1, "it waited beyond the deadline"


def test_server_is_told_the_seconds_that_remain(connect, raw):
    server = raw(failing(2, http(b"", "503 Service Unavailable", Retry_After="1")))
    face = connect(server.url, retry=Retry(attempts=2, base_pause_s=0), timeout=10)

    with pytest.raises(HttpStatusError):
        face.call("add", options={"idempotent": True})

    first, second = (float(request["headers"]["request-timeout"]) for request in server.requests)
    assert 9 < first <= 10
    assert first - second >= 0.999


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, 1e10, 1_000_000_000, 10**400])
def test_timeout_of_decades_is_none(connect, raw, timeout):
    server = raw(failing(0))
    face = connect(server.url, timeout=timeout, connect_timeout=timeout, read_timeout=timeout)

    assert face.call("add") == "well"
    assert "request-timeout" not in server.requests[0]["headers"]


def test_server_is_told_of_no_time_below_its_precision():
    request = with_deadline(ClientRequest("http://127.0.0.1", {}, b""), Deadline(1e-9))

    assert request.headers == {"Request-Timeout": "0.001"}


def test_server_is_not_told_of_the_default(connect, raw):
    server = raw(failing(0))
    face = connect(server.url)
    face.call("add")
    face.call("add", options={"timeout": 3})
    face.call("add", options={"timeout": None})

    told = [request["headers"].get("request-timeout") for request in server.requests]
    assert (told[0], told[2]) == (None, None)
    assert 2 < float(told[1]) <= 3


def test_budget_ends_the_repetitions_of_all_calls(connect, raw):
    server = raw(failing(10_000))
    face = connect(server.url, retry=Retry(attempts=2, base_pause_s=0, budget=0.25))
    calls = 40
    for _ in range(calls):
        with pytest.raises(HttpStatusError):
            face.call("add", options={"idempotent": True})

    assert calls + 10 <= len(server.requests) <= calls + 10 + calls * 0.25


def test_key_is_a_quoted_string(connect, raw):
    server = raw(failing(0))
    face = connect(server.url)
    face.call("add", options={"idempotency_key": 'a"b\\c'})
    face.call("add", options={"idempotency_key": True})
    face.call("add", options={"idempotency_key": True})

    first, second, third = (request["headers"]["idempotency-key"] for request in server.requests)
    assert first == r'"a\"b\\c"'
    assert second != third


@pytest.mark.parametrize("key", ["a\nb", "€", "\ud800", "", 5, b"k"])
def test_wrong_key_is_refused(key):
    with pytest.raises(ValueError, match=r"(?i)idempotency.key"):
        Client("http://127.0.0.1:9/api").options(idempotency_key=key)


def test_user_repeats_a_call_with_its_key(connect, raw):
    server = raw(failing(0))
    for calls_before in (0, 3):
        face = connect(server.url)
        for _ in range(calls_before):
            face.call("add")
        face.call("pay", 1, options={"idempotency_key": "k"})
    face.call("pay", 1, options={"idempotency_key": "other"})

    first, second, third = (request["body"] for request in server.requests if b"pay" in request["body"])
    assert first == second != third


def test_user_repeats_a_batch_with_its_key(connect, serve):
    face = connect(serve().url)
    results = []
    for _ in range(2):
        batch, raised = face.batch(
            lambda batch: (batch.subtract(5, 3), batch.subtract(7, 3)), options={"idempotency_key": "k"}
        )
        assert raised is None
        results.append(batch.results())

    assert results == [[2, 4]] * 2


class Stale:
    """A server that closes its first connection when the second request has come."""

    def __call__(self, connection):
        connection.send(answered("well", connection.read_id()))
        if connection.number == 1:
            # The next request arrives, and is not answered: as if the connection had been closed on its way.
            connection.read()
            return
        while True:
            connection.send(answered("well", connection.read_id()))


@pytest.mark.parametrize("options", [{"idempotent": True}, {"idempotency_key": "k"}])
def test_stale_connection_costs_a_safe_call_nothing(connect, raw, options):
    server = raw(Stale())
    face = connect(server.url, retry=None)

    assert face.call("add") == "well"
    assert face.call("add", options=options | {"timeout": 10}) == "well"
    assert (server.connections, len(server.requests)) == (2, 3)


def test_stale_connection_fails_an_unsafe_call(connect, raw):
    server = raw(Stale())
    face = connect(server.url)

    assert face.call("add") == "well"
    with pytest.raises(ConnectionLostError) as raised:
        face.call("add")
    assert raised.value.is_stale
    assert len(server.requests) == 2
    assert face.call("add") == "well"


def test_silent_repetition_is_only_one(connect, raw):
    def handle(connection):
        connection.send(answered("well", connection.read_id()))
        connection.read()

    server = raw(handle)
    face = connect(server.url, retry=None)
    face.call("add")

    assert face.call("add", options={"idempotent": True}) == "well"
    assert face.call("add", options={"idempotent": True}) == "well"
    assert server.connections == 3


def test_connection_that_the_server_has_closed_is_not_used(connect, raw, monkeypatch):
    closed = threading.Event()
    monkeypatch.setattr(async_stream, "BRIEFLY_S", 0)

    def handle(connection):
        connection.send(answered("well", connection.read_id()))
        if connection.number == 1:
            connection.socket.shutdown(2)
            closed.set()
        else:
            connection.wait()

    server = raw(handle)
    face = connect(server.url, retry=None)
    face.call("add")
    assert closed.wait(20)

    # Loopback delivers the end of a connection before shutdown() returns.
    assert face.call("add") == "well"
    assert len(server.requests) == 2


def test_method_of_an_interface_says_that_it_is_idempotent(raw):
    class Api:
        @idempotent
        def get(self): ...

        def put(self): ...

    server = raw(failing(1))
    with Client(server.url, retry=AT_ONCE) as client:
        assert client.typed(Api).get() == "well"
        assert len(server.requests) == 2
    server = raw(failing(1))
    with Client(server.url, retry=AT_ONCE) as client:
        with pytest.raises(HttpStatusError):
            client.typed(Api).put()
        assert len(server.requests) == 1
    server = raw(failing(1))
    with Client(server.url, retry=AT_ONCE) as client:
        with pytest.raises(HttpStatusError):
            client.options(idempotent=False).typed(Api).get()
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3),
        (" 12 ", 12),
        ("", 0),
        ("-1", 0),
        ("soon", 0),
        ("1.5", 0),
        ("9" * 5_000, 999_999_999),
        ("Mon, 01 Jan 2030 00:00:00 +99999999999999999999", 0),
    ],
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after_s({"retry-after": value}) == seconds


def test_retry_after_as_a_date():
    now = datetime.datetime.now(datetime.timezone.utc)

    assert (
        3500 < retry_after_s({"retry-after": format_datetime(now + datetime.timedelta(hours=1), usegmt=True)}) <= 3600
    )
    assert retry_after_s({"retry-after": format_datetime(now - datetime.timedelta(hours=1))}) == 0


def test_pauses_have_full_jitter():
    retry = Retry(base_pause_s=1, max_pause_s=6)
    pauses = [[retry.pause_s(attempt) for _ in range(200)] for attempt in (1, 2, 3, 1_000)]

    for values, limit in zip(pauses, (2, 4, 6, 6), strict=True):
        assert 0 <= min(values) < limit / 4
        assert limit * 3 / 4 < max(values) <= limit


@pytest.mark.parametrize(
    "options",
    [{name: value} for name in ("attempts", "base_pause_s", "max_pause_s", "budget") for value in (-1, float("nan"))],
)
def test_wrong_retry_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Retry(**options)


def test_budget_is_bounded():
    budget = RetryBudget()
    for _ in range(1_000):
        budget.add(1)

    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]


def test_deadline():
    with pytest.raises(RequestTimeoutError):
        Deadline(0).wait_s()
    assert Deadline(None).wait_s() is None
    assert Deadline(None).wait_s(3) == 3
    assert 0 < Deadline(2).wait_s(3) <= 2
