"""The call of a function: the errors of its exceptions, its counts and its log."""

import asyncio
import contextvars
import decimal
import logging
import signal
import sys

import pytest
from werkzeug.exceptions import HTTPException

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer
from tests.helpers import call, call_wsgi, get, post, rpc
from tests.raised import MAKERS

SECRET = "/secret/path tok123"


def fail():
    raise Exception(SECRET)


def leave():
    raise SystemExit(SECRET)


def chosen():
    raise JsonRpcApplicationError("chosen", code=5)


def unserialisable():
    return object()


def nested():
    try:
        raise ValueError(SECRET)
    except ValueError as exc:
        raise RuntimeError("outer") from exc


def make(**options):
    server = flaskJSONRPCServer(None, name="theirs", **options)
    for function in (fail, leave, chosen, unserialisable, nested):
        server.registerFunction(function, path="/api")
    server.registerFunction(lambda value: value, path="/api", name="echo")
    return server


@pytest.mark.parametrize("method", ["fail", "leave", "unserialisable", "nested"])
@pytest.mark.parametrize("use_get", [False, True])
def test_text_of_an_exception_stays_in_the_log(method, use_get, caplog):
    request = get(f"/api/{method}?jsonp=f") if use_get else post(rpc(method))
    answer = call_wsgi(make().getWSGI(), request)

    everything = repr(answer)
    assert SECRET not in everything
    assert "secret" not in everything
    assert "Traceback" not in everything
    assert "-32603" in everything
    assert "Traceback" in caplog.text


def test_correlation_id_is_in_the_answer_and_in_the_log(caplog):
    error = call(make().getWSGI(), "fail")["error"]

    (record,) = caplog.records
    assert error["message"] == "Internal error"
    assert set(error["data"]) == {"correlationId"}
    assert error["data"]["correlationId"] in record.getMessage()
    assert "fail" in record.getMessage()
    assert record.levelno == logging.ERROR
    assert SECRET in caplog.text


def test_correlation_id_is_the_unique_id_of_the_connection():
    server = flaskJSONRPCServer(None, log=False)
    seen = []

    def dispatcher(_connection):
        seen.append(_connection.uniqueId)
        raise ValueError

    server.registerFunction(dispatcher, path="/api")
    assert [call(server.getWSGI(), "dispatcher")["error"]["data"]["correlationId"]] == seen


def test_debug_shows_the_traceback_to_the_client():
    data = call(make(debug=True, log=False).getWSGI(), "fail")["error"]["data"]

    assert set(data) == {"correlationId", "traceback"}
    assert SECRET in data["traceback"]
    assert data["traceback"].startswith("Traceback (most recent call last):")


def test_debug_shows_nothing_of_a_chosen_error():
    assert call(make(debug=True, log=False).getWSGI(), "chosen")["error"] == {"code": 5, "message": "chosen"}


def test_chosen_error_is_not_logged(caplog):
    call(make(log=4).getWSGI(), "chosen")

    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_failed_notification_is_logged_and_silent(caplog):
    answer = call_wsgi(make().getWSGI(), post({"jsonrpc": "2.0", "method": "fail"}))

    assert (answer.status, answer.body) == ("204 No Content", b"")
    assert SECRET in caplog.text


def test_counts():
    server = make(log=False)
    application = server.getWSGI()
    for method in ("fail", "leave", "chosen", "echo", "no_such"):
        call(application, method, ["a"] if method == "echo" else None)
    call(application, "echo", [])

    stats = server.stats()
    assert {name: stats[name] for name in stats if name.endswith("Count") and name != "notificationLostCount"} == {
        "requestCount": 6,
        "dispatcherCount": 4,
        "dispatcherErrorCount": 3,
        "abandonedCallCount": 0,
        "processingRequestCount": 0,
        "processingDispatcherCount": 0,
        "processingAbandonedCallCount": 0,
    }


def test_counts_while_a_call_runs():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(
        lambda: [server.stats()["processingRequestCount"], server.stats()["processingDispatcherCount"]],
        name="running",
        path="/api",
    )

    assert call(server.getWSGI(), "running")["result"] == [1, 1]


def exit_on_signal(number, frame):
    sys.exit(3)


@pytest.mark.parametrize(
    ("handler", "raised"), [(signal.default_int_handler, KeyboardInterrupt), (exit_on_signal, SystemExit)]
)
def test_signals_to_the_program_propagate_and_are_counted(handler, raised):
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: signal.raise_signal(signal.SIGINT), name="interrupted", path="/api")
    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(raised):
            call(server.getWSGI(), "interrupted")
    finally:
        signal.signal(signal.SIGINT, before)
    stats = server.stats()
    assert (stats["processingRequestCount"], stats["processingDispatcherCount"]) == (0, 0)
    assert stats["dispatcherErrorCount"] == 1


class Panic(BaseException):
    """As a Rust extension raises it."""


STRANGE = [KeyboardInterrupt, GeneratorExit, SystemExit, asyncio.CancelledError, Panic, StopIteration]


def raise_by_name(name):
    raise {kind.__name__: kind for kind in STRANGE}[name]("a secret")


