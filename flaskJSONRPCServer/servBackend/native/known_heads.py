"""Heads that have come before: what was parsed of some bytes once need not be parsed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["KnownHead", "KnownHeads"]

# Both bound the memory, some MB for all connections of an address; guessed.
_MOST_HEADS = 1000
_LONGEST_HEAD_BYTES = 1024

# What makes the way to the body depend on more than the head's bytes and the body's length.
_NOT_PLAIN = frozenset({"HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_UPGRADE"})


@dataclass(frozen=True, slots=True)
class KnownHead:
    """What the bytes of a head say.

    Attributes:
        variables: The CGI variables, without those of a connection.
        body_bytes: How long the body is.
        is_http_1_1: Whether the request is HTTP/1.1; else HTTP/1.0.
    """

    variables: Mapping[str, Any]
    body_bytes: int
    is_http_1_1: bool


class KnownHeads:
    """The heads that clients have sent, by their bytes. A client that stays sends the same one again and again.

    A head is known when it has come twice: most of those that differ each time come once.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, KnownHead] = {}
        self._hashes: set[int] = set()  # of those that have come once
        self.find = self._heads.get

    def learn(self, head: bytes, variables: Mapping[str, Any], connection_variables: Mapping[str, Any]) -> None:
        """Note the head of a complete request whose connection goes on, and whose body was as long as it says.

        Args:
            head: Its bytes, from the first one of the request line to the empty line.
            variables: What the parser made of it.
            connection_variables: What of that is the connection's.
        """
        if len(head) > _LONGEST_HEAD_BYTES or not _NOT_PLAIN.isdisjoint(variables):
            return
        seen = hash(head)
        if seen not in self._hashes:
            if len(self._hashes) >= _MOST_HEADS:
                self._hashes.clear()
            self._hashes.add(seen)
            return
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        self._heads[head] = KnownHead(
            {name: value for name, value in variables.items() if name not in connection_variables},
            int(variables.get("CONTENT_LENGTH", 0)),
            variables["SERVER_PROTOCOL"] == "HTTP/1.1",
        )
