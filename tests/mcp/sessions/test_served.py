"""Clients with sessions, over real sockets."""

import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Form, ToolResult, ask_all
from tests.helpers import call_wsgi, post, wait_until
from tests.mcp.session_client import BOTH, PATIENCE_S, Client, text_of
from tests.mcp.session_tools import add, greet

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

REVISIONS = ["2025-11-25", "2025-06-18", "2025-03-26"]


@pytest.mark.parametrize("revision", REVISIONS)
def test_session_has_its_revision(begin, revision):
    client = begin(revision)
    assert client.welcome["result"]["protocolVersion"] == revision
    assert client.welcome["result"]["instructions"] == "Use them."
    client.tell({"method": "notifications/initialized"})
    assert client.ask("ping") == {}
    assert client.ask("tools/list")["tools"][0]["name"] == "add"
    assert text_of(client.call("add", a=1, b=2).next()) == "3"


def test_unknown_revision_gets_the_newest_one(begin):
    client = begin()
    answer, message = client.exchange(
        client.request("initialize", {"protocolVersion": "1999-01-01", "capabilities": {}}), {"Mcp-Session-Id": None}
    )
    assert message["result"]["protocolVersion"] == "2025-11-25"
    assert answer.getheader("Mcp-Session-Id") != client.headers["Mcp-Session-Id"]


def test_unknown_session_is_404(begin):
    client = begin()
    client.headers["Mcp-Session-Id"] += "x"
    for method in ("POST", "GET", "DELETE"):
        _, answer = client.send(method, client.request("ping") if method == "POST" else None)
        assert answer.status == 404
        assert b"Session not found" in answer.read()


def test_session_of_another_caller_is_404(begin):
    client = begin(headers={"Authorization": "Bearer me"})
    assert client.ask("ping") == {}
    client.headers["Authorization"] = "Bearer another"
    answer, _ = client.exchange(client.request("ping"))
    assert answer.status == 404


def test_delete_ends_a_session_and_its_requests(begin, work):
    client = begin()
    standalone, call = client.open("GET"), client.call("wait")
    assert work.has_begun.wait(PATIENCE_S)
    _, answer = client.send("DELETE")
    assert answer.status == 204
    assert list(standalone) == list(call) == []
    wait_until(lambda: work.ends == ["cancelled"])
    assert client.exchange(client.request("ping"))[0].status == 404


@pytest.mark.parametrize("revision", ["2024-11-05", "2026-07-28", "x"])
def test_header_with_an_unsupported_revision_is_refused(begin, revision):
    client = begin()
    answer, _ = client.exchange(client.request("ping"), {"MCP-Protocol-Version": revision})
    assert answer.status == 400


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_header_with_the_revision_without_sessions_is_refused_with_that_of_the_session(begin, method):
    client = begin("2025-06-18")
    message = client.request("ping") if method == "POST" else None
    _, answer = client.send(method, message, {"MCP-Protocol-Version": "2026-07-28"})
    error = json.loads(answer.read())["error"]
    assert (answer.status, error["code"]) == (400, -32600)
    assert "MCP-Protocol-Version is 2026-07-28, and this session has 2025-06-18" in error["message"]


def test_header_with_the_revision_may_be_missing(begin):
    client = begin()
    answer, _ = client.exchange(client.request("ping"), {"MCP-Protocol-Version": None})
    assert answer.status == 200


def test_structured_list_is_left_out_in_a_session(begin, served):
    def listed():
        return ToolResult(["one"], structured=[1])

    served[0].registerFunction(listed, path="/api", mcp=True)
    result = begin().call("listed").next()["result"]
    assert result == {"content": [{"type": "text", "text": "one"}]}


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
def test_request_without_a_session_is_405(begin, method):
    _, answer = begin().send(method, headers={"Mcp-Session-Id": None})
    assert answer.status == 405
    assert (b"Model Context Protocol" in answer.read()) == (method != "HEAD")


