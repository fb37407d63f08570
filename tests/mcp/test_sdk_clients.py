"""The SDK of the protocol, in its two lines of versions, lists and calls the tools of all examples."""

import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from flaskJSONRPCServer.client import Client
from tests.examples.processes import inherited_environment
from tests.examples.servers import SERVERS
from tests.mcp.sdk_server import server_for_models

ROOT = Path(__file__).resolve().parents[2]
REVISIONS = {"1": "2025-11-25", "2": "2026-07-28"}
PATIENCE_S = 55

NOT_SERVED = {"report"}
"""It needs a broker."""

HEADERS = {"auth": {"Authorization": "Bearer sesame"}}

CALLS = {
    "auth": [("secret", {})],
    "call_async": [("digest", {"text": "a"}), ("digests", {"texts": "a,b"})],
    "custom_serving_backend": [("echo", {"value": {"a": [1, None]}})],
    "jsonp_page": [("greet", {"name": "Ann"})],
    "locks": [("price", {"item": "tea"}), ("status", {})],
    "mcp_everything": [("slow_compute", {"seconds": 0})],
    "mcp_flask": [("find_orders", {"item": "tea"})],
    "multiple": [("where", {})],
    "primes": [("largest", {"below": 30, "count": 2})],
    "reload_globals": [("price", {"net": 100})],
    "reload_script": [("greet", {"name": "Ann"})],
    "simple": [("add", {"a": 2, "b": 3}), ("echo", {"value": "ä"})],
}
"""The calls whose results do not depend on earlier ones, by example; of the others, the tools are listed only."""

MOUNTED = {"flask_mount", "mcp_everything", "mcp_flask"}
"""They have no address."""

OVER_STDIO = ("auth", "mcp_flask", "simple")


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Serve all examples; return their URLs, by name."""
    with contextlib.ExitStack() as stack:
        urls = {}
        for name in sorted(set(SERVERS) - NOT_SERVED):
            server = server_for_models(name, tmp_path_factory.mktemp(name))
            urls[name] = stack.enter_context(mounted(server) if name in MOUNTED else started(server))
        yield urls


@contextlib.contextmanager
def started(server):
    """Start a server; yield its URL."""
    server.start()
    try:
        yield "http://{}:{}".format(*server.addresses[0])
    finally:
        server.stop()


@contextlib.contextmanager
def mounted(server):
    """Serve a server without an address; yield its URL."""
    other = make_server("127.0.0.1", 0, server.getWSGI(), threaded=True)
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{other.server_port}"
    finally:
        other.shutdown()
        thread.join()
        other.server_close()


def ask_sdk(version, orders):
    """Run a client of the SDK, and return what it has got from each server."""
    installer = [sys.executable, str(ROOT / "tools" / "install-mcp-client"), version]
    python = subprocess.run(installer, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    command = [python, str(ROOT / "tests" / "mcp" / "sdk_client.py"), json.dumps(orders)]
    done = subprocess.run(
        command, cwd=ROOT, env=inherited_environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_result(result, value):
    """Check that a result of a tool has a value, as its text and, if it has one, as its structured value."""
    assert not result["isError"], result
    [content] = result["content"]
    assert value in (content["text"], json.loads(content["text"]) if content["text"] != value else None)
    assert result.get("structuredContent", value) in (value, {"result": value})


def by_json_rpc(name, url, method, params):
    with Client(f"{url}/api", headers=HEADERS.get(name, {})) as client:
        return client.call(method, **params)


@pytest.mark.parametrize("version", REVISIONS)
def test_results_over_http_are_those_of_json_rpc(examples, version):
    orders = [
        {"name": name, "url": f"{url}/mcp", "headers": HEADERS.get(name, {}), "calls": CALLS.get(name, [])}
        for name, url in examples.items()
    ]
    answers = dict(zip(examples, ask_sdk(version, orders), strict=True))
    assert {answer["revision"] for answer in answers.values()} == {REVISIONS[version]}
    for name, url in examples.items():
        assert answers[name]["tools"], name
        for (tool, arguments), result in zip(CALLS.get(name, []), answers[name]["results"], strict=True):
            check_result(result, by_json_rpc(name, url, tool, arguments))


@pytest.mark.parametrize("version", REVISIONS)
def test_results_over_stdio_are_those_of_json_rpc(examples, version):
    command = [sys.executable, "-m", "flaskJSONRPCServer", "mcp", "tests.mcp.sdk_server:server"]
    orders = [{"command": command, "environment": {"EXAMPLE": name}, "calls": CALLS[name]} for name in OVER_STDIO]
    for name, answer in zip(OVER_STDIO, ask_sdk(version, orders), strict=True):
        assert answer["revision"] == REVISIONS[version]
        assert answer["tools"]
        for (tool, arguments), result in zip(CALLS[name], answer["results"], strict=True):
            check_result(result, by_json_rpc(name, examples[name], tool, arguments))


@pytest.mark.parametrize("version", REVISIONS)
def test_declared_error_is_an_error_for_the_model(examples, version):
    order = {
        "url": f"{examples['simple']}/mcp",
        "calls": [("buy", {"item": "coffee", "amount": 3}), ("add", {"a": "x"})],
    }
    [answer] = ask_sdk(version, [order])
    for result in answer["results"]:
        assert result["isError"]
        assert result["content"][0]["text"]
