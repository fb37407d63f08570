"""Check 49: many open streams."""

from __future__ import annotations

from .checks import check
from .load import Client, Crowd, p99, valid_calls
from .results import Findings, Result
from .subject import Start, Subject, wait_until

__all__: list[str] = []

MIB = 1024 * 1024
_STREAMS = 1000
_STOPPED = 50
_THREADS = 4

# How much each stream may buffer (``buffer_bytes`` of the streaming page), and how much it costs beside that: guessed.
_BUFFER_BYTES = 65536
_STREAM_BYTES = 48 * 1024

_REQUEST = b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@check(49, "1,000 open streams on 4 threads: calls keep their p99; readers that have stopped are dropped")
def open_streams(start: Start) -> Result:
    findings = Findings()
    subject = start(threads=_THREADS, max_connections_per_client=2 * _STREAMS, max_streams=2 * _STREAMS)
    valid_calls(subject, 20)
    before = subject.memory()
    readers = [Client(_REQUEST) for _ in range(_STREAMS)]
    with Crowd(subject.address, readers).running() as crowd:
        wait_until(lambda: all(client.answered_at for client in readers), 8)
        opened = sum(client.answered_at is not None for client in readers)
        worst = p99(valid_calls(subject, 200, timeout_s=1))
        subject.call("push", 1000, _STREAMS, timeout_s=10)
        wait_until(lambda: all(b"y" * 1000 in client.received for client in readers), 3)
        reached = sum(b"y" * 1000 in bytes(client.received) for client in readers)
        findings.measure(f"{opened} of {_STREAMS} open, p99 {worst * 1000:.0f} ms, a message reaches {reached}")
        findings.require(opened == _STREAMS and crowd.open_count == _STREAMS, f"{opened} streams were opened")
        findings.require(worst < 0.1, "a valid call's p99 is 0.1 s or more")
        findings.require(reached == _STREAMS, f"a message that is pushed reaches {reached}")
        if reached:
            stop_reading(subject, findings)
        grown = subject.memory() - before
        bound = (_STREAMS + _STOPPED) * _STREAM_BYTES + _STOPPED * _BUFFER_BYTES
        findings.measure(f"memory {grown / MIB:+.0f} MiB")
        findings.require(grown < bound, f"memory grew by more than {bound / MIB:.0f} MiB")
    if reached:
        judge_gone_clients(subject, findings)
    findings.require(subject.is_alive(), "the server is not alive")
    return findings.result()


def judge_gone_clients(subject: Subject, findings: Findings) -> None:
    """Push to clients that have gone, and check that each of their streams is closed."""
    subject.call("push", 10, 2 * _STREAMS, timeout_s=10)  # answered by a reset
    subject.call("push", 10, 2 * _STREAMS, timeout_s=10)
    all_closed = wait_until(lambda: subject.ask()["closed"] == _STREAMS + _STOPPED, 3)
    findings.require(all_closed, "a stream is not told that its client has gone")


def stop_reading(subject: Subject, findings: Findings) -> None:
    """Push to clients that read nothing, until all are dropped or have been sent far more than their buffers hold."""
    clients = [Client(_REQUEST, reads=False) for _ in range(_STOPPED)]
    with Crowd(subject.address, clients, receive_buffer=4096).running():
        wait_until(lambda: subject.ask()["streams"] == _STREAMS + _STOPPED, 3)
        pushes = 0
        while subject.ask()["closed"] < _STOPPED and pushes < 400:
            subject.call("push", 30_000, _STOPPED)
            pushes += 1
        dropped = subject.ask()["closed"]
    findings.measure(f"{dropped} of {_STOPPED} stopped readers dropped after {pushes * 30} KB")
    findings.require(dropped == _STOPPED, f"{_STOPPED - dropped} stopped readers are still held")
