"""Functions whose client waits for one JSON message, and leaves."""

import contextlib
import http.client

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import wait_until
from tests.mcp.judged import request_of
from tests.mcp.session_client import PATIENCE_S
from tests.mcp.task_api import notice


@pytest.mark.parametrize(
    ("backend", "exec_backend"), [("native", "simple"), ("native", "threaded"), ("werkzeug", "simple")]
)
def test_function_sees_that_its_client_has_left(backend, exec_backend, tmp_path):
    server = flaskJSONRPCServer(("127.0.0.1", 0), servBackend=backend, dispatcherBackend=exec_backend, log=0)
    server.registerFunction(notice, path="/api", mcp=True)
    server.start()
    try:
        call = request_of("tools/call", {"name": "notice", "arguments": {"folder": str(tmp_path)}})
        with contextlib.closing(http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)) as connection:
            connection.request(call.method, call.target, call.body, call.headers)
            wait_until((tmp_path / "begun").exists)
            assert not (tmp_path / "noticed").exists()
        wait_until((tmp_path / "noticed").exists)
    finally:
        server.stop()
