"""The patch of the process, what came too early for it, and imports that go with it."""

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

# What the patch replaces, and a module that has imported it by name keeps. Other names, such as threading.Condition,
# are the same object before and after.
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

# The standard library is patched as a whole. It, and what this package itself depends on, keep locks that they hold for
# moments only, never while they wait.
_NEVER_EARLY = {*sys.stdlib_module_names, "gevent", "greenlet", "click", "flask", "jinja2", "psutil", "werkzeug"}


def patch() -> list[str]:
    """Let gevent patch this process, unless that has been done.

    Returns:
        Sentences about what was there too early to be patched. None of it can be repaired from here.

    Raises:
        MissingExtraError: gevent is not installed.
        SettingsError: The process is not to be patched any more.
    """
    if is_patched():
        return []
    if _refusals:
        raise SettingsError("gevent=True cannot change while the process runs; start it again")
    originals = replaced_objects()
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        patch_process()
    return [*early_sentences(originals, threads), *(str(warning.message) for warning in told)]


@contextmanager
def patch_refused() -> Iterator[None]:
    """Refuse to patch the process in the block: it serves already, with locks and threads of the other kind."""
    _refusals.append(None)
    try:
        yield
    finally:
        _refusals.pop()


def early_sentences(originals: Mapping[int, str], threads: Sequence[str]) -> list[str]:
    early = {name: kept for name, module in list(sys.modules.items()) if (kept := kept_names(module, originals))}
    sentences = []
    if early:
        what = ", ".join(f"{name} ({', '.join(kept)})" for name, kept in sorted(early.items()))
        sentences.append(f"imported before the process was patched, with names that block all greenlets: {what}")
    if threads:
        sentences.append(f"started before the process was patched, and still native: {', '.join(threads)}")
    return [f"{sentence}; {_REMEDY}" for sentence in sentences]


def replaced_objects() -> dict[int, str]:
    """Return the names of what the patch replaces, by the ids of the unpatched objects."""
    found = {}
    for module, names in _REPLACED.items():
        present = vars(importlib.import_module(module))
        found.update({id(native(module, name)): name for name in names if name in present})
    return found


def kept_names(module: Any, originals: Mapping[int, str]) -> list[str]:
    """Return the names under which a module outside the standard library holds unpatched objects."""
    if str(getattr(module, "__name__", "")).partition(".")[0] in _NEVER_EARLY:
        return []
    held = list(vars(module).items()) if hasattr(module, "__dict__") else []
    return [name for name, value in held if id(value) in originals]


def import_into(
    modules: str | Iterable[str] | Mapping[str, str],
    scope: MutableMapping[str, Any] | None,
    *,
    afresh: bool,
) -> MutableMapping[str, Any]:
    """Import modules, and bind them in a scope.

    A module of the standard library is patched in place, where the process is patched: it is never imported a second
    time, which would undo that.

    Args:
        modules: A module's name, names, or a dict of names with the names to bind them to. ``a.b`` is bound to ``b``.
        scope: What they are added to; None makes a new dict.
        afresh: Whether a module that was imported before the patch, and holds unpatched names, is imported once more.

    Returns:
        The scope.

    Raises:
        ImportError: There is none of this name. An older module is kept then.
    """
    scope = {} if scope is None else scope
    for name, alias in aliases(modules).items():
        scope[alias] = import_afresh(name) if afresh else importlib.import_module(name)
    return scope


def import_threading_into(scope: MutableMapping[str, Any] | None, *, afresh: bool) -> MutableMapping[str, Any]:
    """Bind the modules ``threading`` and ``time``, and ``sleep`` of the latter, in a scope, and return that."""
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
    if not is_patched() or not kept_names(module, replaced_objects()):
        return module
    del sys.modules[name]
    try:
        return importlib.import_module(name)
    except BaseException:
        sys.modules[name] = module
        raise
