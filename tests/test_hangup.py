"""SIGHUP under `serve` loads the module again while clients call, without losing a call."""

import contextlib
import http.client
import json
import os
import pty
import re
import signal
import sys
import textwrap
import threading
from pathlib import Path

import pytest

import flaskJSONRPCServer.servBackend
from flaskJSONRPCServer.hangup import _FRONT_SETTINGS
from tests.examples.processes import running
from tests.helpers import wait_until
from tests.servBackend.event_source import Listener

PATIENCE_S = 30
HANGUPS = 10

SERVED = """
    import os
    from flaskJSONRPCServer import flaskJSONRPCServer

    def note(number):
        with open("ran", "a") as ran:
            ran.write(f"{{number}}\\n")
        return [{version}, os.getpid()]

    server = flaskJSONRPCServer(["127.0.0.1", 0], name="served", **{options})
    server.registerFunction(note, path="/api")
"""


class Served:
    """A program that serves the module `served` of a folder.

    Attributes:
        program: The running program.
        address: Where it listens.
    """

    def __init__(self, folder, program):
        self.folder = folder
        self.program = program
        self.address = ("127.0.0.1", int(program.url().rpartition(":")[2]))

    def write(self, version, options="{}", more=""):
        write(self.folder, version, options, more)

    def hang_up(self, pattern="serves now"):
        """Send the signal, and wait for a line of the log; return the line's match."""
        self.program.process.send_signal(signal.SIGHUP)
        return self.program.line_with(pattern)

    def note(self, number=0):
        with contextlib.closing(http.client.HTTPConnection(*self.address, timeout=PATIENCE_S)) as connection:
            return ask(connection, number)

    def ran(self):
        return [int(line) for line in (self.folder / "ran").read_text(encoding="utf-8").split()]


def ask(connection, number):
    body = json.dumps({"jsonrpc": "2.0", "method": "note", "params": [number], "id": number})
    connection.request("POST", "/api", body, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    assert answer["id"] == number
    return answer["result"]


def write(folder, version, options="{}", more=""):
    source = textwrap.dedent(SERVED).format(version=version, options=options) + textwrap.dedent(more)
    (folder / "served.py").write_text(source, encoding="utf-8")


@contextlib.contextmanager
def serving(folder, *arguments, options="{}", target="served", more=""):
    write(folder, 1, options, more)
    serve = [sys.executable, "-m", "flaskJSONRPCServer", "serve", target, *arguments]
    with running(serve, cwd=folder) as program:
        yield Served(folder, program)


class Load:
    """Four threads that call continuously, two of them over one persistent connection each.

    Attributes:
        failures: What went wrong.
        answers: The numbers that were answered, with the answers.
    """

    def __init__(self, served):
        self.failures, self.answers = [], []
        self._served, self._done = served, threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(first,)) for first in range(1, 5)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info):
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _call(self, number):
        with contextlib.closing(http.client.HTTPConnection(*self._served.address, timeout=PATIENCE_S)) as kept:
            while not self._done.is_set():
                try:
                    answer = ask(kept, number) if number % 2 else self._served.note(number)
                    self.answers.append((number, answer))
                except (OSError, http.client.HTTPException, AssertionError) as exc:
                    self.failures.append(exc)
                number += 4


@pytest.mark.parametrize(
    ("backend", "options"), [("werkzeug", "{}"), ("granian", "{}"), ("pywsgi", "{'gevent': True}")], ids=str
)
def test_clients_notice_nothing_but_the_newer_answers(tmp_path, backend, options):
    with serving(tmp_path, "--serv-backend", backend, options=options) as served, Load(served) as load:
        for version in range(2, HANGUPS + 2):
            served.write(version, options)
            served.hang_up()
            assert served.note() == [version, served.program.process.pid]
        load.__exit__()
        assert load.failures == []
        assert len(load.answers) > HANGUPS
        assert sorted(served.ran()) == sorted([0] * HANGUPS + [number for number, _ in load.answers])
        assert {pid for _, (_, pid) in load.answers} == {served.program.process.pid}
        assert served.program.end(signal.SIGTERM) == 0, served.program.output


