"""Misbehaving clients, as on the open internet: slow, silent, malformed, disconnecting. All kinds run all the time.

They run in another process, to not slow down the timed clients: ``python -m benchmarks.soak.misbehaving HOST PORT
TLS_PORT SECONDS [--gevent]``. It ends with a line of JSON: the number of clients of each kind, and the wrong answers.
"""

import json
import re
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from scorecard import wire

from .server import LIMITS
from .stalls import StallWatch

CUT_STRANGERS = "others that were cut so"

# How long an answer or the end of a connection may take: a restart of the server delays requests.
_TIMEOUT_S = 40.0

_FAULTS_KEPT = 100
_ANSWER_BYTES = 8_000_000

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_ANSWER = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) .*?\r\n\r\n(.*?)(?=HTTP/1\.1 |\Z)", re.DOTALL)

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of client.

    Attributes:
        run: Runs one client. It raises AssertionError for a wrong answer.
        pause_s: The time until the next client.
        is_secure: Whether it connects to the port with TLS.
    """

    run: Callable[[Address], None]
    pause_s: float
    is_secure: bool = False


def send_slow_head(address: Address) -> None:
    with wire.connect(address) as client:
        drip(client, wire.HEAD + b"X: " + b"a" * 1000)
        assert_refused(wire.receive(client, _TIMEOUT_S), 408)


def send_slow_body(address: Address) -> None:
    with wire.connect(address) as client:
        client.sendall(wire.HEAD + b"Content-Length: 100000\r\n\r\n{")
        drip(client, b" " * 1000)
        assert_refused(wire.receive(client, _TIMEOUT_S), 408)


def drip(client: socket.socket, data: bytes) -> None:
    """Send single bytes slowly until the server ends the connection."""
    client.settimeout(0.2)
    for place in range(len(data)):
        try:
            client.sendall(data[place : place + 1])
            client.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            continue
        except OSError:
            return
        return
    raise AssertionError(f"{len(data)} bytes were let drip")


def send_nothing(address: Address) -> None:
    with wire.connect(address) as client:
        received = wire.receive(client, _TIMEOUT_S)
        assert received.ended, "a silent client is kept"


def give_up_head(address: Address) -> None:
    send_and_close(address, wire.HEAD[:50])


def give_up_body(address: Address) -> None:
    send_and_close(address, wire.post(wire.ECHO)[:-10])


def send_and_close(address: Address, data: bytes) -> None:
    with wire.connect(address) as client:
        client.sendall(data)


def reset_in_body(address: Address) -> None:
    with wire.connect(address) as client:
        client.sendall(wire.post(wire.rpc("echo", "x" * 200_000))[:100_000])
        reset(client)


def reset_in_answer(address: Address) -> None:
    with wire.connect(address, _TIMEOUT_S) as client:
        client.sendall(wire.post(wire.rpc("large", _ANSWER_BYTES)))
        client.recv(10_000)
        reset(client)


def reset_before_answer(address: Address) -> None:
    with wire.connect(address) as client:
        client.sendall(wire.post(wire.rpc("nap")))
        reset(client)


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    client.close()


def read_nothing(address: Address) -> None:
    """Request more than the kernel buffers, and read it after the server must have given up."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(_TIMEOUT_S)
        client.connect(address)
        client.sendall(wire.post(wire.rpc("large", _ANSWER_BYTES)))
        client.recv(1, socket.MSG_PEEK)  # the answer has begun
        time.sleep(LIMITS["rate_grace_s"] + 2)
        received = wire.receive(client, _TIMEOUT_S)
        assert received.ended, "a client that does not read is kept"
        assert len(received.data) < _ANSWER_BYTES, "a client that does not read is not cut"


def half_close(address: Address) -> None:
    with wire.connect(address) as client:
        client.sendall(wire.post(wire.rpc("echo", "half")))
        client.shutdown(socket.SHUT_WR)
        assert_results(wire.receive(client, _TIMEOUT_S), ["half"])


def pipeline(address: Address) -> None:
    texts = [f"number {number}" for number in range(20)]
    requests = [wire.post(wire.rpc("echo", text)) for text in texts[:-1]]
    data = b"".join([*requests, wire.post(wire.rpc("echo", texts[-1]), b"Connection: close")])
    assert_results(wire.exchange(address, data, _TIMEOUT_S), texts)


def send_chunks(address: Address) -> None:
    body = wire.rpc("echo", "chunk " * 2000)
    pieces = [body[start : start + 700] for start in range(0, len(body), 700)]
    chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    data = wire.HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks + b"0\r\nT: 1\r\n\r\n"
    with wire.connect(address, _TIMEOUT_S) as client:
        for start in range(0, len(data), 1000):
            client.sendall(data[start : start + 1000])
        assert_results(wire.receive(client, _TIMEOUT_S), ["chunk " * 2000])


