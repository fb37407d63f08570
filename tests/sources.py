"""A copy of the sources, to build from: a build leaves files beside them."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_FILES = ("pyproject.toml", "setup.py", "LICENSE", "README.md", "MANIFEST.in", "Makefile")
_FOLDERS = ("flaskJSONRPCServer", "examples", "tools")


def copy_sources(folder):
    """Copy the sources of the package into a new folder."""
    folder.mkdir()
    for file in _FILES:
        shutil.copy(ROOT / file, folder)
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
