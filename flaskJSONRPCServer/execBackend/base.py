"""What the exec backends of the package have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..dispatch.context import BackendContext
from ..dispatch.facade import ServerFacade
from ..dispatch.locks import CALL_NOT_RUN
from ..errors import ServerStateError
from ..sansio_jsonrpc import JsonRpcError

__all__ = ["PreparedBackend", "already_running_error", "stopped_error"]


class PreparedBackend(ABC):
    """Base class of the exec backends of the package: they start with the parts of a server instead of the server."""

    def start(self, server: ServerFacade) -> None:
        """Start it, once for each start of the server; see :meth:`begin`."""
        self.begin(server._backend_context)

    @abstractmethod
    def begin(self, context: BackendContext) -> None:
        """Begin to take calls.

        Args:
            context: The parts of the server.

        Raises:
            ServerStateError: It runs for a server already.
        """


def already_running_error(backend_id: str, context: BackendContext) -> ServerStateError:
    """Return the error for the start of a backend that runs for a server already."""
    return ServerStateError(f"exec backend {backend_id!r} runs for {context.name!r}; each server needs its own")


def stopped_error() -> JsonRpcError:
    """Return the answer of a call that a backend has taken, and not run before it stopped."""
    return JsonRpcError(CALL_NOT_RUN, "Not run: the exec backend has stopped")
