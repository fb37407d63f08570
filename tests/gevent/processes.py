"""Running scripts in separate processes, since the patch of a process cannot be undone."""

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# gevent reads the entry points of all installed packages for each of the 25 events of a patch. Once will do.
READ_ENTRY_POINTS_ONCE = """
import importlib.metadata
_entry_points = importlib.metadata.entry_points()
importlib.metadata.entry_points = lambda **params: _entry_points.select(**params)
"""

# Every script begins with this.
PRELUDE = (
    READ_ENTRY_POINTS_ONCE
    + """
from flaskJSONRPCServer import flaskJSONRPCServer
server = flaskJSONRPCServer(["127.0.0.1", 0], log=2, gevent=True, **OPTIONS)
import contextlib, http.client, json, threading, time
import gevent
from gevent import monkey
native_sleep = monkey.get_original("time", "sleep")
native_ident = monkey.get_original("_thread", "get_ident")

def connect():
    return http.client.HTTPConnection(*server.addresses[0], timeout=30)

def ask(connection, method, *params):
    call = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
    connection.request("POST", "/api", json.dumps(call), {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    return answer.get("result", answer.get("error"))

def call(method, *params):
    with contextlib.closing(connect()) as connection:
        return ask(connection, method, *params)

def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
"""
)


def run(script, *, prelude=PRELUDE, options="{}", stdin="", folder=ROOT):
    """Run a script. Return its stdout and its stderr, each without the last line end."""
    source = f"OPTIONS = {options}\n{prelude}\n{textwrap.dedent(script)}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=50,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout.rstrip("\n"), done.stderr.rstrip("\n")


def lines_of(script, **options):
    """Run a script that writes nothing to stderr. Return the lines of its stdout."""
    out, err = run(script, **options)
    assert err == "", err
    return out.split("\n")
