"""Check 45: more calls than a server can answer."""

from __future__ import annotations

import time

from . import wire
from .checks import check
from .load import Client, Crowd, p99
from .results import Findings, Result
from .subject import Start, Subject, wait_until

__all__: list[str] = []

_THREADS = 4
_WAITING = 100
_CALLS = 1500
_CALL_S = 0.5

# How long a valid call may take in addition to the time of one call, on two busy cores: guessed.
_MARGIN_S = 0.2

# How many of the slow calls begin per second. If all began at once, this process alone would keep both cores busy.
_PER_SECOND = 500


@check(45, "1,500 slow calls on 4 threads: the rest is 503 at once; calls whose client has gone do not begin")
def flood(start: Start) -> Result:
    findings = Findings()
    subject = start(
        threads=_THREADS,
        max_concurrent_calls=_THREADS,
        max_waiting_requests=_WAITING,
        max_connections_per_client=2 * _CALLS,
    )
    subject.call("echo")
    clients = slow_clients()
    with Crowd(subject.address, clients).running():
        wait_until(lambda: all(client.sent_at for client in clients), _CALLS / _PER_SECOND + 3)
        wait_until(lambda: subject.ask()["inside"] == _THREADS, 1)
        time.sleep(0.2)  # so that all immediate refusals have been sent
        judge_refusals(clients, findings)
        begun = subject.marked("flood")
    began = time.monotonic()
    answer = subject.call("echo", "a", timeout_s=20)
    after_s = time.monotonic() - began
    wait_until(lambda: subject.ask()["inside"] == 0, 3 * _CALL_S)
    later = subject.marked("flood") - begun
    findings.measure(f"{later} calls began after their clients had gone; the next valid call took {after_s:.2f} s")
    findings.require(later <= _THREADS, f"{later} calls began though their clients had gone")
    # The calls that run when the flood ends have to finish first.
    in_time = answer.result == "a" and after_s <= _CALL_S + _MARGIN_S
    findings.require(in_time, "the next valid call was not answered within the time of one call")
    one_client(start, findings)
    return findings.result()


def slow_clients() -> list[Client]:
    request = wire.post(wire.rpc("slow", _CALL_S, "flood"))
    now = time.monotonic() + 1.0  # to connect them all
    return [Client(request, begins_at=now + number / _PER_SECOND) for number in range(_CALLS)]


def judge_refusals(clients: list[Client], findings: Findings) -> None:
    refused = [client for client in clients if client.statuses[:1] == [503]]
    late = p99([client.answered_at - client.sent_at for client in refused if client.answered_at] or [float("inf")])
    advised = sum(b"retry-after:" in bytes(client.received).lower() for client in refused)
    answered = sum(client.statuses[:1] == [200] for client in clients)
    findings.measure(f"{len(refused)} of {_CALLS} get 503, p99 {late * 1000:.0f} ms, {answered} answered meanwhile")
    expected = _CALLS - _WAITING - _THREADS - int(_CALLS / _PER_SECOND / _CALL_S + 4) * _THREADS
    findings.require(len(refused) >= expected, f"fewer than {expected} are refused")
    findings.require(late <= 0.1, "a refusal took more than 0.1 s")
    findings.require(advised == len(refused), f"{len(refused) - advised} refusals without Retry-After")


def one_client(start: Start, findings: Findings) -> None:
    """Open as many connections as one client can, and call from another address."""
    subject = start(max_connections=200, max_connections_per_client=50, threads=8)
    subject.call("echo")
    with Crowd(subject.address, [Client(b"") for _ in range(250)]).running() as crowd:
        wait_until(lambda: crowd.open_count <= 50, 1)
        held = crowd.open_count
        is_answered = call_from(subject, "127.0.0.2")
    findings.measure(f"one client holds {held} connections of 200; another is answered: {is_answered}")
    findings.require(held <= 50, "one client can take all connections")
    findings.require(is_answered, "another client is not answered")


def call_from(subject: Subject, source: str) -> bool:
    with wire.connect(subject.address, 2, source=source) as client:
        client.sendall(wire.post(wire.ECHO, b"Connection: close"))
        return bool(wire.answer_of(wire.receive(client, 2), 0).result == "a")
