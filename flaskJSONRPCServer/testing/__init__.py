"""The test kit: servers on free ports, clients without a socket, a mock server, and recorded calls.

The fixtures are in `plugin`, which pytest loads in each project that has this package. So nothing is imported here
before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cassette import Cassette
    from .mock import MockError, MockServer
    from .servers import ServedServer, in_process, served

__all__ = ["Cassette", "MockError", "MockServer", "ServedServer", "in_process", "served"]

_MODULES = {"Cassette": "cassette", "MockError": "mock", "MockServer": "mock"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULES.get(name, 'servers')}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
