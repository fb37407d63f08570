"""The servers of the examples with an endpoint for models; `EXAMPLE` chooses the one that this module has."""

import os
import tempfile

from tests.examples.servers import server_of

OWN_ENDPOINT = ("mcp_everything", "mcp_flask")
"""The examples that have an endpoint of their own, at ``/mcp``."""


def paths_of(server):
    """Return the paths of the methods of a server."""
    return sorted({entry["url"] for method in server.openrpc()["methods"] for entry in method["servers"]})


def server_for_models(name, folder):
    """Return the server of an example whose methods are all tools."""
    server = server_of(name, folder)
    if name not in OWN_ENDPOINT:
        server.mcp("/mcp", expose=paths_of(server))
    return server


if "EXAMPLE" in os.environ:
    server = server_for_models(os.environ["EXAMPLE"], tempfile.gettempdir())
