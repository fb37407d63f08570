"""Sessions and their table, without I/O."""

import pytest

from flaskJSONRPCServer.http.refusals import ServiceUnavailable
from flaskJSONRPCServer.mcp.calls.open_call import OpenCall
from flaskJSONRPCServer.mcp.protocol.errors import InvalidParams, InvalidRequest, MalformedRequest, SessionNotFound
from flaskJSONRPCServer.mcp.sessions.questions import Questions, question_params
from flaskJSONRPCServer.mcp.sessions.state import Introduction, Session, introduction_in
from flaskJSONRPCServer.mcp.sessions.store import HttpSession, Sessions, new_session_id
from flaskJSONRPCServer.mcp.sessions.streams import SessionStreams
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcError, JsonRpcRequest, JsonRpcResponse, make_codec

CODEC = make_codec()


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


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
    session.streams.standalone.attach(OpenOutlet())
    clock.now = 1000
    assert sessions.find("a", b"me") is session


class OpenOutlet:
    is_closed = False

    def send(self, data):
        return True

    def close(self):
        self.is_closed = True


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
        added(sessions, name).streams.standalone.attach(OpenOutlet())
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


@pytest.mark.parametrize("length", [16 * 1024 - 10, 16 * 1024])
def test_offers_of_a_client_are_bounded(length):
    params = {"protocolVersion": "2025-11-25", "capabilities": {"roots": {}, "x": "y" * (length - 20)}}
    message = JsonRpcRequest("initialize", params, 1)
    if length < 16 * 1024:
        session = Session("", introduction_in(message, CODEC), lambda: CODEC, lambda: None)
        assert session.read(JsonRpcRequest("ping", {}, 1)).capabilities == params["capabilities"]
    else:
        message.params["capabilities"]["x"] += "y" * 20
        with pytest.raises(MalformedRequest, match="longer than 16384 bytes"):
            introduction_in(message, CODEC)


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
    return call, session.running(request, call)


def test_requests_are_cancelled_by_their_ids():
    session = new_state()
    number, number_runs = running(session, 1)
    text, text_runs = running(session, "1")
    with number_runs, text_runs:
        session.cancel("1")
        session.cancel(None)
        session.cancel([1])
        assert (number.is_cancelled, text.is_cancelled) == (False, True)
        session.end()
        assert number.is_cancelled
    assert not session.has_calls


def test_id_of_a_running_request_is_refused():
    session = new_state()
    _, runs = running(session, 1)
    with runs, pytest.raises(InvalidRequest), running(session, 1)[1]:
        pass


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
