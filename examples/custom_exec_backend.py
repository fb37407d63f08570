"""Run calls in your own exec backend: in one thread, so that calls never run concurrently.

    python examples/custom_exec_backend.py [PORT]
    curl 'http://127.0.0.1:8080/api/deposit?amount=5'
    curl 'http://127.0.0.1:8080/api/deposit?amount=7'

An exec backend has `_id`, `add` and `check`, and optionally `start`, `stop` and `stats`.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from flaskJSONRPCServer import flaskJSONRPCServer


class OneByOne:
    """The backend as an object; a dict with these names as keys works too."""

    _id = "one_by_one"

    def start(self, server):
        self.server = server
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.count = 0

    def add(self, uniqueId, path, dataIn, request, isJSONP=False):
        # Do not wait here: return (status, info, ticket), and wait in check().
        self.count += 1
        return True, None, self.thread.submit(self.server._callDispatcher, uniqueId, path, dataIn, request, isJSONP)

    def check(self, uniqueId, ticket):
        return ticket.result()  # (status, params, result), from _callDispatcher

    def stop(self, server, timeout, processingDispatcherCountMax):
        self.thread.shutdown()

    def stats(self, inMS):
        return {"one_by_one_count": self.count}


class Account:
    """It needs no lock, since its methods run one by one."""

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
