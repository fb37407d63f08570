"""The process of one contestant: started on a core of its own, asked once, measured, and stopped."""

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
    """The commands that keep the server and the load on a core each; empty where there are not two."""

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
    """A contestant that is being served."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self._port = port
        self.url = f"http://127.0.0.1:{port}/api"

    def ask(self, load: Load) -> Any:
        """Return the answer to a request, as a JSON value.

        Raises:
            OSError: There is nobody.
            ValueError: The answer is none.
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
        """Tell whether the right answer is given."""
        try:
            return bool(in_order(self.ask(load)) == load.expected)
        except (OSError, ValueError):
            return False

    def memory_mb(self) -> float:
        """Return the memory that the processes of the server have for themselves (USS), in MB."""
        return sum(float(each.memory_full_info().uss) for each in self._family()) / _MB

    def wait_ready(self) -> bool:
        """Wait until the first right answer; tell whether it came."""
        deadline = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self.answers(SINGLE):
                return True
            time.sleep(_LOOK_EVERY_S)
        return False

    def stop(self) -> None:
        for each in self._family():
            each.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            for each in self._family():
                each.kill()

    def _family(self) -> list[psutil.Process]:
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def in_order(message: Any) -> Any:
    """Return a message with the answers of a batch in the order of their ids: JSON-RPC 2.0 allows any."""
    return sorted(message, key=lambda each: each.get("id")) if isinstance(message, list) else message


@contextmanager
def serving(contestant: Contestant, runner: Runner, pins: Pins) -> Iterator[Served]:
    """Serve a contestant.

    Raises:
        LeftOutError: It does not come up, or gives no right answer.
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
    """Return a port that nobody has; every contestant takes one on its command line."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
