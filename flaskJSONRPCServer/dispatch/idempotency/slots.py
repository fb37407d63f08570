"""A key with its payload, and the thread of this process that has it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["Entry", "Slot", "State"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A key and its payload.

    Attributes:
        name: How the client has sent the key: the header or the member.
        key: The key, hashed with its caller.
        payload: The payload, hashed.
        caller: The caller, hashed.
    """

    name: str
    key: bytes
    payload: bytes
    caller: bytes


class State(Enum):
    """The state of the call of a key."""

    UNDER_WAY = auto()
    FINISHED = auto()
    NOT_RUN = auto()


class Entry:
    """A key that a thread of this process has claimed, or tries to claim.

    Attributes:
        slot: The key.
        state: What has become of the call.
        answer: The answer; None before the end, and if the store had no room for it.
        has_waiters: Whether any thread waits for the end. Guarded by the lock of the claims.
    """

    __slots__ = ("answer", "has_waiters", "slot", "state")

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.state = State.UNDER_WAY
        self.answer: bytes | None = None
        self.has_waiters = False
