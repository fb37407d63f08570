"""The functions that the tests of Celery call. The server and the workers import this module."""

import dataclasses
import datetime
import decimal
import enum
import os
import pathlib
import signal
import time
import uuid

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcApplicationError


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: decimal.Decimal


VALUES = {
    "date": datetime.date(2020, 2, 29),
    "datetime": datetime.datetime(2020, 2, 29, 12, 30, tzinfo=datetime.timezone.utc),
    "duration": datetime.timedelta(seconds=90),
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID(int=7),
    "bytes": b"\x00\xff",
    "set": {3, 1, 2},
    "enum": Colour.RED,
    "dataclass": Point(1, decimal.Decimal("2.50")),
    "tuple": (1, (2,)),
    "none": None,
    "huge": 10**40,
    "float": 0.1,
    "large float": 1e300,
    "text": 'ä "quoted" \u2028 \x07 𝄞',
    "keys": {1: "one", None: "none", False: "false"},
}


def echo(value=None):
    return value


def value(name):
    return VALUES[name]


def deep(levels):
    nested = []
    for _ in range(levels):
        nested = [nested]
    return nested


def add(a, b=1, *rest, scale=1):
    return (a + b + sum(rest)) * scale


def no_json():
    return object()


def refuse(data=None):
    raise JsonRpcApplicationError("no", code=5, data=data)


def crash():
    raise KeyError("a secret of the worker")


def read_fields(_connection, names):
    return {name: _connection[name] for name in names}


def set_fields(_connection):
    _connection.headersOut["X-Set"] = "yes"
    _connection.cookiesOut.append({"name": "set", "value": "yes", "path": "/"})
    _connection.mimeType = "text/plain"
    _connection.allowCompress = False
    return "set"


def wrap(_connection):
    _connection.jsonp = "wrapped(%(data)s, %(callback)s)"
    return 1


def use_call(name, _connection):
    getattr(_connection.call, name)()


def use_server(name, _connection):
    getattr(_connection.server, name)()


def log_and_sleep(text, _connection):
    _connection.call.sleep(0.001)
    _connection.call.log(2, text)


def pid():
    return os.getpid()


def die(seconds=0.3):
    time.sleep(seconds)  # until Celery knows of the process; then it notices its end at once
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(folder):
    mark = pathlib.Path(folder, "died")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "lived"


def note(folder, name, seconds=0):
    """Leave a file for each complete run."""
    time.sleep(seconds)
    pathlib.Path(folder, f"{name}.{uuid.uuid4().hex}").touch()


def note_begin(folder, name, seconds):
    """Leave a file for each run that begins."""
    pathlib.Path(folder, f"{name}.{uuid.uuid4().hex}").touch()
    time.sleep(seconds)


def note_both(folder, name, gate):
    """Leave one file at the beginning and one at the end. The end waits until the gate exists."""
    pathlib.Path(folder, f"begun.{name}").touch()
    while not pathlib.Path(folder, gate).exists():
        time.sleep(0.01)
    pathlib.Path(folder, f"ended.{name}").touch()


FUNCTIONS = (
    *(
        echo,
        value,
        deep,
        add,
        no_json,
        refuse,
        crash,
        read_fields,
        set_fields,
        wrap,
        use_call,
        use_server,
        log_and_sleep,
    ),
    *(pid, die, die_once, note, note_begin, note_both),
)


def populate(server, **options):
    for function in FUNCTIONS:
        server.registerFunction(function, path="/api", **options)
    return server


def make_server():
    """Return the server of a worker. The environment names its broker."""
    return populate(flaskJSONRPCServer(None, log=4, name="test", dispatcherBackend="celery", notifBackend="celery"))


def make_repeating():
    """Return a server whose calls run again when their worker is lost."""
    from flaskJSONRPCServer.execBackend.celery import CeleryBackend

    backend = CeleryBackend(repeat_lost_calls=True)
    return populate(flaskJSONRPCServer(None, log=4, name="test", dispatcherBackend=backend, notifBackend=backend))


def make_impatient():
    """Return a server whose broker soon gives a notification to another worker."""
    from flaskJSONRPCServer.execBackend.celery import CeleryBackend

    backend = CeleryBackend(redeliver_after=1, tries=3)
    return populate(flaskJSONRPCServer(None, log=4, name="test", dispatcherBackend=backend, notifBackend=backend))


def make_other():
    """Return a server whose functions differ from those of the test's server."""
    server = flaskJSONRPCServer(None, log=4, name="test", dispatcherBackend="celery", notifBackend="celery")
    server.registerFunction(echo, path="/api")
    server.registerFunction(lambda a: a, path="/api", name="add")
    return server


def make_without():
    return flaskJSONRPCServer(None)
