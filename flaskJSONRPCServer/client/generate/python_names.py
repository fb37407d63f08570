"""The names that Python and the generated modules of Python keep for themselves."""

from __future__ import annotations

import builtins
import keyword

from .api import Language

__all__ = ["BUILTINS", "PYTHON", "is_plain_name"]

BUILTINS = frozenset({"bool", "dict", "float", "int", "list", "str"})
"""The built-in types in annotations."""

_IMPORTED = frozenset(
    {
        *("AbstractAsyncContextManager", "AbstractContextManager", "Any", "AsyncClient", "AsyncMethods"),
        *("AsyncServerMethods", "Client"),
        *("BatchMethods", "ClassVar", "Final", "JsonRpcApplicationError", "JsonRpcReservedError", "Literal", "Mapping"),
        *("Methods", "OMITTED", "Omitted", "Pending", "ServerMethods", "SyncMethods", "TypeAlias", "TypedDict"),
        *("annotations", "builtins", "cast", "given", "joined", "mixed"),
    }
)
_OWN = frozenset({"AsyncServer", "ERRORS", "JsonRpcException", "Server", "URL"})

PYTHON = Language(
    members=frozenset(
        {
            *keyword.kwlist,
            *_IMPORTED,
            *_OWN,
            *("batch", "close", "mro", "notify", "options", "property", "results", "staticmethod"),
        }
    ),
    parameters=frozenset({*keyword.kwlist, "cast", "given", "mixed", "self"}),
    types=frozenset({*keyword.kwlist, *dir(builtins), *_IMPORTED, *_OWN}),
    variants=("Async{}", "{}Batch", "{}Notify", "Async{}Notify"),
)


def is_plain_name(name: str) -> bool:
    """Return whether a name can be that of a member in the body of a `TypedDict` class, and hides no type there."""
    return (
        name.isascii()
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("_")
        and name not in BUILTINS
        and name not in _IMPORTED
    )
