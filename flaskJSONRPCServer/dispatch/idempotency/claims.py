"""The claim of a key: run the call, wait for its answer, or learn why neither is possible.

One thread of a process at a time asks the store for a key. The others with the key wait for this thread in memory, so a
store that processes share gets one question at a time from each, however many threads wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from ...http.refusals import Conflict, Gone, KeyReused, Refusal, ServiceUnavailable
from ...runtime.concurrency import make_lock
from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR, ServerLog
from ...sansio_jsonrpc import JsonRpcError
from ...settings import Settings
from ..locks import Locks
from .chosen import bounds_of, store_of, store_option
from .slots import Entry, Slot, State
from .store import StoredCall, StoreFullError

__all__ = ["ClaimRefusedError", "Claims"]

_Result = TypeVar("_Result")

_CONFLICT: Final = 409
_GONE: Final = 410
_REUSED: Final = 422
_UNAVAILABLE: Final = 503

# How soon a store is asked again whether another process has finished a call; each pause is twice the one before.
_FIRST_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.2

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


class Claims:
    """Lets one thread run the call of a key, and others wait for its answer.

    Args:
        settings: The settings of the server.
        locks: Ends the waits when the server stops.
        log: Gets the failures of a store.

    Attributes:
        store: The answers. They outlive restarts.
        replayed: The number of answers that were sent again. Written by any thread, so it may miss some.

    Raises:
        SettingsError: The store of ``idempotency`` is invalid.
    """

    def __init__(self, settings: Settings, locks: Locks, log: ServerLog) -> None:
        self._option = store_option(settings)
        self.store = store_of(settings)
        self.replayed = 0
        self._bounds = bounds_of(settings)
        self._timeout_s = settings.idempotency_timeout_s
        self._locks = locks
        self._log = log
        self._lock = make_lock()
        self._under_way: dict[bytes, Entry] = {}  # guarded by _lock

    def use(self, settings: Settings) -> None:
        """Apply settings that may have changed since the last start."""
        option = store_option(settings)
        if option != self._option:
            self.store, self._option = store_of(settings), option
        self._bounds = bounds_of(settings)
        self.store.use(self._bounds)
        self._timeout_s = settings.idempotency_timeout_s

    def begin(self, slot: Slot) -> tuple[Entry, bool]:
        """Return the entry of a key without waiting for its end, and whether the caller has to run the call.

        Raises:
            ClaimRefusedError: The key has another payload, there is no room for it, or the store failed.
        """
        entry, is_own = self._enter(slot)
        if not is_own:
            return entry, False
        found = self._claim_in_store(entry)
        if found is not None and not found.is_finished:
            self._leave(entry, State.NOT_RUN)
        return entry, found is None

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
            entry, is_own = self._enter(slot)
            if is_own:
                return entry, self._wait_in_store(entry, deadline)
            if entry.state is State.UNDER_WAY:
                self._wait_for(entry, deadline)
            if entry.state is State.FINISHED:
                return entry, False

    def finish(self, entry: Entry, answer: bytes) -> None:
        """Store the answer of a key whose call has run. If the store fails, only those that wait now get it."""
        try:
            self._ask(lambda: self.store.finish(entry.slot.key, answer))
        except ClaimRefusedError:
            pass  # it is in the log, and the call has an answer
        finally:
            entry.answer = answer
            self._leave(entry, State.FINISHED)

    def release(self, entry: Entry) -> None:
        """Free a key whose call has not run: the next request with it runs the call."""
        try:
            self._ask(lambda: self.store.release(entry.slot.key))
        except ClaimRefusedError:
            pass
        finally:
            self._leave(entry, State.NOT_RUN)

    def answer_of(self, entry: Entry) -> bytes:
        """Return the stored answer of a key.

        Raises:
            ClaimRefusedError: There was no room for it.
        """
        answer = entry.answer
        if answer is None:
            limit = f"max_idempotency_bytes ({self._bounds.answer_bytes} bytes)"
            raise ClaimRefusedError(
                _GONE, f"{entry.slot.name} has been answered already; {limit} had no room for the answer"
            )
        self.replayed += 1
        return answer

    def report(self) -> dict[str, int]:
        """Return the numbers of keys and of answers that were sent again, for the statistics; empty without any key."""
        try:
            keys = self._ask(self.store.count)
        except ClaimRefusedError:
            return {}
        if not keys and not self.replayed:
            return {}
        return {"idempotencyKeyCount": keys, "idempotencyReplayCount": self.replayed}

    def _enter(self, slot: Slot) -> tuple[Entry, bool]:
        """Return the entry of a key, and whether it is new: then the caller has to end it.

        Raises:
            ClaimRefusedError: The key has another payload.
        """
        with self._lock:
            entry = self._under_way.get(slot.key)
            if entry is None:
                entry = self._under_way[slot.key] = Entry(slot)
                return entry, True
            if entry.slot.payload != slot.payload:
                raise reused(slot)
            entry.has_waiters = True
            return entry, False

    def _leave(self, entry: Entry, state: State) -> None:
        with self._lock:
            del self._under_way[entry.slot.key]
            entry.state = state
        if entry.has_waiters:
            self._locks.wake_waiting()

    def _claim_in_store(self, entry: Entry) -> StoredCall | None:
        """Claim a key in the store. End its entry if it has an answer, and at an error.

        Raises:
            ClaimRefusedError: As :meth:`begin`.
        """
        slot = entry.slot
        try:
            found = self._ask(lambda: checked(self.store.claim(slot.key, slot.payload, slot.caller)))
            if found is not None and found.payload != slot.payload:
                raise reused(slot)
        except BaseException:
            self._leave(entry, State.NOT_RUN)
            raise
        if found is not None and found.is_finished:
            entry.answer = found.answer
            self._leave(entry, State.FINISHED)
        return found

    def _wait_in_store(self, entry: Entry, deadline: float) -> bool:
        """Claim a key in the store, or wait for its answer there. Return whether it was claimed.

        Raises:
            ClaimRefusedError: As :meth:`claim`.
        """
        pause_s = _FIRST_PAUSE_S
        while (found := self._claim_in_store(entry)) is not None and not found.is_finished:
            try:
                self._wait(lambda: True, min(deadline, time.monotonic() + pause_s))
                if time.monotonic() >= deadline:
                    raise conflict(entry.slot)
            except BaseException:
                self._leave(entry, State.NOT_RUN)
                raise
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return found is None

    def _wait_for(self, entry: Entry, deadline: float) -> None:
        """Wait for the end of a call of this process.

        Raises:
            ClaimRefusedError: It takes too long, or the server has stopped.
        """
        if not self._wait(lambda: entry.state is State.UNDER_WAY, deadline):
            raise conflict(entry.slot)

    def _wait(self, is_held: Callable[[], bool], until: float) -> bool:
        """Wait while something is held. Return False at a time on the monotonic clock.

        Raises:
            ClaimRefusedError: The server has stopped.
        """
        if self._locks.wait_while(is_held, until):
            return True
        if time.monotonic() < until:
            raise ClaimRefusedError(_UNAVAILABLE, "the server has stopped")
        return False

    def _ask(self, question: Callable[[], _Result]) -> _Result:
        """Ask the store, which may be anyone's.

        Raises:
            ClaimRefusedError: It has no room, or it failed.
        """
        try:
            return question()
        except StoreFullError:
            limit = f"max_idempotency_keys ({self._bounds.keys})"
            raise ClaimRefusedError(_UNAVAILABLE, f"Not run: the calls of {limit} keys are under way") from None
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            self._log.write(ERROR, "the store of idempotency keys failed", traceback=True)
            why = "the store of idempotency keys failed; the log of the server says why"
            raise ClaimRefusedError(_UNAVAILABLE, f"Not run: {why}") from exc


def checked(found: Any) -> StoredCall | None:
    """Return what a store has found.

    Raises:
        TypeError: A store cannot return this.
    """
    if found is not None and not isinstance(found, StoredCall):
        kind = type(found).__name__
        raise TypeError(f"claim() of the store returned {kind}; it returns None for a new key, or a StoredCall")
    return found


def reused(slot: Slot) -> ClaimRefusedError:
    return ClaimRefusedError(_REUSED, f"{slot.name} has been sent with another payload already")


def conflict(slot: Slot) -> ClaimRefusedError:
    return ClaimRefusedError(_CONFLICT, f"the first call with this {slot.name} is still under way; try again later")
