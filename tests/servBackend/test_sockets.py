"""Listening on several addresses, on Unix sockets, and on sockets of the user."""

import contextlib
import errno
import http.client
import json
import socket
import stat

import pytest

from flaskJSONRPCServer import BindError, SettingsError, UnsupportedError, flaskJSONRPCServer

HOSTS = ["127.0.0.1", "::1"]


class Connection(http.client.HTTPConnection):
    """Connects to an item of `server.addresses`: `(ip, port)` or a path."""

    def __init__(self, address):
        super().__init__("localhost", timeout=30)
        self._address = address

    def connect(self):
        if isinstance(self._address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(self._address)
        else:
            self.sock = socket.create_connection(self._address, timeout=30)


NO_ADDRESSES = ["/tmp/\0x", "/tmp/\ud800", ["a..b", 0], ["a" * 70, 0], ["a" * 300, 0], ["a\0b", 0]]


def ask(address, method="came_by", **headers):
    with contextlib.closing(Connection(address)) as connection:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "id": 1})
        connection.request("POST", "/api", body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        text = response.read()
        return json.loads(text)["result"] if response.status == 200 else response.status


def came_by(_connection):
    is_raw, where, port_or_socket = _connection.servedBy
    return [is_raw, where, port_or_socket if type(port_or_socket) is int else type(port_or_socket).__name__]


def peer(_connection):
    return [_connection.ip, _connection.headers["Host"]]


def make(address, **options):
    server = flaskJSONRPCServer(address, log=options.pop("log", 0), **options)
    server.registerFunction(came_by, path="/api")
    server.registerFunction(peer, path="/api")
    return server


@contextlib.contextmanager
def served(address, **options):
    server = make(address, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a Unix socket must be short
    return "./api.sock"


def is_refused(address):
    with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
        ask(address)
        return False
    return True


def test_all_addresses_are_served_and_shown(path):
    with served([["127.0.0.1", 0], ["::1", 0], path], multipleAdress=True) as server:
        four, six, unix = server.addresses
        assert (four[0], six[0], unix) == ("127.0.0.1", "::1", path)
        assert ask(four) == [False, "127.0.0.1", four[1]]
        assert ask(six) == [False, "::1", six[1]]
        assert ask(unix) == [True, path, "socket"]
    assert server.addresses == []
    assert [is_refused(address) for address in (four, six, unix)] == [True] * 3


def test_start_that_fails_on_one_leaves_none_listening(path, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()
        server = make([sock, path, list(taken.getsockname())], multipleAdress=True)
        with pytest.raises(BindError, match="Address already in use"):
            server.start()
        assert server.addresses == []
        assert list(tmp_path.iterdir()) == []
    assert is_refused(address)


def test_backend_that_fails_on_one_address_is_stopped_on_the_others():
    seen = []

    def start(address, app, server, join):
        seen.append(("start", address))
        if len(seen) == 2:
            raise OSError("no such luck")
        return "first"

    backend = {"_id": "half", "start": start, "stop": lambda instance, *rest: seen.append(("stop", instance))}
    server = make([["127.0.0.1", 1], ["127.0.0.1", 2]], multipleAdress=True, servBackend=backend)
    with pytest.raises(OSError, match="no such luck"):
        server.start()
    assert seen == [("start", ["127.0.0.1", 1]), ("start", ["127.0.0.1", 2]), ("stop", "first")]


@pytest.mark.parametrize("address", [[], "127.0.0.1", ["127.0.0.1", 1], [["127.0.0.1", 1], 5], 5])
def test_value_that_is_no_list_of_addresses_is_refused(address):
    with pytest.raises(SettingsError, match="bindAdress"):
        make(address, multipleAdress=True)


def test_several_addresses_without_their_option_name_it():
    with pytest.raises(SettingsError, match="for several addresses give multipleAdress=True"):
        flaskJSONRPCServer([["127.0.0.1", 0], ["127.0.0.1", 0]]).start()


@pytest.mark.parametrize("form", [lambda path: path, lambda path: [path, None], lambda path: (path, None)])
def test_unix_socket_is_private_and_goes_away(path, tmp_path, form):
    with served(form(path)) as server:
        assert server.addresses == [path]
        mode = (tmp_path / path).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        assert ask(path, "peer") == [None, "localhost"]
    assert list(tmp_path.iterdir()) == []


def test_unix_socket_takes_loopback_names_only(path):
    with served(path):
        assert ask(path, Host="evil.test") == 421


def test_unix_socket_is_named_in_the_log(path, caplog):
    with served(path, name="logged", log=4):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"no request\r\n\r\n")
            assert b"400" in client.recv(65536)
    assert "server 'logged' listens on unix:./api.sock" in caplog.text


def test_unbound_unix_socket_is_bound_and_closed_at_the_end(path, tmp_path):
    sock = socket.socket(socket.AF_UNIX)
    with served((path, sock)):
        assert ask(path) == [True, path, "socket"]
    assert sock.fileno() == -1
    assert list(tmp_path.iterdir()) == []


def test_server_on_a_path_starts_again(path):
    server = make(path)
    for _ in range(2):
        server.start()
        assert ask(path)[0] is True
        server.stop()


@pytest.mark.parametrize("host", HOSTS)
def test_socket_that_was_handed_down_is_served_and_stays_open(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as sock:
        address = sock.getsockname()[:2]
        for form in (sock, [host, sock]):
            with served(form) as server:
                assert server.addresses == [address]
                assert ask(address) == [True, host, "socket"]
        assert sock.fileno() >= 0


def test_unix_socket_that_was_handed_down_keeps_its_file(path, tmp_path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        with served(sock) as server:
            assert server.addresses == [path]
            assert ask(path) == [True, path, "socket"]
        assert [file.name for file in tmp_path.iterdir()] == ["api.sock"]


def test_unbound_and_closed_sockets_are_refused():
    with socket.socket() as unbound, pytest.raises(SettingsError, match="not bound"):
        make(unbound)
    with pytest.raises(SettingsError, match="closed"):
        make(unbound)
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, pytest.raises(SettingsError, match="no stream socket"):
        make(datagrams)


def test_stale_socket_file_is_replaced(path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    with served(path):
        assert ask(path)[0] is True


def test_live_socket_file_is_refused_and_left_alone(path):
    with served(path):
        with pytest.raises(BindError, match="another program listens there") as caught:
            make(path).start()
        assert caught.value.errno == errno.EADDRINUSE
        assert ask(path)[0] is True


def test_live_socket_whose_queue_is_full_is_refused(path):
    with socket.socket(socket.AF_UNIX) as live, contextlib.ExitStack() as clients:
        live.bind(path)
        live.listen(0)
        while True:
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            if client.connect_ex(path):
                break
        with pytest.raises(BindError, match="another program listens there"):
            make(path).start()


def test_file_that_is_no_socket_is_refused_and_kept(path, tmp_path):
    (tmp_path / path).write_text("precious")
    with pytest.raises(BindError, match="no socket"):
        make(path).start()
    assert (tmp_path / path).read_text() == "precious"


def test_file_of_another_program_is_not_removed(path, tmp_path):
    with served(path):
        (tmp_path / path).rename(tmp_path / "old.sock")  # so that its inode stays in use
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["api.sock", "old.sock"]


@pytest.mark.parametrize("bad", ["./no/such/folder.sock", "./" + "x" * 200])
def test_path_that_cannot_be_bound_is_one_clear_error(path, bad):
    with pytest.raises(BindError, match=r"cannot listen on unix:\./.*: .*; give a path in a folder") as caught:
        make(bad).start()
    assert caught.value.errno in (errno.ENOENT, errno.EINVAL)


def test_backend_without_sockets_refuses_them(path):
    backend = {"_id": "plain", "start": print}
    with pytest.raises(UnsupportedError, match=r"'plain' cannot serve on unix:\./api.sock"):
        make(path, servBackend=backend)


@pytest.mark.parametrize("address", NO_ADDRESSES, ids=ascii)
def test_address_that_no_system_has_is_a_clear_error(address):
    server = flaskJSONRPCServer(address, log=0)
    with pytest.raises(BindError, match=r"cannot listen on .*; give a"):
        server.start()
    assert not server.addresses


@pytest.mark.parametrize("address", [["a..b", 0], ["a" * 70, 0]], ids=ascii)
def test_metrics_address_that_no_system_has_is_a_clear_error(address):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, metrics=True, metrics_address=address)
    with pytest.raises(BindError, match="cannot listen on"):
        server.start()
    assert not server.addresses
