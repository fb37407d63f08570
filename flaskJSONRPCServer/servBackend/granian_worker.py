"""Granian's worker inside this process: the only module that touches names which granian does not publish.

Granian itself starts processes, and takes over signals and logging; its worker does neither. What this module takes for
granted is checked when it is imported, and the extra ``fast`` holds the versions that it was tested with.
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

_native: Any = _granian  # its own annotations are behind what it takes

LOGGER = "_granian"
"""The name of the :mod:`logging` logger that granian writes to."""

# How long a thread of the pool stays without work, in seconds; granian's own default.
_IDLE_S = 30

# Granian accepts no more connections than this at once, idle ones included: the most that descriptors allow.
_CONNECTIONS = 1 << 20

# No header comes later than this; stands for "no limit", which granian does not have.
_FOREVER_S = 10 * 365 * 86400

# How long the end of the process waits for the worker, in seconds. Its threads are not to outlive the interpreter.
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
    """Check that granian's names are what this module takes them for.

    Raises:
        UnsupportedError: One is missing, or takes something else; the message names it and the remedy.
    """
    for name, expected in _CONTRACT.items():
        try:
            found = list(inspect.signature(functools.reduce(getattr, name.split("."), module)).parameters)
        except (AttributeError, ValueError, TypeError):
            found = None
        if found != expected:
            raise UnsupportedError(
                f"granian {version} cannot be used here: its {name} is not what it was in the versions that this was "
                f"tested with; install one of them: {install_command('fast', 'granian')}"
            )


@functools.cache
def closed_loop() -> asyncio.AbstractEventLoop:
    """Return what the worker demands and, for WSGI, never runs: an event loop. A closed one holds no descriptors."""
    loop = asyncio.new_event_loop()
    loop.close()
    return loop


class GranianWorker:
    """Accepts connections on one listening socket, and calls a function for each request, in threads of its own.

    Args:
        listener: The listening socket; it works on a duplicate.
        callback: Called with granian's protocol, which takes the answer, and the environ.
        threads: How many calls run at once.
        backlog: How many connections may wait to be accepted.
        head_timeout_s: How long the head of a request may take to come, in seconds; 0 for no limit.
        tls: The key file and the certificate file, or None.

    Attributes:
        ended: Set when everything has ended: the threads, the connections, the socket.
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
        with listener.dup() as own:
            worker = _native.WSGIWorker(
                worker_id=1,
                sock=(None, _native.SocketHolder(own.fileno(), is_unix(listener), backlog)),
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
            own.detach()  # the worker closes it
        loop = closed_loop()
        getattr(worker, serve)(_native.CallbackScheduler(loop, callback, None, None, None), loop, self._signal)
        atexit.register(self.stop, _AT_EXIT_S)

    def stop(self, timeout_s: float) -> bool:
        """Accept no more, end the connections that ask for nothing, and wait for the others.

        Returns:
            Whether everything has ended in time. What has not goes on.
        """
        atexit.unregister(self.stop)
        self._signal.set()
        return self.ended.wait(timeout_s)


check_contract()
