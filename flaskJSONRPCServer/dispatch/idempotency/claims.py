"""The claim of a key: run the call, wait for its answer, or learn why neither is possible."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...http.refusals import Conflict, Gone, KeyReused, Refusal, ServiceUnavailable
from ...sansio_jsonrpc import JsonRpcError
from ...settings import Settings
from ..locks import Locks
from .store import AnswerStore, Bounds, Entry, KeyReusedError, State, StoreFullError

__all__ = ["ClaimRefusedError", "Claims", "Slot"]

_CONFLICT: Final = 409
_GONE: Final = 410
_REUSED: Final = 422
_UNAVAILABLE: Final = 503

_REFUSALS: Final[Mapping[int, type[Refusal]]] = {
    _CONFLICT: Conflict,
    _GONE: Gone,
    _REUSED: KeyReused,
    _UNAVAILABLE: ServiceUnavailable,
}


class ClaimRefusedError(Exception):
    """A request or a call with a key that is not run, and has no stored answer either.

    Args:
        code: The HTTP status; it is also the error code of a call.
        message: The reason.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def refusal(self) -> Refusal:
        """The refusal of a whole request."""
        return _REFUSALS[self.code](self.message)

    @property
    def error(self) -> JsonRpcError:
        """The error for one call."""
        return JsonRpcError(self.code, self.message)


@dataclass(frozen=True, slots=True)
class Slot:
    """A key and its payload.

    Attributes:
        name: How the client has sent the key: the header or the member.
        key: The key, hashed with its caller.
        fingerprint: The payload, hashed.
    """

    name: str
    key: bytes
    fingerprint: bytes


class Claims:
    """Lets one thread run the call of a key, and others wait for its answer.

    Args:
        settings: The settings of the server.
        locks: Ends the waits when the server stops.

    Attributes:
        store: The answers. They outlive restarts.
        replayed: The number of answers that were sent again. Written by any thread, so it may miss some.
    """

    def __init__(self, settings: Settings, locks: Locks) -> None:
        self.store = AnswerStore(bounds_of(settings), locks.wake_waiting)
        self.replayed = 0
        self._timeout_s = settings.idempotency_timeout_s
        self._locks = locks

    def use(self, settings: Settings) -> None:
        """Apply settings that may have changed since the last start."""
        self.store.bounds = bounds_of(settings)
        self._timeout_s = settings.idempotency_timeout_s

    def begin(self, slot: Slot) -> tuple[Entry, bool]:
        """Return the entry of a key without waiting for its end, and whether the caller has to run the call.

        Raises:
            ClaimRefusedError: The key has another payload, or there is no room for it.
        """
        try:
            return self.store.begin(slot.key, slot.fingerprint)
        except KeyReusedError:
            raise ClaimRefusedError(_REUSED, f"{slot.name} has been sent with another payload already") from None
        except StoreFullError:
            limit = self.store.bounds.keys
            raise ClaimRefusedError(
                _UNAVAILABLE, f"Not run: the calls of max_idempotency_keys ({limit}) keys are under way"
            ) from None

    def claim(self, slot: Slot, begin_by: float | None) -> tuple[Entry, bool]:
        """Return the entry of a key once its call has ended, or at once if the caller has to run it.

        Args:
            slot: The key.
            begin_by: When the client stops waiting, on the monotonic clock; None if it has not said.

        Raises:
            ClaimRefusedError: As :meth:`begin`; or the wait took too long, or the server has stopped meanwhile.
        """
        deadline = time.monotonic() + self._timeout_s
        if begin_by is not None:
            deadline = min(deadline, begin_by)
        while True:
            entry, is_new = self.begin(slot)
            if is_new:
                return entry, True
            if entry.state is State.UNDER_WAY:
                self._wait_for(entry, slot, deadline)
            if entry.state is State.FINISHED:
                return entry, False

    def answer_of(self, entry: Entry, slot: Slot) -> Any:
        """Return the stored answer of a key.

        Raises:
            ClaimRefusedError: There was no room for it.
        """
        answer = entry.answer
        if answer is None:
            limit = f"max_idempotency_bytes ({self.store.bounds.answer_bytes} bytes)"
            raise ClaimRefusedError(_GONE, f"{slot.name} has been answered already; {limit} had no room for the answer")
        self.replayed += 1
        return answer

    def report(self) -> dict[str, int]:
        """Return the numbers of keys and of answers that were sent again, for the statistics; empty without any key."""
        keys = self.store.counts()[0]
        if not keys and not self.replayed:
            return {}
        return {"idempotencyKeyCount": keys, "idempotencyReplayCount": self.replayed}

    def _wait_for(self, entry: Entry, slot: Slot, deadline: float) -> None:
        """Wait for the end of a call.

        Raises:
            ClaimRefusedError: It takes too long, or the server has stopped.
        """
        if self._locks.wait_while(lambda: entry.state is State.UNDER_WAY, deadline):
            return
        if time.monotonic() < deadline:
            raise ClaimRefusedError(_UNAVAILABLE, "the server has stopped")
        raise ClaimRefusedError(_CONFLICT, f"the first call with this {slot.name} is still under way; try again later")


def bounds_of(settings: Settings) -> Bounds:
    """Return the bounds of the store."""
    return Bounds(settings.max_idempotency_keys, settings.max_idempotency_bytes, settings.idempotency_lifetime_s)
