"""Serve with another WSGI server: here wsgiref of the standard library.

    python examples/custom_serving_backend.py [PORT]
    curl 'http://127.0.0.1:8080/api/echo?value=hello'

A serving backend has `_id`, `start` and, if it can be stopped, `stop`. It may be an object or a dict; both are shown.
"""

import socketserver
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from flaskJSONRPCServer import flaskJSONRPCServer


class ThreadingWSGIServer(socketserver.ThreadingMixIn, WSGIServer):
    """A server with one thread for each connection. server_close() waits for running requests."""


class QuietHandler(WSGIRequestHandler):
    timeout = 30  # seconds without data; otherwise a silent client would delay the stop

    def log_message(self, *args):
        """Log no requests; the base class prints them."""


class Running:
    """The instance that `start` returns and `stop` gets. `server.addresses` shows its `address`."""

    def __init__(self, address, app):
        self._server = ThreadingWSGIServer(tuple(address), QuietHandler)
        self._server.set_app(app)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,))
        self._thread.start()
        self.address = self._server.server_address

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class WsgirefBackend:
    """The backend as an object."""

    _id = "wsgiref"

    def start(self, bindAdress, wsgiApp, server, joinLoop):
        # Listen, serve in the background, and return: the server itself waits.
        return Running(bindAdress, wsgiApp)

    def stop(self, serverInstance, serverIndex, server, timeout):
        serverInstance.stop()


# The backend as a dict.
WSGIREF_BACKEND = {
    "_id": "wsgiref",
    "start": lambda address, app, server, join: Running(address, app),
    "stop": lambda running, index, server, timeout: running.stop(),
}


def echo(value):
    return value


def make_server(port, backend):
    server = flaskJSONRPCServer(["127.0.0.1", port], servBackend=backend, name="wsgiref")
    server.registerFunction(echo, path="/api")
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port, WsgirefBackend()).serveForever()


if __name__ == "__main__":
    main()