def test_request_of_a_revision_with_sessions_that_has_none_is_said_so(begin):
    client = begin()
    answer, message = client.exchange(client.request("ping"), {"Mcp-Session-Id": None})

    assert answer.status == 400
    assert message["error"]["message"].startswith("Invalid params: Mcp-Session-Id is missing; a client of 2025-11-25")


def test_log_warns_once_of_sessions_that_another_process_may_have(caplog):
    server = flaskJSONRPCServer(None, log=2)
    server.mcp("/mcp")
    for session_id in "ab":
        request = post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, "/mcp", headers={"Mcp-Session-Id": session_id})
        request.headers["Accept"] = BOTH
        assert call_wsgi(server.getWSGI(), request).code == 404

    assert len([text for text in caplog.messages if "another process has it; see docs/mcp.md" in text]) == 1


@pytest.mark.parametrize("function", ["greet", "sample"])
def test_question_to_a_client_that_takes_json_only_fails_at_once(begin, function):
    client = begin(capabilities={"elicitation": {}, "sampling": {}})
    _, message = client.exchange(
        client.request("tools/call", {"name": function, "arguments": {}}), {"Accept": "application/json"}
    )
    assert message["error"]["code"] == -32603
    assert "accept text/event-stream" in message["error"]["message"]


@pytest.mark.parametrize("method", ["server/discover", "subscriptions/listen", "nothing", "resources/subscribe"])
def test_method_that_sessions_do_not_have_keeps_the_session(begin, method):
    client = begin()
    answer, message = client.exchange(client.request(method))
    assert (answer.status, message["error"]["code"]) == (200, -32601)
    assert client.ask("ping") == {}


def test_initialize_in_a_session_begins_another_one(begin):
    client = begin()
    answer, _ = client.exchange(client.request("initialize", {"protocolVersion": "x", "capabilities": {}}))
    assert answer.getheader("Mcp-Session-Id") not in {None, client.headers["Mcp-Session-Id"]}
    assert client.ask("ping") == {}


def test_unknown_tool_and_failed_tool_differ(begin):
    client = begin()
    assert client.ask("tools/call", {"name": "nothing"})["code"] == -32602
    result = client.call("broken").next()["result"]
    assert result["isError"]
    assert "secret" not in result["content"][0]["text"]


def test_client_that_takes_json_only_gets_json(begin):
    client = begin()
    answer, message = client.exchange(
        client.request("tools/call", {"name": "chatter", "arguments": {}}), {"Accept": "application/json"}
    )
    assert answer.status == 200
    assert text_of(message) == "said"


def test_log_messages_come_from_the_level_on(begin):
    client = begin()
    messages = list(client.call("chatter"))
    assert [message.get("params") for message in messages[:-1]] == [
        {"level": "warning", "logger": "module", "data": {"w": 1}}
    ]
    assert client.ask("logging/setLevel", {"level": "debug"}) == {}
    assert len(list(client.call("chatter"))) == 3
    assert client.ask("logging/setLevel", {"level": "error"}) == {}
    assert len(list(client.call("chatter"))) == 1
    assert client.ask("logging/setLevel", {"level": "loud"})["code"] == -32602


def answer_to(question, result):
    return {"id": question["id"], "result": result}


@pytest.mark.parametrize(
    ("tool", "capabilities", "method", "result", "text"),
    [
        (
            "greet",
            {"elicitation": {}},
            "elicitation/create",
            {"action": "accept", "content": {"name": "Ada"}},
            "accept Ada",
        ),
        ("greet", {"elicitation": {}}, "elicitation/create", {"action": "decline"}, "decline None"),
        ("page", {"elicitation": {"url": {}}}, "elicitation/create", {"action": "accept"}, "accept"),
        (
            "sample",
            {"sampling": {}},
            "sampling/createMessage",
            {"role": "assistant", "model": "m", "content": {"type": "text", "text": "it"}},
            "it",
        ),
        ("folders", {"roots": {}}, "roots/list", {"roots": [{"uri": "file:///a"}]}, "file:///a"),
    ],
    ids=["form", "declined form", "page", "sampling", "roots"],
)
def test_function_asks_on_the_stream_of_its_call(begin, tool, capabilities, method, result, text):
    client = begin(capabilities=capabilities)
    events = client.call(tool)
    question = events.next()
    assert question["method"] == method
    client.tell(answer_to(question, result))
    assert text_of(events.next()) == text
    assert list(events) == []


