"""The server as the layers below it see it: the documented members that they use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from ..runtime.logs import ServerLog
from ..settings import Settings

if TYPE_CHECKING:
    from .backend_context import BackendContext
    from .exec_backend import CallAnswer

__all__ = ["ServerFacade"]


class ServerFacade(Protocol):
    """The object that the user made: a :class:`~flaskJSONRPCServer.server.flaskJSONRPCServer`.

    The layers below call its documented methods through this object, because the user may have replaced them in a
    subclass or on the instance. What is not documented reaches them as parts of the engine instead.
    """

    settings: Settings
    _parentModule: ModuleType

    @property
    def name(self) -> str:
        """Return the server's name."""

    @property
    def log(self) -> ServerLog:
        """Return the server's log."""

    @property
    def addresses(self) -> list[Any]:
        """Return where the server listens."""

    @property
    def _backend_context(self) -> BackendContext:
        """Return what the exec backends of the package are started with."""

    def getWSGI(self) -> Callable[..., Iterable[bytes]]:
        """Return the WSGI callable."""

    def stats(self, inMS: bool = False) -> dict[str, Any]:
        """Return the statistics."""

    def reload(
        self,
        api: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        clearOld: bool = False,
        timeout: float = 60,
        processingDispatcherCountMax: int = 0,
        safely: bool = True,
    ) -> bool:
        """Replace dispatchers by newer ones."""

    def _callDispatcher(
        self,
        uniqueId: str,
        path: str,
        data: Mapping[str, Any],
        request: Mapping[str, Any],
        isJSONP: str | bool = False,
        nativeThread: bool | None = None,
        overload: Mapping[str, Any] | Callable[[Any], Any] | None = None,
    ) -> CallAnswer:
        """Make a call for an exec backend."""

    def _logger(self, level: Any, *args: Any) -> None:
        """Write to the log."""

    def _formatPath(self, path: str = "") -> str:
        """Return the path with a slash at both ends."""

    def _fixJSON(self, o: Any) -> Any:
        """Return the JSON form of a value that JSON has no type for."""

    def _parseJSON(self, data: str | bytes) -> Any:
        """Return the value of a JSON text."""

    def _serializeJSON(self, data: Any) -> str:
        """Return a value as JSON text."""

    def _prepResponse(self, data: Mapping[str, Any], isError: bool = False) -> dict[str, Any]:
        """Return a response object."""

    def _compressGZIP(self, data: str | bytes) -> bytes:
        """Compress with gzip."""

    def _uncompressGZIP(self, data: bytes) -> bytes:
        """Decompress gzip."""

    def _sha1(self, text: str | bytes, onError: Any = None) -> Any:
        """Return a hash as text."""

    def _getServerUrl(self, *args: Any) -> list[str]:
        """Return the Flask rules of the served application."""

    def _getScriptPath(self, full: bool = False, real: bool = True) -> str:
        """Return the path of a script."""

    def _speedStatsAdd(self, name: str | Sequence[str], val: float | Sequence[float]) -> None:
        """Count durations in milliseconds."""

    def _deepLock(self) -> None:
        """Hold every request."""

    def _deepUnlock(self) -> None:
        """End the deep lock."""

    def _waitProcessingDispatchers(self, timeout: float = 20, processingDispatcherCountMax: int = 0) -> bool:
        """Wait until no more than so many dispatchers run."""

    def _startExecBackends(self) -> None:
        """Start the exec backends."""

    def _stopExecBackends(self, timeout: float = 20, processingDispatcherCountMax: int = 0) -> None:
        """Stop the exec backends."""

    def _controlGC(self, force: bool = False) -> bool:
        """Collect garbage if it is due."""

    def _checkFileDescriptor(self, multiply: float = 1.0) -> bool:
        """Return whether the file descriptors are nearly used up."""

    def _tweakLimit(self, descriptors: tuple[int, int] = (65536, 65536)) -> tuple[int, int]:
        """Raise the limit of open files."""
