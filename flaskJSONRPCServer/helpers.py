"""The documented helpers for the process, its files and plain values, as opposed to serving."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Container, Iterable, Mapping, MutableMapping, Sequence
from types import ModuleType
from typing import Any, NoReturn

from .runtime import concurrency, files, kinds, parent, patching, resources
from .runtime.asynchronous import read_line
from .runtime.logs import traceback_of_handled
from .runtime.parent import TypeFilter, in_parent_only
from .runtime.text import between, digest, random_text

__all__ = ["ProcessHelpers"]


class ProcessHelpers:
    """Delegates each helper to :mod:`flaskJSONRPCServer.runtime`."""

    _parentModule: ModuleType
    """The module of the main program. Assign another module to copy globals from it and merge globals into it."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._findParentModule()

    def _inChild(self) -> bool:
        """Return whether this is a forked child of the process that made the server."""
        return os.getpid() != self._pid

    def _findParentModule(self) -> None:
        """Set ``_parentModule`` to the module of the main program."""
        self._parentModule = parent.find_parent_module()

    def _importGlobalsFromParent(
        self,
        scope: MutableMapping[str, Any] | None = None,
        typeOf: TypeFilter = None,
        filterByName: Iterable[str] | None = None,
        filterByNameReversed: bool = False,
    ) -> MutableMapping[str, Any]:
        """Copy globals of the main program; see :func:`~flaskJSONRPCServer.runtime.parent.copy_globals`."""
        return parent.copy_globals(self._parentModule, scope, typeOf, filterByName, reverse_names=filterByNameReversed)

    @in_parent_only
    def _mergeGlobalsToParent(
        self,
        scope: Mapping[str, Any],
        typeOf: TypeFilter = None,
        filterByName: Iterable[str] | None = None,
        filterByNameReversed: bool = False,
    ) -> None:
        """Set globals of the main program; see :func:`~flaskJSONRPCServer.runtime.parent.merge_globals`."""
        parent.merge_globals(self._parentModule, scope, typeOf, filterByName, reverse_names=filterByNameReversed)

    def _import(
        self,
        modules: str | Iterable[str] | Mapping[str, str],
        scope: MutableMapping[str, Any] | None = None,
        forceDelete: bool = True,
    ) -> MutableMapping[str, Any]:
        """Import modules into a scope, patched if the process is patched.

        See :func:`~flaskJSONRPCServer.runtime.patching.import_into`, whose ``afresh`` is ``forceDelete``.
        """
        return patching.import_into(modules, scope, afresh=forceDelete)

    def _importThreading(
        self, scope: MutableMapping[str, Any] | None = None, forceDelete: bool = True
    ) -> MutableMapping[str, Any]:
        """Import ``threading``, ``time`` and ``time.sleep``, as :meth:`_import` does."""
        return patching.import_threading_into(scope, afresh=forceDelete)

    def _importSocket(
        self, scope: MutableMapping[str, Any] | None = None, forceDelete: bool = True
    ) -> MutableMapping[str, Any]:
        """Import ``socket``, as :meth:`_import` does."""
        return self._import("socket", scope, forceDelete)

    def _importAll(
        self, scope: MutableMapping[str, Any] | None = None, forceDelete: bool = True
    ) -> MutableMapping[str, Any]:
        """Do what :meth:`_importThreading` and :meth:`_importSocket` do."""
        return self._importSocket(self._importThreading(scope, forceDelete), forceDelete)

    def _tryGevent(self) -> bool:
        """Return whether gevent can be imported."""
        return concurrency.can_import_gevent()

    def _socket(self) -> type[socket.socket]:
        """Return the socket class: gevent's if gevent has patched the process."""
        return socket.socket

    def _sleep(self, s: float, forceNative: bool = False) -> None:
        """Sleep for ``s`` seconds; see :func:`~flaskJSONRPCServer.runtime.concurrency.sleep`."""
        concurrency.sleep(s, force_native=forceNative)

    def _thread(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        forceNative: bool = False,
    ) -> Any:
        """Start a daemon thread, or a greenlet if gevent has patched the process, and return it.

        ``forceNative`` always starts a native thread, with ``join()``, ``is_alive()``, ``name`` and ``daemon``.
        """
        start = concurrency.start_native_thread if forceNative else concurrency.start_thread
        return start(target, args or (), kwargs)

    def _raw_input(self, msg: str | None = None, forceNative: bool = False) -> str:
        """Read a line from the console; greenlets keep running unless ``forceNative`` is set."""
        return read_line(msg or "", force_native=forceNative)

    def _getScriptPath(self, full: bool = False, real: bool = True) -> str:
        """Return the folder of the main program, or with ``full`` its file; ``real`` resolves symbolic links."""
        return parent.script_folder(self._parentModule, full=full, real=real)

    def _getScriptName(self, withExt: bool = False) -> str:
        """Return the name of the main program's file; see :func:`~flaskJSONRPCServer.runtime.parent.script_name`."""
        return parent.script_name(self._parentModule, with_extension=withExt)

    def _tweakLimit(self, descriptors: tuple[int, int] = (65536, 65536)) -> tuple[int, int]:
        """Raise this process's limits of open files; see :mod:`flaskJSONRPCServer.runtime.resources`."""
        return resources.raise_descriptor_limit(*descriptors)

    def _checkFileDescriptor(self, multiply: float = 1.0) -> bool:
        """Return whether the open files, times ``multiply``, reach 90 % of the limit."""
        return resources.is_near_descriptor_limit(self._countFileDescriptor(), multiply)

    def _countFileDescriptor(self, pid: int | str | None = None) -> int:
        """Count open files; see :func:`~flaskJSONRPCServer.runtime.resources.count_descriptors`."""
        return resources.count_descriptors(pid)

    def _countMemory(self, pid: int | str | None = None) -> dict[str, int]:
        """Return the memory in use, in kilobytes; see :func:`~flaskJSONRPCServer.runtime.resources.count_memory`."""
        return resources.count_memory(pid)

    def _fileGet(self, fName: str | os.PathLike[str], mode: str = "r") -> str | bytes:
        """Read a file, or a member of an archive; see :func:`~flaskJSONRPCServer.runtime.files.read_file`."""
        return files.read_file(fName, mode)

    def _fileWrite(self, fName: str | os.PathLike[str], text: str | bytes, mode: str = "w") -> str | bytes:
        """Write a file; see :func:`~flaskJSONRPCServer.runtime.files.write_file`."""
        return files.write_file(fName, text, mode)

    def _strGet(self, text: str, pref: str = "", suf: str = "", index: int = 0, default: Any = None) -> Any:
        """Return the text between two markers; see :func:`~flaskJSONRPCServer.runtime.text.between`."""
        return between(text, pref, suf, index, default)

    def _sha1(self, text: str | bytes, onError: Any = None) -> Any:
        """Return the SHA-1 digest, 40 digits; see :func:`~flaskJSONRPCServer.runtime.text.digest`."""
        return digest("sha1", text, onError)

    def _sha256(self, text: str | bytes, onError: Any = None) -> Any:
        """Return the SHA-256 digest, 64 digits; see :func:`~flaskJSONRPCServer.runtime.text.digest`."""
        return digest("sha256", text, onError)

    def _randomEx(
        self,
        mult: int | None = None,
        vals: Container[str] | None = None,
        pref: str = "",
        suf: str = "",
        soLong: float = 0.1,
        cbSoLong: Callable[[int], int | None] | None = None,
    ) -> str | None:
        """Return random text that is not in ``vals``; see :func:`~flaskJSONRPCServer.runtime.text.random_text`."""
        return random_text(mult, vals, pref, suf, soLong, cbSoLong)

    def _getms(self, inMS: bool = True) -> float:
        """Return the time since 1970 in milliseconds, or in whole seconds."""
        return time.time() * 1000 if inMS else int(time.time())

    def _getErrorInfo(self) -> str:
        """Return the traceback of the exception being handled as text; empty if there is none."""
        return traceback_of_handled()

    def _throw(self, data: object) -> NoReturn:
        """Raise ``ValueError(data)``."""
        raise ValueError(data)

    def _isArray(self, o: object) -> bool:
        """Return whether ``o`` is a list."""
        return isinstance(o, list)

    def _isDict(self, o: object) -> bool:
        """Return whether ``o`` is a dict."""
        return isinstance(o, dict)

    def _isFunction(self, o: object) -> bool:
        """Return whether ``o`` is callable and not a class."""
        return kinds.is_function(o)

    def _isInstance(self, o: object) -> bool:
        """Return whether ``o`` is an instance of a class that is not built into Python."""
        return kinds.is_instance(o)

    def _isModule(self, o: object) -> bool:
        """Return whether ``o`` is a module."""
        return isinstance(o, ModuleType)

    def _isNum(self, var: object) -> bool:
        """Return whether ``var`` is a number other than a bool."""
        return kinds.is_number(var)

    def _isString(self, o: object) -> bool:
        """Return whether ``o`` is a str; bytes are not."""
        return isinstance(o, str)

    def _isTuple(self, o: object) -> bool:
        """Return whether ``o`` is a tuple."""
        return isinstance(o, tuple)
