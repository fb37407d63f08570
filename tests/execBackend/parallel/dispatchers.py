"""Dispatchers that the tests let run in child processes, which import this module by its name."""

import ctypes
import functools
import locale
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path


def add(a, b=1):
    return a + b


def pid():
    return os.getpid()


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def process_state():
    return [locale.setlocale(locale.LC_NUMERIC), len(warnings.filters)]


def set_process_state():
    """Change what there is once for the whole process, and return it."""
    locale.setlocale(locale.LC_NUMERIC, "C.UTF-8")
    warnings.simplefilter("ignore", FutureWarning)
    return process_state()


def hold(folder, name):
    """Write a file that says it runs, and wait for the test."""
    (Path(folder) / f"{name}.runs").write_text(str(os.getpid()))
    deadline = time.monotonic() + 30
    while not (Path(folder) / "go on").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return name


def hold_with_program(folder):
    """Start a program, write its number into a file, and wait for it."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]) as program:
        (Path(folder) / "program").write_text(str(program.pid))


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def segfault():
    ctypes.string_at(0)


def leave():
    os._exit(3)


def throw_interrupt():
    """Raise without a raise statement, as C code may."""
    (_ for _ in ()).throw(KeyboardInterrupt)


def unserialisable():
    return lambda: 1


def described(_connection):
    _connection.headersOut["X-Parallel"] = "yes"
    _connection.cookiesOut.append({"name": "a", "value": "b"})
    _connection.mimeType = "text/plain"
    return {
        name: _connection[name]
        for name in ("headers", "cookies", "ip", "path", "dispatcherName", "notify", "serverName", "servedBy", "jsonp")
    }


def parallel(_connection):
    return _connection.parallelType, _connection.parallelPoolSize, _connection.parallelId


def in_child(_connection):
    return _connection.server._inChild()


def lock_itself(_connection):
    _connection.call.lockThis()
    return _connection.call.waitThis(returnStatus=True)


def counted(_connection):
    return _connection.server.stats()["dispatcherCount"]


class Counter:
    """An object with a state of its own."""

    def __init__(self, step):
        self.step = step

    def next(self, number):
        return number + self.step

    def __call__(self, number):
        return self.next(number)


def make_closure(step):
    return lambda number: number + step


partial = functools.partial(add, b=10)


def fork():
    """Fork; the forked process returns from here too, once it is released."""
    read, write = os.pipe()
    if (forked := os.fork()) == 0:
        os.close(write)
        os.read(read, 1)  # until this process has its next call, or has ended
    return forked, write


def release_fork(forked, write):
    """Release the forked process, and wait for its end."""
    os.close(write)
    os.waitpid(forked, 0)
    return "mine"


def fork_and_die():
    """Die, while a forked process lives on."""
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(3)


class EndsItsReader:
    def __reduce__(self):
        return sys.exit, (3,)


def end_reader():
    return EndsItsReader()


def ask_in_fork(_connection):
    """Ask the server in a forked process; return the name and the text of the exception there."""
    read, write = os.pipe()
    if (forked := os.fork()) == 0:
        try:
            _connection.server.stats()
        except Exception as exc:  # noqa: BLE001  the test looks at it
            os.write(write, f"{type(exc).__name__}\n{exc}".encode())
        os._exit(0)
    os.close(write)
    os.waitpid(forked, 0)
    return os.read(read, 10_000).decode().split("\n", 1)