def test_client_that_cannot_be_asked_gets_an_error(begin):
    assert begin().call("greet").next()["error"]["code"] == -32021


def test_client_that_refuses_to_answer_ends_the_call(begin):
    client = begin(capabilities={"sampling": {}})
    events = client.call("sample")
    client.tell({"id": events.next()["id"], "error": {"code": -1, "message": "the user said no"}})
    assert "the user said no" in events.next()["error"]["message"]


def test_answer_that_does_not_fit_is_asked_for_again_a_few_times(begin):
    client = begin(capabilities={"elicitation": {}})
    events = client.call("greet")
    for _ in range(3):
        client.tell(answer_to(events.next(), {"action": "accept", "content": {}}))
    error = events.next()["error"]
    assert error["code"] == -32603
    assert "the question 'name' 3 times" in error["message"]
    assert error["message"].endswith("The last one: name is missing")


def test_answers_to_questions_that_were_not_asked_are_ignored(begin):
    client = begin(capabilities={"elicitation": {}})
    wrong = {"action": "accept", "content": {"name": "Eve"}}
    client.tell(answer_to({"id": "question-1"}, wrong))
    events = client.call("greet")
    question = events.next()
    client.tell(answer_to({"id": "question-2"}, wrong))
    client.tell(answer_to(question, {"action": "accept", "content": {"name": "Ada"}}))
    assert text_of(events.next()) == "accept Ada"


def test_cancelled_request_asks_no_more_and_is_not_answered(begin):
    client = begin(capabilities={"elicitation": {}})
    request = client.request("tools/call", {"name": "greet"})
    events = client.open(message=request)
    question = events.next()
    client.tell({"method": "notifications/cancelled", "params": {"requestId": request["id"]}})
    (cancelled,) = events
    assert cancelled["method"] == "notifications/cancelled"
    assert cancelled["params"]["requestId"] == question["id"]


def test_question_without_a_json_form_ends_those_before_it(begin, served):
    def ask_two() -> str:
        ask_all(good=Form("Who?", {"type": "object"}), bad=Form("What?", {"type": "object", "x": object()}))

    served[0].registerFunction(ask_two, path="/api", mcp=True)
    question, cancelled, response = begin(capabilities={"elicitation": {}}).call("ask_two")
    assert question["params"]["message"] == "Who?"
    assert cancelled["method"] == "notifications/cancelled"
    assert cancelled["params"]["requestId"] == question["id"]
    assert response["result"]["isError"]


def test_cancelled_function_stops(begin, work):
    client = begin()
    request = client.request("tools/call", {"name": "wait"})
    events = client.open(message=request)
    assert work.has_begun.wait(PATIENCE_S)
    client.tell({"method": "notifications/cancelled", "params": {"requestId": request["id"]}})
    assert list(events) == []
    wait_until(lambda: work.ends == ["cancelled"])


def test_broken_connection_cancels_nothing_and_the_stream_is_resumed(begin, work):
    client = begin()
    events = client.call("wait", _meta={"progressToken": "p"})
    assert events.next()["params"]["progress"] == 1
    assert events.retry == 1000
    events.close()
    work.may_end.set()
    resumed = client.resume(events)
    assert text_of(resumed.next()) == "waited"
    assert list(resumed) == []
    assert work.ends == ["done"]
    assert text_of(client.resume(events).next()) == "waited"


def test_nothing_to_resume_is_refused(begin):
    _, answer = begin().send("GET", headers={"Last-Event-ID": "77-1"})
    assert answer.status == 400


def test_stream_of_the_session_tells_of_new_tools(begin, served):
    server, _ = served
    events = begin().open("GET")
    server.registerFunction(lambda: 1, path="/api", name="fresh", mcp=True)
    assert events.next()["method"] == "notifications/tools/list_changed"


