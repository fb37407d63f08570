"""The faults that the proxy simulates."""

import contextlib
import socket
import threading
import time

import pytest

from scorecard.faultproxy import Cut, Delay, Drip, FaultProxy, HalfClose


@pytest.fixture
def server():
    """Accept one connection, and record the received pieces and how the connection ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen = {"pieces": [], "ended": None}

    def serve():
        with contextlib.suppress(OSError), listener.accept()[0] as client:
            try:
                while piece := client.recv(65536):
                    seen["pieces"].append(piece)
                seen["ended"] = "end"
                client.sendall(b"answer")
            except ConnectionResetError:
                seen["ended"] = "reset"

    thread = threading.Thread(target=serve)
    thread.start()
    seen["address"], seen["thread"] = listener.getsockname(), thread
    yield seen
    listener.close()
    thread.join()


def exchange(address, data):
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(data)
        try:
            client.shutdown(socket.SHUT_WR)
        except OSError as exc:  # the reset has come already
            raise ConnectionResetError from exc
        received = b""
        while chunk := client.recv(65536):
            received += chunk
        return received


def test_bytes_pass_unchanged_both_ways(server):
    with FaultProxy(server["address"]) as proxy:
        assert exchange(proxy.address, b"x" * 100_000) == b"answer"
    assert b"".join(server["pieces"]) == b"x" * 100_000


def test_delay_holds_bytes_back(server):
    with FaultProxy(server["address"], upward=Delay(0.05)) as proxy:
        began = time.monotonic()
        assert exchange(proxy.address, b"hello") == b"answer"
    assert time.monotonic() - began >= 0.05


def test_drip_passes_single_bytes(server):
    with FaultProxy(server["address"], upward=Drip(0.01)) as proxy:
        assert exchange(proxy.address, b"hello") == b"answer"
    assert b"".join(server["pieces"]) == b"hello"
    assert len(server["pieces"]) > 1


def test_cut_resets_both_sides(server):
    with FaultProxy(server["address"], upward=Cut(after_bytes=3)) as proxy:
        with pytest.raises(ConnectionResetError):
            exchange(proxy.address, b"hello")
        server["thread"].join()
    assert server["ended"] == "reset"
    assert b"".join(server["pieces"]) in (b"", b"hel")  # a reset may overtake sent bytes


def test_half_close_ends_one_direction_and_the_other_goes_on(server):
    with FaultProxy(server["address"], upward=HalfClose(after_bytes=3)) as proxy:
        assert exchange(proxy.address, b"hello") == b"answer"
    assert (server["ended"], b"".join(server["pieces"])) == ("end", b"hel")


def test_server_that_is_not_there_is_a_reset():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()
    with FaultProxy(address) as proxy, pytest.raises(ConnectionResetError):
        exchange(proxy.address, b"hello")
