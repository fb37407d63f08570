"""Servers whose calls are answered in a Flask application, and what they are asked."""

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import rpc

ECHO = rpc("echo", [1])


def make(**options):
    server = flaskJSONRPCServer(None, **{"log": False, **options})
    server.registerFunction(lambda value: value, path="/api", name="echo")
    return server


HELP = b"POST a request such as"
