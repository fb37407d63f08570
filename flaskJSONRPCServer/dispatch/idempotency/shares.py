"""The shares of callers in a store: a full store drops the oldest key of one that has more than its share."""

from __future__ import annotations

from collections import Counter, OrderedDict

__all__ = ["AgeOrder", "CallerShares", "oldest_to_displace"]


class CallerShares:
    """How much each caller has of something, such as keys or bytes.

    Args:
        share: How much of it nobody else may displace.

    Attributes:
        total: How much all have together.
    """

    def __init__(self, share: int) -> None:
        self.total = 0
        self._amounts: Counter[bytes] = Counter()
        self.use(share)

    def use(self, share: int) -> None:
        """Apply another share."""
        self._share = share
        self._large = {caller for caller, amount in self._amounts.items() if amount > share}

    def add(self, caller: bytes, amount: int) -> None:
        """Add an amount, which may be negative."""
        self.total += amount
        self._amounts[caller] += amount
        if self._amounts[caller] > self._share:
            self._large.add(caller)
            return
        self._large.discard(caller)
        if not self._amounts[caller]:
            del self._amounts[caller]

    def exceeds(self, caller: bytes, more: int = 0) -> bool:
        """Return whether a caller would have more than its share with so much more."""
        return self._amounts[caller] + more > self._share

    def beyond_share(self) -> list[bytes]:
        """Return the callers with more than their share, the largest first."""
        return sorted(self._large, key=lambda caller: -self._amounts[caller])


class AgeOrder:
    """Keys in the order of their answers: all of them, and those of each caller."""

    def __init__(self) -> None:
        self._callers: OrderedDict[bytes, bytes] = OrderedDict()
        self._keys_of: dict[bytes, OrderedDict[bytes, None]] = {}

    def append(self, key: bytes, caller: bytes) -> None:
        """Add a key as the newest one."""
        self._callers[key] = caller
        self._keys_of.setdefault(caller, OrderedDict())[key] = None

    def discard(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        caller = self._callers.pop(key, None)
        if caller is None:
            return
        keys = self._keys_of[caller]
        del keys[key]
        if not keys:
            del self._keys_of[caller]

    def oldest(self) -> bytes | None:
        """Return the oldest key; None without any."""
        return next(iter(self._callers), None)

    def oldest_of(self, caller: bytes) -> bytes | None:
        """Return the oldest key of a caller; None without any."""
        return next(iter(self._keys_of.get(caller, ())), None)


def oldest_to_displace(order: AgeOrder, shares: CallerShares, caller: bytes, more: int = 0) -> bytes | None:
    """Return the key that makes room for a caller; None if it has no right to any.

    A caller beyond its share displaces its own. Others displace the oldest key of the largest caller beyond its share,
    and the oldest of all if everyone is within.

    Args:
        order: The keys that may go.
        shares: How much of the store each caller has.
        caller: The caller.
        more: How much it is about to get.
    """
    if shares.exceeds(caller, more):
        return order.oldest_of(caller)
    for large in shares.beyond_share():
        if (key := order.oldest_of(large)) is not None:
            return key
    return order.oldest()
