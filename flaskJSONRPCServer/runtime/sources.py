"""Load a script again, as a fresh module that can be withdrawn until the reload is complete."""

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

__all__ = ["FreshModules", "UncachedLoader", "module_name", "script_file"]

_MAIN_NAMES = ("__main__", "__mp_main__")

# A load changes sys.modules and sys.meta_path, which the whole process shares.
_loading = threading.RLock()
_files_loading: list[Path] = []  # guarded by _loading


def script_file(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a script, with symbolic links resolved.

    Raises:
        FileNotFoundError: There is no such file.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise FileNotFoundError(f"{str(path)!r} is no file; give the path of a Python source")
    return file


def module_name(file: Path) -> str:
    """Return the name under which a script is loaded.

    It is the name of the module that was imported from the script; for a main program started by ``python -m``, the
    name on its command line; for any other script, a name derived from its path, which no installed module has.
    """
    for name, module in list(sys.modules.items()):
        if name not in _MAIN_NAMES and is_from(module, file):
            return name
    for name in _MAIN_NAMES:
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if spec is not None and spec.name not in _MAIN_NAMES and is_from(sys.modules[name], file):
            return str(spec.name)
    # No dot: it would make the module a part of a package.
    stem = file.stem.replace(".", "_")
    return f"_reloaded_{stem}_{hashlib.sha256(os.fsencode(file)).hexdigest()[:12]}"


def is_from(module: ModuleType, file: Path) -> bool:
    # Looked up statically: getattr() would load a lazy module. The names are compared first: there may be thousands of
    # modules, and resolving a path asks the file system.
    module_file = inspect.getattr_static(module, "__file__", None)
    return isinstance(module_file, str) and module_file.endswith(file.name) and Path(module_file).resolve() == file


class FreshModules:
    """The modules of one reload. Each script is loaded once, and is in :data:`sys.modules` afterwards.

    Modules that a script imports in turn are not loaded again.
    """

    def __init__(self) -> None:
        self._modules: dict[Path, ModuleType] = {}
        self._undo = ExitStack()

    def load(self, file: Path) -> ModuleType:
        """Execute a script in a new module; a second call returns the same module.

        Args:
            file: The path, from :func:`script_file`.

        Raises:
            RegistrationError: The script loads itself while it is being loaded.
            BaseException: Any exception of the script, including SyntaxError. The old module is restored then.
        """
        if file not in self._modules:
            with _loading, loading_once(file):
                name = module_name(file)
                binding = ModuleBinding(name)
                try:
                    self._modules[file] = import_fresh(name, file)
                except BaseException:
                    binding.restore()
                    raise
                self._undo.callback(binding.restore)
                binding.keep_other_attribute()
        return self._modules[file]

    def restore(self) -> None:
        """Restore the modules from before the reload."""
        with _loading:
            self._modules.clear()
            self._undo.close()


@contextmanager
def loading_once(file: Path) -> Iterator[None]:
    if file in _files_loading:
        raise RegistrationError(
            f"{str(file)!r} loads itself while it is being loaded, which would never end: "
            "move the reload into a function, or below if __name__ == '__main__'"
        )
    _files_loading.append(file)
    try:
        yield
    finally:
        _files_loading.remove(file)


def import_fresh(name: str, file: Path) -> ModuleType:
    """Import a module from its current source, ignoring caches.

    It uses the import system, so that other threads which import the same name wait until the module is complete.
    """
    linecache.checkcache(str(file))
    importlib.invalidate_caches()
    with finder_installed(spec_of(name, file)):
        sys.modules.pop(name, None)
        return importlib.import_module(name)


def spec_of(name: str, file: Path) -> ModuleSpec:
    folders = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(
        name, file, loader=UncachedLoader(name, str(file)), submodule_search_locations=folders
    )
    assert spec is not None  # noqa: S101  it is None only without a loader
    return spec


class UncachedLoader(SourceFileLoader):
    """Compiles the source each time: the timestamp in a cached file cannot tell two quick edits apart."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source file and return the code."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module. A package keeps its imported submodules as attributes."""
        prefix = f"{module.__name__}."
        for name, submodule in list(sys.modules.items()):
            if name.startswith(prefix) and "." not in name[len(prefix) :]:
                setattr(module, name[len(prefix) :], submodule)
        super().exec_module(module)


class SpecFinder:
    """A finder for one module."""

    def __init__(self, spec: ModuleSpec) -> None:
        self._spec = spec

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of the module (PEP 451); None for any other module."""
        return self._spec if fullname == self._spec.name else None


@contextmanager
def finder_installed(spec: ModuleSpec) -> Iterator[None]:
    finder = SpecFinder(spec)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class ModuleBinding:
    """Saves the bindings of a module: its entry in :data:`sys.modules` and the attribute of its package."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module = sys.modules.get(name)
        parent, _, self._child = name.rpartition(".")
        self._package = vars(sys.modules[parent]) if parent in sys.modules else {}
        self._attribute = self._package.get(self._child)

    def keep_other_attribute(self) -> None:
        """Restore an attribute that is no module: a package may have a function of that name."""
        if self._attribute is not None and self._attribute is not self._module:
            self._package[self._child] = self._attribute

    def restore(self) -> None:
        """Restore the saved bindings."""
        set_or_drop(sys.modules, self._name, self._module)
        set_or_drop(self._package, self._child, self._attribute)


def set_or_drop(mapping: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value
