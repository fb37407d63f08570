"""Sessions and their table, without I/O."""

import pytest

from flaskJSONRPCServer.http.refusals import ServiceUnavailable
from flaskJSONRPCServer.mcp.calls.open_call import OpenCall
from flaskJSONRPCServer.mcp.protocol.errors import (
    InvalidParams,
    InvalidRequest,
    MalformedRequest,
    SessionNotFound,
    TooManyOpenRequests,
)
from flaskJSONRPCServer.mcp.sessions.questions import Questions, question_params
from flaskJSONRPCServer.mcp.sessions.state import Introduction, Session, introduction_in
from flaskJSONRPCServer.mcp.sessions.store import LEFT_S, HttpSession, Sessions, new_session_id
from flaskJSONRPCServer.mcp.sessions.streams import SessionStreams
from flaskJSONRPCServer.sansio_jsonrpc import (
    JsonRpcError,
    JsonRpcRequest,
    JsonRpcResponse,
    JsonRpcSerializationError,
    make_codec,
)
from tests.helpers import Clock

CODEC = make_codec()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(clock):
    return Sessions(most=2, idle_s=10, most_bytes=100, clock=clock)


def new_state(session_id="", revision="2025-11-25"):
    return Session(session_id, Introduction(revision), lambda: CODEC, lambda: None)


def added(sessions, name, caller=b"me"):
    session = HttpSession(new_state(name), SessionStreams(sessions.kept_bytes, primes=True), caller)
    sessions.add(session)
    return session


def test_session_is_found_by_its_caller_only(sessions):
    session = added(sessions, "a")
    assert sessions.find("a", b"me") is session
    with pytest.raises(SessionNotFound):
        sessions.find("a", b"another")
    with pytest.raises(SessionNotFound):
        sessions.find("b", b"me")


def test_ended_session_is_not_found(sessions):
    session = added(sessions, "a")
    sessions.end(session)
    assert session.state.has_ended
    with pytest.raises(SessionNotFound):
        sessions.find("a", b"me")


def test_session_that_nothing_uses_ends_after_its_time(sessions, clock):
    session = added(sessions, "a")
    clock.now = 9
    sessions.find("a", b"me")
    clock.now = 19
    sessions.find("a", b"me")
    clock.now = 29.5
    with pytest.raises(SessionNotFound):
        sessions.find("a", b"me")
    assert session.state.has_ended


def test_session_with_an_open_stream_does_not_expire(sessions, clock):
    session = added(sessions, "a")
    sessions.connect(session, Connection())
    clock.now = 1000
    assert sessions.find("a", b"me") is session


def test_idle_time_begins_at_the_end_of_a_use(sessions, clock):
    session = added(sessions, "a")
    with sessions.using(session):
        clock.now = 1000
    clock.now = 1010
    assert sessions.find("a", b"me") is session


def test_sessions_that_nothing_uses_are_purged(sessions, clock):
    idle, connected = added(sessions, "a"), added(sessions, "b")
    connection = Connection()
    sessions.connect(connected, connection)
    clock.now = 1000
    sessions.purge()
    assert (idle.state.has_ended, connected.state.has_ended) == (True, False)

    connection.close()
    clock.now = 1010  # its idle time has begun at the end of the connection
    sessions.purge()
    assert sessions.find("b", b"me") is connected
    clock.now = 1021
    sessions.purge()
    assert connected.state.has_ended
    assert len(sessions) == 0


def test_client_has_left_after_a_while_without_a_connection_or_a_request(sessions, clock):
    session, first, second = added(sessions, "a"), Connection(), Connection()
    sessions.connect(session, first)
    sessions.connect(session, second)

    clock.now += LEFT_S + 1
    assert not sessions.has_left(session)
    first.close()
    clock.now += LEFT_S + 1
    assert not sessions.has_left(session)
    second.close()
    assert not sessions.has_left(session)
    clock.now += LEFT_S + 1
    assert sessions.has_left(session)
    sessions.touch(session)
    assert not sessions.has_left(session)


class Connection:
    def __init__(self):
        self.callbacks = []

    def on_close(self, callback):
        self.callbacks.append(callback)

    def close(self):
        for callback in self.callbacks:
            callback()


def test_session_used_longest_ago_ends_for_a_new_one(sessions, clock):
    first, second = added(sessions, "a"), added(sessions, "b")
    clock.now = 1
    sessions.find("a", b"me")
    added(sessions, "c")
    assert second.state.has_ended
    assert not first.state.has_ended
    assert len(sessions) == 2


def test_new_session_is_refused_while_all_are_in_use(sessions):
    for name in ("a", "b"):
        sessions.connect(added(sessions, name), Connection())
    with pytest.raises(ServiceUnavailable):
        added(sessions, "c")
    assert len(sessions) == 2


def test_idle_session_ends_if_all_keep_too_much(sessions):
    sessions.kept_bytes.add(101)
    session = added(sessions, "a")
    added(sessions, "b")
    assert session.state.has_ended


def test_ids_are_long_and_differ():
    ids = {new_session_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(name) == 43 and name.isascii() and name.isprintable() for name in ids)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("nonsense", "2025-11-25"),
    ],
)
def test_unknown_revision_gets_the_newest_one(asked, answered):
    params = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    assert introduction_in(JsonRpcRequest("initialize", params, 1), CODEC).revision == answered


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"protocolVersion": 1, "capabilities": {}},
        {"protocolVersion": "2025-11-25"},
        {"protocolVersion": "2025-11-25", "capabilities": []},
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": 1},
    ],
)
def test_malformed_introduction_is_refused(params):
    with pytest.raises(MalformedRequest):
        introduction_in(JsonRpcRequest("initialize", params, 1), CODEC)


