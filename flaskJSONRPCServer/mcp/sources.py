"""The parts of a server that its endpoints for models use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..dispatch.background import BackgroundCalls
from ..dispatch.connection import ServerFacts
from ..dispatch.pipeline import Pipeline
from ..dispatch.registration import Registrar
from ..dispatch.routes import Router
from ..dispatch.streams import StreamRegistry
from ..dispatch.waiting_limits import WaitingLimits
from ..sansio_jsonrpc import Codec
from ..settings import Settings

__all__ = ["Sources"]


@dataclass(frozen=True, slots=True)
class Sources:
    """The parts of one server.

    Attributes:
        facts: The server, its log and its locks.
        settings: The settings.
        router: The methods.
        registrar: Makes routes of functions.
        pipeline: Returns the pipeline.
        codec: Returns the codec of the server.
        background: The calls that outlast their requests.
        streams: The open streams.
        waiting_limits: How many calls may wait for messages of their clients.
        version: The version of the package.
    """

    facts: ServerFacts
    settings: Settings
    router: Router
    registrar: Registrar
    pipeline: Callable[[], Pipeline]
    codec: Callable[[], Codec]
    background: BackgroundCalls
    streams: StreamRegistry
    waiting_limits: WaitingLimits
    version: str
