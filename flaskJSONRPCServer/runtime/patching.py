"""Patch the process with gevent, report objects that escaped the patch, and import patched modules."""

from __future__ import annotations

import importlib
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import SettingsError
from .concurrency import is_patched, native, patch_process

__all__ = ["import_into", "import_threading_into", "patch", "patch_refused"]

_refusals: list[object] = []

_REMEDY = "let `from gevent import monkey; monkey.patch_all()` be the first lines of the program"

# The names that the patch replaces. A module that imported one by name before the patch keeps the unpatched object.
# Other names, such as threading.Condition, refer to the same object before and after.
_REPLACED = {
    "_thread": ("allocate_lock", "get_ident", "start_new_thread"),
    "os": ("fork",),
    "queue": ("SimpleQueue",),
    "select": ("epoll", "poll", "select"),
    "selectors": ("DefaultSelector",),
    "socket": ("getaddrinfo", "socket", "socketpair"),
    "ssl": ("SSLContext", "SSLSocket"),
    "subprocess": ("Popen",),
    "threading": ("Event", "Lock", "RLock", "get_ident", "local"),
    "time": ("sleep",),
}

# The standard library is patched as a whole. It and the dependencies of this package keep unpatched locks, but hold
# them for moments only, never while they wait.
_NEVER_EARLY = {*sys.stdlib_module_names, "gevent", "greenlet", "click", "flask", "jinja2", "psutil", "werkzeug"}


def patch() -> list[str]:
    """Patch this process with gevent, unless it is patched already.

    Returns:
        Sentences about objects that are older than the patch and stay unpatched. They cannot be repaired from here.

    Raises:
        MissingExtraError: gevent is not installed.
        SettingsError: The process serves already, without the patch.
    """
    if is_patched():
        return []
    if _refusals:
        raise SettingsError("gevent=True cannot change while the process runs; start it again")
    originals = replaced_objects()
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        patch_process()
    return [*early_sentences(originals, threads), *(str(warning.message) for warning in caught)]


@contextmanager
def patch_refused() -> Iterator[None]:
    """Forbid patching the process inside the block: it serves already, with native locks and threads."""
    _refusals.append(None)
    try:
        yield
    finally:
        _refusals.pop()


def early_sentences(originals: Mapping[int, str], threads: Sequence[str]) -> list[str]:
    early = {
        name: unpatched
        for name, module in list(sys.modules.items())
        if (unpatched := unpatched_names(module, originals))
    }
    sentences = []
    if early:
        modules = ", ".join(f"{name} ({', '.join(unpatched)})" for name, unpatched in sorted(early.items()))
        sentences.append(f"imported before the process was patched, with names that block all greenlets: {modules}")
    if threads:
        sentences.append(f"started before the process was patched, and still native: {', '.join(threads)}")
    return [f"{sentence}; {_REMEDY}" for sentence in sentences]


def replaced_objects() -> dict[int, str]:
    """Return the names that the patch replaces, by the ids of the unpatched objects."""
    replaced = {}
    for module, names in _REPLACED.items():
        present = vars(importlib.import_module(module))
        replaced.update({id(native(module, name)): name for name in names if name in present})
    return replaced


def unpatched_names(module: Any, originals: Mapping[int, str]) -> list[str]:
    """Return the names under which a module outside the standard library holds unpatched objects."""
    if str(getattr(module, "__name__", "")).partition(".")[0] in _NEVER_EARLY:
        return []
    attributes = list(vars(module).items()) if hasattr(module, "__dict__") else []
    return [name for name, value in attributes if id(value) in originals]


def import_into(
    modules: str | Iterable[str] | Mapping[str, str],
    scope: MutableMapping[str, Any] | None,
    *,
    afresh: bool,
) -> MutableMapping[str, Any]:
    """Import modules and bind them in a scope.

    In a patched process, modules of the standard library are patched in place. They are never imported a second time,
    which would undo the patch.

    Args:
        modules: A module's name, a list of names, or a dict of names and the names to bind them to. ``a.b`` is bound to
            ``b``.
        scope: The mapping to update; None makes a new dict.
        afresh: Whether to import a module again that was imported before the patch and holds unpatched names.

    Returns:
        The scope.

    Raises:
        ImportError: There is no module of this name. The older module is kept then.
    """
    scope = {} if scope is None else scope
    for name, alias in aliases(modules).items():
        scope[alias] = import_afresh(name) if afresh else importlib.import_module(name)
    return scope


def import_threading_into(scope: MutableMapping[str, Any] | None, *, afresh: bool) -> MutableMapping[str, Any]:
    """Bind ``threading``, ``time`` and ``time.sleep`` in a scope, and return the scope."""
    scope = import_into(["threading", "time"], scope, afresh=afresh)
    scope["sleep"] = time.sleep
    return scope


def aliases(modules: str | Iterable[str] | Mapping[str, str]) -> Mapping[str, str]:
    if isinstance(modules, Mapping):
        return modules
    names = [modules] if isinstance(modules, str) else modules
    return {name: name.rpartition(".")[2] for name in names}


def import_afresh(name: str) -> Any:
    module = importlib.import_module(name)
    if not is_patched() or not unpatched_names(module, replaced_objects()):
        return module
    del sys.modules[name]
    try:
        return importlib.import_module(name)
    except BaseException:
        sys.modules[name] = module
        raise
