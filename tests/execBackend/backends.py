"""The backends that the contract suite runs over: those of the package, and a custom one."""

import contextlib
import threading

from flaskJSONRPCServer.execBackend import ParallelBackend, ThreadedBackend, ThreadedNativeBackend
from flaskJSONRPCServer.execBackend.celery import CeleryBackend
from tests.execBackend.celery.processes import broker_running, new_queue, worker_running


class OwnBackend:
    """A custom backend with a thread for each call. It records its starts and stops."""

    _id = "own"

    def __init__(self):
        self.events = []
        self._threads = []

    def start(self, server):
        self.server = server
        self.events.append("start")

    def add(self, uniqueId, path, dataIn, request, isJSONP=False):
        ticket = []

        def run():
            ticket.append(self.server._callDispatcher(uniqueId, path, dataIn, request, isJSONP, True))

        thread = threading.Thread(target=run)
        thread.start()
        self._threads.append(thread)  # afterwards: stop() may come in between, and joins what has started
        return True, None, (thread, ticket)

    def check(self, uniqueId, ticket):
        thread, answers = ticket
        thread.join()
        return answers[0]

    def stop(self, server, timeout, processingDispatcherCountMax):
        self.events.append("stop")
        for thread in self._threads:
            thread.join(timeout)
        return sum(thread.is_alive() for thread in self._threads)

    def stats(self, inMS):
        return {"own_threads": len(self._threads), "speedStats": {"own_max": 1 if inMS else 0.001}}


def as_dict(backend):
    names = ("_id", "start", "add", "check", "stop", "stats")
    return {name: getattr(backend, name) for name in names}


MAKERS = {
    "simple": lambda: "simple",
    "threaded": lambda: "threaded",
    "threadedNative": lambda: "threadedNative",
    "threaded object": lambda: ThreadedBackend(pool_threads=4, queue_calls=100, backend_id="four"),
    "native object": lambda: ThreadedNativeBackend(pool_threads=4, backend_id="native four"),
    "parallel": lambda: "parallel",
    "parallel object": lambda: ParallelBackend(poolSize=2, id="two"),
    "own dict": lambda: as_dict(OwnBackend()),
    "own object": OwnBackend,
}
NAMES = (*MAKERS, "celery")
KINDS = tuple(name for name in NAMES if name != "parallel object")
"""The names without the second pool of processes, for tests that start a server each.

The name and the object lead to one class with pools of the same kind. Tests that share a server, and those that start,
restart, reload or count, have both.
"""


@contextlib.contextmanager
def maker_of(name, api="tests.execBackend.api", make="make_for_worker"):
    """Yield a factory of backends of this name. Processes that the backend needs run meanwhile.

    Args:
        name: The name.
        api: The module whose server a Celery worker runs.
        make: The function of the module that makes the server of a Celery worker.
    """
    if name != "celery":
        yield MAKERS[name]
        return
    queue = new_queue()
    with (
        broker_running() as broker,
        worker_running(broker, queue, "-c", "3", api=api, make=make),
    ):
        yield lambda: CeleryBackend(broker.url, queue=queue, headers=["X-Asked"], cookies=["c"])


IN_PROCESS = ("simple", "threaded", "threadedNative", "threaded object")
"""The backends that run a call in the server's process, where the request is."""
