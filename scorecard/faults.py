"""Checks 29, 30 and 36: descriptors that run out, more calls than threads, and connections that break."""

from __future__ import annotations

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor

from . import wire
from .checks import check
from .faultproxy import Cut, Drip, FaultProxy, HalfClose
from .load import Client, Crowd, reset
from .results import Findings, Result
from .subject import Start, Subject, wait_until

__all__: list[str] = []

MIB = 1024 * 1024


@check(29, "At the descriptor limit the server does not spin, and recovers; 10,000 calls leave no descriptor")
def descriptor_limit(start: Start) -> Result:
    findings = Findings()
    limited = start(descriptors=64, tweakDescriptors=False)
    limited.call("echo")
    with Crowd(limited.address, [Client(b"") for _ in range(100)]).running():
        wait_until(lambda: limited.descriptors() >= 63, 1)
        cpu = limited.cpu(2)
    recovered = wait_until(limited.is_alive, 2)
    findings.measure(f"{cpu:.0%} of a core with 100 connections on 64 descriptors")
    findings.require(cpu < 0.1, "a tenth of a core or more is burnt")
    findings.require(recovered, "it has not recovered within 2 s")
    subject = start()
    keep_calling(subject, 50)
    before = subject.settled_descriptors()
    answered = keep_calling(subject, 10_000)
    wait_until(lambda: subject.descriptors() <= before, 5)
    after = subject.settled_descriptors()
    findings.measure(f"{answered} calls: {before} -> {after} descriptors")
    findings.require(answered == 10_000, "not all calls were answered")
    findings.require(after <= before, "descriptors are left behind")
    return findings.result()


def keep_calling(subject: Subject, count: int) -> int:
    """Make calls one after another, over a connection that is reused while it lasts. Return how many were answered."""
    request, expected = wire.post(wire.ECHO), b'"result":"a","id":1}'
    answered = 0
    client = wire.connect(subject.address)
    for _ in range(count):
        try:
            client.sendall(request)
            data = b""
            while expected not in data:
                chunk = client.recv(65536)
                if not chunk:
                    break
                data += chunk
        except OSError:
            data = b""
        answered += expected in data
        if expected not in data or b"connection: close" in data.lower():
            client.close()
            client = wire.connect(subject.address)
    client.close()
    return answered


@check(30, "Four times the cap of slow calls: all answered, never more at once, never more threads")
def thread_cap(start: Start) -> Result:
    findings = Findings()
    cap = 8
    subject = start(threads=cap, max_concurrent_calls=cap)
    subject.call("echo")
    before = subject.threads()
    with ThreadPoolExecutor(4 * cap) as pool:
        calls = [pool.submit(subject.call, "slow", 0.3, timeout_s=10) for _ in range(4 * cap)]
        most = 0
        while not all(call.done() for call in calls):
            most = max(most, subject.threads())
            wait_until(lambda: all(call.done() for call in calls), 0.02)
    codes = sorted({call.result().status for call in calls})
    inside = subject.ask()["most_inside"]
    findings.measure(f"{4 * cap} calls: {codes}, {inside} at once at most, threads {before} -> {most} (cap {cap})")
    findings.require(set(codes) <= {200, 503}, f"statuses {codes}")
    findings.require(inside <= cap, f"{inside} calls ran at once")
    findings.require(most <= before + cap, "more threads than the cap")
    return findings.result()


@check(36, "1,000 resets in the middle of an answer leave nothing behind; half-closed clients are answered")
def broken_connections(start: Start) -> Result:
    findings = Findings()
    cap = 16
    subject = start(read_timeout_s=5, threads=cap)
    idle = subject.threads()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: reset_midway(subject), range(300)))
        settled = wait_until(lambda: not subject.process.net_connections("tcp")[1:], 8)
        before = subject.settled_descriptors(), subject.threads(), subject.memory()
        list(pool.map(lambda _: reset_midway(subject), range(1000)))
        wait_until(lambda: subject.descriptors() <= before[0] and subject.threads() <= before[1], 8)
        after = subject.settled_descriptors(), subject.threads(), subject.memory()
        answered = sum(pool.map(lambda _: half_closed(subject), range(100)))
    findings.measure(f"descriptors {before[0]} -> {after[0]}, threads {before[1]} -> {after[1]}")
    findings.measure(f"memory {(after[2] - before[2]) / MIB:+.1f} MiB, {answered} of 100 half-closed answered")
    findings.require(settled, "connections of the warm-up are still there")
    findings.require(after[0] <= before[0], "descriptors are left behind")
    findings.require(after[1] <= max(before[1], idle + cap), "threads are left behind")
    findings.require(after[2] - before[2] < 32 * MIB, "memory is left behind")
    findings.require(answered == 100, f"{100 - answered} half-closed clients were not answered")
    through_a_proxy(subject, findings)
    findings.require(subject.is_alive(), "the server is not alive")
    return findings.result()


def reset_midway(subject: Subject) -> None:
    """Request a large answer, read its beginning, and reset the connection."""
    client = socket.socket()
    client.settimeout(5)
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(subject.address)
        client.sendall(wire.post(wire.rpc("big", 500_000)))
        client.recv(1000)
    reset(client)


def half_closed(subject: Subject) -> bool:
    try:
        with wire.connect(subject.address) as client:
            client.sendall(wire.post(wire.ECHO, b"Connection: close"))
            client.shutdown(socket.SHUT_WR)
            return bool(wire.answer_of(wire.receive(client, 3), 0).result == "a")
    except OSError:
        return False


def through_a_proxy(subject: Subject, findings: Findings) -> None:
    """Call through a proxy that drips, half-closes and cuts."""
    request = wire.post(wire.ECHO, b"Connection: close")
    with FaultProxy(subject.address, upward=Drip(every_s=0.002)) as proxy:
        dripped = wire.exchange(proxy.address, request, 5).statuses
    with FaultProxy(subject.address, upward=HalfClose(after_bytes=len(request))) as proxy:
        half = wire.exchange(proxy.address, request, 5).statuses
    before = subject.ran()
    with FaultProxy(subject.address, upward=Cut(after_bytes=len(request) - 1)) as proxy:
        wire.exchange(proxy.address, request, 2)
    cut_ran = subject.ran() - before
    findings.measure(f"through a proxy: dripped {dripped}, half-closed {half}, cut before the last byte: {cut_ran} ran")
    findings.require(dripped == [200], "a request that drips through a proxy is not answered")
    findings.require(half == [200], "a request that a proxy half-closes is not answered")
    findings.require(cut_ran == 0, "a request that was cut off ran")
