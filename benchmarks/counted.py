"""The process whose instructions :mod:`benchmarks.overhead` counts. It forks for each count, and tells who did what.

Python's start and the imports are paid for once. A forked process inherits what has been counted until then, so that
the difference of two that were forked one after the other is that of their requests.
"""

import gc
import json
import os
from typing import Any

from .contestants import CONTESTANTS, check_answer, exchange, ignore_response, make_application
from .workloads import WORKLOADS, Workload

JSON_MODULES = ("simplejson", "orjson")

# How many requests the two processes put; a batch has a hundred calls.
COUNTS = {"call": (50, 200), "notification": (50, 200), "batch": (2, 8)}

_WARM_UP = 20


def cases() -> list[tuple[str, str, Workload]]:
    """Return what is counted: the contestant, its JSON module, and the request."""
    named = [workload for workload in WORKLOADS if workload.style == "named"]
    return [(contestant, name, load) for name in JSON_MODULES for load in named for contestant in CONTESTANTS]


def name_of(contestant: str, json_module: str, workload: Workload) -> str:
    return f"{json_module}, {workload.kind}, {contestant}"


def put_requests(app: Any, workload: Workload, count: int) -> None:
    environ, body = workload.environ(), workload.body
    for _ in range(count):
        exchange(app, environ, body, ignore_response)


def put_in_fork(app: Any, workload: Workload, count: int) -> int:
    """Put requests in a process of their own, and return its id."""
    pid = os.fork()
    if pid == 0:
        put_requests(app, workload, count)
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        raise RuntimeError(f"the process for {workload.name!r} has failed")
    return pid


def main() -> None:
    gc.disable()  # a collection comes when it comes: it would fall into one count and not into the other
    for contestant, json_module, workload in cases():
        app = make_application(contestant, json_module, workload.kind)
        check_answer(app, contestant, workload)
        put_requests(app, workload, _WARM_UP)
        few, many = COUNTS[workload.kind]
        pids = [put_in_fork(app, workload, count) for count in (few, many)]
        print(json.dumps([name_of(contestant, json_module, workload), many - few, pids]), flush=True)


if __name__ == "__main__":
    main()
