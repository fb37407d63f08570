"""The examples: their list, their paths and their run."""

from __future__ import annotations

import argparse
import ast
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import unknown_name

__all__ = ["examples_folder", "find_example", "print_examples", "run_example"]


def examples_folder() -> Path:
    """Return the folder of the examples: inside an installed package, beside the package in a clone."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "examples"
    return installed if installed.is_dir() else package.parent / "examples"


def examples() -> dict[str, Path]:
    """Return the examples by name, in alphabetical order."""
    return {path.stem: path for path in sorted(examples_folder().glob("[!_]*.py"))}


def find_example(parser: argparse.ArgumentParser, name: str) -> Path:
    """Return the file of an example. If there is none, exit with the known names."""
    known = examples()
    path = known.get(name.removesuffix(".py"))
    if path is None:
        parser.error(f"{unknown_name('example', name, known)}; -l lists them")
    return path


def print_examples() -> None:
    """Print the name and the first sentence of the docstring of each example."""
    known = examples()
    width = max(map(len, known), default=0)
    for name, path in known.items():
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        print(f"{name:{width}}  {docstring.partition(chr(10))[0]}".rstrip())


def run_example(path: Path, arguments: Sequence[str]) -> None:
    """Run a file as a script, with these arguments and its folder on ``sys.path``."""
    sys.argv[:] = [str(path), *arguments]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")
