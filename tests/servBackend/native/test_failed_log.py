"""The answer to a request whose failure cannot be logged."""

import http.client
import json

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import rpc


class Mute(flaskJSONRPCServer):
    """A server whose log fails."""

    def _logger(self, level, *args):
        if level == 1:
            raise OSError("no space left")


def test_answer_ends_if_the_log_fails(caplog):
    server = Mute(["127.0.0.1", 0], servBackend="native")

    @server.method("/api")
    def fail():
        raise ValueError("no")

    server.start()
    try:
        client = http.client.HTTPConnection(*server.addresses[0], timeout=10)
        client.request("POST", "/api", json.dumps(rpc("fail")), {"Content-Type": "application/json"})
        assert client.getresponse().status == 500
        assert "no space left" in caplog.text
    finally:
        server.stop()
