"""The dispatchers that the contract suite calls. Worker processes import this module too.

A dispatcher may run in another process than its test. So both report and wait through files.
"""

import asyncio
import contextvars
import decimal
import importlib
import os
import threading
import time
from pathlib import Path

from flaskJSONRPCServer import JsonRpcApplicationError, ServerError

PATIENCE_S = 30

VARIABLE = contextvars.ContextVar("variable", default="unset")


def add(a, b=1):
    return a + b


add._alias = ["plus", "sum"]


def fail():
    raise ValueError("a secret")


def leave():
    raise SystemExit("a secret")


class Panic(BaseException):
    """An exception like the panic of a Rust extension."""


STRANGE = {
    "CancelledError": "asyncio",
    "GeneratorExit": "builtins",
    "GreenletExit": "greenlet",
    "KeyboardInterrupt": "builtins",
    "Panic": __name__,
    "StopIteration": "builtins",
    "SystemExit": "builtins",
    "Timeout": "gevent",
}
"""Exceptions that end more than the call if nothing stops them: their names and modules."""


def raise_strange(name):
    kind = getattr(importlib.import_module(STRANGE[name]), name)
    raise kind.__new__(kind, "a secret")  # gevent.Timeout() would make an event loop in each native thread


def read_and_set(value):
    decimal.getcontext().prec, precision = 5, decimal.getcontext().prec
    before = VARIABLE.get()
    VARIABLE.set(value)
    return [before, precision]


def chosen():
    raise JsonRpcApplicationError("chosen", code=5, data={"why": 1})


def type_error():
    return add()


def unserialisable():
    return object()


class LibraryError(Exception):
    def __init__(self, detail):
        super().__init__("a secret", detail)
        self.detail = detail


class LibraryChildError(LibraryError):
    pass


def fail_mapped(detail):
    raise LibraryChildError(detail)


def fail_on_path(detail):
    raise LibraryChildError(detail)


def fail_by_name(detail):
    raise LibraryChildError(detail)


fail_by_name._alias = "fail_by_alias"


class Halt(BaseException):
    pass


def fail_with(name):
    raise {"KeyError": KeyError, "IndexError": IndexError, "Halt": Halt}[name]("a secret")


def message_of(exc):
    return f"library: {exc.detail}"


def data_of(exc):
    return {"detail": exc.detail, "class": type(exc).__name__}


def fail_too(exc):
    raise RuntimeError("another secret")


def map_exceptions(server):
    """Map the exceptions of the dispatchers above."""
    server.mapException(LibraryError, code=2001, message="Library", data=data_of)
    server.mapException(LibraryError, code=2002, message=message_of, data=["fixed"], path="/mapped")
    server.mapException(Exception, code=2003, message="By name", path="/mapped", name="fail_by_name")
    server.mapException(KeyError, code=2004, message=fail_too)
    server.mapException(IndexError, code=2005, message="Unwritable", data=lambda exc: object())
    server.mapException(Halt, code=2006, message="Halt")


class Panicking(list):
    def __iter__(self):
        raise Panic


def panicking():
    return Panicking([1])


def describe(value, _connection):
    _connection.headersOut["X-Value"] = str(value)
    _connection.cookiesOut.append({"name": "value", "value": str(value)})
    _connection["mimeType"] = "text/plain"
    return {
        "path": _connection.path,
        "ip": _connection.ip,
        "notify": _connection.notify,
        "name": _connection.dispatcherName,
        "header": _connection.headers["X-Asked"],
        "cookie": _connection.cookies.get("c"),
        "server": _connection.serverName,
        "servedBy": _connection.servedBy[0],
        "native": _connection.nativeThread,
    }


def reformat(_connection):
    _connection.jsonp = "%(callback)s[%(data)s]"
    return 1


def where():
    """Return the process and the thread that run the call."""
    return [os.getpid(), threading.get_ident()]


def note(folder, _connection):
    """Report that the call has run, and whether it is a notification."""
    report(folder, "noted", f"{_connection.notify} {_connection.uniqueId}")


def note_and_fail(folder, _connection):
    note(folder, _connection)
    raise ValueError


