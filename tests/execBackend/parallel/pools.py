"""Servers with a pool of processes, and main programs with one, for the tests of all modules that need one."""

import concurrent.futures
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import psutil

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.execBackend.parallel import dispatchers
from tests.helpers import call, wait_until

ROOT = Path(__file__).resolve().parents[3]

PLAIN = ("add", "pid", "sleep", "hold", "hold_with_program", "kill_itself", "segfault", "leave", "unserialisable")
STATE = ("process_state", "set_process_state")
CONNECTED = ("described", "parallel", "in_child", "lock_itself", "counted")


def make(backend, address=None, **options):
    server = flaskJSONRPCServer(address, name="many", dispatcherBackend=backend, **{"log": False, **options})
    for name in (*PLAIN, *STATE, *CONNECTED):
        server.registerFunction(getattr(dispatchers, name), path="/api")
    return server


@contextlib.contextmanager
def running(backend=None, **options):
    """Yield a server and its application; its processes end with the block."""
    server = make(backend or ParallelBackend(poolSize=2), **options)
    application = server.getWSGI()
    server._startExecBackends()
    try:
        yield server, application
    finally:
        server.stop()


def counts(server, backend_id="parallel"):
    return {
        name.removeprefix(f"{backend_id}_"): count
        for name, count in server.stats().items()
        if name.startswith(f"{backend_id}_")
    }


def wait_until_whole(server, size=2):
    wait_until(lambda: counts(server)["alive"] == size)


def error_of(application, method, params=None):
    return call(application, method, params)["error"]


@contextlib.contextmanager
def calls_in(application, *calls):
    """Make calls at the same time, and yield their futures."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as threads:
        yield [threads.submit(call, application, method, params) for method, params in calls]


def wait_for_hold(folder, name):
    """Wait until a call of `hold` runs; return the number of its process."""
    return int(wait_until(lambda: (path := folder / f"{name}.runs").exists() and path.read_text()))


def release(folder):
    (folder / "go on").touch()


def possible_texts(message):
    """Return the texts that a message may have: gevent, once it has watched a child, takes the exit status of all."""
    return {message, re.sub("it (was )?ended.*", "it ended", message)} if is_patched() else {message}


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def run(script, *arguments, warnings=False, **environment):
    return subprocess.run(
        [sys.executable, *(["-W", "error"] if warnings else []), str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )


def write_program(folder, text):
    script = folder / "program.py"
    script.write_text(textwrap.dedent(text))
    return script


SPINNING = """
import os, signal, subprocess, sys
from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.execBackend.parallel import dispatchers

def spin(folder, name):
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    open(os.path.join(folder, name), "w").write(f"{os.getpid()} {program.pid}")
    while True:
        pass

def pid():
    return os.getpid()

server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, dispatcherBackend=ParallelBackend(poolSize=2))
for function in (spin, pid, dispatchers.hold):
    server.registerFunction(function, path="/api")
server.serveForever(on_start=lambda server: print(server.addresses[0][1], flush=True))
"""


@contextlib.contextmanager
def serve_program(script):
    """Start a script that prints its port; yield the process and its address."""
    command = [sys.executable, str(script)]
    with (
        tempfile.TemporaryDirectory() as folder,  # a killed process cannot clean up
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": folder},
        ) as process,
    ):
        try:
            yield process, ("127.0.0.1", int(process.stdout.readline()))
        finally:
            process.kill()