def test_change_before_the_stream_is_open_is_told_when_it_opens(begin, served):
    server, _ = served
    client = begin()
    server.registerFunction(lambda: 1, path="/api", name="fresh", mcp=True)
    assert client.open("GET").next()["method"] == "notifications/tools/list_changed"


def test_resource_is_told_of_while_it_is_subscribed(begin, served):
    _, endpoint = served
    endpoint.resource("config://app")(greet)
    client = begin()
    events = client.open("GET")
    assert client.ask("resources/subscribe", {"uri": "config://app"}) == {}
    endpoint.resource_updated("config://app")
    assert events.next()["params"] == {"uri": "config://app"}
    assert client.ask("resources/unsubscribe", {"uri": "config://app"}) == {}
    endpoint.resource_updated("config://app")
    endpoint.tools_changed()
    assert events.next()["method"] == "notifications/tools/list_changed"


def test_resource_that_does_not_exist_takes_no_subscription(begin, served):
    endpoint = served[1]
    endpoint.resource("config://app")(greet)

    @endpoint.resource("users://{user}")
    def user_of(user):
        return user

    client = begin()
    assert client.ask("resources/subscribe", {"uri": "config://other"})["code"] == -32002
    assert client.ask("resources/subscribe", {"uri": "users://7"}) == {}


def test_only_the_revision_with_batches_takes_them(begin):
    new, old = begin(), begin("2025-03-26")
    batch = [new.request("ping"), new.request("tools/call", {"name": "add", "arguments": {"a": 1, "b": 1}})]
    assert new.exchange(batch)[0].status == 400
    first, second = old.open(message=batch)
    assert first["result"] == {}
    assert text_of(second) == "2"
    _, messages = old.exchange(batch, {"Accept": "application/json"})
    assert [message["id"] for message in messages] == [request["id"] for request in batch]
    assert old.exchange([{"jsonrpc": "2.0", "method": "notifications/initialized"}])[0].status == 202


def test_message_of_the_current_revision_needs_no_session(begin):
    client = begin()
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "server/discover"}
    _, message = client.exchange(client.request("server/discover", {"_meta": meta}), headers)
    assert "2025-11-25" in message["result"]["supportedVersions"]


def test_timeout_of_a_call_begins_anew_after_an_answer(begin, served):
    server, deadlines = served[0], []

    def hurried(_connection) -> str:
        deadlines.append(_connection.deadline)
        return greet()

    server.registerFunction(hurried, path="/api", mcp=True, timeout=PATIENCE_S)
    client = begin(capabilities={"elicitation": {}})
    events = client.call("hurried")
    question, asked_at = events.next(), time.monotonic()
    client.tell(answer_to(question, {"action": "accept", "content": {"name": "Ada"}}))
    assert text_of(events.next()) == "accept Ada"
    first, second = deadlines
    assert first < asked_at + PATIENCE_S < second


THE_MOST_WAIT = "2 calls wait for answers of their clients already, the most for threads=4"


def test_calls_that_wait_leave_threads_for_others(caplog):
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=2, threads=4)
    for function in (add, greet):
        server.registerFunction(function, path="/api", mcp=True)
    server.start()
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        client = stack.enter_context(contextlib.closing(Client(server, capabilities={"elicitation": {}})))
        waiting = [client.call("greet") for _ in range(2)]
        questions = [events.next() for events in waiting]
        for _ in range(2):
            message = client.call("greet").next()["error"]["message"]
            assert message == f"{THE_MOST_WAIT}; call again when one has ended"
        assert text_of(client.call("add", a=1, b=2).next()) == "3"
        for question, events in zip(questions, waiting, strict=True):
            client.tell(answer_to(question, {"action": "decline"}))
            assert text_of(events.next()) == "decline None"
        events = client.call("greet")
        client.tell(answer_to(events.next(), {"action": "cancel"}))
        assert text_of(events.next()) == "cancel None"
    warning = f"a question of a call is refused: {THE_MOST_WAIT}. Raise threads; see docs/mcp.md"
    assert [text for text in caplog.messages if "a question" in text] == [warning]


