"""The process whose instructions :mod:`benchmarks.overhead` counts. It forks for each count and prints the ids.

The start of Python and the imports happen once. A forked process inherits the count so far, so that the difference of
two processes is that of their requests.
"""

import functools
import gc
import json
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.checked_plan import Plan
from flaskJSONRPCServer.runtime.contexts import own_context

from .contestants import (
    CONTESTANTS,
    check_answer,
    do_nothing,
    exchange,
    ignore_response,
    make_application,
    native_application,
)
from .workloads import PATH, WORKLOADS, Workload, add

JSON_MODULES = ("simplejson", "orjson")

# How many requests the two processes send; a batch has a hundred calls.
COUNTS = {"call": (50, 200), "notification": (50, 200), "batch": (2, 8)}

_WARM_UP = 20

HARNESS = "step: the benchmark itself"
PLAIN_CALL = "step: a plain call"
CALL_IN_CONTEXT = "step: a call in a context of its own"
THREE_PARAMETERS = "step: three parameters"
THREE_CHECKED = "step: three checked parameters"
PLAIN_REQUEST = "step: a request"
TRACED_REQUEST = "step: a request with tracing"
CONTINUED_REQUEST = "step: a request with tracing and a traceparent"
RECORDED_REQUEST = "step: a request with tracing and an SDK"
MEASURED_REQUEST = "step: a request with metrics"

_STEP_COUNTS = (500, 2000)


def cases() -> list[tuple[str, str, Workload]]:
    """Return the cases to count: the contestant, its JSON module and the request."""
    named = [workload for workload in WORKLOADS if workload.style == "named"]
    return [(contestant, name, load) for name in JSON_MODULES for load in named for contestant in CONTESTANTS]


def name_of(contestant: str, json_module: str, workload: Workload) -> str:
    return f"{json_module}, {workload.kind}, {contestant}"


def put_requests(app: Any, workload: Workload, count: int) -> None:
    environ, body = workload.environ(), workload.body
    for _ in range(count):
        exchange(app, environ, body, ignore_response)


def put_in_fork(app: Any, workload: Workload, count: int) -> int:
    """Send requests in a forked process, and return its id."""
    return run_in_fork(lambda: put_requests(app, workload, count), workload.name)


def run_in_fork(work: Callable[[], object], name: str) -> int:
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        raise RuntimeError(f"the process for {name!r} has failed")
    return pid


def call_plainly(args: tuple[int, ...], kwargs: dict[str, int]) -> int:
    return add(*args, **kwargs)


def call_in_context(args: tuple[int, ...], kwargs: dict[str, int]) -> int:
    return own_context().run(add, *args, **kwargs)


def bind_plainly(_args: tuple[int, ...], _kwargs: dict[str, int]) -> object:
    return _PLAIN_PLAN.bind([1, 2, 3])


def bind_checked(_args: tuple[int, ...], _kwargs: dict[str, int]) -> object:
    return _CHECKED_PLAN.bind([1, 2, 3])


def add_three(a: int, b: int, c: int) -> int:
    return a + b + c


def plan_of_three(*, validate: bool) -> Plan:
    server = flaskJSONRPCServer(None, validate=validate)
    server.registerFunction(add_three, path=PATH)
    route = server._backend_context.router.table.find(f"{PATH}/", "add_three")
    if route is None:
        raise LookupError("add_three")
    return route.plan


_PLAIN_PLAN, _CHECKED_PLAN = plan_of_three(validate=False), plan_of_three(validate=True)


def named_call() -> Workload:
    """Return the call that the steps send."""
    return next(load for load in WORKLOADS if load.style == "named" and load.kind == "call")


def send_nowhere() -> Callable[..., object]:
    """Return a function that sends a call to an application that does nothing."""
    environ, body = named_call().environ(), named_call().body
    return lambda _args, _kwargs: exchange(do_nothing, environ, body, ignore_response)


def sender(further: Mapping[str, str] | None = None, **options: Any) -> Callable[..., object]:
    """Return a function that sends a call to a server with these options, with further fields in its environ."""
    load = named_call()
    app, environ = native_application("orjson", **options), {**load.environ(), **(further or {})}
    return lambda _args, _kwargs: exchange(app, environ, load.body, ignore_response)


def recorded(send: Callable[..., object]) -> Callable[..., object]:
    """Return a function that sends with an SDK that records spans, and exports none."""

    def send_recorded(*arguments: Any) -> object:
        set_sdk()  # here: each step has a process of its own, and a process has one SDK
        return send(*arguments)

    return send_recorded


@functools.cache
def set_sdk() -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())


STEPS = {
    HARNESS: send_nowhere(),
    PLAIN_CALL: call_plainly,
    CALL_IN_CONTEXT: call_in_context,
    THREE_PARAMETERS: bind_plainly,
    THREE_CHECKED: bind_checked,
    PLAIN_REQUEST: sender(),
    TRACED_REQUEST: sender(tracing=True),
    CONTINUED_REQUEST: sender({"HTTP_TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-01"}, tracing=True),
    RECORDED_REQUEST: recorded(sender(tracing=True)),
    MEASURED_REQUEST: sender(metrics=True),
}
"""The variants of one step of a request, whose difference is its cost."""


def repeat(step: Callable[..., object], count: int) -> None:
    for _ in range(count):
        step((), {"a": 1, "b": 2})


def run_in_thread(step: Callable[..., object], count: int) -> None:
    """Repeat a step in a thread with an empty context, as calls run."""
    thread = threading.Thread(target=repeat, args=(step, count))
    thread.start()
    thread.join()


def count_step(name: str) -> None:
    few, many = _STEP_COUNTS
    pids = [run_in_fork(functools.partial(run_in_thread, STEPS[name], count), name) for count in (few, many)]
    print(json.dumps([name, many - few, pids]), flush=True)


def main() -> None:
    gc.disable()  # a collection would fall into one count and not into the other
    for contestant, json_module, workload in cases():
        app = make_application(contestant, json_module, workload.kind)
        check_answer(app, contestant, workload)
        put_requests(app, workload, _WARM_UP)
        few, many = COUNTS[workload.kind]
        pids = [put_in_fork(app, workload, count) for count in (few, many)]
        print(json.dumps([name_of(contestant, json_module, workload), many - few, pids]), flush=True)
    for name in STEPS:
        count_step(name)


if __name__ == "__main__":
    main()
