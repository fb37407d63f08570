"""Generated clients of JavaScript and TypeScript, run by Node.js and by a browser against a real server."""

import itertools
import json
import subprocess
import threading
from pathlib import Path

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer, rpc
from flaskJSONRPCServer.client.generate import generate
from tests.client.generate.generating import VERSION
from tests.client.node import find_compiler, find_node

CHECKS = Path(__file__).with_name("generated_script_checks.mjs")


class OutOfStock(JsonRpcApplicationError):
    ERROR_CODE = 1001
    ERROR_MESSAGE = "Out of stock"


class Functions:
    """The functions of the server."""

    def __init__(self):
        self.heard = []
        self.runs = itertools.count(1)
        self.released = threading.Event()

    def either(self, a: int = 0, b: int = 1):
        return [a, b]

    def positional(self, a: int = 0, b: int = 2, /):
        return [a, b]

    def named(self, *, a: int, b: int = 2):
        return [a, b]

    def any_number(self, *numbers: int):
        return numbers

    def keywords(self, /, **values: int):
        return values

    def both(self, a: int = 1, /, b: int = 2, *, c: int = 3):
        return [a, b, c]

    def buy(self, item: str) -> int:
        """Buy an item.

        Raises:
            OutOfStock: Fewer are left.
        """
        raise OutOfStock(data={"item": item})

    def echo(self, value):
        return value

    def wait_for_release(self):
        return self.released.wait(50)

    def release(self):
        self.released.set()

    def tone(self, _connection):
        return _connection.headers.get("X-Tone")

    def run(self):
        return next(self.runs)

    @rpc(timeout=600)
    def remaining(self, _connection):
        return _connection.remaining


@pytest.fixture(scope="module")
def served():
    """Serve the functions; yield them and the server."""
    functions = Functions()
    options = {"log": 0, "controlGC": False, "tweakDescriptors": False}
    server = flaskJSONRPCServer(["127.0.0.1", 0], client_js=True, cors=True, **options)
    server.registerInstance(functions, path="/api")
    server.registerFunction(functions.heard.append, path="/api", name="log", notification=True)
    server.registerFunction(lambda value: -value, path="/api", name="math.deep.negate")
    server.registerFunction(lambda __proto__: __proto__, path="/api", name="__proto__")
    server.registerFunction(lambda: "well", path="/api", name="limited", idempotent=True, rateLimit="1/second")
    server.registerFunction(lambda: "deep", path="/api/deep", name="where")
    server.start()
    yield functions, server
    functions.released.set()
    server.stop()


@pytest.fixture
def functions(served):
    served[0].heard.clear()
    served[0].released.clear()
    return served[0]


@pytest.fixture
def server(served):
    return served[1]


@pytest.fixture
def url(server):
    host, port = server.addresses[0]
    return f"http://{host}:{port}"


