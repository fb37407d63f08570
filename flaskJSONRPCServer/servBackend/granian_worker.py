"""Granian's worker inside this process: the only module that uses private names of granian.

Granian itself starts processes, and takes over signals and logging; its worker does neither. The import of this module
checks the names that it uses, and the extra ``fast`` pins the versions that it was tested with.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import socket
import threading
from collections.abc import Callable
from typing import Any

from granian import __version__ as version
from granian import _granian
from granian.http import HTTP1Settings

from ..errors import UnsupportedError
from ..extras import install_command
from .sockets import is_unix

__all__ = ["LOGGER", "GranianWorker", "check_contract", "version"]

_native: Any = _granian  # Any, since its own annotations are out of date

LOGGER = "_granian"
"""The name of the :mod:`logging` logger that granian writes to."""

# How long an idle thread of the pool lives, in seconds; granian's own default.
_IDLE_S = 30

# How many connections granian accepts at once, idle ones included. More than there can be descriptors: no limit.
_CONNECTIONS = 1 << 20

# Ten years, for "no limit", which granian does not offer.
_FOREVER_S = 10 * 365 * 86400

# How long the exit of the process waits for the worker, in seconds: its threads must not outlive the interpreter.
_AT_EXIT_S = 1.0

_CONTRACT = {
    "WSGIWorker": [
        *("worker_id", "sock", "ipc", "threads", "blocking_threads", "py_threads", "py_threads_idle_timeout"),
        *(
            "backpressure",
            "http_mode",
            "http1_opts",
            "http2_opts",
            "static_files",
            "ssl_enabled",
            "ssl_cert",
            "ssl_key",
        ),
        *("ssl_key_password", "ssl_protocol_min", "ssl_ca", "ssl_crl", "ssl_client_verify", "metrics"),
    ],
    "WSGIWorker.serve_mtr": ["self", "callback", "event_loop", "signal"],
    "WSGIWorker.serve_mtr_uds": ["self", "callback", "event_loop", "signal"],
    "CallbackScheduler": ["event_loop", "cb", "aio_task", "aio_tenter", "aio_texit"],
    "SocketHolder": ["fd", "uds", "backlog"],
    "WorkerSignal": [],
    "WorkerSignal.add_cb": ["self", "cb"],
    "WorkerSignal.set": ["self"],
}


def check_contract(module: Any = _native) -> None:
    """Check that granian's private names exist and take the expected parameters.

    Raises:
        UnsupportedError: A name is missing, or its parameters differ. The message names it and the remedy.
    """
    for name, expected in _CONTRACT.items():
        try:
            parameters = list(inspect.signature(functools.reduce(getattr, name.split("."), module)).parameters)
        except (AttributeError, ValueError, TypeError):
            parameters = None
        if parameters != expected:
            raise UnsupportedError(
                f"granian {version} cannot be used here: its {name} is not what it was in the versions that this was "
                f"tested with; install one of them: {install_command('fast', 'granian')}"
            )


@functools.cache
def closed_loop() -> asyncio.AbstractEventLoop:
    """Return a closed event loop, which holds no descriptors. The worker requires a loop but never runs it for WSGI."""
    loop = asyncio.new_event_loop()
    loop.close()
    return loop


class GranianWorker:
    """Accepts connections on one listening socket, and calls a function for each request in its own threads.

    Args:
        listener: The listening socket. The worker works on a duplicate.
        callback: Called with granian's protocol object, which sends the answer, and the environ.
        threads: How many calls run at once.
        backlog: How many connections may wait to be accepted.
        head_timeout_s: How long the head of a request may take, in seconds; 0 for no limit.
        tls: The key file and the certificate file, or None.

    Attributes:
        ended: Set when the threads, the connections and the socket have ended.
    """

    def __init__(
        self,
        listener: socket.socket,
        callback: Callable[[Any, dict[str, Any]], object],
        *,
        threads: int,
        backlog: int,
        head_timeout_s: float,
        tls: tuple[str, str] | None,
    ) -> None:
        self.ended = threading.Event()
        self._signal = _native.WorkerSignal()
        self._signal.add_cb(self.ended.set)
        serve = "serve_mtr_uds" if is_unix(listener) else "serve_mtr"
        with listener.dup() as duplicate:
            worker = _native.WSGIWorker(
                worker_id=1,
                sock=(None, _native.SocketHolder(duplicate.fileno(), is_unix(listener), backlog)),
                ipc=None,
                py_threads=threads,
                py_threads_idle_timeout=_IDLE_S,
                backpressure=_CONNECTIONS,
                http_mode="1",
                http1_opts=HTTP1Settings(header_read_timeout=int(1000 * (head_timeout_s or _FOREVER_S))),
                ssl_enabled=tls is not None,
                ssl_key=tls and tls[0],
                ssl_cert=tls and tls[1],
                ssl_protocol_min="tls1.2",
                metrics=(None, None),
            )
            duplicate.detach()  # the worker closes it
        loop = closed_loop()
        getattr(worker, serve)(_native.CallbackScheduler(loop, callback, None, None, None), loop, self._signal)
        atexit.register(self.stop, _AT_EXIT_S)

    def stop(self, timeout_s: float) -> bool:
        """Stop accepting, end the idle connections, and wait for the others.

        Returns:
            Whether all of them have ended in time. The others go on.
        """
        atexit.unregister(self.stop)
        self._signal.set()
        return self.ended.wait(timeout_s)


check_contract()