def append(file):
    """Append a line to a file; return the number of its lines."""
    with Path(file).open("a+") as appended:
        appended.write("line\n")
        appended.seek(0)
        return len(appended.readlines())


def hold(folder):
    """Run until the file `go` exists."""
    report(folder, "begun")
    return wait_for(folder, "go")


def meet(folder, own, other):
    """Run until the call that reports `other` runs too."""
    report(folder, own)
    return wait_for(folder, other)


async def add_later(a, b=1):
    await asyncio.sleep(0)
    return add(a, b)


add_later._alias = "plus_later"


async def fail_later():
    await asyncio.sleep(0)
    fail()


async def raise_strange_later(name):
    await asyncio.sleep(0)
    raise_strange(name)


async def describe_later(value, _connection):
    await asyncio.sleep(0)
    return describe(value, _connection) | {"native": None}  # gevent's greenlets wait for a native thread


async def read_and_set_later(value):
    await asyncio.sleep(0)
    return read_and_set(value)


async def where_later():
    """Return the process, the thread and the event loop that run the call."""
    return [*where(), id(asyncio.get_running_loop())]


async def is_alone_later(_connection):
    return is_alone(_connection)


async def end_server_later(_connection):
    return end_server(_connection)


async def hold_later(folder):
    """As `hold`, without blocking the event loop."""
    return await asyncio.to_thread(hold, folder)


def is_alone(_connection):
    """Return whether this is the only running dispatcher of the server."""
    return _connection.server._waitProcessingDispatchers(timeout=0)


def end_server(_connection):
    """Try to end the server and its backends; return the refusals."""
    return [refusal_of(_connection.server.stop), refusal_of(_connection.server._stopExecBackends)]


class Math:
    def twice(self, number):
        return 2 * number


FUNCTIONS = (
    add,
    fail,
    fail_mapped,
    fail_with,
    leave,
    raise_strange,
    read_and_set,
    chosen,
    type_error,
    unserialisable,
    panicking,
    describe,
    reformat,
    where,
    note,
    note_and_fail,
    append,
    hold,
    meet,
    is_alone,
    end_server,
    add_later,
    fail_later,
    raise_strange_later,
    describe_later,
    read_and_set_later,
    where_later,
    is_alone_later,
    end_server_later,
    hold_later,
)


def report(folder, name, text=""):
    written = Path(folder, f"{name}.{os.getpid()}.{threading.get_ident()}")
    written.write_text(text)
    written.rename(Path(folder, name))


def wait_for(folder, name):
    deadline = time.monotonic() + PATIENCE_S
    while not Path(folder, name).exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def refusal_of(method):
    try:
        method()
    except ServerError as exc:
        return str(exc)
    return None


def make(backend, address=None, **options):
    """Return a server whose calls run on a backend."""
    from flaskJSONRPCServer import flaskJSONRPCServer  # here: the children import this module, and do without Flask

    server = flaskJSONRPCServer(address, name="theirs", log=False, dispatcherBackend=backend, **options)
    for function in FUNCTIONS:
        server.registerFunction(function, path="/api")
    server.registerInstance(Math(), path="/math")
    for function in (fail_on_path, fail_by_name):
        server.registerFunction(function, path="/mapped")
    map_exceptions(server)
    server.registerFunction(where, path="/there", dispatcherBackend=backend)
    server.registerFunction(where, path="/here", dispatcherBackend="simple")
    return server


def time_left(_connection):
    """Return how far off the deadline is, and the field that says the same."""
    if _connection.deadline is None:
        return [None, _connection.remaining]
    return [_connection.deadline - time.monotonic(), _connection.remaining]


TIMEOUT_S = 1.5
TIMED = (add, fail, hold, note, time_left)


def make_timed(backend, address=None, **options):
    """Return a server whose methods on the path `/timed` have a timeout."""
    server = make(backend, address, **options)
    server.registerFunction(time_left, path="/api")
    for function in TIMED:
        server.registerFunction(
            function, path="/timed", timeout=TIMEOUT_S, dispatcherBackend=backend, notifBackend=backend
        )
    return server


def make_for_worker():
    """Return the server that a Celery worker imports."""
    return make("celery", notifBackend="celery")


def make_timed_for_worker():
    return make_timed("celery")
