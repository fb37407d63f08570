"""The options of an endpoint, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..contract.option_checks import checked_icons, refuse_unless
from ..contract.urls import is_web_url
from ..errors import RegistrationError
from .authorization import Authorization
from .features.descriptions import refuse_unless_seconds, refuse_unless_text

__all__ = ["EndpointOptions"]

_POSITIVE = "a positive number of seconds"


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """The options of an endpoint; ``flaskJSONRPCServer.mcp`` documents them.

    Raises:
        RegistrationError: A value is not accepted; the message names it.
    """

    expose: Iterable[Any] | None = None
    name: str | None = None
    title: str | None = None
    version: str | None = None
    description: str | None = None
    website: str | None = None
    icons: Iterable[Mapping[str, Any]] = field(default_factory=tuple)
    instructions: str = ""
    page_size: int = 100
    ttl: float = 0
    authorization: Authorization | None = None
    task_ttl: float = 3600
    task_poll_interval: float = 1

    def __post_init__(self) -> None:
        texts = ("name", "title", "version", "description", "website", "instructions")
        refuse_unless_text(**{name: getattr(self, name) for name in texts})
        refuse_unless("authorization", self.authorization, Authorization, "an mcp.Authorization, or None")
        if self.website and not is_web_url(self.website):
            raise RegistrationError(
                f"website={self.website!r} is refused: it takes a URL such as 'https://example.com'"
            )
        object.__setattr__(self, "icons", checked_icons(self.icons))
        refuse_page_size(self.page_size)
        refuse_unless_seconds("ttl", self.ttl, "a number of seconds from 0 on", may_be_zero=True)
        refuse_unless_seconds("task_ttl", self.task_ttl, _POSITIVE)
        refuse_unless_seconds("task_poll_interval", self.task_poll_interval, _POSITIVE)


def refuse_page_size(size: Any) -> None:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise RegistrationError(f"page_size={size!r} is refused: it takes an integer from 1 on")
