"""Calls on exec backends: submitted after the locks, and answered with their result or their error."""

import threading

import pytest

from flaskJSONRPCServer.dispatch.invoker import Invoker
from flaskJSONRPCServer.dispatch.locks import lock_key
from flaskJSONRPCServer.dispatch.submission import BACKEND_REFUSED, BackendCalls, OverriddenInvoker
from flaskJSONRPCServer.runtime.stats import Stats
from flaskJSONRPCServer.sansio_jsonrpc import (
    ABSENT,
    JsonRpcApplicationError,
    JsonRpcError,
    JsonRpcException,
    JsonRpcRequest,
)
from flaskJSONRPCServer.settings import Settings
from tests.dispatch.parts import make_exchange, make_facts, make_route

JOIN_S = 20


def work():
    pass


ROUTE = make_route(work)
CALL = JsonRpcRequest("work", [1], id=5)
NOTIFICATION = JsonRpcRequest("work", {"a": 1}, id=ABSENT)


class Backend:
    """Answers `add` and `check` with the values that it was made with, and keeps the arguments of `add`."""

    def __init__(self, added=(True, None, "ticket"), answer=(True, {}, "result")):
        self.added, self.answer = added, answer
        self.calls, self.checked = [], []

    def add(self, *arguments):
        self.calls.append(arguments)
        return self.added

    def check(self, unique_id, ticket):
        self.checked.append((unique_id, ticket))
        return self.answer


class Calls:
    """The calls of one server, with its locks and its statistics."""

    def __init__(self, **options):
        self.facts, self.stats = make_facts(), Stats()
        self.invoker = Invoker(self.facts, self.stats, debug=False, **options)
        self.backend_calls = BackendCalls(Settings(), self.facts, self.invoker, self.stats, self.copy)
        self.exchange = make_exchange(unique_id="an id")

    @staticmethod
    def copy(request):
        return {"method": request.method}

    def submit(self, backend, call=CALL):
        return self.backend_calls.submit(backend, ROUTE, call, self.exchange)

    def result(self, backend):
        return self.backend_calls.result(self.submit(backend), self.exchange)

    def lost(self):
        return self.stats.report(in_ms=False)["notificationLostCount"]


def test_backend_gets_the_documented_arguments():
    backend = Backend()
    Calls().submit(backend)

    request = {"method": "POST", "uniqueId": "an id"}
    data = {"method": "work", "params": [1], "id": 5, "notify": False}
    assert backend.calls == [("an id", "/api/", data, request, False)]


def test_notification_has_no_id_and_says_so():
    backend = Backend()
    Calls().submit(backend, NOTIFICATION)

    assert backend.calls[0][2] == {"method": "work", "params": {"a": 1}, "id": None, "notify": True}


def test_result_is_asked_for_by_id_and_ticket():
    backend = Backend()

    assert Calls().result(backend) == "result"
    assert backend.checked == [("an id", "ticket")]


def test_response_fields_are_applied_to_the_exchange():
    calls = Calls()
    calls.result(Backend(answer=(True, {"_connection": {"headersOut": {"X-A": "a"}}}, 1)))

    assert calls.exchange.outgoing.headers == {"X-A": "a"}


@pytest.mark.parametrize("params", [{}, {"a": 1}, None, [1]])
def test_answer_without_a_connection_leaves_the_response_alone(params):
    calls = Calls()
    calls.result(Backend(answer=(True, params, 1)))

    assert calls.exchange.outgoing_if_any is None


def raised_by(function, *arguments):
    with pytest.raises(JsonRpcException) as raised:
        function(*arguments)
    return raised.value.code, raised.value.message


@pytest.mark.parametrize(
    ("info", "error"),
    [
        ("not now", (BACKEND_REFUSED, "not now")),
        (None, (-32002, "Server busy")),
        (JsonRpcError(8, "eight"), (8, "eight")),
        (JsonRpcApplicationError("mine", code=7), (7, "mine")),
    ],
)
def test_refused_call_raises_the_reason_of_the_backend(info, error):
    calls = Calls()

    assert raised_by(calls.submit, Backend(added=(False, info, None))) == error
    assert calls.lost() == 0


