"""Running calls in a backend of your own: one thread, so that calls never run at the same time.

    python examples/custom_exec_backend.py [PORT]
    curl 'http://127.0.0.1:8080/api/deposit?amount=5'
    curl 'http://127.0.0.1:8080/api/deposit?amount=7'

An exec backend has `_id`, `add` and `check`, and, if it needs them, `start`, `stop` and `stats`.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from flaskJSONRPCServer import flaskJSONRPCServer


class OneByOne:
    """The backend as an object; a dict with these names as keys will do as well."""

    _id = "one_by_one"

    def start(self, server):
        self.server = server
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.count = 0

    def add(self, uniqueId, path, dataIn, request, isJSONP=False):
        # Do not wait here: return (status, info, ticket), and let check() do the waiting.
        self.count += 1
        return True, None, self.thread.submit(self.server._callDispatcher, uniqueId, path, dataIn, request, isJSONP)

    def check(self, uniqueId, ticket):
        return ticket.result()  # (status, params, result), as _callDispatcher gives it

    def stop(self, server, timeout, processingDispatcherCountMax):
        self.thread.shutdown()

    def stats(self, inMS):
        return {"one_by_one_count": self.count}


class Account:
    """No lock: its methods run one by one."""

    def __init__(self):
        self._balance = 0

    def deposit(self, amount):
        self._balance += int(amount)
        return self._balance


def make_server(port):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="bank")
    backend = OneByOne()
    server.registerInstance(Account(), path="/api", dispatcherBackend=backend, notifBackend=backend)
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port).serveForever()


if __name__ == "__main__":
    main()
