"""Programs that a test starts, reads and ends."""

import contextlib
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

# Long enough for a loaded machine; a longer wait is a failure.
PATIENCE_S = 40

# In a greeting, or in the server's log: http://127.0.0.1:8080/, ('127.0.0.1', 8080)
_ADDRESS = re.compile(r"127\.0\.0\.1(?::|', )(\d+)")
_DEFAULT_URL = "http://127.0.0.1:8080"


class Program:
    """A running program, with both of its outputs as one text."""

    def __init__(self, process):
        self.process = process
        self.output = ""
        self._lines = queue.SimpleQueue()
        self._is_read = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _next_line(self):
        """Wait for a line and add it to the output; return None at the end, and on later calls."""
        line = None if self._is_read else self._lines.get(timeout=PATIENCE_S)
        self._is_read = line is None
        self.output += line or ""
        return line

    def _read_rest(self):
        while self._next_line() is not None:
            pass

    def line_with(self, pattern):
        """Wait for a line that matches the pattern; return the match."""
        while True:
            line = self._next_line()
            assert line is not None, f"it ended with status {self.process.wait(PATIENCE_S)}"
            if match := re.search(pattern, line):
                return match

    def url(self):
        """Wait until the program prints its address; return it as `http://127.0.0.1:port`."""
        return f"http://127.0.0.1:{self.line_with(_ADDRESS)[1]}"

    def wait(self):
        """Wait for the end; return the exit status. `output` is complete then."""
        status = self.process.wait(PATIENCE_S)
        self._read_rest()
        return status

    def kill(self):
        """End the program and its children; print its output for the report of a failed test."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()
        print(self.output)

    def end(self, number):
        """Send a signal and wait for the end; return the exit status."""
        self.process.send_signal(number)
        return self.wait()


@contextlib.contextmanager
def running(command, cwd=ROOT, pass_fds=(), **environment):
    """Start a program in a folder, in its own session, and kill it at the end of the block."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**inherited_environment(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        pass_fds=pass_fds,
    )
    program = Program(process)
    try:
        yield program
    finally:
        program.kill()


def example(name, *arguments):
    """Return the command that runs an example."""
    return [sys.executable, f"examples/{name}", *arguments]


def inherited_environment():
    """Return the environment without variables that change the port, the make or the buffering of output."""
    dropped = ("PORT", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "FLASK_APP", "FLASK_DEBUG", "FLASK_RUN_PORT", "API_TOKEN")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "PYTHONUNBUFFERED": "1", "NO_PROXY": "*"}


def curl_commands(text, url=_DEFAULT_URL):
    """Return the curl commands on separate lines of a text, with their URL replaced."""
    lines = (line.strip() for line in text.splitlines())
    return [shlex.split(line.replace(_DEFAULT_URL, url)) for line in lines if line.startswith("curl ")]


def run(command):
    """Run a command that must succeed; return its output."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=inherited_environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_curl(command):
    """Run a curl command without its progress meter."""
    return run([command[0], "--silent", "--show-error", "--fail", *command[1:]])
