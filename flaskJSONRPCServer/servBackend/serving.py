"""The running serving backend of one server."""

from __future__ import annotations

import threading
from typing import Any

from .base import ServBackend

__all__ = ["Serving"]


class Serving:
    """Starts a serving backend, and stops what it started.

    Args:
        server: The flaskJSONRPCServer, which backends are told.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._instances: list[tuple[ServBackend, Any]] = []
        self._stopped = threading.Event()

    @property
    def addresses(self) -> list[Any]:
        """The address of each running instance that tells it: ``(host, port)``."""
        return [instance.address for _, instance in self._instances if hasattr(instance, "address")]

    def start(self, backend: ServBackend, bind_address: Any, wsgi_app: Any) -> None:
        """Serve on the address.

        Raises:
            BindError: It cannot be listened on.
        """
        self._stopped.clear()
        self._instances.append((backend, backend.start(bind_address, wsgi_app, self._server, False)))

    def stop(self, timeout_s: float) -> None:
        """Stop every instance, and release whoever waits in :meth:`join`."""
        try:
            for index, (backend, instance) in enumerate(self._instances):
                backend.stop(instance, index, self._server, timeout_s)
        finally:
            self._instances.clear()
            self._stopped.set()

    def join(self) -> None:
        """Block until :meth:`stop` has been called and is done."""
        self._stopped.wait()
