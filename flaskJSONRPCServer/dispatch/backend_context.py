"""The parts of a server that its exec backends work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from ..runtime.logs import WARNING, ServerLog
from ..runtime.stats import Stats
from ..sansio_jsonrpc import Codec
from ..settings import Settings
from .connection import ServerFacts
from .exec_backend import CallAnswer
from .facade import ServerFacade
from .locks import Locks
from .remote import RemoteCalls
from .routes import Router

__all__ = ["BackendContext"]


@dataclass(frozen=True, slots=True)
class BackendContext:
    """The parts of one server that the exec backends of the package work with.

    The engine makes one for each server. A user's own backend is given the server itself, and needs none of this.

    Attributes:
        facts: What connections show of the server.
        settings: Its settings; they do not change while it is in use.
        router: Its routes.
        remote_calls: Counts the calls that run in other processes.
        stats: The counters of the server.
        get_codec: Returns the codec of ``jsonBackend``, which the server makes anew when it starts.
    """

    facts: ServerFacts
    settings: Settings
    router: Router
    remote_calls: RemoteCalls
    stats: Stats
    get_codec: Callable[[], Codec]

    def lose(self, url: str, why: str = "Deadline exceeded") -> None:
        """Count and log a notification that will not begin.

        Args:
            url: The path and the name of its dispatcher.
            why: The reason; by default, its deadline has passed.
        """
        self.stats.count_lost(1)
        self.log.write(WARNING, f"notification {url} is lost: {why}")

    @property
    def name(self) -> str:
        """The server's name."""
        return self.facts.name

    @property
    def log(self) -> ServerLog:
        """The server's log."""
        return self.facts.log

    @property
    def locks(self) -> Locks:
        """The server's locks."""
        return self.facts.locks

    @property
    def facade(self) -> ServerFacade:
        """The object that the user made."""
        return self.facts.facade

    @property
    def codec(self) -> Codec:
        """The codec of ``jsonBackend``."""
        return self.get_codec()

    @property
    def parent_module(self) -> ModuleType:
        """The module of the main program; the user may assign another one."""
        return self.facade._parentModule

    @property
    def call_dispatcher(self) -> Callable[..., CallAnswer]:
        """The documented ``_callDispatcher``, as it is now: the user may replace it."""
        return self.facade._callDispatcher