BROKEN = {
    "syntax": ("def broken(:", "SyntaxError"),
    "import": ("import no_such_module_at_all", "ModuleNotFoundError"),
    "exit": ("raise SystemExit('left')", "SystemExit: left"),
    "start": ("server.start()", "StartRefusedError"),
    "no server": ("server = 5", "is no flaskJSONRPCServer"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_module_that_cannot_be_loaded_leaves_the_old_one_serving(tmp_path, kind):
    more, reason = BROKEN[kind]
    with serving(tmp_path) as served, Load(served) as load:
        served.write(2, more=more)
        served.hang_up("SIGHUP: 'served' is not loaded again; all is as before")
        served.program.line_with(reason)
        assert served.note()[0] == 1
        served.write(3)
        served.hang_up()
        assert served.note()[0] == 3
    assert load.failures == []


def test_backend_that_cannot_start_leaves_the_old_server_serving(tmp_path):
    more = """
        class Broken:
            _id = "broken"

            def add(self, *args, **kwargs):
                raise AssertionError

            check = add

            def start(self, *args):
                raise OSError("no room")

            def stop(self, *args, **kwargs):
                pass

        server.registerFunction(note, path="/other", dispatcherBackend=Broken())
    """
    with serving(tmp_path) as served:
        served.write(2, more=more)
        served.hang_up("all is as before")
        served.program.line_with("no room")
        assert served.note()[0] == 1
        served.write(3)
        served.hang_up()
        assert served.note()[0] == 3


def test_settings_take_effect_but_those_of_the_sockets(tmp_path):
    with serving(tmp_path) as served:
        served.write(2, "{'fallback': False, 'threads': 5, 'backlog': 7, 'accessLog': True}")
        served.hang_up("backlog, threads, accessLog: as at the start of the process; start it again to change that")
        with contextlib.closing(http.client.HTTPConnection(*served.address, timeout=PATIENCE_S)) as connection:
            connection.request("GET", "/api/note?number=1")
            assert connection.getresponse().status == 403


def test_changed_settings_of_the_serving_backend_are_reported():
    """Check in the source that serving backends read their settings once."""
    backends = Path(flaskJSONRPCServer.servBackend.__file__).parent
    read = {name for file in backends.rglob("*.py") for name in re.findall(r"settings\.(\w+)", file.read_text("utf-8"))}
    elsewhere_too = {"allowed_hosts", "debug", "gevent", "max_body_bytes", "max_response_bytes", "trusted_proxies"}
    assert read - elsewhere_too <= set(_FRONT_SETTINGS)


@pytest.mark.parametrize("before", [True, False])
def test_gevent_cannot_change(tmp_path, before):
    with serving(tmp_path, options=f"{{'gevent': {before}}}") as served:
        served.write(2, f"{{'gevent': {not before}}}")
        served.hang_up("all is as before")
        served.program.line_with(f"gevent={not before} cannot change while the process runs")
        assert served.note()[0] == 1
        served.write(3, f"{{'gevent': {before}}}")
        served.hang_up()
        assert served.note()[0] == 3
        assert served.program.end(signal.SIGTERM) == 0, served.program.output


def test_server_from_a_function_is_made_again(tmp_path):
    more = "def make(): return server"
    with serving(tmp_path, target="served:make", more=more) as served:
        served.write(2, more=more)
        served.hang_up()
        assert served.note()[0] == 2


def test_server_of_another_module_restarts(tmp_path):
    (tmp_path / "wrapped.py").write_text("from served import server\n", encoding="utf-8")
    with serving(tmp_path, target="wrapped") as served:
        served.write(2)
        served.hang_up("server 'served' has restarted")
        assert served.note()[0] == 1


def test_stream_of_the_old_module_ends_and_the_new_one_opens_its_own(tmp_path):
    page = """
        from flask import request
        from flaskJSONRPCServer import exchange_of

        @server.flaskApp.get("/events")
        def events():
            exchange_of(request.environ).open_stream("200 OK", []).send(b"hello")
            return ""
    """
    with serving(tmp_path, more=page) as served, Listener(served.address) as client:
        client.receive_until(b"hello")
        served.hang_up()
        assert client.receive_until(b"0\r\n\r\n").endswith(b"5\r\nhello\r\n0\r\n\r\n")
        with Listener(served.address) as again:
            again.receive_until(b"hello")
            served.program.process.send_signal(signal.SIGTERM)
            again.receive_until(b"0\r\n\r\n")
            served.program.line_with("has stopped")


def test_stop_of_either_server_ends_the_program(tmp_path):
    more = """
        import threading

        def leave(_connection):
            threading.Thread(target=server.stop).start()
            return True

        server.registerFunction(leave, path="/api", name="note")
    """.replace('path="/api"', 'path="/leave"')
    with serving(tmp_path) as served:
        served.write(2, more=more)
        served.hang_up()
        with contextlib.closing(http.client.HTTPConnection(*served.address, timeout=PATIENCE_S)) as connection:
            connection.request("GET", "/leave/note")
            assert connection.getresponse().status == 200
        assert served.program.wait() == 0


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_hangups_leave_no_descriptor_and_no_thread(tmp_path):
    with serving(tmp_path, options="{'reloadOnChange': True}") as served:
        folder = Path(f"/proc/{served.program.process.pid}")
        served.hang_up()

        def used():
            return len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir()))

        served.note()
        before = used()
        for _ in range(HANGUPS):
            served.hang_up()
        served.note()
        wait_until(lambda: used() <= before)