EXPECTED = {
    "either": [[1, 1], [1, 2], [0, 3]],
    "positional": [[1, 2], [1, 5]],
    "named": [[1, 2], [1, 7]],
    "any number": [[], [1, 2, 3]],
    "keywords": {"x": 1, "self": 2},
    "both": [[1, 2, 3], [5, 6, 3], [1, 6, 7]],
    "both by no way": "TypeError: c can be passed by name only, and others by position only",
    "a gap": "TypeError: a parameter by position cannot be omitted before others",
    "dotted": -4,
    "prototype": 4,
    "text": "Grüße \u2028 </script> 🎉",
    "notification": [True, True],
    "declared error": [True, True, "OutOfStock", 1001, 1001, "Out of stock", {"item": "tea"}],
    "other error": [True, -32602],
    "batch": [[[1, 1], "OutOfStock", -2], None, "TypeError: the batch has been sent; begin another one"],
    "empty batch": True,
    "batch of notifications": True,
    "call after sending": "TypeError: the batch has been sent; begin another one",
    "timeout": "TimeoutError: no answer in 50 ms",
    "no timeout": [1, 1],
    "aborted": "Error: the user left",
    "aborted before": "Error: too late",
    "released": None,
    "header": "loud",
    "idempotency key": [True, True, True],
    "remaining time": [True, True],
    "refused": [True, 404],
    "no server": "TypeError",
    "error with a status": "OutOfStock: Out",
    "not JSON": "ProtocolError: the answer is not JSON",
    "nothing": "ProtocolError: an empty answer to a call",
    "another id": "ProtocolError: an answer with the id 77 to the call 1",
    "another version": "ProtocolError: the answer is no JSON-RPC 2.0 response",
    "result and error": "ProtocolError: the answer is no JSON-RPC 2.0 response",
    "no result": "ProtocolError: the answer is no JSON-RPC 2.0 response",
    "wrong error": "ProtocolError: an error without a code and a message",
    "reversed batch": ["sent", 1, 2],
    "missing answer": ["sent", 1, "ProtocolError: 0 answers to the call 2"],
    "doubled answer": ["sent", "ProtocolError: 2 answers to the call 1", 1],
    "unknown answer": ["ProtocolError", 1, 1],
    "refused batch": ["RpcError", "RpcError: No", "RpcError: No"],
    "one message": ["ProtocolError", *["ProtocolError: one message in answer to a batch"] * 2],
    "protocolError": True,
}


@pytest.mark.parametrize("language", ["javascript", "typescript"])
def test_client_runs_in_node(server, functions, url, tmp_path, language):
    source = generate(server.openrpc("/api"), language, VERSION)
    module = tmp_path / ("api.mjs" if language == "javascript" else "api.mts")
    module.write_text(source, encoding="utf-8")
    if language == "typescript":
        module = compiled(module)
    done = subprocess.run(
        [find_node(), str(CHECKS), str(module), url],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == EXPECTED
    assert functions.heard == ["n1", "n2", "n3", "n4", "n5"]


def compiled(module):
    """Return the module of JavaScript that the compiler makes of one of TypeScript."""
    compiler = find_compiler()
    options = ["--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "nodenext"]
    subprocess.run([find_node(), compiler, *options, str(module)], check=True, timeout=50)
    return module.with_suffix(".mjs")


IN_PAGE = """async (url) => {
    const client = await import(url);
    const api = client.Api ? new client.Api() : new client.Server().api;
    const batch = api.batch();
    const pending = [batch.either(2), batch.buy("tea").catch((error) => error.name)];
    await batch.send();
    await api.notify.log("from a page");
    return [await api.either(1), ...(await Promise.all(pending))];
}"""


@pytest.mark.parametrize("path", ["/api/client.js", "/client.js"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["own page", "page of another origin"])
def test_client_of_the_server_runs_in_a_browser(page, functions, url, path, host):
    page.goto(url.replace("127.0.0.1", host) + "/api/openrpc.json")

    assert page.evaluate(IN_PAGE, url + path) == [[1, 1], [2, 1], "OutOfStock"]
    assert functions.heard == ["from a page"]


def test_client_of_a_deep_path_finds_its_path(page, url):
    page.goto(f"{url}/api/openrpc.json")
    call = "async () => new (await import('/api/deep/client.js')).Api().where()"

    assert page.evaluate(call) == "deep"


LIMITED_IN_PAGE = """async (url) => {
    const api = new (await import(url)).Api(undefined, { timeoutMs: 30000, retry: { attempts: 2, basePauseMs: 0 } });
    const keyed = api.options({ idempotencyKey: "from a page" });
    const isOnce = (await keyed.run()) === (await keyed.run());
    return [isOnce, await api.limited(), await api.limited()];
}"""


def test_page_of_another_origin_sends_keys_and_waits_as_long_as_the_server_says(page, url):
    page.goto(url.replace("127.0.0.1", "localhost") + "/api/openrpc.json")

    assert page.evaluate(LIMITED_IN_PAGE, f"{url}/api/client.js") == [True, "well", "well"]