def offering(length):
    """Return the request that begins a session, with capabilities of so many bytes as JSON."""
    frame = len(CODEC.dumps({"roots": {}, "x": ""}))
    capabilities = {"roots": {}, "x": "y" * (length - frame)}
    return JsonRpcRequest("initialize", {"protocolVersion": "2025-11-25", "capabilities": capabilities}, 1)


def test_longest_offers_of_a_client_are_kept():
    message = offering(16 * 1024)
    session = Session("", introduction_in(message, CODEC), lambda: CODEC, lambda: None)
    assert session.read(JsonRpcRequest("ping", {}, 1)).capabilities == message.params["capabilities"]


def test_longer_offers_of_a_client_are_refused():
    with pytest.raises(MalformedRequest, match="longer than 16384 bytes"):
        introduction_in(offering(16 * 1024 + 1), CODEC)


def test_subscriptions_of_a_session_are_bounded_in_bytes():
    session = new_state()
    uris = [f"{number}".ljust(32 * 1024, "a") for number in range(5)]
    for uri in [*uris[:4], uris[0]]:
        session.subscribe(uri)
    with pytest.raises(InvalidParams, match="131072 bytes"):
        session.subscribe(uris[4])
    session.unsubscribe(uris[0])
    session.subscribe(uris[4])
    assert session.uris == set(uris[1:])


def test_subscriptions_of_a_session_are_bounded_in_number():
    session = new_state()
    for number in range(1000):
        session.subscribe(str(number))
    session.subscribe("7")
    with pytest.raises(InvalidParams, match="1000 resources"):
        session.subscribe("one more")


def running(session, request_id):
    request = session.read(JsonRpcRequest("tools/call", {}, request_id))
    call = OpenCall(request, lambda name, params: None)
    session.add(request, call)
    return request, call


def test_requests_are_cancelled_by_their_ids():
    session = new_state()
    (number, number_call), (text, text_call) = running(session, 1), running(session, "1")
    session.cancel("1")
    session.cancel(None)
    session.cancel([1])
    assert (number_call.is_cancelled, text_call.is_cancelled) == (False, True)
    session.end()
    assert number_call.is_cancelled
    session.remove(number, number_call)
    session.remove(text, text_call)
    assert not session.has_calls


def test_id_of_a_running_request_is_refused_until_it_ends():
    session = new_state()
    first, first_call = running(session, 1)
    with pytest.raises(InvalidRequest):
        running(session, 1)
    session.remove(first, first_call)
    running(session, 1)


def test_number_of_open_requests_of_a_session_is_bounded():
    session = new_state()
    first, first_call = running(session, 0)
    for number in range(1, 1000):
        running(session, number)
    with pytest.raises(TooManyOpenRequests, match=r"^1000 requests .*; send this one again") as refused:
        running(session, 1000)
    assert refused.value.error.code == -32000
    session.remove(first, first_call)
    running(session, 1000)
    session.remove(first, first_call)  # the second request is another one
    assert session.has_calls is True


def test_session_that_has_ended_takes_no_request():
    session = new_state()
    session.end()
    with pytest.raises(SessionNotFound):
        running(session, 1)
    assert not session.has_calls


def test_answers_reach_their_questions():
    sent, woken = [], []
    questions = Questions(lambda: CODEC, lambda: woken.append(True))
    first = questions.ask("roots/list", {}, sent.append)
    second = questions.ask("roots/list", {}, sent.append)
    questions.answer(JsonRpcResponse(second.id, {"roots": []}))
    questions.answer(JsonRpcResponse("unknown", {}))
    questions.answer(JsonRpcResponse(None, error=JsonRpcError(1, "no")))
    assert [CODEC.loads(text)["id"] for text in sent] == [first.id, second.id]
    assert first.response is None
    assert second.response.result == {"roots": []}
    assert woken == [True]


def unsendable(text):
    raise ConnectionResetError


@pytest.mark.parametrize(
    ("params", "send", "error"),
    [({"x": object()}, [].append, JsonRpcSerializationError), ({}, unsendable, ConnectionResetError)],
    ids=["no JSON form", "no connection"],
)
def test_question_that_is_not_sent_is_forgotten(params, send, error):
    woken = []
    questions = Questions(lambda: CODEC, lambda: woken.append(True))
    with pytest.raises(error):
        questions.ask("elicitation/create", params, send)
    questions.answer(JsonRpcResponse("question-1", {}))
    assert woken == []
    assert questions.ask("roots/list", {}, lambda text: None).id == "question-2"


def test_answer_that_is_not_awaited_any_more_is_dropped():
    questions = Questions(lambda: CODEC, lambda: None)
    question = questions.ask("roots/list", {}, lambda text: None)
    questions.forget(question)
    questions.answer(JsonRpcResponse(question.id, {}))
    assert question.response is None


FORM = {"mode": "form", "message": "?", "requestedSchema": {}}


@pytest.mark.parametrize(
    ("method", "params", "revision", "sent"),
    [
        ("elicitation/create", FORM, "2025-11-25", FORM),
        ("elicitation/create", FORM, "2025-06-18", {"message": "?", "requestedSchema": {}}),
        ("sampling/createMessage", {"mode": "x"}, "2025-06-18", {"mode": "x"}),
    ],
)
def test_question_has_the_parameters_of_the_revision(method, params, revision, sent):
    assert question_params(method, params, revision) == sent


def test_page_to_visit_has_an_id():
    params = {"mode": "url", "message": "?", "url": "https://example.com"}
    first, second = (question_params("elicitation/create", params, "2025-11-25") for _ in range(2))
    assert first["elicitationId"] != second["elicitationId"]
