"""Socket activation: listening sockets that a process inherits from systemd."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import textwrap

import pytest

from flaskJSONRPCServer import BindError
from flaskJSONRPCServer.servBackend.activation import inherited_socket, systemd_sockets
from tests.examples.processes import running

SERVED = """
    import os
    import subprocess
    import sys
    from flaskJSONRPCServer import flaskJSONRPCServer

    server = flaskJSONRPCServer(None, log=0, name="served")

    def came_by(_connection):
        where = _connection.servedBy[1]
        return where if "/" in where else "tcp"

    def variables():
        return [name for name in os.environ if name.startswith("LISTEN_")]

    def child_has(descriptor):
        code = "import os, sys; os.fstat(int(sys.argv[1]))"
        command = [sys.executable, "-c", code, str(descriptor)]
        return subprocess.run(command, close_fds=False, stderr=subprocess.DEVNULL).returncode == 0

    for function in (came_by, variables, child_has):
        server.registerFunction(function, path="/api")
"""

# Does the work of systemd between fork and exec: moves the sockets to descriptors from 3 on, and sets the variables.
LAUNCHER = """
    import os, sys
    descriptors, pid, *command = sys.argv[1:]
    held = [os.dup(int(number)) for number in descriptors.split(",")]
    for place, descriptor in enumerate(held, 3):
        os.dup2(descriptor, place)
        os.set_inheritable(place, True)  # dup2() does not do this if both are the same
    os.environ["LISTEN_FDS"] = str(len(held))
    os.environ["LISTEN_PID"] = pid or str(os.getpid())
    os.execv(command[0], command)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "served.py").write_text(textwrap.dedent(SERVED), encoding="utf-8")
    return tmp_path


@contextlib.contextmanager
def listening(address=("127.0.0.1", 0), family=socket.AF_INET):
    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()
        yield listener


def activated(folder, listeners, *bind, pid=""):
    """Run a server in a process that inherits sockets."""
    descriptors = ",".join(str(listener.fileno()) for listener in listeners)
    options = [f"--bind={address}" for address in bind]
    command = [sys.executable, "-m", "flaskJSONRPCServer", "serve", "served", *options]
    launcher = [sys.executable, "-c", textwrap.dedent(LAUNCHER), descriptors, pid, *command]
    return running(launcher, cwd=folder, pass_fds=[listener.fileno() for listener in listeners])


def ask(listener, method, *params):
    """Call a method over a connection to a listening socket of this process, which the other process serves."""
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(listener.family)
    connection.sock.settimeout(30)
    connection.sock.connect(listener.getsockname())
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
    with contextlib.closing(connection):
        connection.request("POST", "/api", body, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())["result"]


@pytest.mark.parametrize("bind", ["systemd", "fd://3"])
def test_inherited_socket_is_served(folder, bind):
    with listening() as listener, activated(folder, [listener], bind) as program:
        assert program.line_with(r"serving 'served' on http://127\.0\.0\.1:(\d+)/")[1] == str(listener.getsockname()[1])
        assert ask(listener, "came_by") == "tcp"
        assert program.end(signal.SIGTERM) == 0, program.output


def test_all_sockets_of_systemd_are_served(folder):
    path = str(folder / "api.sock")
    with listening() as first, listening(path, socket.AF_UNIX) as second:
        with activated(folder, [first, second], "systemd"):
            assert [ask(first, "came_by"), ask(second, "came_by")] == ["tcp", path]


def test_socket_of_a_number_is_served_beside_an_address(folder):
    with listening() as first, listening() as second:
        with activated(folder, [first, second], "fd://4", "unix:./own.sock") as program:
            program.line_with(rf"on http://127\.0\.0\.1:{second.getsockname()[1]}/ unix:\./own\.sock")
            assert ask(second, "came_by") == "tcp"


def test_clients_wait_while_the_service_is_started_anew(folder):
    with listening() as listener:
        with activated(folder, [listener], "systemd") as program:
            assert ask(listener, "came_by") == "tcp"
            assert program.end(signal.SIGTERM) == 0, program.output
        with socket.create_connection(listener.getsockname(), timeout=30) as client:  # accepted by the kernel
            client.sendall(b"GET /api/came_by HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with activated(folder, [listener], "systemd"), client.makefile("rb") as answer:
                assert answer.read().endswith(b'"result":"tcp","id":null}')


def test_child_processes_get_neither_the_sockets_nor_the_variables(folder):
    with listening() as listener, activated(folder, [listener], "systemd"):
        assert ask(listener, "variables") == []
        assert ask(listener, "child_has", 3) is False
        assert ask(listener, "child_has", 2) is True


def test_sockets_for_another_process_are_refused(folder):
    with listening() as listener, activated(folder, [listener], "systemd", pid="1") as program:
        assert program.wait() == 2
        assert "the sockets of systemd are for the process LISTEN_PID=1, and this is " in program.output
        assert "fd://3" in program.output
        assert program.output.count("\n") == 1, program.output


def test_one_socket_is_not_taken_twice(folder):
    with listening() as listener, activated(folder, [listener], "systemd", "systemd") as program:
        assert program.wait() == 2
        assert "--bind 'systemd': systemd has handed no sockets down" in program.output


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, r"LISTEN_PID is not set; start the service by its \.socket unit"),
        ({"LISTEN_PID": "self"}, "LISTEN_FDS is not set"),
        ({"LISTEN_FDS": "1"}, "LISTEN_PID is not set"),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, "are for the process LISTEN_PID=1, and this is"),
        ({"LISTEN_PID": "self", "LISTEN_FDS": "0"}, "LISTEN_FDS='0' is no number of sockets"),
        ({"LISTEN_PID": "self", "LISTEN_FDS": "-1"}, "LISTEN_FDS='-1' is no number"),
        ({"LISTEN_PID": "self", "LISTEN_FDS": "two"}, "LISTEN_FDS='two' is no number"),
    ],
)
def test_missing_sockets_of_systemd_are_a_clear_error(environ, message):
    variables = {name: str(os.getpid()) if value == "self" else value for name, value in environ.items()}
    with pytest.raises(BindError, match=message):
        systemd_sockets(variables)


def test_inherited_socket_is_the_same_one():
    with listening() as listener:
        sock = inherited_socket(os.dup(listener.fileno()))
        with sock:
            assert sock.getsockname() == listener.getsockname()
            assert not sock.get_inheritable()


@pytest.mark.parametrize("number", [1 << 20, 1 << 32, 1 << 70])
def test_descriptor_that_is_not_open_is_refused(number):
    with pytest.raises(BindError, match=f"cannot listen on descriptor {number}: it is not open in this process"):
        inherited_socket(number)


@pytest.fixture(params=["file", "datagram", "connection"])
def unsuitable(request, tmp_path):
    """An open file or socket that cannot listen, and the message about it."""
    with contextlib.ExitStack() as stack:
        if request.param == "file":
            yield stack.enter_context((tmp_path / "file").open("w")), "no socket; hand down"
        elif request.param == "datagram":
            yield stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)), "no stream socket; use ListenStream="
        else:
            first, _ = map(stack.enter_context, socket.socketpair())
            yield first, "a connection; use Accept=no"


def test_descriptor_that_cannot_listen_is_refused_and_stays_open(unsuitable):
    opened, message = unsuitable
    with pytest.raises(BindError, match=f"cannot listen on descriptor {opened.fileno()}: it is {message}"):
        inherited_socket(opened.fileno())

    os.fstat(opened.fileno())
