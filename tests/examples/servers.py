"""The servers of the examples, made without starting them."""

import importlib.util
import os
import sys
from unittest import mock

from tests.examples.processes import EXAMPLES

# client.py calls a server.
SERVERS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "client")


def load(name):
    """Load an example as a module of its own."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


def server_of(name, folder):
    """Return the server of an example, which is not started.

    Args:
        name: The name of the example.
        folder: A folder for its files.
    """
    module = load(name)
    match name:
        case "flask_mount" | "mcp_everything":
            return module.server
        case "auth":
            return module.make_server(0, "sesame")
        case "custom_serving_backend":
            return module.make_server(0, module.WsgirefBackend())
        case "primes":
            return module.make_server(0, folder)
        case "report":
            with mock.patch.dict(os.environ, CELERY_BROKER_URL="redis://127.0.0.1:1/0"):  # nothing connects to it
                return module.make_server(0)
    return module.make_server(0)
