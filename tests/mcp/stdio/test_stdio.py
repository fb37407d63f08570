"""A client over the standard streams of a real process."""

import contextlib
import itertools
import json
import signal
import subprocess
import sys

import pytest
from mcp_types import methods

from tests.helpers import wait_until
from tests.mcp.session_client import CLIENT, PATIENCE_S, judge, text_of

CURRENT = "2026-07-28"


class Process:
    """A server over standard streams, and its client."""

    def __init__(self, *options, target="tests.mcp.stdio_server:server", **others):
        command = [sys.executable, "-m", "flaskJSONRPCServer", "mcp", target, *options]
        pipe = subprocess.PIPE
        streams = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "text": True, "encoding": "utf-8"}
        self.process = subprocess.Popen(command, **streams, **others)
        self._ids = itertools.count(1)
        self.others = []

    def write(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def send(self, method, params=None, *, meta=None, **members):
        """Send a request of the current revision, and return its id."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": CURRENT,
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
            **(meta or {}),
        }
        return self.send_in_session(method, {**(params or {}), **members, "_meta": meta})

    def send_in_session(self, method, params=None):
        """Send a request without a revision, and return its id."""
        request_id = next(self._ids)
        self.write(json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}))
        return request_id

    def tell(self, **message):
        """Send a notification or an answer."""
        self.write(json.dumps({"jsonrpc": "2.0", **message}))

    def next(self):
        """Return the next message."""
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return json.loads(line)

    def answer(self, request_id):
        """Return the response to a request; keep what comes before it."""
        while (message := self.next()).get("id") != request_id or "method" in message:
            self.others.append(message)
        return message

    def begin(self, revision="2025-11-25"):
        """Begin a session."""
        params = {"protocolVersion": revision, "capabilities": {"elicitation": {}}, "clientInfo": CLIENT}
        result = self.answer(self.send_in_session("initialize", params))["result"]
        methods.validate_server_result("initialize", revision, result)
        return result

    def end(self):
        """Close the input; return what is left of the output, and what went to standard error."""
        output, errors = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, errors
        return [json.loads(line) for line in output.splitlines()], errors

    def close(self):
        """Close the streams, and wait for the end."""
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        self.process.wait(PATIENCE_S)


@pytest.fixture
def start():
    processes = []

    def start(*options, **others):
        processes.append(Process(*(options or ("--endpoint", "/mcp")), **others))
        return processes[-1]

    yield start
    for started in processes:
        started.process.kill()
        started.close()


@pytest.fixture(scope="module")
def process_without_session():
    with shared() as process:
        yield process


@pytest.fixture(scope="module")
def process_with_session():
    with shared() as process:
        process.welcome = process.begin()
        yield process


@contextlib.contextmanager
def shared():
    """A process for several tests, none of which ends its input."""
    process = Process("--endpoint", "/mcp")
    try:
        yield process
    finally:
        process.process.kill()
        process.process.communicate()


@pytest.fixture
def process(process_without_session):
    process_without_session.others.clear()
    return process_without_session


@pytest.fixture
def session(process_with_session):
    process_with_session.others.clear()
    return process_with_session


def call(name, **arguments):
    return {"name": name, "arguments": arguments}


def test_output_has_messages_only(start):
    process = start()
    response = process.answer(process.send("tools/call", call("add", a=1, b=2)))
    methods.validate_server_result("tools/call", CURRENT, response["result"])
    assert response["result"]["structuredContent"] == 3
    output, errors = process.end()
    assert output == []
    for text in ("while the module loads", "printed 1 2", "written to descriptor 1", "printed by a child"):
        assert text in errors


@pytest.mark.parametrize("tool", ["at_once", "in_a_thread"])
def test_tools_of_a_mounted_server_run_in_the_context_of_its_application(start, tool):
    process = start("--endpoint", "/mcp", target="tests.mcp.stdio_app:server")
    answers = [text_of(process.answer(process.send("tools/call", call(tool)))) for _ in range(2)]
    output, errors = process.end()

    assert answers == ["shop 1", "shop 1"]  # each request has a context of its own
    assert output == []
    assert errors.count("context ended") >= len(answers)


def test_current_revision_and_a_session_share_one_process(start):
    process = start()
    assert CURRENT in process.answer(process.send("server/discover"))["result"]["supportedVersions"]
    assert process.begin("2025-03-26")["protocolVersion"] == "2025-03-26"
    process.tell(method="notifications/initialized")
    assert text_of(process.answer(process.send_in_session("tools/call", call("add", a=1, b=2)))) == "3"
    assert process.answer(process.send("tools/list"))["result"]["resultType"] == "complete"
    process.write(json.dumps([{"jsonrpc": "2.0", "id": name, "method": "ping"} for name in ("a", "b")]))
    assert {response["id"] for response in process.next()} == {"a", "b"}  # the revision has batches


def test_requests_run_at_the_same_time_and_are_cancelled_by_id(process):
    cancelled = cancelled_in(process, process.send)
    meta = {"progressToken": "p", "io.modelcontextprotocol/logLevel": "info"}
    waiting = process.send("tools/call", call("wait"), meta=meta)
    assert [process.next()["method"] for _ in range(2)] == ["notifications/message", "notifications/progress"]
    process.tell(method="notifications/cancelled", params={"requestId": waiting})
    wait_until(lambda: cancelled_in(process, process.send) == cancelled + 1)
    assert process.others == []


def test_request_of_a_session_is_cancelled_by_id(session):
    cancelled = cancelled_in(session, session.send_in_session)
    waiting = session.send_in_session("tools/call", call("wait"))
    assert session.next()["method"] == "notifications/message"
    session.tell(method="notifications/cancelled", params={"requestId": waiting})
    wait_until(lambda: cancelled_in(session, session.send_in_session) == cancelled + 1)
    assert session.others == []


def test_request_and_its_cancellation_in_one_write_leave_nothing_running(session):
    for _ in range(100):  # no more than may run
        request_id = next(session._ids)
        request = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": call("wait")}
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}
        session.write(f"{json.dumps(request)}\n{json.dumps(cancelled)}")
        waiting = session.send_in_session("ping")
        while "result" not in session.answer(waiting):  # too many requests run at the moment
            waiting = session.send_in_session("ping")
    wait_until(lambda: text_of(session.answer(session.send_in_session("tools/call", call("count_running")))) == "0")


def cancelled_in(process, send):
    """Return how many calls have noticed that they are cancelled."""
    return int(text_of(process.answer(send("tools/call", call("count_cancelled")))))


def test_function_asks_in_rounds_without_a_session(process):
    result = process.answer(process.send("tools/call", call("greet")))["result"]
    methods.validate_server_result("tools/call", CURRENT, result)
    answers = {"inputResponses": {"name": {"action": "accept", "content": {"name": "Ada"}}}}
    again = process.send("tools/call", call("greet"), requestState=result["requestState"], **answers)
    assert text_of(process.answer(again)) == "hello Ada"


def test_function_asks_by_a_request_in_a_session(session):
    request_id = session.send_in_session("tools/call", call("greet"))
    question = session.next()
    judge(question, "2025-11-25")
    session.tell(id=question["id"], result={"action": "accept", "content": {"name": "Ada"}})
    assert text_of(session.answer(request_id)) == "hello Ada"


def test_subscription_tells_of_changes_until_it_is_cancelled(process):
    listening = process.send("subscriptions/listen", notifications={"toolsListChanged": True})
    assert process.next()["method"] == "notifications/subscriptions/acknowledged"
    process.answer(process.send("tools/call", call("grow")))
    (changed,) = process.others
    assert changed["method"] == "notifications/tools/list_changed"
    assert changed["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": listening}
    process.tell(method="notifications/cancelled", params={"requestId": listening})
    process.answer(process.send("tools/call", call("grow")))
    process.answer(process.send("tools/list"))
    assert process.others == [changed]


def test_second_subscription_with_an_id_in_use_is_refused_alone(process):
    listening = process.send("subscriptions/listen", notifications={"toolsListChanged": True})
    assert process.next()["method"] == "notifications/subscriptions/acknowledged"
    process._ids = itertools.count(listening)
    process.send("subscriptions/listen", notifications={"toolsListChanged": True})

    assert process.next()["error"]["code"] == -32600
    process.answer(process.send("tools/call", call("grow")))
    assert [message["method"] for message in process.others] == ["notifications/tools/list_changed"]
    process.tell(method="notifications/cancelled", params={"requestId": listening})


TAKES_TASKS = {
    "io.modelcontextprotocol/clientCapabilities": {
        "elicitation": {},
        "extensions": {"io.modelcontextprotocol/tasks": {}},
    }
}


def begun_task(process, tool):
    return process.answer(process.send("tools/call", call(tool), meta=TAKES_TASKS))["result"]["taskId"]


def followed(process, task_id):
    """Follow a task, and return the id of the subscription."""
    return process.send("subscriptions/listen", {"notifications": {"taskIds": [task_id]}}, meta=TAKES_TASKS)


def test_task_asks_and_is_followed(start):
    process, name = start(), {"name": {"action": "accept", "content": {"name": "Ada"}}}
    task_id = begun_task(process, "greet_later")

    followed(process, task_id)
    assert process.next()["params"]["notifications"] == {"taskIds": [task_id]}
    while (task := process.next()["params"])["status"] == "working":
        pass
    assert set(task["inputRequests"]) == {"name"}
    process.send("tasks/update", {"taskId": task_id, "inputResponses": name}, meta=TAKES_TASKS)
    while (message := process.next()).get("params", {}).get("status") != "completed":
        pass

    assert text_of(message["params"]) == "hello Ada"


@pytest.mark.parametrize(
    ("tool", "status", "printed"),
    [("note_follower", "completed", False), ("wait_later", "failed", True)],
    ids=["short", "long"],
)
def test_end_of_the_input_waits_for_short_tasks_and_ends_all_others(start, tool, status, printed):
    process = start()
    listening = followed(process, begun_task(process, tool))
    messages, errors = process.end()
    *_, task, last = messages
    assert (task["method"], task["params"]["status"]) == ("notifications/tasks", status)
    assert (last["method"], last["params"]["requestId"]) == ("notifications/cancelled", listening)
    assert ("\ncancelled\n" in f"\n{errors}") is printed


def test_task_expires_although_nobody_asks_for_it(start):
    process = start("--endpoint", "/brief", target="tests.mcp.stdio_brief_tasks:server")
    begun_task(process, "wait_later")
    wait_until(lambda: cancelled_in(process, process.send) == 1)


def test_number_of_subscriptions_is_bounded(process):
    listening = [process.send("subscriptions/listen", notifications={"toolsListChanged": True}) for _ in range(100)]
    refused = process.send("subscriptions/listen", notifications={"toolsListChanged": True})
    message = "100 subscriptions are open already; cancel one before you open another"
    assert process.answer(refused)["error"] == {"code": -32000, "message": message}
    for request_id in listening:
        process.tell(method="notifications/cancelled", params={"requestId": request_id})

    process.others.clear()
    again = process.send("subscriptions/listen", notifications={"toolsListChanged": True})
    assert process.next()["method"] == "notifications/subscriptions/acknowledged"
    process.tell(method="notifications/cancelled", params={"requestId": again})


def test_session_has_no_tasks(session):
    assert "extensions" not in session.welcome["capabilities"]
    assert session.answer(session.send_in_session("tasks/get", {"taskId": "x"}))["error"]["code"] == -32601


def test_session_learns_of_new_tools(session):
    session.answer(session.send_in_session("tools/call", call("grow")))
    assert [message["method"] for message in session.others] == ["notifications/tools/list_changed"]


def test_end_of_the_input_waits_for_short_calls_and_ends_all_others(start):
    process = start()
    listening = process.send("subscriptions/listen", notifications={"toolsListChanged": True})
    process.next()
    process.send("tools/call", call("wait"))
    short = process.send("tools/call", call("add", a=1, b=2))
    (answer, last), errors = process.end()
    assert answer["id"] == short
    assert (last["method"], last["params"]["requestId"]) == ("notifications/cancelled", listening)
    assert "\ncancelled\n" in f"\n{errors}"


def test_interrupt_ends_the_server_cleanly(start):
    process = start()
    process.answer(process.send("server/discover"))
    process.process.send_signal(signal.SIGINT)

    left, errors = process.end()
    assert left == []
    assert "Traceback" not in errors


@pytest.mark.parametrize("listens", [False, True], ids=["call", "call and subscription"])
def test_process_ends_although_its_client_does_not_read(start, listens):
    process = start()
    if listens:
        process.send("subscriptions/listen", notifications={"toolsListChanged": True})
        process.next()
    process.send("tools/call", call("repeat", count=300_000))
    process.send("nothing")
    process.process.stdin.close()

    assert process.process.wait(PATIENCE_S) == 1
    assert "error: the client has stopped reading, and has not got all messages" in process.process.stderr.read()


def test_client_that_has_closed_its_end_loses_its_answers(start):
    process = start()
    process.answer(process.send("server/discover"))
    process.process.stdout.close()
    process.send("tools/list")
    process.process.stdin.close()

    assert process.process.wait(PATIENCE_S) == 1
    errors = process.process.stderr.read()
    assert errors.count("the client has closed the standard output, and gets no more messages") == 1
    assert errors.endswith("error: the client has stopped reading, and has not got all messages\n")
    assert "Traceback" not in errors


def test_client_that_closes_all_streams_after_its_answers_loses_nothing(start):
    process = start()
    process.answer(process.send("tools/list"))
    process.process.stdout.close()
    process.process.stdin.close()

    assert process.process.wait(PATIENCE_S) == 0
    assert "stopped reading" not in process.process.stderr.read()


def test_closed_input_is_one_clear_line():
    command = [sys.executable, "-m", "flaskJSONRPCServer", "mcp", "tests.mcp.stdio_server:server"]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *command], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert "error: the standard input is closed; a client starts this command" in done.stderr
    assert "Traceback" not in done.stderr


SHOP = """
import os

from flaskJSONRPCServer import flaskJSONRPCServer

server = flaskJSONRPCServer(None)
server.registerFunction(os.getcwd, path="/api", name="place", mcp=True)
"""

REFUSED = {
    "nonsense": -32700,
    "[]": -32600,
    '[{"jsonrpc":"2.0","id":1,"method":"ping"}]': -32600,
    '{"jsonrpc":"2.0","id":null,"method":"ping"}': -32600,
    '{"jsonrpc":"2.0","id":1,"method":"tools/list"}': -32602,
    '{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1"}}}': -32602,
}


def test_lines_that_are_refused_end_nothing(process):
    process.write("")
    for text, code in REFUSED.items():
        process.write(text)
        assert process.next()["error"]["code"] == code
    assert "result" in process.answer(process.send("server/discover"))


@pytest.mark.parametrize(
    ("options", "target", "text"),
    [
        (["--endpoint", "/none"], "tests.mcp.stdio_server:server", "--endpoint takes one of /empty, /mcp, not '/none'"),
        (["--config", "/none.toml"], "tests.mcp.stdio_server:server", "/none.toml"),
        (
            ["--directory", "."],
            "tests.mcp.stdio_server:server",
            "has several endpoints; pass --endpoint with one of /empty, /mcp",
        ),
        (["--endpoint", "/mcp"], "tests.mcp.stdio_server:endpoint", "is no flaskJSONRPCServer"),
        ([], "tests.mcp.stdio_server:nosuch", "unknown server 'nosuch'; known: server\n"),
        ([], "tests.mcp.stdio_server:servr", "unknown server 'servr'; did you mean 'server'? Known: server\n"),
        ([], "tests.mcp.stdio_server:grw", "unknown server 'grw'; did you mean 'grow'? Known: grow, server\n"),
        (
            [],
            "tests.mcp.session_client",
            "unknown server 'server': the module 'tests.mcp.session_client' has none; it takes a flaskJSONRPCServer",
        ),
        ([], "tests.mcp.stdio_app:app", "is a Flask application; name the server that is mounted on it"),
        (["--directory", "/none"], "shop", "--directory '/none' cannot be used: No such file or directory"),
        (["--endpoint", "/mcp"], "shop", "nor an installed one; pass --directory PATH, or set PYTHONPATH"),
    ],
    ids=[
        "endpoint",
        "config",
        "no endpoint",
        "server",
        "unknown",
        "near",
        "function",
        "none",
        "application",
        "directory",
        "module",
    ],
)
def test_command_that_cannot_run_says_why(start, options, target, text):
    process = start(*options, target=target)
    output, errors = process.process.communicate(timeout=PATIENCE_S)
    assert process.process.returncode == 2
    assert output == ""
    assert text in errors


def test_command_changes_to_the_directory_of_the_module(start, tmp_path):
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    (tmp_path / "settings.toml").write_text('name = "corner shop"\n', encoding="utf-8")
    process = start("--directory", str(tmp_path), "--config", "settings.toml", target="shop", cwd="/")

    assert process.begin()["serverInfo"]["name"] == "corner shop"
    assert text_of(process.answer(process.send("tools/call", call("place")))) == str(tmp_path)


def test_functions_read_no_messages(process):
    first = process.send("tools/call", call("read_input"))
    assert process.answer(first)["result"]["structuredContent"] == ["", ""]
    assert "result" in process.answer(process.send("tools/list"))


def test_id_of_a_refused_request_is_free_again(process):
    cancelled = cancelled_in(process, process.send)
    wants_logs = {"io.modelcontextprotocol/logLevel": "info"}
    running = [process.send("tools/call", call("wait"), meta=wants_logs) for _ in range(100)]
    for _ in running:  # a call that is cancelled before it begins does not run
        assert process.next()["params"]["data"] == "begun"
    refused = process.send("tools/call", call("add", a=1, b=2))
    message = "100 requests have not been answered yet; send this one again after an answer, or cancel one"
    assert process.answer(refused)["error"] == {"code": -32000, "message": message}
    for request_id in running:
        process.tell(method="notifications/cancelled", params={"requestId": request_id})
    wait_until(lambda: "result" in process.answer(process.send("tools/list")))
    wait_until(lambda: cancelled_in(process, process.send) == cancelled + 100)

    process._ids = itertools.count(refused)
    assert process.send("tools/call", call("add", a=1, b=2)) == refused
    assert process.answer(refused)["result"]["structuredContent"] == 3


def test_line_over_the_largest_body_is_refused_without_parsing(process):
    limit = 5 << 20
    head = '{"jsonrpc": "2.0", "id": 7, "method": "ping", "x": "'
    process.write(head + "x" * (limit - len(head) + 1))  # no JSON, so that only the length is a reason
    assert process.next() == {
        "jsonrpc": "2.0",
        "error": {"code": -32600, "message": f"Invalid Request: a line has at most {limit} bytes"},
    }
    process.write(head + "x" * (limit - len(head)))
    assert process.next()["error"]["code"] == -32700
