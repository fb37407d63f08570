"""Requests that come to another process than that of their session or task."""

import contextlib
import gzip
import json

import flask
import pytest

from flaskJSONRPCServer.mcp import Tool
from tests.helpers import call_socket, post, wait_until
from tests.mcp.processes.pair import is_forwarded, pair
from tests.mcp.served_stream import Stream
from tests.mcp.session_client import Client, text_of
from tests.mcp.session_tools import add, greet
from tests.mcp.task_api import hold
from tests.mcp.task_client import TAKES_TASKS, SocketClient

CAN_ANSWER = {"elicitation": {}}


@contextlib.contextmanager
def session(members, **options):
    """Begin a session with the first server; from then on the client asks the second one."""
    one, other = members
    with contextlib.closing(Client(one, **options)) as client:
        client.address = other.addresses[0]
        yield client


def echo(text: str) -> str:
    return text


def config() -> str:
    return "x"


def user() -> str:
    return flask.g.user


def test_process_of_the_session_answers():
    with pair(is_forwarded) as members, session(members) as client:
        assert text_of(client.call("is_forwarded").next()) == "true"
        client.address = members[0].addresses[0]
        assert text_of(client.call("is_forwarded").next()) == "false"


@pytest.mark.parametrize("options", [{"prefix": "/v1"}, {"through_flask": False}], ids=["prefix", "without Flask"])
def test_application_is_the_same_there(options):
    path = f"{options.get('prefix', '')}/mcp"
    with pair(echo, **options) as members, session(members, path=path) as client:
        assert text_of(client.call("echo", text="a").next()) == "a"
        assert client.ask("ping") == {}


def test_answer_to_a_question_comes_by_another_process():
    with pair(greet) as (one, other), session((one, other), capabilities=CAN_ANSWER) as client:
        events = client.call("greet")
        question = events.next()
        client.address = one.addresses[0]
        client.tell({"id": question["id"], "result": {"action": "accept", "content": {"name": "Ann"}}})
        assert text_of(events.next()) == "accept Ann"
        assert events.next_or_none() is None


def test_stream_that_breaks_is_resumed_by_another_process():
    with pair(greet) as (one, other), session((one, other), capabilities=CAN_ANSWER) as client:
        events = client.call("greet")
        question = events.next()
        events.close()
        client.tell({"id": question["id"], "result": {"action": "decline"}})
        client.address = one.addresses[0]
        assert text_of(client.resume(events).next()) == "decline None"


def test_end_of_a_session_is_one_for_all():
    with pair(add) as (one, other), session((one, other)) as client:
        _, answer = client.send("DELETE")
        assert (answer.status, answer.read()) == (204, b"")
        for member in (one, other):
            client.address = member.addresses[0]
            assert client.send("GET")[1].status == 404


def test_large_and_compressed_messages_are_relayed_whole():
    text = "é" * 2_000_000
    with pair(echo) as members, session(members) as client:
        body = client.request("tools/call", {"name": "echo", "arguments": {"text": text}})
        headers = {**client.headers, "Accept": "application/json", "Content-Encoding": "gzip"}
        compressed = gzip.compress(json.dumps(body, ensure_ascii=False).encode())
        answer = call_socket(client.address, post(compressed, "/mcp", headers=headers))
        assert answer.code == 200
        assert text_of(answer.json()) == text
        assert text_of(client.call("echo", text=text[:500_000]).next()) == text[:500_000]
        assert client.exchange(client.request("ping", {"text": text}))[0].status == 413


def test_session_belongs_to_its_caller_there_too():
    with pair(user, idempotency={"identity": lambda request: flask.g.user}) as members:
        for member in members:
            member.app.before_request(lambda: setattr(flask.g, "user", flask.request.headers["X-User"]))
        with session(members, headers={"X-User": "ann"}) as client:
            assert text_of(client.call("user").next()) == "ann"
            assert client.exchange(client.request("ping"), {"X-User": "bob"})[0].status == 404


def test_each_process_asks_for_authorisation():
    def allows(server, path, request, method):
        return request["headers"].get("X-Key") == "k"

    with pair(add, auth=allows) as members, session(members, headers={"X-Key": "k"}) as client:
        assert text_of(client.call("add", a=1, b=2).next()) == "3"
        assert client.exchange(client.request("ping"), {"X-Key": "x"})[0].status == 403


def test_request_counts_once_towards_rate_limits():
    with pair(add, rateLimit="4/hour") as members, session(members) as client:
        for status in (200, 200, 200, 200, 429):
            assert client.exchange(client.request("ping"))[0].status == status
        client.address = members[0].addresses[0]  # which has counted the begin of the session, but nothing of these
        for status in (200, 200, 200, 429):
            assert client.exchange(client.request("ping"))[0].status == status


def test_cookies_and_headers_of_an_application_come_once():
    with pair(echo) as members:
        for member in members:
            member.app.after_request(lambda response: response.headers.set("X-Frame-Options", "DENY") or response)
        with session(members) as client:
            answer, _ = client.exchange(client.request("ping"))
            assert answer.headers.get_all("X-Frame-Options") == ["DENY"]
            assert len(answer.headers.get_all("Date")) == len(answer.headers.get_all("Content-Length")) == 1


