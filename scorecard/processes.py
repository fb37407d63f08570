"""Checks 31 to 34: killed and frozen child processes, workers and brokers."""

from __future__ import annotations

import contextlib
import itertools
import random
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from . import wire
from .checks import Scope, check
from .results import Findings, Result
from .subject import Start, Subject, wait_until
from .suites import run_tests

__all__: list[str] = []

_CELERY = "tests/execBackend/celery"

WORKER_LOST = -32005


def call_pool(subject: Subject, *calls: tuple[str, Any], timeout_s: float = 30) -> Any:
    """Call methods that run in child processes. Return the response object or objects; None without an answer."""
    texts = [wire.rpc(method, *params, request_id=str(params)) for method, params in calls]
    body = texts[0] if len(texts) == 1 else b"[" + b",".join(texts) + b"]"
    request = wire.post(body, b"Connection: close", target=b"/pool")
    return wire.answer_of(wire.exchange(subject.address, request, timeout_s), 0).value


@check(31, "200 respawns of the process pool under load: no hang", scope=Scope.ONCE)
def respawns(start: Start) -> Result:
    findings = Findings()
    subject = start(
        pool={"poolSize": 2, "maxTasksPerChild": 1}, environ={"PYTHONWARNINGS": "error::DeprecationWarning"}
    )
    pids: set[int] = set()
    lost = []

    def load(_: int) -> None:
        for _ in range(55):
            value = call_pool(subject, ("pooled_pid", ()))
            if isinstance(value, dict) and "result" in value:
                pids.add(value["result"])
            else:
                lost.append(value)

    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load, range(4)))
    findings.measure(f"220 calls in {len(pids)} processes one after another in {time.monotonic() - began:.0f} s")
    findings.require(len(pids) >= 200, f"{len(pids)} processes only")
    findings.require(not lost, f"{len(lost)} calls without a result: {lost[:1]}")
    findings.require("DeprecationWarning" not in subject.log(), "a deprecation warning in the log")
    findings.require(subject.is_alive(), "the server is not alive")
    return findings.result()


@check(
    32,
    "A killed process costs its call, within 1 s, and is replaced; no answer has another call's id",
    scope=Scope.ONCE,
)
def killed_processes(start: Start) -> Result:
    findings = Findings()
    size = 2
    subject = start(pool={"poolSize": size})
    wait_until(lambda: len(pids_of(subject)) >= size, 10)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(call_pool, subject, ("pooled_sleep", (20,)))
        busy = busy_process(subject)
        began = time.monotonic()
        busy.kill()
        value = call.result()
    error_s = time.monotonic() - began
    whole = wait_until(lambda: len(pids_of(subject) - {busy.pid}) >= size, 2 - error_s)
    code = value.get("error", {}).get("code") if isinstance(value, dict) else None
    findings.measure(f"error {code} after {error_s:.2f} s, the pool whole after {time.monotonic() - began:.2f} s")
    findings.require(code == WORKER_LOST and error_s < 1, f"{value} after {error_s:.2f} s")
    findings.require(whole, "the pool is not whole within 2 s")
    crossed = crossed_answers(subject)
    findings.measure(f"10,000 calls with kills among them: {crossed} answers to another call")
    findings.require(crossed == 0, f"{crossed} answers had another call's id or value")
    return findings.result()


def pids_of(subject: Subject) -> set[int]:
    """Return the ids of the processes that answer two concurrent calls."""
    values = call_pool(subject, *[("pooled_sleep", (0.1 + number / 1e6,)) for number in range(2)])
    return {value["result"] for value in values or [] if "result" in value}


def busy_process(subject: Subject) -> psutil.Process:
    """Return the process that runs a long call: the one that answers no other call."""
    free = {call_pool(subject, ("pooled_pid", ()))["result"] for _ in range(20)}
    others = [child for child in subject.process.children(recursive=True) if child.pid not in free]
    [busy] = [child for child in others if not any("tracker" in word for word in child.cmdline())]
    return busy