@pytest.mark.parametrize("action", ["stop", "restart"])
def test_calls_that_wait_for_answers_do_not_hold_up_the_end_of_the_server(begin, served, action):
    server = served[0]
    client = begin(capabilities={"elicitation": {}})
    events = client.call("greet")
    assert events.next()["method"] == "elicitation/create"
    getattr(server, action)(timeout=600)  # longer than a test may take
    cancelled, response = events
    assert cancelled["method"] == "notifications/cancelled"
    assert response["error"]["message"] == "the server stops before the client has answered a question of this call"


def test_call_that_runs_when_the_server_stops_asks_no_more(begin, served):
    server, has_begun, may_ask = served[0], threading.Event(), threading.Event()

    def think() -> str:
        has_begun.set()
        assert may_ask.wait(PATIENCE_S)
        return greet()

    server.registerFunction(think, path="/api", mcp=True)
    client = begin(capabilities={"elicitation": {}})
    standalone, events = client.open("GET"), client.call("think")
    assert has_begun.wait(PATIENCE_S)
    stopping = threading.Thread(target=server.stop, args=(600,))
    stopping.start()
    assert standalone.next_or_none() is None  # so the stop has begun
    may_ask.set()
    (response,) = events
    stopping.join()
    assert "the server stops" in response["error"]["message"]


def test_sessions_end_when_the_server_stops_and_outlive_a_restart(begin, served):
    server, client = served[0], begin()
    server.restart()
    assert client.ask("ping") == {}
    server.stop()
    headers = {"Accept": BOTH, **client.headers}
    assert call_wsgi(server.getWSGI(), post(client.request("ping"), "/mcp", headers=headers)).code == 404


@pytest.mark.parametrize(("accept", "status"), [("application/json", 404), (BOTH, 200)], ids=["JSON", "stream"])
def test_call_that_was_admitted_before_its_session_ended_does_not_run(accept, status):
    is_admitted, may_run, runs = threading.Event(), threading.Event(), []

    def auth(server, path, request, method):
        if method == "note":
            is_admitted.set()
            assert may_run.wait(PATIENCE_S)
        return True

    server = flaskJSONRPCServer(("127.0.0.1", 0), log=0, auth=auth)
    server.registerFunction(lambda: runs.append(1), path="/api", name="note", mcp=True)
    server.mcp("/mcp")
    server.start()
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        client = stack.enter_context(contextlib.closing(Client(server)))
        pool = stack.enter_context(ThreadPoolExecutor())
        stack.callback(may_run.set)
        call = client.request("tools/call", {"name": "note", "arguments": {}})
        answering = pool.submit(client.exchange, call, {"Accept": accept})
        assert is_admitted.wait(PATIENCE_S)
        assert client.send("DELETE")[1].status == 204
        may_run.set()
        answer, body = answering.result()
    assert answer.status == status
    assert "Session not found" in str(body)
    assert runs == []


def test_client_that_reads_slowly_gets_the_result_on_the_same_connection(served, begin):
    over = threading.Event()

    def report(_connection) -> str:
        for number in range(2000):
            _connection.progress(number, 2000, "x" * 2000)
        over.set()
        return "done"

    served[0].registerFunction(report, path="/api", mcp=True)
    events = begin().call("report", _meta={"progressToken": 1})
    assert over.wait(PATIENCE_S)  # nothing has been read yet

    *reports, result = events
    assert text_of(result) == "done"
    assert 1 <= len(reports) < 2000


def test_calls_and_a_second_get_need_no_room_among_the_streams():
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=0, max_streams=1)
    endpoint = server.mcp("/mcp")
    server.registerFunction(add, path="/api", mcp=True)
    server.start()
    with contextlib.closing(Client(server)) as client:
        first = client.open("GET")
        assert text_of(client.call("add", a=1, b=2).next()) == "3"

        second = client.open("GET")
        assert first.next_or_none() is None
        endpoint.tools_changed()
        assert second.next()["method"] == "notifications/tools/list_changed"
    server.stop()
