"""The stores of answers: what the server asks of each, and what it tells each of its bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

__all__ = ["IdempotencyStore", "StoreBounds", "StoreFullError", "StoredCall"]

# Guessed: with ten callers that send as much as they can, each keeps as much as the others.
_SHARE: Final = 10


class StoreFullError(Exception):
    """There is no room for a key, since nothing that the caller could displace has an answer."""


@dataclass(frozen=True, slots=True)
class StoreBounds:
    """The bounds of a store, from the settings of the server.

    Attributes:
        keys: The most keys.
        answer_bytes: The most bytes of all answers together.
        lifetime_s: How long a key is kept after its answer, in seconds.
    """

    keys: int
    answer_bytes: int
    lifetime_s: float

    @property
    def keys_of_caller(self) -> int:
        """How many keys of one caller the others cannot displace."""
        return max(1, self.keys // _SHARE)

    @property
    def bytes_of_caller(self) -> int:
        """How many bytes of answers of one caller the others cannot displace."""
        return self.answer_bytes // _SHARE


@dataclass(frozen=True, slots=True)
class StoredCall:
    """The call of a key that has been claimed before.

    Attributes:
        payload: The payload of the claim.
        is_finished: Whether the call has ended.
        answer: The answer; None before the end, and if the store had no room for it.
    """

    payload: bytes
    is_finished: bool
    answer: bytes | None = None


@runtime_checkable
class IdempotencyStore(Protocol):
    """Keeps the answers of calls under their keys. Threads share a store, and processes may.

    A key, a payload and a caller are hashes: 24 bytes each. Exceptions beside `StoreFullError` are logged. The request
    whose claim fails is refused with 503, and does not run.
    """

    def use(self, bounds: StoreBounds) -> None:
        """Apply bounds. Called before the first claim, and again when the server starts with other settings."""

    def claim(self, key: bytes, payload: bytes, caller: bytes) -> StoredCall | None:
        """Claim a key, in one step for all threads and processes that share the store. Do not wait.

        Returns:
            None if the key was free: then its call is run, followed by `finish` or `release` from any thread. Else the
            call that has claimed it, whatever its payload. A claim whose process has died is free.

        Raises:
            StoreFullError: There is no room for the key.
        """

    def finish(self, key: bytes, answer: bytes) -> None:
        """Keep the answer of a claimed key, or only the fact that it has one if there is no room."""

    def release(self, key: bytes) -> None:
        """Free a claimed key, whose call has not run."""

    def count(self) -> int:
        """Return the number of keys, for the statistics."""
