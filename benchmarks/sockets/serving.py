"""Run the process of one contestant on its own core: start it, check one answer, measure it, stop it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from .environments import PEERS, LeftOutError, Runner, last_line
from .loads import SINGLE, Load
from .roster import Contestant

_START_WITHIN_S = 20
_LOOK_EVERY_S = 0.05
_STOP_WITHIN_S = 5
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Pins:
    """The commands that pin the server and the load to one core each; empty if there are not two cores."""

    server: tuple[str, ...] = ()
    load: tuple[str, ...] = ()

    @classmethod
    def of_machine(cls) -> "Pins":
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            return cls()
        return cls(("taskset", "-c", str(cores[0])), ("taskset", "-c", str(cores[1])))

    def __str__(self) -> str:
        if not self.server:
            return "fewer than two cores: the server and the load share one, which slows both"
        return f"the server on core {self.server[-1]}, the load on core {self.load[-1]}"


class Served:
    """A running contestant."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self._port = port
        self.url = f"http://127.0.0.1:{port}/api"

    def ask(self, load: Load) -> Any:
        """Return the answer to a request, as a JSON value.

        Raises:
            OSError: The server does not listen.
            ValueError: The answer is not JSON.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", "/api", load.body, {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        except http.client.HTTPException as exc:
            raise ValueError(f"no answer of HTTP: {exc!r}") from exc
        finally:
            connection.close()

    def answers(self, load: Load) -> bool:
        """Return whether the answer is right."""
        try:
            return bool(in_order(self.ask(load)) == load.expected)
        except (OSError, ValueError):
            return False

    def memory_mb(self) -> float:
        """Return the unique memory (USS) of the processes of the server, in MB."""
        return sum(float(process.memory_full_info().uss) for process in self._family()) / _MB

    def wait_ready(self) -> bool:
        """Wait for the first right answer; return whether it came."""
        deadline = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self.answers(SINGLE):
                return True
            time.sleep(_LOOK_EVERY_S)
        return False

    def stop(self) -> None:
        for process in self._family():
            process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            for process in self._family():
                process.kill()

    def _family(self) -> list[psutil.Process]:
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def in_order(message: Any) -> Any:
    """Sort the answers of a batch by their ids: JSON-RPC 2.0 allows any order."""
    return sorted(message, key=lambda answer: answer.get("id")) if isinstance(message, list) else message


@contextmanager
def serving(contestant: Contestant, runner: Runner, pins: Pins) -> Iterator[Served]:
    """Serve a contestant.

    Raises:
        LeftOutError: It does not start, or gives no right answer.
    """
    port = free_port()
    command = [*pins.server, *runner.command, str(PEERS / contestant.script), str(port), *contestant.arguments]
    with tempfile.TemporaryFile() as log:
        environ = {**os.environ, **runner.environ}
        with subprocess.Popen(command, stdout=log, stderr=log, env=environ) as process:
            served = Served(process, port)
            try:
                if not served.wait_ready():
                    raise LeftOutError(f"no right answer came: {read_last_line(log)}")
                yield served
            finally:
                served.stop()


def read_last_line(log: Any) -> str:
    log.seek(0)
    return last_line(log.read().decode(errors="replace"))


def free_port() -> int:
    """Return a free port. Every contestant takes one on its command line."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
