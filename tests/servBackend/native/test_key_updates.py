"""A client that demands new keys and reads nothing: TLS has to answer before it can receive more."""

import _ssl
import contextlib
import ctypes
import selectors
import socket

from tests.helpers import wait_until

# OpenSSL, which Python may have built in; its own module has no such call.
LIBRARY = ctypes.CDLL(getattr(_ssl, "__file__", None))
for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(LIBRARY, name).restype = ctypes.c_void_p

UPDATE_REQUESTED = 1


@contextlib.contextmanager
def handshaken(sock, address):
    """Connect a socket, and yield OpenSSL's connection over it, after its handshake."""
    sock.connect(str(address))
    context = ctypes.c_void_p(LIBRARY.SSL_CTX_new(ctypes.c_void_p(LIBRARY.TLS_client_method())))
    connection = ctypes.c_void_p(LIBRARY.SSL_new(context))
    try:
        assert LIBRARY.SSL_set_fd(connection, sock.fileno()) == 1
        assert LIBRARY.SSL_connect(connection) == 1
        sock.setblocking(False)
        yield connection
    finally:
        LIBRARY.SSL_free(connection)
        LIBRARY.SSL_CTX_free(context)


def demand_keys(connection):
    """Demand new keys until the socket takes no more."""
    is_sent = True
    while is_sent:
        if LIBRARY.SSL_get_key_update_type(connection) < 0:  # else the last demand has not been sent
            LIBRARY.SSL_key_update(connection, UPDATE_REQUESTED)
        is_sent = LIBRARY.SSL_do_handshake(connection) == 1


def test_client_that_demands_keys_and_reads_nothing_is_waited_for(serve, certificates, tmp_path):
    listener = socket.socket(socket.AF_UNIX)  # whose buffers have a fixed size
    listener.bind(str(tmp_path / "server"))
    listener.listen()
    front = serve(lambda environ, start_response: [], listener, ssl=certificates.files)
    with socket.socket(socket.AF_UNIX) as sock, handshaken(sock, tmp_path / "server") as connection:
        (seen,) = front.manager._connections

        def is_stuck():
            demand_keys(connection)
            return seen.awaits_write_to_receive

        wait_until(is_stuck)
        wait_until(lambda: seen.registered == selectors.EVENT_WRITE)

        def goes_on():
            with contextlib.suppress(BlockingIOError):
                sock.recv(100_000)
            return seen.registered == selectors.EVENT_READ

        wait_until(goes_on)
