"""The messages of an answer over a real socket."""

import contextlib
import http.client
import json

from mcp_types import jsonrpc, methods

from flaskJSONRPCServer.mcp.protocol.revisions import CURRENT
from tests.mcp.judged import request_of

PATIENCE_S = 30
EVENTS = "application/json, text/event-stream"
NOT_JUDGED = ("notifications/tasks",)
"""The notifications of extensions, which the types of the protocol do not know."""


class Stream:
    """The messages of an answer, one after the other, each judged by the types of the protocol."""

    def __init__(self, server, method, params, **options):
        self._method = method
        request = request_of(method, params, accept=EVENTS, **options)
        self._connection = http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)
        with contextlib.ExitStack() as opening:
            opening.callback(self._connection.close)
            self._connection.request("POST", request.target, request.body, request.headers)
            self._response = opening.enter_context(self._connection.getresponse())
            assert self._response.status == 200
            assert self._response.getheader("Content-Type").startswith("text/event-stream")
            opening.pop_all()

    def next(self):
        """Return the next message: a notification, or the response."""
        for line in self._response:
            if line.startswith(b"data:"):
                message = json.loads(line.removeprefix(b"data:"))
                jsonrpc.jsonrpc_message_adapter.validate_python(message)
                break
        else:
            raise AssertionError("the stream has ended")
        if message.get("method") in NOT_JUDGED:
            return message
        if "method" in message:
            methods.parse_server_notification(message["method"], CURRENT, message["params"])
        elif "result" in message:
            methods.validate_server_result(self._method, CURRENT, message["result"])
        return message

    def close(self):
        self._response.close()
        self._connection.close()
