"""The tools that the tests of tasks call. Worker processes import this module too."""

import time

from flaskJSONRPCServer.mcp import Form, ProtocolError, ask, ask_all, begin_task
from tests.execBackend.api import PATIENCE_S, report, wait_for
from tests.raised import NoAttributes

NAME = Form("Name?", {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]})
GO_ON = Form("Go on?", {"type": "object", "properties": {}})


def add(a: int, b: int) -> int:
    return a + b


def hold(folder: str) -> str:
    """Report that the call has begun, and wait for the file `go`."""
    report(folder, "begun")
    wait_for(folder, "go")
    return "went"


def notice(folder: str, _connection) -> str:
    """Run until the call is cancelled."""
    report(folder, "begun")
    give_up_at = time.monotonic() + PATIENCE_S
    while not _connection.cancelled and time.monotonic() < give_up_at:
        time.sleep(0.002)
    report(folder, "noticed" if _connection.cancelled else "gave up")
    return "over"


def count(folder: str, _connection) -> str:
    _connection.progress(1, 2, "half")
    wait_for(folder, "go")
    return "counted"


def fail() -> None:
    raise ValueError("a secret")


def break_badly() -> None:
    raise NoAttributes


def break_off() -> None:
    raise ProtocolError("no database", code=-32010, data={"db": "main"})


def greet() -> str:
    return f"Hello, {ask('name', NAME).content['name']}!"


def greet_twice() -> str:
    answers = ask_all(name=NAME, more=GO_ON)
    return f"{answers['name'].content} {answers['more'].action} {ask('last', NAME).content}"


def greet_later(folder: str = "") -> str:
    name = ask("name", NAME).content["name"]
    begin_task()
    if folder:
        wait_for(folder, "go")
    return f"Hello, {name}!"


def change(values: list) -> list:
    """Change what is passed, then ask: the next run must not see the change."""
    values.append(len(values))
    ask("more", GO_ON)
    return values


def large(size: int) -> str:
    return "x" * size


FUNCTIONS = (add, hold, notice, count, fail, break_badly, break_off, greet, greet_twice, greet_later, change, large)


def make(backend, task=None, **options):
    """Return a server whose calls run on a backend, and whose tools say something about tasks."""
    from flaskJSONRPCServer import flaskJSONRPCServer  # here: the children import this module, and do without Flask
    from flaskJSONRPCServer.mcp import Tool

    server = flaskJSONRPCServer(None, name="tasks", dispatcherBackend=backend, **{"log": False, **options})
    for function in FUNCTIONS:
        server.registerFunction(function, path="/api", mcp=Tool(task=task))
    return server


def make_for_worker():
    return make("celery")
