"""The limits on accepted connections, and the pauses of the listener."""

import math
import selectors
import socket

import pytest

from flaskJSONRPCServer.servBackend.native.acceptor import Acceptor, ConnectionLimits, connection_limit


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@pytest.fixture
def selector():
    with selectors.DefaultSelector() as new_selector:
        yield new_selector


def acceptor_of(listener, most=100, per_client=100, proxies=()):
    return Acceptor(listener, ConnectionLimits(most, per_client, 1000, 1000, proxies))


@pytest.mark.parametrize(
    ("setting", "free", "expected"),
    [(1, None, 1), (1000, None, 1000), (1000, 64, 32), (1000, 10, 4), (2, 1000, 2), (2, 10, 2), (1000, 5000, 1000)],
)
def test_descriptors_that_are_free_bound_the_connections(monkeypatch, setting, free, expected):
    monkeypatch.setattr("flaskJSONRPCServer.servBackend.native.acceptor.free_descriptors", lambda: free)
    assert connection_limit(setting) == expected


def test_client_is_limited_to_its_setting_and_to_half_of_all(listener, selector):
    for most, per_client, expected in ((100, 3, 3), (10, 100, 5), (1, 1, 1)):
        acceptor = acceptor_of(listener, most, per_client)
        assert [acceptor.admit("192.0.2.1") for _ in range(expected + 1)] == [True] * expected + [False]
        assert acceptor.admit("192.0.2.2")
        acceptor.release("192.0.2.1")
        assert acceptor.admit("192.0.2.1")
        acceptor.close(selector)


def test_proxies_and_clients_without_an_address_are_not_limited(listener, selector):
    acceptor = acceptor_of(listener, per_client=1, proxies=["192.0.2.9"])
    assert all(acceptor.admit("192.0.2.9") for _ in range(50))
    assert all(acceptor.admit("") for _ in range(50))
    acceptor.release("192.0.2.9")
    acceptor.release("")
    assert acceptor.admit("192.0.2.8")
    acceptor.close(selector)


def test_addresses_of_one_ipv6_network_are_one_client(listener, selector):
    acceptor = acceptor_of(listener, per_client=2)
    addresses = [f"2001:db8::{number}" for number in range(3)]
    assert [acceptor.admit(address) for address in addresses] == [True, True, False]
    assert acceptor.admit("2001:db8:0:1::")
    acceptor.release(addresses[0])
    assert acceptor.admit(addresses[2])
    acceptor.close(selector)


def test_released_clients_are_not_kept(listener, selector):
    acceptor = acceptor_of(listener)
    for number in range(100):
        acceptor.admit(f"192.0.2.{number}")
        acceptor.admit(f"192.0.2.{number}")
        acceptor.release(f"192.0.2.{number}")
        acceptor.release(f"192.0.2.{number}")
    assert acceptor._per_client == {}
    acceptor.close(selector)


def test_listener_is_registered_while_there_is_room(listener, selector):
    acceptor = acceptor_of(listener, most=2)
    assert acceptor.may_listen(0, 0.0)
    acceptor.listen(selector)
    assert not acceptor.may_listen(0, 0.0)  # it listens already
    acceptor.pause(selector)
    assert not selector.get_map()
    assert not acceptor.may_listen(2, 0.0)
    assert acceptor.may_listen(1, 0.0)
    acceptor.close(selector)


def test_pause_ends_with_its_time_or_with_a_connection(listener, selector):
    acceptor = acceptor_of(listener)
    acceptor.listen(selector)
    acceptor.pause(selector, until=5.0)
    assert acceptor.resumes_at == 5.0
    assert not acceptor.may_listen(1, 4.9)
    assert acceptor.may_listen(1, 5.0)
    acceptor.admit("a")
    acceptor.release("a")
    assert acceptor.resumes_at == math.inf
    assert acceptor.may_listen(1, 4.9)
    acceptor.close(selector)


def test_connection_is_accepted_without_blocking(listener, selector):
    acceptor = acceptor_of(listener)
    with pytest.raises(BlockingIOError):
        acceptor.accept()
    with socket.create_connection(listener.getsockname()) as client:
        acceptor.listen(selector)
        assert selector.select(30)
        accepted, address = acceptor.accept()
        with accepted:
            assert not accepted.getblocking()
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert address == client.getsockname()
            assert acceptor.client_host(address) == "127.0.0.1"
    acceptor.close(selector)


def test_close_leaves_the_listener_as_it_was(listener, selector):
    acceptor = acceptor_of(listener)
    acceptor.listen(selector)
    acceptor.close(selector)
    assert listener.getblocking()
    assert not selector.get_map()
    with socket.create_connection(listener.getsockname()), listener.accept()[0]:
        pass


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the system has no Unix sockets")
def test_client_of_a_unix_socket_has_no_address(tmp_path, selector):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        acceptor = acceptor_of(listener)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "socket"))
            acceptor.listen(selector)
            assert selector.select(30)
            accepted, address = acceptor.accept()
            with accepted:
                assert acceptor.client_host(address) == ""
        acceptor.close(selector)
