"""The store of a server, as its settings choose it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import SettingsError
from ...settings import Settings
from .memory import MemoryStore
from .store import IdempotencyStore, StoreBounds

__all__ = ["bounds_of", "store_of", "store_option"]


def store_option(settings: Settings) -> Any:
    """Return the ``store`` of the setting ``idempotency``; None without one."""
    return settings.idempotency.get("store") if isinstance(settings.idempotency, Mapping) else None


def store_of(settings: Settings) -> IdempotencyStore:
    """Return the store of a server: in memory, in a file, or the user's own.

    Raises:
        SettingsError: It is none of these, or the file has no folder.
    """
    option = store_option(settings)
    if option is None:
        return MemoryStore(bounds_of(settings))
    store = file_store(option) if isinstance(option, (str, os.PathLike)) else option
    if isinstance(store, type) or not isinstance(store, IdempotencyStore):
        raise SettingsError(
            f"idempotency['store']={option!r} is refused: it takes the path of a file, or an object with the methods "
            "of IdempotencyStore: use, claim, finish, release, count"
        )
    store.use(bounds_of(settings))
    return store


def file_store(option: str | os.PathLike[str]) -> IdempotencyStore:
    path = Path(option)
    is_name_of_sqlite = str(option).startswith((":memory:", "file:"))
    if is_name_of_sqlite or not path.name or path.is_dir() or not path.parent.is_dir():
        raise SettingsError(
            f"idempotency['store']={option!r} is refused: it takes the path of a file in a folder that exists"
        )
    # Loaded only by those that use it.
    from .sqlite_store import SqliteStore

    return SqliteStore(path)


def bounds_of(settings: Settings) -> StoreBounds:
    """Return the bounds of the store."""
    return StoreBounds(settings.max_idempotency_keys, settings.max_idempotency_bytes, settings.idempotency_lifetime_s)
