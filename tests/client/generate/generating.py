"""Generated clients for the tests."""

import linecache
import sys
from types import ModuleType

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.client.generate import generate

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