def test_change_on_the_disk_is_noticed_after_a_hangup(tmp_path):
    with serving(tmp_path, options="{'reloadOnChange': True}") as served:
        served.write(2, "{'reloadOnChange': True}")
        served.hang_up()
        served.write(3, "{'reloadOnChange': True}")
        wait_until(lambda: served.note()[0] == 3)


# The terminal


@contextlib.contextmanager
def terminal():
    """Open a terminal; `setsid -c` makes its second end the controlling one of a program."""
    controller, terminal_end = pty.openpty()
    try:
        yield controller, terminal_end
    finally:
        for descriptor in (controller, terminal_end):
            with contextlib.suppress(OSError):
                os.close(descriptor)


IN_TERMINAL = """
import fcntl, os, runpy, signal, sys, termios
path, mode, *sys.argv = sys.argv[1:]
descriptor = os.open(path, os.O_RDWR)
fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
os.close(descriptor)
if mode == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.path.insert(0, os.getcwd())
sys.argv.insert(0, "serve")
runpy.run_module("flaskJSONRPCServer", run_name="__main__")
"""


@contextlib.contextmanager
def serving_in_terminal(folder, path, mode):
    write(folder, 1)
    with running([sys.executable, "-c", IN_TERMINAL, path, mode, "serve", "served"], cwd=folder) as program:
        yield Served(folder, program)


@pytest.mark.parametrize("mode", ["plain", "nohup"])
def test_hangup_of_the_terminal_ends_the_program_except_under_nohup(tmp_path, mode):
    with (
        terminal() as (controller, terminal_end),
        serving_in_terminal(tmp_path, os.ttyname(terminal_end), mode) as served,
    ):
        served.write(2)
        served.hang_up()
        assert served.note()[0] == 2
        served.write(3)
        os.close(terminal_end)
        os.close(controller)  # the system sends SIGHUP
        if mode == "plain":
            assert served.program.wait() == 0
        else:
            served.program.line_with("serves now")
            assert served.note()[0] == 3