def crossed_answers(subject: Subject) -> int:
    """Make 10,000 calls in batches while processes are killed. Return how many answers belonged to other calls."""
    done = threading.Event()
    killer = threading.Thread(target=kill_now_and_then, args=(subject, done))
    killer.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(lambda start: wrong_answers(subject, start), range(0, 10_000, 100)))
    finally:
        done.set()
        killer.join()


def wrong_answers(subject: Subject, first: int) -> int:
    calls = [("pooled_echo", (number,)) for number in range(first, first + 100)]
    values = call_pool(subject, *calls) or []
    expected = [str(params) for _, params in calls]
    ids = [value["id"] for value in values]
    crossed = sum(f"({value['result'][1]},)" != value["id"] for value in values if "result" in value)
    return int(crossed + (ids != expected))


def kill_now_and_then(subject: Subject, done: threading.Event) -> None:
    while not done.wait(0.5):
        with contextlib.suppress(psutil.Error, IndexError, TypeError, KeyError):
            psutil.Process(call_pool(subject, ("pooled_pid", ()))["result"]).kill()


@check(
    33,
    "50 kills of Celery workers under load: each accepted notification runs; a poison message stops",
    scope=Scope.ALONE,
)
def killed_workers(_start: Start) -> Result:
    findings = Findings()
    kills, missing, repeats = kill_celery_processes(count=50, notifications=300)
    findings.measure(f"{kills} processes killed, 300 notifications: {missing} did not run, {repeats} ran again")
    findings.require(kills == 50, f"{kills} kills only")
    findings.require(missing == 0, f"{missing} accepted notifications have not run")
    suite = run_tests(f"{_CELERY} -k 'workers_are_killed or kills_its_workers'")
    findings.measure(suite.figure)
    findings.faults.extend(suite.faults)
    return findings.result()


def kill_celery_processes(count: int, notifications: int) -> tuple[int, int, int]:
    """Kill the processes of a worker one after another while it runs notifications.

    Returns:
        How many were killed, how many notifications have not run, and how many runs were repeats.
    """
    from tests.execBackend.celery.processes import broker_running, files, new_queue, worker_running
    from tests.execBackend.celery.servers import notify, server_for

    queue = new_queue()
    names = {f"n{number}" for number in range(notifications)}
    with (
        contextlib.redirect_stdout(None),  # the worker's log, which the helper prints
        broker_running() as broker,
        tempfile.TemporaryDirectory() as folder,
        server_for(broker, queue) as server,
    ):
        for name in names:
            notify(server.getWSGI(), "note", folder, name, 0.05)
        with worker_running(broker, queue, "-c", "2", make="make_impatient") as worker:
            parent = psutil.Process(worker.process.pid)
            attempts = (kill_a_child(parent) for _ in range(2 * count))  # a child may end by itself before
            kills = sum(itertools.islice(filter(None, attempts), count))
            has_run = lambda: {name.partition(".")[0] for name in files(Path(folder))}  # noqa: E731
            wait_until(lambda: has_run() == names, 60)
            return kills, len(names - has_run()), len(files(Path(folder))) - len(has_run())


def kill_a_child(parent: psutil.Process) -> bool:
    """Kill one process of a worker after it has had the time to begin a task."""
    if not wait_until(lambda: len(parent.children()) >= 2, 20):
        return False
    time.sleep(0.1)
    with contextlib.suppress(psutil.Error, IndexError):
        random.choice(parent.children()).kill()
        return True
    return False


@check(
    34,
    "A broker that is killed, frozen and started again: clear errors, inline calls go on, recovery",
    scope=Scope.ALONE,
)
def broker_faults(_start: Start) -> Result:
    return run_tests(
        f"{_CELERY} -k 'broker_is_a_clear_error or frozen_broker or goes_is_an_error or restart_of_the_broker'"
    )
