"""The base class of the exec backends of the package, and the errors that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..dispatch.backend_context import BackendContext
from ..dispatch.facade import ServerFacade
from ..dispatch.locks import CALL_NOT_RUN
from ..errors import ServerStateError
from ..sansio_jsonrpc import JsonRpcError

__all__ = ["PreparedBackend", "already_running_error", "stopped_error"]


class PreparedBackend(ABC):
    """Base class of the exec backends of the package: they start with the parts of a server, not with the server.

    Attributes:
        keeps_deadlines: Whether ``add`` does not block, and ``check`` answers each call at its deadline.
    """

    keeps_deadlines = False

    def start(self, server: ServerFacade) -> None:
        """Start the backend, as the documented contract has it; see :meth:`begin`."""
        self.begin(server._backend_context)

    @abstractmethod
    def begin(self, context: BackendContext) -> None:
        """Start to accept calls. Called once for each start of the server.

        Args:
            context: The parts of the server.

        Raises:
            ServerStateError: The backend runs for a server already.
        """


def already_running_error(backend_id: str, context: BackendContext) -> ServerStateError:
    """Return the error for starting a backend that runs for a server already."""
    return ServerStateError(f"exec backend {backend_id!r} runs for {context.name!r}; each server needs its own")


def stopped_error() -> JsonRpcError:
    """Return the error of a call that a backend accepted and did not run before it stopped."""
    return JsonRpcError(CALL_NOT_RUN, "Not run: the exec backend has stopped")
