"""What a child process of the backend ``parallel`` does: it runs one call after the other."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import select
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType, ModuleType

from ...runtime.logs import DEBUG
from .child import CallMessage, ChildServer
from .function_cache import FunctionCache
from .wire import MessageType, Wire

__all__ = ["serve"]


def serve() -> None:
    """Be a child: take calls from the socket that is its standard input, until the parent says that none comes."""
    ignore_signals()
    connected = taken_from_stdin()
    wire = Wire(connected)
    setup, number = pickle.loads(wire.receive()[1])  # noqa: S301  the parent sends it  # nosec B301
    server = ChildServer(setup)
    server.facade._parentModule = main_module(setup.script)
    worker = Worker(wire, server, number)
    os.register_at_fork(after_in_child=connected.close)  # a forked process must neither take calls nor answer them
    threading.Thread(target=end_with_parent, args=(connected, worker), name="parent", daemon=True).start()
    run_to_the_end(worker)


def run_to_the_end(worker: Worker) -> None:
    """Run what comes. After an exception the process ends at once: threads of dispatchers would keep it, unheard."""
    try:
        worker.run()
    except (EOFError, OSError):  # the parent has gone, or this is a forked process, which has no line to it
        os._exit(1)
    except BaseException:  # noqa: BLE001  a KeyboardInterrupt that a dispatcher has raised, among others
        traceback.print_exc()
        os._exit(1)


def main_module(script: str | None) -> ModuleType:
    """Return what has the globals of the parent's main program, which is not run here."""
    module = sys.modules["__main__"]
    if script is not None:
        module.__file__ = script
    return module


class Worker:
    """Runs the calls.

    Args:
        wire: Where they come from.
        server: Makes them.
        number: What ``_connection.parallelId`` says.
    """

    def __init__(self, wire: Wire, server: ChildServer, number: int) -> None:
        self.is_ending = False  # written by the thread that runs the calls, read by the one that watches the parent
        self._wire = wire
        self._server = server
        self._number = number
        self._functions = FunctionCache(server.facade, lambda text: server.log.write(DEBUG, text))

    def run(self) -> None:
        """Run what comes, to the end."""
        self._wire.send(MessageType.READY, b"")
        while not self.is_ending:
            kind, body = self._wire.receive()
            if kind == MessageType.CALL:
                self._wire.send(*self._answer(*pickle.loads(body)))  # noqa: S301  the parent sends it  # nosec B301
            elif kind == MessageType.FUNCTION:
                self._functions.take_function(body)
            elif kind == MessageType.GLOBALS:
                self._functions.take_globals(body)
            else:
                self.is_ending = True

    def _answer(self, number: int, call_message: CallMessage) -> tuple[MessageType, bytes]:
        try:
            function = self._functions.function(number)
        except Exception as exc:  # noqa: BLE001  the user's own code runs in it
            return MessageType.NOT_RUN, repr(exc).encode(errors="replace")
        call_message = dataclasses.replace(call_message, parallel_id=self._number)
        body, failed = self._server.pack(call_message, self._server.call(call_message, function))
        return MessageType.FAILED if failed else MessageType.DONE, body


def taken_from_stdin() -> socket.socket:
    """Return the socket that was the standard input, which is empty from now on; close what was inherited beside it."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    connected = os.dup(0)
    os.dup2(nothing, 0)
    close_others(connected)
    taken = socket.socket(fileno=connected)
    taken.setblocking(True)  # under gevent the parent's sockets do not block
    return taken


def close_others(kept: int) -> None:
    """Close what was inherited beside the standard streams, such as sockets that were handed down to the parent."""
    for each in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        if each > 2 and each != kept:
            with contextlib.suppress(OSError):  # the one by which the folder was read
                os.close(each)


def ignore_signals() -> None:
    """Let the parent decide when to end: what stops it may be sent to its children too.

    By a handler, since programs that a dispatcher starts would inherit that a signal is ignored.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, do_nothing)


def do_nothing(number: int, frame: FrameType | None) -> None:
    return None


def end_with_parent(connected: socket.socket, worker: Worker) -> None:
    """Wait until the parent has closed its end; end the process then, in the middle of a call if there is one.

    What it has started ends with it, as where the parent kills it.
    """
    poller = select.poll()
    poller.register(connected, 0)  # the hang-up is told in any case
    poller.poll()
    if not worker.is_ending:
        with contextlib.suppress(ProcessLookupError):  # a dispatcher has put it into another group
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)
