"""Restart without losing a call.

    python examples/restart.py [PORT]
    curl 'http://127.0.0.1:8080/api/restart'

The sockets stay open, and new calls wait meanwhile.
"""

import sys
import time

from flaskJSONRPCServer import flaskJSONRPCServer

DAY_S = 24 * 60 * 60


def restart(_connection):
    # Inside a call, restart() returns at once: the restart waits for this answer.
    _connection.server.restart()
    return "it restarts after this answer"


class EveryDay:
    """A custom condition for a restart: called with the server; True restarts it."""

    def __init__(self):
        self._last = time.monotonic()

    def __call__(self, server):
        if time.monotonic() - self._last < DAY_S:
            return False
        self._last = time.monotonic()
        return True


def make_server(port):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="restart")
    server.registerFunction(restart, path="/api")
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port).serveForever(restartOn=[EveryDay(), "checkFileDescriptor"], sleep=10)


if __name__ == "__main__":
    main()