@pytest.mark.parametrize("strange", STRANGE)
def test_exception_of_any_kind_fails_its_call_alone(strange, caplog):
    server = flaskJSONRPCServer(None)
    server.registerFunction(raise_by_name, path="/api")
    server.registerFunction(lambda: 1, path="/api", name="one")
    failing = rpc("raise_by_name", [strange.__name__])
    notification = {"jsonrpc": "2.0", "method": "raise_by_name", "params": [strange.__name__]}

    single = call_wsgi(server.getWSGI(), post(failing)).json()
    assert single["error"]["code"] == -32603
    assert "secret" not in str(single)
    correlation_id = single["error"]["data"]["correlationId"]
    assert sum(correlation_id in record.getMessage() for record in caplog.records) == 1
    assert strange.__name__ in caplog.text

    batch = [rpc("one", None, 1), {**failing, "id": 2}, notification, rpc("one", None, 3)]
    answers = call_wsgi(server.getWSGI(), post(batch)).json()
    assert [(answer["id"], answer.get("result")) for answer in answers] == [(1, 1), (2, None), (3, 1)]
    assert call_wsgi(server.getWSGI(), post(notification)).code == 204


VARIABLE = contextvars.ContextVar("variable", default="unset")


def read_and_set(value):
    decimal.getcontext().prec, precision = 5, decimal.getcontext().prec
    before = VARIABLE.get()
    VARIABLE.set(value)
    return before, precision


@pytest.mark.parametrize("batch", [False, True], ids=["calls", "batch"])
def test_context_variables_of_a_call_end_with_it(batch):
    decimal.getcontext().prec = 28  # so that this thread has a context, which calls could change in place
    server = flaskJSONRPCServer(None)
    server.registerFunction(read_and_set, path="/api")
    calls = [rpc("read_and_set", [value], value) for value in ("a", "b", "c")]

    if batch:
        answers = call_wsgi(server.getWSGI(), post(calls)).json()
    else:
        answers = [call_wsgi(server.getWSGI(), post(payload)).json() for payload in calls]

    assert [answer["result"] for answer in answers] == [["unset", 28]] * 3
    assert (VARIABLE.get(), decimal.getcontext().prec) == ("unset", 28)


def test_context_variables_that_auth_sets_are_there_for_the_request_alone():
    def auth(server, path, request, method):
        if "User" in request["headers"]:
            VARIABLE.set(request["headers"]["User"])
        return True

    server = flaskJSONRPCServer(None, auth=auth)
    server.registerFunction(VARIABLE.get, path="/api", name="user")
    answers = [
        call(server.getWSGI(), "user", headers={"User": "ada"})["result"],
        call(server.getWSGI(), "user")["result"],
    ]

    assert answers == ["ada", "unset"]


def test_names_from_the_request_cannot_forge_a_log_record(caplog):
    server = flaskJSONRPCServer(None, log=4)
    server.registerFunction(fail, path="/api")
    call(server.getWSGI(), "x\nERROR forged\x1b[31m\r")
    call(server.getWSGI(), "fail")

    assert len(caplog.records) == len([record for record in caplog.records if "\n" not in record.getMessage()])
    assert "\x1b" not in caplog.text


class Setting(flaskJSONRPCServer):
    def _fixJSON(self, o):
        before, precision = VARIABLE.get(), decimal.getcontext().prec
        VARIABLE.set("crossed")
        decimal.getcontext().prec = 3
        return [before, precision]


def test_context_variables_of_a_conversion_end_with_it():
    server = Setting(None)
    server.registerFunction(lambda: object(), path="/api", name="converted")  # noqa: PLW0108  a class is refused
    server.registerFunction(read_and_set, path="/api")
    application = server.getWSGI()
    batch = [rpc("converted"), rpc("converted"), rpc("read_and_set", ["mine"])]

    for _ in range(2):
        answers = call_wsgi(application, post(batch)).json()
        assert [answer["result"] for answer in answers] == [["unset", 28]] * 3


class WithoutText(BaseException):
    def __str__(self):
        raise KeyboardInterrupt

    __repr__ = __str__


class WithoutError(JsonRpcApplicationError):
    ERROR_CODE = 4712

    def get_error(self):
        raise KeyError("no error")


class OddCode(JsonRpcApplicationError):
    ERROR_CODE = 4713
    ERROR_MESSAGE = "odd"

    def __init__(self):
        super().__init__()
        self.code = "abc"


class WithoutResponse(HTTPException):
    def get_response(self, *_):
        raise ValueError("no response")


class WithoutDescription(HTTPException):
    code = 403

    description = property(lambda self: 1 // 0, lambda self, text: None)


class WithoutStatus(HTTPException):
    code = "abc"


@pytest.mark.parametrize(
    "odd", [WithoutText, WithoutError, OddCode, WithoutResponse, WithoutDescription, WithoutStatus]
)
def test_exception_with_overridden_members_fails_its_call_alone(odd, caplog):
    def fail():
        raise odd

    server = flaskJSONRPCServer(None)
    server.registerFunction(fail, path="/api")
    server.registerFunction(lambda: 1, path="/api", name="one")
    answers = call_wsgi(server.getWSGI(), post([rpc("one"), rpc("fail"), rpc("one")])).json()

    assert [answer.get("result") for answer in answers] == [1, None, 1]
    assert answers[1]["error"]["code"] == -32603
    assert answers[1]["error"]["data"]["correlationId"] in caplog.text


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("name", MAKERS)
def test_exception_that_cannot_be_formatted_is_an_internal_error(name, debug, caplog):
    def break_badly():
        raise MAKERS[name]()

    server = make(debug=debug)
    server.registerFunction(break_badly, path="/api")

    error = call(server.getWSGI(), "break_badly")["error"]
    assert call_wsgi(server.getWSGI(), post({"jsonrpc": "2.0", "method": "break_badly"})).code < 300

    assert error["code"] == -32603
    assert error["data"]["correlationId"] in caplog.text
    assert ("traceback" in error["data"]) == debug
