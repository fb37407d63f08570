"""The main loop of a child process of the backend ``parallel``: it runs one call after the other."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import sys
import threading
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType

from ...runtime.forks import release_in_forks
from ...runtime.logs import DEBUG, traceback_of_handled
from .channel import ChannelClient
from .child import ChildServer
from .function_cache import FunctionCache
from .messages import CallMessage
from .wire import MessageType, Wire, with_code

__all__ = ["ChildWorker", "serve"]


def serve(channel: int) -> None:
    """Run calls from the socket that is the standard input, until the parent sends END.

    Args:
        channel: The descriptor of this end of the channel to the server.
    """
    ignore_signals()
    calls = take_stdin()
    os.set_inheritable(channel, False)
    close_others({calls.fileno(), channel})
    channel_socket = socket.socket(fileno=channel)
    wire = Wire(calls)
    setup = pickle.loads(wire.receive()[1])  # noqa: S301  the parent sends it  # nosec B301
    server = ChildServer(setup, ChannelClient(channel_socket))
    server.facade._parentModule = main_module(setup.script)
    worker = ChildWorker(wire, server)
    for connected in (calls, channel_socket):  # a forked process must not use them, nor keep them open
        release_in_forks(connected)
    threading.Thread(target=end_with_parent, args=(calls, worker), name="parent", daemon=True).start()
    run_until_end(worker)


def run_until_end(worker: ChildWorker) -> None:
    """Run the worker. After an exception the process ends at once, even if threads of dispatchers still run."""
    try:
        worker.run()
    except (EOFError, OSError):  # the parent is gone, or this is a forked process, which has no socket to it
        os._exit(1)
    except BaseException:  # noqa: BLE001  a KeyboardInterrupt that a dispatcher raised, among others
        sys.stderr.write(traceback_of_handled())
        os._exit(1)


def main_module(script: str | None) -> ModuleType:
    """Return the module that holds the globals of the parent's main program, which does not run here."""
    module = sys.modules["__main__"]
    if script is not None:
        module.__file__ = script
    return module


class ChildWorker:
    """Runs the calls of a child.

    Args:
        wire: The connection that the calls arrive on.
        server: Makes the calls.
    """

    def __init__(self, wire: Wire, server: ChildServer) -> None:
        self.is_ending = False  # written by the thread that runs the calls, read by the one that watches the parent
        self._wire = wire
        self._server = server
        self._functions = FunctionCache(server.facade, lambda text: server.log.write(DEBUG, text))

    def run(self) -> None:
        """Process messages until END."""
        self._wire.send(MessageType.READY, b"")
        while not self.is_ending:
            message_type, body = self._wire.receive()
            if message_type == MessageType.CALL:
                self._wire.send(*self._answer(*pickle.loads(body)))  # noqa: S301  the parent sends it  # nosec B301
            elif message_type == MessageType.FUNCTION:
                self._functions.add_function(body)
            elif message_type == MessageType.GLOBALS:
                self._functions.add_globals(body)
            else:
                self.is_ending = True

    def _answer(self, number: int, mapping_number: int | None, call_message: CallMessage) -> tuple[MessageType, bytes]:
        try:
            function = self._functions.function(number)
        except Exception as exc:  # noqa: BLE001  the user's own code runs in it
            return MessageType.NOT_RUN, repr(exc).encode(errors="replace")
        self._server.exceptions.load = (
            None if mapping_number is None else partial(self._functions.function, mapping_number)
        )
        body, code = self._server.pack(call_message, self._server.call(call_message, function))
        return (MessageType.DONE, body) if code is None else (MessageType.FAILED, with_code(body, code))


def take_stdin() -> socket.socket:
    """Return the socket that is the standard input, and make the standard input empty."""
    empty = os.open(os.devnull, os.O_RDONLY)
    connected = os.dup(0)
    os.dup2(empty, 0)
    return socket.socket(fileno=connected)


def close_others(kept: set[int]) -> None:
    """Close other inherited descriptors beside the standard streams, such as sockets that were handed to the parent."""
    for descriptor in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        if descriptor > 2 and descriptor not in kept:
            with contextlib.suppress(OSError):  # the descriptor by which the folder was read
                os.close(descriptor)


def ignore_signals() -> None:
    """Leave it to the parent to end this process: a signal that stops the parent may be sent to its children too.

    By a handler, because programs that a dispatcher starts would inherit SIG_IGN.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, do_nothing)


def do_nothing(number: int, frame: FrameType | None) -> None:
    return None


def end_with_parent(calls: socket.socket, worker: ChildWorker) -> None:
    """Wait until the parent has closed its end; then end the process, also in the middle of a call.

    The programs that it started end with it, as when the parent kills it.
    """
    poller = select.poll()
    poller.register(calls, 0)  # a hang-up is reported in any case
    poller.poll()
    if not worker.is_ending:
        with contextlib.suppress(ProcessLookupError):  # a dispatcher has moved it into another group
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)
