"""Loading a script again, as a fresh module that takes the place of the old one only when it is wanted."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import linecache
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ..errors import RegistrationError

__all__ = ["FreshModules", "module_name", "script_file"]

_MAIN_NAMES = ("__main__", "__mp_main__")

# While a module loads, sys.modules and sys.meta_path are the whole process's.
_loading = threading.RLock()
_files_loading: list[Path] = []  # guarded by _loading


def script_file(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a script, free of symbolic links.

    Raises:
        FileNotFoundError: There is no such file.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise FileNotFoundError(f"{str(path)!r} is no file; give the path of a Python source")
    return file


def module_name(file: Path) -> str:
    """Return the name under which a script is loaded.

    That of the module which has been imported from it; for a main program started by ``python -m``, the name given
    there; for any other script one that belongs to its path, and to no installed module.
    """
    for name, module in list(sys.modules.items()):
        if name not in _MAIN_NAMES and is_from(module, file):
            return name
    for name in _MAIN_NAMES:
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if spec is not None and spec.name not in _MAIN_NAMES and is_from(sys.modules[name], file):
            return str(spec.name)
    # Without a dot, which would make it a part of a package.
    stem = file.stem.replace(".", "_")
    return f"_reloaded_{stem}_{hashlib.sha256(os.fsencode(file)).hexdigest()[:12]}"


def is_from(module: ModuleType, file: Path) -> bool:
    # Looked up statically: asking a lazy module would load it. Compared by the last part first: there may be thousands
    # of modules, and resolving asks the file system.
    theirs = inspect.getattr_static(module, "__file__", None)
    return isinstance(theirs, str) and theirs.endswith(file.name) and Path(theirs).resolve() == file


class FreshModules:
    """The modules of one reload: each script is loaded once, and stands in :data:`sys.modules` from then on.

    What a script imports in turn is not loaded again.
    """

    def __init__(self) -> None:
        self._modules: dict[Path, ModuleType] = {}
        self._undo = ExitStack()

    def load(self, file: Path) -> ModuleType:
        """Execute a script in a new module. A second time, return the same module.

        Args:
            file: What :func:`script_file` gives.

        Raises:
            RegistrationError: The script is being loaded already, and asks for it itself.
            BaseException: What the script raises, a SyntaxError included. The module before it is in its place then.
        """
        if file not in self._modules:
            with _loading, loading_once(file):
                name = module_name(file)
                place = Place(name)
                try:
                    self._modules[file] = imported_afresh(name, file)
                except BaseException:
                    place.restore()
                    raise
                self._undo.callback(place.restore)
                place.keep_other_attribute()
        return self._modules[file]

    def restore(self) -> None:
        """Put the modules back that were there before."""
        with _loading:
            self._modules.clear()
            self._undo.close()


@contextmanager
def loading_once(file: Path) -> Iterator[None]:
    if file in _files_loading:
        raise RegistrationError(
            f"{str(file)!r} asks to be loaded while it is being loaded, which would never end: "
            "let what reloads it stand in a function, or below if __name__ == '__main__'"
        )
    _files_loading.append(file)
    try:
        yield
    finally:
        _files_loading.remove(file)


def imported_afresh(name: str, file: Path) -> ModuleType:
    """Import a module from its source of now, whatever is cached.

    The import system does it, so that other threads which import the same name wait for it to be complete.
    """
    linecache.checkcache(str(file))
    importlib.invalidate_caches()
    with found_first(spec_of(name, file)):
        sys.modules.pop(name, None)
        return importlib.import_module(name)


def spec_of(name: str, file: Path) -> ModuleSpec:
    folders = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(
        name, file, loader=SourceOfNow(name, str(file)), submodule_search_locations=folders
    )
    assert spec is not None  # noqa: S101  it is None only without a loader
    return spec


class SourceOfNow(SourceFileLoader):
    """Compiles the source each time: the time stamp in a cached file is too coarse to tell two quick edits apart."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the module, as it stands in the file."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module; a package keeps the submodules that have been imported."""
        prefix = f"{module.__name__}."
        for name, submodule in list(sys.modules.items()):
            if name.startswith(prefix) and "." not in name[len(prefix) :]:
                setattr(module, name[len(prefix) :], submodule)
        super().exec_module(module)


class OneSpec:
    """A finder that knows one module."""

    def __init__(self, spec: ModuleSpec) -> None:
        self._spec = spec

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of the module (PEP 451); None for any other."""
        return self._spec if fullname == self._spec.name else None


@contextmanager
def found_first(spec: ModuleSpec) -> Iterator[None]:
    finder = OneSpec(spec)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class Place:
    """Where a module stands: its name in :data:`sys.modules`, and the attribute of its package, as they are now."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module = sys.modules.get(name)
        parent, _, self._child = name.rpartition(".")
        self._package = vars(sys.modules[parent]) if parent in sys.modules else {}
        self._attribute = self._package.get(self._child)

    def keep_other_attribute(self) -> None:
        """Undo what the import did to an attribute that is no module: a package may have a function of that name."""
        if self._attribute is not None and self._attribute is not self._module:
            self._package[self._child] = self._attribute

    def restore(self) -> None:
        """Make it as it was."""
        set_or_drop(sys.modules, self._name, self._module)
        set_or_drop(self._package, self._child, self._attribute)


def set_or_drop(mapping: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value