def test_refused_notification_is_lost_and_logged(caplog):
    calls = Calls()

    assert raised_by(calls.submit, Backend(added=(False, "full", None)), NOTIFICATION) == (-32002, "full")
    assert calls.lost() == 1
    assert caplog.messages == ["notification /api/work is lost: full"]


def test_failure_of_a_call_is_raised_as_the_backend_answers_it():
    assert raised_by(Calls().result, Backend(answer=(False, {}, JsonRpcError(9, "nine")))) == (9, "nine")


@pytest.mark.parametrize("result", [ValueError("a secret"), "a secret"])
def test_any_other_failure_is_an_internal_error_in_the_log(result, caplog):
    assert raised_by(Calls().result, Backend(answer=(False, {}, result))) == (-32603, "Internal error")
    assert caplog.messages == ["the exec backend failed to run 'work' [an id]"]
    assert "a secret" in caplog.text


class Broken(Backend):
    def __init__(self, method):
        super().__init__()
        setattr(self, method, self.fail)

    def fail(self, *arguments):
        raise ValueError("a secret")


@pytest.mark.parametrize("method", ["add", "check"])
def test_backend_that_raises_is_an_internal_error_in_the_log(method, caplog):
    assert raised_by(Calls().result, Broken(method)) == (-32603, "Internal error")
    assert caplog.messages == [f"the exec backend failed in {method}() for 'work' [an id]"]


def test_exception_that_is_to_propagate_is_raised():
    calls = Calls(should_propagate=lambda exc: isinstance(exc, ValueError))

    with pytest.raises(ValueError, match="a secret"):
        calls.result(Broken("check"))
    with pytest.raises(ValueError, match="mine"):
        calls.result(Backend(answer=(False, {}, ValueError("mine"))))


def test_call_of_a_locked_dispatcher_waits_before_it_is_submitted():
    calls, backend = Calls(), Backend()
    calls.facts.locks.lock(lock_key(work))
    thread = threading.Thread(target=calls.submit, args=(backend,))
    thread.start()
    assert backend.calls == []
    calls.facts.locks.unlock(lock_key(work))
    thread.join(JOIN_S)

    assert len(backend.calls) == 1


@pytest.mark.parametrize(("call", "lost"), [(CALL, 0), (NOTIFICATION, 1)])
def test_call_that_is_held_when_the_server_stops_is_not_submitted(call, lost):
    calls, backend = Calls(), Backend()
    calls.facts.locks.lock()
    calls.facts.locks.end_period(0)

    assert raised_by(calls.submit, backend, call) == (-32003, "Not run: the server has stopped")
    assert backend.calls == []
    assert calls.lost() == lost


class Documented:
    """Calls through an overridden `_callDispatcher` with this answer, or this exception."""

    def __init__(self, answer):
        self.calls, self.answer, self.arguments = Calls(), answer, []
        self.invoker = OverriddenInvoker(self.call_dispatcher, self.calls.backend_calls, self.calls.invoker)

    def call_dispatcher(self, *arguments):
        self.arguments.append(arguments)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def invoke(self):
        return self.invoker.invoke(ROUTE, CALL, self.calls.exchange)


def test_overridden_call_dispatcher_gets_what_a_backend_gets():
    documented, backend = Documented((True, {}, 3)), Backend()
    Calls().submit(backend)

    assert documented.invoke() == 3
    assert documented.arguments == backend.calls


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((False, {}, JsonRpcError(9, "nine")), (9, "nine")),
        (JsonRpcApplicationError("mine", code=7), (7, "mine")),
        (ValueError("a secret"), (-32603, "Internal error")),
    ],
)
def test_overridden_call_dispatcher_may_fail(answer, error):
    assert raised_by(Documented(answer).invoke) == error
