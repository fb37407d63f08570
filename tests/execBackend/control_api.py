"""The dispatchers that the tests of call controls call. Worker processes import this module too."""

import asyncio
import datetime
import time

from flaskJSONRPCServer.dispatch.call_control import current_call
from tests.execBackend.api import PATIENCE_S, add, report, wait_for


class WithoutJson:
    """Has no JSON form."""

    def __repr__(self):
        return "WithoutJson()"


def count(number, _connection):
    for done in range(1, number + 1):
        _connection.progress(done, number, f"{done} of {number}")
    return [_connection.cancelled, number]


def count_and_fail(number, _connection):
    count(number, _connection)
    raise ValueError("a secret")


def log(folder, _connection):
    """Send log messages, then wait for the file `go`."""
    current = current_call()
    if current is not None:
        current.log("info", {"at": datetime.date(2030, 1, 2), "text": "ä"}, "module")
        current.log("error", None)
        current.log("error", WithoutJson())
    return wait_for(folder, "go")


def stumble(_connection):
    """Report progress that does not always increase."""
    for done in (2, 1, 2, 2.5):
        _connection.progress(done)


def refused(_connection):
    """Return how wrong values are refused."""
    wrong = ("1",), (True,), (1, "2"), (1, None, 3), (float("nan"),), (1, float("inf")), (10**400,)
    return [refusal_of_progress(_connection, *values) for values in wrong]


def refusal_of_progress(_connection, *values):
    try:
        _connection.progress(*values)
    except (TypeError, ValueError) as exc:
        return f"{type(exc).__name__}: {exc}".partition(": progress")[0][:36]
    return None


def pause(folder, _connection):
    """Report progress twice at once, then wait for the file `go`."""
    _connection.progress(1)
    _connection.progress(2)
    return wait_for(folder, "go")


def answers():
    control = current_call()
    return None if control is None else control.answers


async def answers_later():
    await asyncio.sleep(0)
    return answers()


def hold(folder):
    report(folder, "begun")
    return wait_for(folder, "go")


def notice(folder, _connection):
    """Run until the call is cancelled."""
    report(folder, "begun")
    give_up_at = time.monotonic() + PATIENCE_S
    while not _connection.cancelled and time.monotonic() < give_up_at:
        time.sleep(0.002)
    report(folder, "noticed" if _connection.cancelled else "gave up")


def note(folder):
    report(folder, "noted")


async def hold_later(folder):
    report(folder, "begun")
    try:
        await asyncio.sleep(PATIENCE_S)
    except asyncio.CancelledError:
        report(folder, "cancelled")
        raise


FUNCTIONS = (
    add,
    count,
    count_and_fail,
    log,
    stumble,
    refused,
    pause,
    answers,
    answers_later,
    hold,
    notice,
    note,
    hold_later,
)


def make(backend, **options):
    """Return a server whose calls run on a backend."""
    from flaskJSONRPCServer import flaskJSONRPCServer  # here: the children import this module, and do without Flask

    server = flaskJSONRPCServer(None, name="theirs", dispatcherBackend=backend, **{"log": False, **options})
    for function in FUNCTIONS:
        server.registerFunction(function, path="/api")
        server.registerFunction(function, path="/timed", timeout=PATIENCE_S * 10)
    return server


def make_for_worker():
    return make("celery")
