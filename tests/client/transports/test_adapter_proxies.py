"""A session of requests behind a proxy: no call is sent twice. With the urllib3 that is installed, and with 1.26."""

import contextlib
import functools
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import urllib3

from flaskJSONRPCServer.client import Client, ConnectError, ConnectionLostError, RequestsTransport
from tests.client.raw_server import answered

ROOT = Path(__file__).resolve().parents[3]
OLD = "1.26"
RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def connect():
    """Make a client of a session with a proxy."""
    with contextlib.ExitStack() as stack:

        def connect(proxy, url="http://server.example/api"):
            session = stack.enter_context(requests.Session())
            session.trust_env = False
            session.proxies = dict.fromkeys(("http", "https"), proxy)
            return stack.enter_context(Client(url, transport=RequestsTransport(session), timeout=20))

        yield connect


def url_of(proxy):
    return f"http://127.0.0.1:{proxy.port}"


def test_call_through_a_proxy(connect, raw):
    proxy = raw(lambda connection: connection.send(answered("well", connection.read_id())))

    assert connect(url_of(proxy)).add() == "well"
    assert proxy.requests[0]["line"] == "POST http://server.example/api HTTP/1.1"


@pytest.mark.parametrize("is_reset", [False, True])
def test_request_that_a_proxy_may_have_passed_on_is_not_sent_again(connect, raw, is_reset):
    def handle(connection):
        connection.read()
        if is_reset:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    proxy = raw(handle)
    with pytest.raises(ConnectionLostError) as raised:
        connect(url_of(proxy)).add()

    assert raised.value.is_sent
    assert len(proxy.requests) == 1


def test_tunnel_that_is_refused_was_not_used(connect, raw):
    def handle(connection):
        connection.read()
        connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(ConnectError) as raised:
        connect(url_of(raw(handle)), "https://server.example/api").add()
    assert not raised.value.is_sent


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_that_does_not_listen(connect, scheme):
    with pytest.raises(ConnectError) as raised:
        connect("http://127.0.0.1:9", f"{scheme}://server.example/api").options(retry=None).add()
    assert not raised.value.is_sent


@pytest.mark.timeout(300)
@pytest.mark.skipif(urllib3.__version__.startswith(OLD), reason="this is it")
def test_same_with_an_old_urllib3(tmp_path):
    """Install it into a folder that comes before the packages of this environment."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-compile"]
    run = functools.partial(subprocess.run, capture_output=True, text=True, check=False, cwd=ROOT)
    done = run([*pip, "--target", str(tmp_path), f"urllib3~={OLD}.20"])
    assert done.returncode == 0, done.stdout + done.stderr
    # It warns of itself, and Python of it, on newer versions.
    options = ["-p", "no:xdist", "-p", "no:cacheprovider", "-q", "--no-header", "-W", "default"]
    done = run(
        [sys.executable, "-m", "pytest", *options, str(Path(__file__).relative_to(ROOT))],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert re.search(r"^6 passed, 1 skipped", done.stdout, re.M), done.stdout
