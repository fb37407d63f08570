"""flaskJSONRPCServer: a threaded HTTP JSON-RPC 2.0 server on Flask.

Names are loaded on first use: importing :mod:`flaskJSONRPCServer.sansio_jsonrpc` does not load Flask.

PYTEST_DONT_REWRITE: the package has a plugin of pytest, which would warn a program that starts pytest after an import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import execBackend as execBackendCollection
    from . import servBackend as servBackendCollection
    from .contract.errors import raises
    from .contract.options import rpc
    from .dispatch.connection import Connection
    from .dispatch.idempotency.store import IdempotencyStore, StoreBounds, StoredCall, StoreFullError
    from .dispatch.middleware import Call
    from .errors import (
        BindError,
        BreakingChangeError,
        ContractError,
        ExampleError,
        MissingExtraError,
        RegistrationError,
        ServerError,
        ServerStateError,
        SettingsError,
        UnsupportedError,
    )
    from .runtime.json_log import JsonFormatter
    from .sansio_jsonrpc import JsonRpcApplicationError, JsonRpcException
    from .servBackend.exchange import exchange_of
    from .server import flaskJSONRPCServer
    from .settings import Settings

__version__ = "1.0.0.dev0"

__all__ = [
    "BindError",
    "BreakingChangeError",
    "Call",
    "Connection",
    "ContractError",
    "ExampleError",
    "IdempotencyStore",
    "JsonFormatter",
    "JsonRpcApplicationError",
    "JsonRpcException",
    "MissingExtraError",
    "RegistrationError",
    "ServerError",
    "ServerStateError",
    "Settings",
    "SettingsError",
    "StoreBounds",
    "StoreFullError",
    "StoredCall",
    "UnsupportedError",
    "exchange_of",
    "execBackendCollection",
    "flaskJSONRPCServer",
    "raises",
    "rpc",
    "servBackendCollection",
]

_MODULES = {
    "Call": "dispatch.middleware",
    "Connection": "dispatch.connection",
    "IdempotencyStore": "dispatch.idempotency.store",
    "JsonFormatter": "runtime.json_log",
    "JsonRpcApplicationError": "sansio_jsonrpc",
    "JsonRpcException": "sansio_jsonrpc",
    "Settings": "settings",
    "StoreBounds": "dispatch.idempotency.store",
    "StoreFullError": "dispatch.idempotency.store",
    "StoredCall": "dispatch.idempotency.store",
    "exchange_of": "servBackend.exchange",
    "execBackendCollection": "execBackend",
    "flaskJSONRPCServer": "server",
    "rpc": "contract.options",
    "raises": "contract.errors",
    "servBackendCollection": "servBackend",
}


def __getattr__(name: str) -> Any:
    collection = name.partition("_")[0]
    if "_" in name and collection in ("execBackend", "servBackend"):  # a class of the old server
        return getattr(importlib.import_module(f".{collection}", __name__), name)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_MODULES.get(name, 'errors')}", __name__)
    value = module if name.endswith("Collection") else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
