"""Programs that use the server, checked by a type checker."""

import re
import subprocess
import sys

import pytest

PRELUDE = """\
from collections.abc import Callable
from typing import Any, Protocol

from flaskJSONRPCServer import Call, Connection, JsonRpcApplicationError, flaskJSONRPCServer, raises
from flaskJSONRPCServer.client import AsyncClient, Client, PendingCall, Retry, StdioTransport


class Api(Protocol):
    def add(self, a: int, b: int = 1) -> int: ...


class AsyncApi:
    async def add(self, a: int, b: int = 1) -> int:
        return a + b


def double(a: int) -> str:
    return str(a)


async def is_even(a: int) -> bool:
    return a % 2 == 0


def authenticate(server: Any, path: str, request: Any, method: str | None) -> bool:
    return True


def whoami(_connection: Connection) -> str | None:
    _connection.headersOut["X-Seen"] = _connection.uniqueId
    return _connection.ip


"""

RIGHT = """\
server = flaskJSONRPCServer(
    ["127.0.0.1", 8080], cors={"origin": "https://a.test"}, auth=authenticate, threads=8, allowed_hosts=["a.test"],
    reloadOnChange=True, ssl=["key.pem", "cert.pem"], read_timeout_s=1, max_batch_length=None,
)
flaskJSONRPCServer(None)
flaskJSONRPCServer("/run/api.sock", log=False)
flaskJSONRPCServer([["127.0.0.1", 8080], "/run/api.sock"], multipleAdress=True)
server.settings.threads = 4
server.registerFunction(whoami, path="/api")
server.mapException(KeyError, code=1, message="m", data=lambda exc: exc.args, path="/api", name="whoami")


@server.use
def middleware(call: Call, proceed: Callable[..., Any]) -> Any:
    call.params = [call.ip, call.connection.uniqueId]
    return proceed(None) if call.is_notification else proceed()


server.use(lambda call, proceed: [call.method, proceed(call.params)], path="/api")
counted: Callable[..., Any] = middleware


class Missing(JsonRpcApplicationError):
    ERROR_CODE = 1


@raises(Missing)
def find(name: str) -> int:
    return 1


found: int = find("a")

client = Client("http://127.0.0.1/", auth=("a", "b"), retry=Retry(statuses={503}), timeout=None)
added: int = client.typed(Api).add(1, b=2)
doubled: str = client.typed(double)(1)
with client.options(timeout=1, idempotency_key=True, result_type=list[int]).batch() as batch:
    batch.call("add", 1, b=2)
with client.batch() as collected:
    pending: PendingCall[str] = collected.typed(double)(1)
    collected.typed(Api).add(1)
later: str = pending.result()
results: list[Any] = collected.results()


async def call() -> None:
    async with AsyncClient(transport=StdioTransport(["server"])) as asynchronous:
        awaited: int = await asynchronous.typed(AsyncApi).add(1)
        async with asynchronous.batch() as together:
            in_batch: PendingCall[bool] = together.typed(is_even)(1)
"""

# A line of a program, and the error of mypy.
WRONG = {
    "flaskJSONRPCServer(None, corss=True)": 'Unexpected keyword argument "corss"',
    "flaskJSONRPCServer(None, threads='x')": 'Argument "threads" .* has incompatible type "str"; expected "int"',
    "flaskJSONRPCServer(None, auth=lambda: True)": 'Argument "auth" .* has incompatible type',
    "flaskJSONRPCServer(None, auth='secret')": 'Argument "auth" .* has incompatible type "str"',
    "flaskJSONRPCServer(None, max_body_bytes=None)": 'Argument "max_body_bytes" .* has incompatible type "None"',
    "flaskJSONRPCServer(8080)": 'Argument 1 .* has incompatible type "int"',
    "flaskJSONRPCServer(cors=True)": 'Missing positional argument "bindAdress"',
    "flaskJSONRPCServer(None).settings.nope = 1": '"Settings" has no attribute "nope"',
    "flaskJSONRPCServer(None).settings.threads = 'x'": "Incompatible types in assignment",
    "flaskJSONRPCServer(None).use(lambda call: 1)": r'of "use" .* cannot be "Callable\[\[Any\], int\]"',
    "flaskJSONRPCServer(None).mapException(KeyError, code='1', message='m')": 'Argument "code" .* type "str"',
    "flaskJSONRPCServer(None).mapException(int, code=1, message='m')": 'Argument 1 .* incompatible type "type.int."',
    "Client('http://127.0.0.1/', timeout='1')": 'Argument "timeout" to "Client" has incompatible type "str"',
    "client.typed(Api).add('x')": 'Argument 1 to "add" of "Api" has incompatible type "str"',
    "client.typed(Api).sub(1)": '"Api" has no attribute "sub"',
    "client.typed(double)('x')": 'Argument 1 has incompatible type "str"',
    "client.batch().typed(double)('x')": 'Argument 1 has incompatible type "str"',
    "unread: str = client.batch().typed(double)(1)": 'type "PendingCall.str."',
    "misread: int = client.batch().typed(double)(1).result()": 'expression has type "str"',
    "client.options(retry=3)": 'Argument "retry" .* incompatible type "int"',
    "raises(ValueError)": 'Argument 1 to "raises" has incompatible type',
    "def one(_connection: Connection) -> int: return _connection.ip": "Incompatible return value type",
    "def two(_connection: Connection) -> None: _connection.cookie": '"Connection" has no attribute "cookie"',
}


def check(folder, text):
    program = folder / "program.py"
    program.write_text(PRELUDE + text, encoding="utf-8")
    # In a separate process: mypy raises the recursion limit permanently.
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--python-version", "3.11", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.timeout(240)
def test_type_checker_accepts_valid_programs_and_refuses_invalid_ones(tmp_path):
    output = check(tmp_path, RIGHT + "\n".join(WRONG) + "\n")

    first = (PRELUDE + RIGHT).count("\n") + 1
    errors = dict(re.findall(r"program\.py:(\d+): error: (.*)", output))
    assert set(map(int, errors)) == set(range(first, first + len(WRONG))), output
    for number, (line, expected) in enumerate(WRONG.items(), first):
        assert re.search(expected, errors[str(number)]), line
