"""Checks 35 and 37: stopping and restarting a server."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import wire
from .checks import check
from .results import Findings, Result
from .subject import Start, Subject, SubjectError, wait_until

__all__: list[str] = []


@check(35, "SIGTERM: 20 calls in flight are answered, new ones refused, status 0; a second signal ends it at once")
def sigterm(start: Start) -> Result:
    findings = Findings()
    subject = start()
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(subject.call, "slow", 1.0, timeout_s=10) for _ in range(20)]
        wait_until(lambda: subject.ask()["inside"] == 20, 5)
        began = time.monotonic()
        subject.popen.terminate()
        refused = wait_until(lambda: is_refused(subject.address), 0.9)
        answered = sum(call.result().status == 200 for call in calls)
    status = wait_for_exit(subject, 20)
    findings.measure(f"{answered} of 20 answered, status {status} after {time.monotonic() - began:.1f} s")
    findings.require(answered == 20, f"{20 - answered} calls were dropped")
    findings.require(refused, "new connections are not refused")
    findings.require(status == 0, f"exit status {status}")
    second_s = end_twice(start())
    findings.measure(f"a second SIGTERM ends it after {second_s:.2f} s")
    findings.require(second_s < 1, "a second SIGTERM does not end it at once")
    return findings.result()


def is_refused(address: Any) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(address) != 0


def wait_for_exit(subject: Subject, timeout_s: float) -> int | None:
    try:
        return subject.popen.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None


def end_twice(subject: Subject) -> float:
    """Send SIGTERM twice while a call runs. Return how long the process lives after the second one, in seconds."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(subject.call, "slow", 12.0, timeout_s=15)
        wait_until(lambda: subject.ask()["inside"] == 1, 5)
        subject.popen.terminate()
        wait_until(lambda: is_refused(subject.address), 2)
        began = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(subject.popen.pid, signal.SIGTERM)
        wait_for_exit(subject, 5)
        return time.monotonic() - began


@check(37, "20 restarts under load lose no call and reset nobody; a Unix socket is private, a live one refused")
def restarts(start: Start) -> Result:
    findings = Findings()
    subject = start()
    done = threading.Event()
    numbers = itertools.count()
    faults: Counter[str] = Counter()
    loads = [kept_alive, kept_alive, new_connections, new_connections]
    with ThreadPoolExecutor(len(loads)) as pool:
        running = [pool.submit(load, subject, done, numbers, faults) for load in loads]
        for _ in range(20):
            subject.ask("restart")
            done.wait(0.05)
        done.set()
        sent = [text for load in running for text in load.result()]
    texts = subject.ask()["texts"]
    twice = sum(texts.get(text, 0) > 1 for text in sent)
    lost = sum(texts.get(text, 0) == 0 for text in sent)
    findings.measure(f"{len(sent)} calls: {sum(faults.values())} failed, {lost} lost, {twice} ran twice")
    findings.require(not faults, f"failures: {dict(faults)}")
    findings.require(not lost and not twice, f"{lost} lost, {twice} twice")
    findings.require(len(sent) >= 100, "too few calls to tell")
    check_unix_socket(start, findings)
    return findings.result()


def kept_alive(subject: Subject, done: threading.Event, numbers: Any, faults: Counter[str]) -> list[str]:
    """Call over a connection that is kept alive. Return the texts of the calls."""
    host, port = subject.address
    connection = http.client.HTTPConnection(host, port, timeout=10)
    sent = []
    while not done.is_set():
        sent.append(f"kept {next(numbers)}")
        body = wire.rpc("mark", sent[-1])
        try:
            connection.request("POST", "/api", body, {"Content-Type": "application/json", "Host": "127.0.0.1"})
            answer = connection.getresponse().read()
            faults["wrong answer"] += 0 if sent[-1].encode() in answer else 1
        except OSError as exc:
            faults[f"kept alive: {type(exc).__name__}"] += 1
        except http.client.HTTPException as exc:
            faults[f"kept alive: {type(exc).__name__}"] += 1
            connection.close()
    connection.close()
    faults += Counter()  # drops zero counts
    return sent


def new_connections(subject: Subject, done: threading.Event, numbers: Any, faults: Counter[str]) -> list[str]:
    """Call over a new connection each time. Return the texts of the calls."""
    sent = []
    while not done.is_set():
        sent.append(f"new {next(numbers)}")
        answer = subject.call("mark", sent[-1], timeout_s=10)
        if answer.result != sent[-1]:
            faults[f"new connection: status {answer.status}"] += 1
    return sent


def check_unix_socket(start: Start, findings: Findings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/api.sock"
        first = start(address=path)
        mode = stat.S_IMODE(Path(path).stat().st_mode)
        live_is_refused = not can_start(start, path)
        first.popen.kill()
        first.popen.wait()
        stale = Path(path).exists()
        is_replaced = can_start(start, path)
    findings.measure(
        f"Unix socket: mode {mode:04o}, stale file replaced: {is_replaced}, live refused: {live_is_refused}"
    )
    findings.require(mode == 0o600, f"mode {mode:04o}")
    findings.require(stale and is_replaced, "a stale socket file is not replaced")
    findings.require(live_is_refused, "a live socket is not refused")


def can_start(start: Start, path: str) -> bool:
    try:
        return bool(start(address=path).call("echo", "a").result == "a")
    except SubjectError:
        return False