def test_streams_that_stay_open_count_where_they_are_held():
    with pair(add, max_streams=1) as (one, other):
        with session((one, other)) as client, contextlib.closing(Client(one)) as second:
            second.address = other.addresses[0]
            events = client.open("GET")
            _, refused = second.send("GET")
            assert (refused.status, refused.getheader("Retry-After")) == (503, "5")
            events.close()
            wait_until(lambda: not other.server._engine.streams.count() or one.endpoint.tools_changed())
            wait_until(lambda: second.send("GET")[1].status == 200)


def test_process_that_has_ended_has_no_sessions():
    with pair(add) as (one, other), session((one, other)) as client:
        one.end_process()
        assert client.exchange(client.request("ping"))[0].status == 404
        client.headers = {}
        answer, _ = client.exchange(
            client.request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}})
        )
        assert answer.status == 200


def read_body():
    flask.request.get_data()


def test_hooks_may_read_the_body_of_each_request():
    with pair(add) as members:
        for member in members:
            member.app.before_request(read_body)
        with session(members) as client:
            assert client.ask("ping") == {}
            client.open("GET")
            assert client.send("DELETE")[1].status == 204


def test_hooks_see_the_same_request_in_both_processes():
    seen = []

    def note():
        environ = flask.request.environ
        names = ("HTTP_CONTENT_ENCODING", "CONTENT_LENGTH", "REQUEST_TIME", "REMOTE_ADDR", "PATH_INFO", "HTTP_HOST")
        seen.append([*map(environ.get, names), flask.request.get_data()])

    with pair(add) as members:
        for member in members:
            member.app.before_request(note)
            member.app.wsgi_app = with_time(member.app.wsgi_app)
        with session(members) as client:
            headers = {**client.headers, "Accept": "application/json", "Content-Encoding": "gzip"}
            ping = gzip.compress(json.dumps(client.request("ping")).encode())
            assert call_socket(client.address, post(ping, "/mcp", headers=headers)).code == 200
        in_first, in_second = seen[-2:]
        assert in_first == in_second
        assert in_first[0] == "gzip"
        assert in_first[2] == 1.5


def with_time(application):
    return lambda environ, start_response: application({**environ, "REQUEST_TIME": 1.5}, start_response)


def test_calls_that_wait_leave_room_for_their_answers():
    with pair(greet, threads=2, max_streams=40) as (one, other), contextlib.ExitStack() as stack:
        client = stack.enter_context(session((one, other), capabilities=CAN_ANSWER))
        calls = [client.call("greet") for _ in range(10)]
        questions = [events.next() for events in calls]
        for events, question in zip(calls, questions, strict=True):
            client.tell({"id": question["id"], "result": {"action": "decline"}})
            assert text_of(events.next()) == "decline None"


@pytest.mark.parametrize(
    "name", ["", "../x", "x" * 11, "\xe9" * 11, "x" * 5000], ids=["empty", "path", "unknown", "latin", "long"]
)
def test_unknown_names_are_unknown_sessions(name):
    with pair(add) as members, session(members) as client:
        client.headers["Mcp-Session-Id"] = f"{name}.{'y' * 43}"
        assert client.exchange(client.request("ping"))[0].status == 404


def test_tasks_of_another_process(tmp_path):
    with pair(hold, tool=Tool(task=True)) as (one, other):
        client, elsewhere = SocketClient(one), SocketClient(other)
        task_id = begin(client, tmp_path)
        assert elsewhere.get(task_id)["status"] == "working"
        elsewhere.update(task_id)
        (tmp_path / "go").touch()
        assert elsewhere.wait(task_id)["result"]["content"][0]["text"] == "went"

        cancelled = begin(client, tmp_path / "none")
        elsewhere.cancel(cancelled)
        assert client.wait(cancelled)["status"] == "cancelled"
        assert elsewhere.error("tasks/get", taskId=f"{task_id}x")["code"] == -32602


def begin(client, folder):
    folder.mkdir(exist_ok=True)
    result = client.call("hold", folder=str(folder))
    assert result["resultType"] == "task"
    return result["taskId"]


def test_stream_of_tasks_is_that_of_their_process(tmp_path):
    with pair(hold, tool=Tool(task=True)) as (one, other):
        task_id = begin(SocketClient(one), tmp_path)
        wanted = {"notifications": {"taskIds": [task_id], "toolsListChanged": True}}
        with contextlib.closing(Stream(other, "subscriptions/listen", wanted, capabilities=TAKES_TASKS)) as stream:
            assert stream.next()["params"]["notifications"]["taskIds"] == [task_id]
            assert stream.next()["params"]["status"] == "working"
            (tmp_path / "go").touch()
            assert stream.next()["params"]["status"] == "completed"


def test_changes_in_one_process_reach_the_clients_of_all():
    with pair(add) as (one, other):
        for member in (one, other):
            member.endpoint.resource("config://app")(config)
        wanted = {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["config://app"]}}
        with session((one, other)) as client, contextlib.closing(Stream(one, "subscriptions/listen", wanted)) as stream:
            stream.next()
            client.ask("resources/subscribe", {"uri": "config://app"})
            events = client.open("GET")
            other.endpoint.resource_updated("config://app")
            assert events.next()["params"] == {"uri": "config://app"}
            assert stream.next()["params"]["uri"] == "config://app"
            other.endpoint.tools_changed()
            assert events.next()["method"] == stream.next()["method"] == "notifications/tools/list_changed"
