"""A client with a session, over real sockets, whose messages the types of the protocol judge."""

import contextlib
import http.client
import itertools
import json

from mcp_types import methods

PATIENCE_S = 30
BOTH = "application/json, text/event-stream"
CLIENT = {"name": "test", "version": "1"}


class Events:
    """The events of an answer, one after the other."""

    def __init__(self, connection, response, revision):
        self.response = response
        self._connection = connection
        self._revision = revision
        self.last_id = None
        self.retry = None

    def __iter__(self):
        """Yield the messages until the end of the stream."""
        while (message := self.next_or_none()) is not None:
            yield message

    def next(self):
        """Return the next message."""
        message = self.next_or_none()
        assert message is not None, "the stream has ended"
        return message

    def next_or_none(self):
        """Return the next message; None at the end of the stream."""
        for line in self.response:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "retry":
                self.retry = int(value)
            elif name == "data" and value:
                message = json.loads(value)
                judge(message, self._revision)
                return message
        return None

    def close(self):
        """Break the connection."""
        self.response.close()
        self._connection.close()


def judge(message, revision):
    """Check a notification or request of the server."""
    if "method" in message:
        parse = methods.parse_server_request if "id" in message else methods.parse_server_notification
        parse(message["method"], revision, message.get("params"))


def text_of(message):
    """Return the text of the result of a tool."""
    return message["result"]["content"][0]["text"]


class Client:
    """One session.

    Args:
        server: The server, which is served.
        revision: The revision of the session.
        capabilities: What the client offers.
        headers: Further header fields of all requests.
        path: The path of the endpoint.

    Attributes:
        address: Where the next request goes.
    """

    def __init__(self, server, revision="2025-11-25", capabilities=None, headers=None, path="/mcp"):
        self.address = server.addresses[0]
        self._path = path
        self._open = contextlib.ExitStack()
        self._ids = itertools.count(1)
        self.revision = revision
        self.headers = {**(headers or {})}
        params = {"protocolVersion": revision, "capabilities": capabilities or {}, "clientInfo": CLIENT}
        answer, self.welcome = self.exchange(self.request("initialize", params))
        methods.validate_server_result("initialize", revision, self.welcome["result"])
        self.headers |= {"Mcp-Session-Id": answer.getheader("Mcp-Session-Id"), "MCP-Protocol-Version": revision}

    def request(self, method, params=None):
        """Return a request."""
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params or {}}

    def send(self, method, message=None, headers=None):
        """Send an HTTP request, and return the connection and the head of the answer."""
        connection = self._open.enter_context(
            contextlib.closing(http.client.HTTPConnection(*self.address, timeout=PATIENCE_S))
        )
        fields = {"Accept": BOTH, "Content-Type": "application/json", **self.headers, **(headers or {})}
        body = None if message is None else json.dumps(message)
        connection.request(
            method, self._path, body, {name: value for name, value in fields.items() if value is not None}
        )
        return connection, connection.getresponse()

    def exchange(self, message, headers=None):
        """Post a message, and return the head of the answer and its JSON, if it has any."""
        _, answer = self.send("POST", message, headers)
        body = answer.read()
        is_json = answer.getheader("Content-Type", "").startswith("application/json")
        return answer, json.loads(body) if is_json else body

    def ask(self, method, params=None):
        """Make a request that is answered with JSON, and return its result or error."""
        answer, message = self.exchange(self.request(method, params))
        assert answer.status == 200, message
        if "result" in message:
            methods.validate_server_result(method, self.revision, message["result"])
        return message.get("result") or message.get("error") or {}

    def open(self, method="POST", message=None, **headers):
        """Return the stream that answers a request."""
        connection, answer = self.send(method, message, headers)
        assert answer.status == 200, answer.read()
        assert answer.getheader("Content-Type") == "text/event-stream"
        events = Events(connection, answer, self.revision)
        self._open.callback(events.close)
        return events

    def call(self, name, _meta=None, **arguments):
        """Return the stream that answers a call of a tool."""
        meta = {} if _meta is None else {"_meta": _meta}
        return self.open(message=self.request("tools/call", {"name": name, "arguments": arguments, **meta}))

    def resume(self, events):
        """Return the rest of a stream after its connection has broken."""
        return self.open("GET", **{"Last-Event-ID": events.last_id})

    def tell(self, message):
        """Post a message without an answer."""
        answer, body = self.exchange({"jsonrpc": "2.0", **message})
        assert (answer.status, body) == (202, b"")

    def close(self):
        """Close all connections."""
        self._open.close()
