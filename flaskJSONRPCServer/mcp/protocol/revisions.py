"""The revisions of the Model Context Protocol, and the names that they give to things."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BATCH_REVISION",
    "CLIENT_CAPABILITIES",
    "CLIENT_INFO",
    "CURRENT",
    "LISTEN",
    "LOG_LEVEL",
    "PROGRESS_TOKEN",
    "PROTOCOL_VERSION",
    "SERVER_INFO",
    "SESSION_REVISIONS",
    "SUBSCRIPTION_ID",
    "SUPPORTED",
    "WITH_PAGES",
]

CURRENT: Final = "2026-07-28"
"""The revision without sessions: each request says all that is needed to answer it."""

SESSION_REVISIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
"""The revisions that begin with ``initialize``, the newest first."""

WITH_PAGES: Final = (CURRENT, "2025-11-25")
"""The revisions in which a user may be asked to visit a page; the others know forms only, without a mode."""

BATCH_REVISION: Final = "2025-03-26"
"""The only revision with batches."""

SUPPORTED: Final = (CURRENT, *SESSION_REVISIONS)
"""All revisions that a server answers."""

LISTEN: Final = "subscriptions/listen"
"""The method of the current revision whose answer is a stream of notifications."""

ROLES: Final = ("user", "assistant")
"""The parties of a conversation."""

_PREFIX: Final = "io.modelcontextprotocol/"

# The keys of `_meta`. Source: revision 2026-07-28, "Overview", section `_meta`.
PROTOCOL_VERSION: Final = f"{_PREFIX}protocolVersion"
CLIENT_INFO: Final = f"{_PREFIX}clientInfo"
CLIENT_CAPABILITIES: Final = f"{_PREFIX}clientCapabilities"
LOG_LEVEL: Final = f"{_PREFIX}logLevel"
SERVER_INFO: Final = f"{_PREFIX}serverInfo"
SUBSCRIPTION_ID: Final = f"{_PREFIX}subscriptionId"
PROGRESS_TOKEN: Final = "progressToken"  # noqa: S105  no password
