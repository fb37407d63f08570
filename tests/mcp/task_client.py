"""A client that takes tasks."""

from flaskJSONRPCServer.mcp.tasks.tasks import EXTENSION
from tests.helpers import call_socket, call_wsgi, wait_until
from tests.mcp.judged import request_of

TAKES_TASKS = {"extensions": {EXTENSION: {}}, "elicitation": {}}
ENDED = ("completed", "failed", "cancelled")


class TaskClient:
    """Asks a server in process.

    Args:
        server: The server.
        capabilities: What the client offers.
        headers: Further header fields of each request.
    """

    def __init__(self, server, capabilities=TAKES_TASKS, headers=None):
        self.server = server
        self._application = server.getWSGI()
        self._capabilities = capabilities
        self._headers = headers or {}

    def answer(self, method, **params):
        """Return the answer to a request by HTTP."""
        request = request_of(method, params, capabilities=self._capabilities)
        request.headers.update(self._headers)
        return call_wsgi(self._application, request)

    def ask(self, method, **params):
        """Return the message that answers a request."""
        return self.answer(method, **params).json()

    def result(self, method, **params):
        message = self.ask(method, **params)
        assert "error" not in message, message
        return message["result"]

    def error(self, method, **params):
        message = self.ask(method, **params)
        assert "result" not in message, message
        return message["error"]

    def call(self, tool, **arguments):
        """Return the result of a call."""
        return self.result("tools/call", name=tool, arguments=arguments)

    def begin(self, tool, **arguments):
        """Return the id of the task that a call becomes."""
        result = self.call(tool, **arguments)
        assert result["resultType"] == "task", result
        return result["taskId"]

    def get(self, task_id):
        task = self.result("tasks/get", taskId=task_id)
        assert (task["resultType"], task["taskId"]) == ("complete", task_id)
        return task

    def wait(self, task_id, *statuses):
        """Return a task once it has one of some statuses; by default, once it has ended."""
        wait_until(lambda: self.get(task_id)["status"] in (statuses or ENDED))
        return self.get(task_id)

    def update(self, task_id, **responses):
        ack = self.result("tasks/update", taskId=task_id, inputResponses=responses)
        assert set(ack) == {"resultType", "_meta"}, ack

    def cancel(self, task_id):
        ack = self.result("tasks/cancel", taskId=task_id)
        assert set(ack) == {"resultType", "_meta"}, ack


class SocketClient(TaskClient):
    """Asks a server by its socket."""

    def __init__(self, server):
        self.server = server

    def ask(self, method, **params):
        request = request_of(method, params, capabilities=TAKES_TASKS)
        return call_socket(self.server.addresses[0], request).json()


def text_of(result):
    """Return the text of the result of a tool."""
    return result["content"][0]["text"]
