"""The server that ``benchmarks.costs`` runs, and its Celery worker too."""

import os

from flaskJSONRPCServer import flaskJSONRPCServer


def add(a: float, b: float) -> float:
    return a + b


def count() -> int:
    """Return how many calls of ``add`` have begun."""
    calls: int = server.stats()["dispatchers"].get("/api/add", {"calls": 0})["calls"]
    return calls


server = flaskJSONRPCServer(["127.0.0.1", 0], log=1, dispatcherBackend=os.environ["COSTS_BACKEND"])
server.registerFunction(add, path="/api")
server.registerFunction(count, path="/count", dispatcherBackend="simple")