def expect_continue(address: Address) -> None:
    head, _, body = wire.post(wire.rpc("echo", "later"), b"Expect: 100-continue", b"Connection: close").partition(
        b"\r\n\r\n"
    )
    with wire.connect(address, _TIMEOUT_S) as client:
        client.sendall(head + b"\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n", "not asked to go on"
        client.sendall(body)
        assert_results(wire.receive(client, _TIMEOUT_S), ["later"])


def send_too_much(address: Address) -> None:
    """Send a body of some megabytes, which is refused during the transfer."""
    with wire.connect(address, _TIMEOUT_S) as client:
        client.sendall(wire.HEAD + b"Content-Length: 4000000\r\n\r\n" + b" " * 4_000_000)
        assert_refused(wire.receive(client, _TIMEOUT_S), 413)


def send_too_many_chunks(address: Address) -> None:
    with wire.connect(address, _TIMEOUT_S) as client:
        client.sendall(wire.HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n%b\r\n" % (b" " * 0x4000) * 100)
        assert_refused(wire.receive(client, _TIMEOUT_S), 413)


_MALFORMED = (
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    wire.HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    wire.HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    wire.HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n",
    wire.HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    wire.HEAD + b"A: b\r\n" * 200 + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    bytes(range(256)) * 4,
)


def send_malformed(address: Address) -> None:
    hidden = wire.post(wire.rpc("echo", "hidden"))
    for data in _MALFORMED:
        assert_refused(wire.exchange(address, data + hidden, _TIMEOUT_S), 400, 414, 431, 501, 505)


def stall_handshake(address: Address) -> None:
    with wire.connect(address) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        received = wire.receive(client, _TIMEOUT_S)
        assert received.ended, "a stalled handshake is kept"


def speak_no_tls(address: Address) -> None:
    received = wire.exchange(address, wire.post(wire.ECHO), _TIMEOUT_S)
    assert received.ended, "a client that speaks no TLS is kept"
    assert b"HTTP/1.1 200" not in received.data, "answered without TLS"


def reset_in_handshake(address: Address) -> None:
    with wire.connect(address) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        reset(client)


KINDS = (
    Kind(send_slow_head, 0.1),
    Kind(send_slow_body, 0.1),
    Kind(send_nothing, 0.1),
    Kind(give_up_head, 0.2),
    Kind(give_up_body, 0.2),
    Kind(reset_in_body, 0.2),
    Kind(reset_in_answer, 1.0),
    Kind(reset_before_answer, 0.2),
    Kind(read_nothing, 0.5),
    Kind(half_close, 0.1),
    Kind(pipeline, 0.2),
    Kind(send_chunks, 0.2),
    Kind(expect_continue, 0.2),
    Kind(send_too_much, 1.0),
    Kind(send_too_many_chunks, 1.0),
    Kind(send_malformed, 0.5),
    Kind(stall_handshake, 0.1, is_secure=True),
    Kind(speak_no_tls, 0.5, is_secure=True),
    Kind(reset_in_handshake, 0.5, is_secure=True),
)

# pywsgi ends a slow head without an answer, and allows more time to a client that does not read its answer.
NATIVE_ALONE = (send_slow_head, read_nothing)


def kinds_for(*, gevent: bool) -> list[Kind]:
    """Return the kinds that a serving backend must handle."""
    return [kind for kind in KINDS if not (gevent and kind.run in NATIVE_ALONE)]


def assert_refused(received: wire.Received, *codes: int) -> None:
    """Raise unless there was one answer, with one of these statuses, and the end of the connection."""
    assert received.ended, f"kept after {received.data[:100]!r}"
    assert len(received.statuses) == 1, f"{received.statuses}, not one of {codes}: {received.data[:200]!r}"
    assert received.statuses[0] in {*codes, 503}, f"status {received.statuses[0]}, not one of {codes}"


def assert_results(received: wire.Received, results: list[str]) -> None:
    """Raise unless there were these results in this order. During a flood, some may be refused."""
    assert received.ended, f"kept after {received.data[:100]!r}"
    answers = _ANSWER.findall(received.data.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b""))
    for (status, body), result in zip(answers, results, strict=False):
        if status == b"503":
            return
        assert status == b"200", f"status {status!r}: {body[:200]!r}"
        assert json.loads(body)["result"] == result, f"{body[:200]!r}, not {result[:50]!r}"
    assert len(answers) == len(results), f"{len(answers)} answers to {len(results)} requests: {received.data[:200]!r}"


class Clients(threading.Thread):
    """Run one client of a kind after the other until a deadline."""

    def __init__(self, kind: Kind, address: Address, stalls: StallWatch, deadline: float) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._kind = kind
        self._address = address
        self._stalls = stalls
        self._deadline = deadline

    def run(self) -> None:
        name = self._kind.run.__name__.replace("_", " ")
        while time.monotonic() < self._deadline:
            began = time.monotonic()
            try:
                self._kind.run(self._address)
            except (AssertionError, OSError) as exc:
                if self._stalls.explains(began):
                    self.counts[CUT_STRANGERS] += 1
                elif len(self.faults) < _FAULTS_KEPT:
                    self.faults.append(f"{name}: {exc!r}")
            self.counts[name] += 1
            time.sleep(self._kind.pause_s)


def main() -> None:
    host, port, tls_port, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    deadline = time.monotonic() + seconds
    kinds = kinds_for(gevent="--gevent" in sys.argv)
    with StallWatch().running() as stalls:
        clients = [Clients(kind, (host, tls_port if kind.is_secure else port), stalls, deadline) for kind in kinds]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    counts = sum((client.counts for client in clients), Counter())
    print(json.dumps({"counts": counts, "faults": [fault for client in clients for fault in client.faults]}))


if __name__ == "__main__":
    main()
