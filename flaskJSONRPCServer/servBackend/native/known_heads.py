"""A cache of parsed heads: a head that has come twice is not parsed a third time.

Clients that keep a connection send the same head again and again. The same bytes mean the same only at the same place:
between two requests, with the whole request in one read. Nothing inside a head is looked at here. Each
request gets a copy of the variables, because what answers it writes to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["KnownHead", "KnownHeads"]

# Together these bound the cache to a few MB for all connections of an address. Both are guesses.
_MAX_HEADS = 1000
_MAX_HEAD_BYTES = 1024

# With these, reading the body depends on more than its declared length.
_NOT_PLAIN = frozenset({"HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_UPGRADE"})


@dataclass(frozen=True, slots=True)
class KnownHead:
    """A parsed head.

    Attributes:
        variables: The CGI variables, without those of the connection.
        body_bytes: The length of the body.
        is_http_1_1: Whether the request is HTTP/1.1, not HTTP/1.0.
    """

    variables: Mapping[str, Any]
    body_bytes: int
    is_http_1_1: bool


class KnownHeads:
    """The parsed heads, by their bytes.

    A head is kept when it comes a second time: heads that differ from request to request never do, and would fill the
    cache. The heads stay in memory with all that they contain, tokens included.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, KnownHead] = {}
        self._hashes: set[int] = set()  # of the heads that have come once
        self.find = self._heads.get

    def learn(self, head: bytes, variables: Mapping[str, Any], connection_variables: Mapping[str, Any]) -> None:
        """Remember the head of a complete request that keeps its connection alive and came with its whole body.

        Args:
            head: Its bytes, from the request line to the empty line.
            variables: The CGI variables that the parser returned.
            connection_variables: Those among them that belong to the connection.
        """
        if len(head) > _MAX_HEAD_BYTES or not _NOT_PLAIN.isdisjoint(variables):
            return
        head_hash = hash(head)
        if head_hash not in self._hashes:
            if len(self._hashes) >= _MAX_HEADS:
                self._hashes.clear()
            self._hashes.add(head_hash)
            return
        if len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
        self._heads[head] = KnownHead(
            {name: value for name, value in variables.items() if name not in connection_variables},
            int(variables.get("CONTENT_LENGTH", 0)),
            variables["SERVER_PROTOCOL"] == "HTTP/1.1",
        )
