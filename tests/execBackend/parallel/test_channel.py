"""The channel from a child to the server: questions of several threads, exceptions, garbage, and its end."""

import concurrent.futures
import contextlib
import itertools
import json
import logging
import os
import pickle
import signal
import socket
import sys
import threading

import pytest

from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.parallel import channel as channel_module
from flaskJSONRPCServer.execBackend.parallel.channel import ChannelClient
from flaskJSONRPCServer.execBackend.parallel.process import socket_pair
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcRequest
from tests.helpers import wait_until

PATIENCE_S = 20


def add(a, b=1):
    return a + b


@pytest.fixture
def server():
    server = flaskJSONRPCServer(None, name="channelled", log=2)
    server.registerFunction(add, path="/api")
    return server


def exchange(connect, *messages):
    """Send bytes over a channel of their own; return the bytes that come until the session closes it."""
    _, theirs = connect()
    with socket.socket(fileno=theirs.detach()) as client:  # under gevent, one that lets the session run meanwhile
        client.settimeout(PATIENCE_S)
        client.sendall(b"".join(messages))
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.fixture
def raw_client():
    """Yield a client, and the socket at the parent's end of its channel."""
    with contextlib.ExitStack() as undo:
        ours, theirs = socket_pair(undo)
        parent = undo.enter_context(socket.socket(fileno=ours.detach()))
        yield ChannelClient(theirs), parent
        parent.shutdown(socket.SHUT_RDWR)


def message(method, params, **members):
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **members}).encode() + b"\n"


@pytest.mark.parametrize("method", ["", "stop", "__class__", "_engine", "authenticate"])
def test_method_outside_the_table_is_refused(ask, method):
    with pytest.raises(RuntimeError, match=f"no method {method!r}"):
        ask(method, {})


# Exceptions


@pytest.mark.parametrize(("durations", "kind"), [(["x"], TypeError), ([1, 2], ValueError)])
def test_exception_of_the_server_is_raised_in_the_child(ask, durations, kind):
    with pytest.raises(kind, match="is refused"):
        ask("speedStatsAdd", {"names": ["load"], "durations": durations})
    assert ask("urls", {}), "the connection is as good as before"


def test_other_exceptions_come_as_runtime_errors_with_their_name(server, ask):
    def broken(level, *parts):
        raise KeyError("disk full")

    server._logger = broken

    with pytest.raises(RuntimeError, match="KeyError: 'disk full'"):
        ask("log", {"level": 1, "parts": []})


def test_exit_that_an_override_raises_costs_its_question_alone(server, ask):
    def exit_at_once(level, *parts):
        raise SystemExit("by the override")

    server._logger = exit_at_once

    with pytest.raises(RuntimeError, match="SystemExit: by the override"):
        ask("log", {"level": 1, "parts": []})
    assert ask("urls", {}) == server._getServerUrl()


def test_interrupted_question_is_answered_before_the_interrupt_goes_on(connect):
    def interrupted(params, is_gone):
        (_ for _ in ()).throw(KeyboardInterrupt("by a signal"))  # without a raise statement, as Python's own handler

    session, theirs = connect()
    with socket.socket(fileno=theirs.detach()) as client:
        client.settimeout(PATIENCE_S)
        client.sendall(message("urls", {}, id="first"))
        assert json.loads(client.recv(65536))["id"] == "first"
        with pytest.raises(KeyboardInterrupt, match="by a signal"):
            session._run(interrupted, JsonRpcRequest("urls", {}, "second"))
        answer = json.loads(client.recv(65536))

    assert answer["id"] == "second"
    assert answer["error"]["message"] == "KeyboardInterrupt: by a signal"


def test_result_that_is_not_json_is_an_error(server, ask):
    server._getServerUrl = lambda: [object()]

    with pytest.raises(RuntimeError, match="cannot be written as JSON"):
        ask("urls", {})


def test_parameters_that_are_not_json_never_leave(ask):
    with pytest.raises(TypeError, match=r"cannot take .*nan"):
        ask("waitProcessingDispatchers", {"timeout": float("nan"), "allowed": 0})


def test_question_beyond_the_limit_is_refused_and_costs_no_later_one(ask, monkeypatch):
    monkeypatch.setattr(channel_module, "_LIMIT_BYTES", 1000)

    with pytest.raises(ValueError, match=r"the question 'log' has 1[0-9]{3} bytes; .* has 1000 at most"):
        ask("log", {"level": 4, "parts": ["x" * 1000]})
    assert ask("isLocked", {"dispatcher": None}) is False


def test_answer_beyond_the_limit_is_an_error_and_costs_no_later_one(server, ask, monkeypatch):
    monkeypatch.setattr(channel_module, "_LIMIT_BYTES", 1000)
    server._getServerUrl = lambda: ["x" * 1000]

    with pytest.raises(ValueError, match=r"the answer of 'urls' has 1[0-9]{3} bytes; .* has 1000 at most"):
        ask("urls", {})
    assert ask("isLocked", {"dispatcher": None}) is False


def test_waiting_question_without_a_thread_to_run_it_fails_alone(ask, monkeypatch):
    def refuse(*args, **options):
        raise RuntimeError("can't start new thread")

    assert ask("isLocked", {"dispatcher": None}) is False
    monkeypatch.setattr(channel_module, "start_thread", refuse)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        ask("wait", {"dispatcher": None})
    assert ask("isLocked", {"dispatcher": None}) is False


# Garbage


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff\x80garbage\n",
        b'{"jsonrpc":"2.0","result":1,"id":1}\n',
        b"[]\n",
        b'[{"id":1}]\n',
        b"GET / HTTP/1.1\r\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_garbage_is_answered_with_an_error(connect, garbage):
    answer = exchange(connect, garbage, message("isLocked", {"dispatcher": None}, id="x"))

    first, second = map(json.loads, answer.splitlines())
    assert first["error"]["code"] in (-32700, -32600)
    assert second == {"jsonrpc": "2.0", "result": False, "id": "x"}


class Loaded:
    loads = 0

    def __reduce__(self):
        return load, ()


def load():
    Loaded.loads += 1


def test_pickle_is_refused_and_never_loaded(connect):
    answer = exchange(connect, pickle.dumps(Loaded(), protocol=0).replace(b"\n", b" ") + b"\n")

    assert json.loads(answer)["error"]["code"] == -32700
    assert Loaded.loads == 0


def test_missing_parameter_is_an_error(connect):
    answer = exchange(connect, message("lock", {}, id=1))

    assert json.loads(answer)["error"]["message"] == "KeyError: 'dispatcher'"


def test_message_without_an_end_is_cut(connect, ask, monkeypatch, caplog):
    assert ask("urls", {})
    monkeypatch.setattr(channel_module, "_FRAMING", channel_module.NewlineFraming(limit_bytes=1000))

    assert exchange(connect, b"x" * 2000) == b""
    assert "the channel of a child process is closed:" in caplog.text
    assert "more than 1000 bytes" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_answer_that_cannot_be_read_fails_the_question_that_waits(raw_client):
    client, parent = raw_client
    asking = concurrent.futures.ThreadPoolExecutor(1)
    with asking:
        answer = asking.submit(client.request, "urls", {})
        parent.recv(65536)
        parent.sendall(b"no JSON\n")
        with pytest.raises(ServerStateError, match="before it answered 'urls'"):
            answer.result(PATIENCE_S)


def test_answer_to_a_question_that_was_given_up_is_ignored(raw_client):
    client, parent = raw_client
    with concurrent.futures.ThreadPoolExecutor(1) as asking:
        answer = asking.submit(client.request, "urls", {})
        question_id = json.loads(parent.recv(65536))["id"]
        parent.sendall(b'{"jsonrpc":"2.0","result":1,"id":0}\n{"jsonrpc":"2.0","result":2,"id":%d}\n' % question_id)

        assert answer.result(PATIENCE_S) == 2


# Several threads


def test_questions_of_many_threads_get_their_own_answers(ask):
    answers = {}

    def run(number):
        for turn in range(20):
            with pytest.raises(RuntimeError) as raised:
                ask(f"{number} {turn}", {})
            answers[number, turn] = str(raised.value)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {
        (number, turn): f"the channel has no method '{number} {turn}'" for number in range(8) for turn in range(20)
    }


def test_brief_question_is_answered_while_another_thread_waits(server, ask, waits):
    server.lock()
    waiting = threading.Thread(target=ask, args=("wait", {"dispatcher": None}))
    waiting.start()
    wait_until(lambda: waits)
    ask("unlock", {"dispatcher": None, "exclusive": False})
    waiting.join(PATIENCE_S)

    assert not waiting.is_alive()


def test_large_questions_and_answers_of_many_threads_do_not_block_each_other(server, ask):
    text = "x" * 1_000_000
    server._getServerUrl = lambda: [text]
    server._logger = lambda level, *parts: None
    lengths = []

    def run():
        ask("log", {"level": 4, "parts": [text]})
        lengths.append(len(ask("urls", {})[0]))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert lengths == [1_000_000] * 8


@contextlib.contextmanager
def signalled(waits, handle):
    """Handle one signal in the main thread once it waits. It misses a signal that comes just before its wait."""
    handled = threading.Event()

    def handle_first(number, frame):
        if not handled.is_set():
            handled.set()
            handle()

    def send():
        wait_until(lambda: waits)
        while not handled.wait(0.02):
            os.kill(os.getpid(), signal.SIGUSR1)

    former = signal.signal(signal.SIGUSR1, handle_first)
    sending = threading.Thread(target=send)
    sending.start()
    try:
        yield
    finally:
        sending.join()
        signal.signal(signal.SIGUSR1, former)


def test_signal_handler_that_raises_ends_its_question_alone(server, ask, waits):
    server.lock()

    def interrupt():
        raise InterruptedError("by the handler")

    with signalled(waits, interrupt), pytest.raises(InterruptedError, match="by the handler"):
        ask("wait", {"dispatcher": None})
    server.unlock()

    assert ask("urls", {}) == server._getServerUrl()


def test_signal_handler_may_ask_while_its_thread_waits(server, ask, waits):
    server.lock()

    with signalled(waits, lambda: ask("unlock", {"dispatcher": None, "exclusive": False})):
        assert ask("wait", {"dispatcher": None}) is None


def call_at_instruction(number, action, function):
    """Call a function, and at one instruction of it an action, as a signal handler may run there.

    Returns:
        The number of instructions of the function, all functions that it calls included.
    """
    instructions = 0

    def trace(frame, event, argument):
        nonlocal instructions
        frame.f_trace_opcodes = True
        if event == "opcode":
            instructions += 1
            if instructions == number + 1:
                action()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return instructions


class Interrupt(BaseException):
    pass


def test_signal_handler_may_raise_at_any_instruction_of_a_question(ask):
    def interrupt():
        raise Interrupt

    for number in itertools.count():
        with contextlib.suppress(Interrupt):
            instructions = call_at_instruction(number, interrupt, lambda: ask("isLocked", {"dispatcher": None}))
            break

    assert instructions == number, "no exception was lost"
    assert number > 100
    assert ask("isLocked", {"dispatcher": None}) is False


def test_signal_handler_may_ask_at_any_instruction_of_a_question(ask):
    answers = []

    def ask_once():
        answers.append(ask("isLocked", {"dispatcher": None}))

    for number in itertools.count():
        if call_at_instruction(number, ask_once, ask_once) == number:
            break

    assert answers == [False] * (2 * number + 1)
    assert number > 100


class SendsSignal(dict):
    def items(self):
        signal.raise_signal(signal.SIGUSR1)
        return super().items()


def test_exception_of_a_signal_handler_is_not_taken_for_a_failure_to_write_json(ask):
    def interrupt(number, frame):
        raise ValueError("by the handler") from OSError("its reason")

    former = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(ValueError, match="by the handler") as raised:
            ask("log", SendsSignal(level=1, parts=[]))
    finally:
        signal.signal(signal.SIGUSR1, former)

    assert str(raised.value.__cause__) == "its reason"


def test_finalizer_in_a_thread_of_the_channel_cannot_ask(channel):
    channel.client._own_threads.append(channel_module.thread_ident())

    with pytest.raises(ServerStateError, match="'urls' is asked by a finalizer in a thread of the channel"):
        channel.client.request("urls", {})


# How it ends


def test_child_that_dies_in_the_middle_of_a_wait_is_noticed(server, child, waits):
    server.lock()
    child.begin("server.wait()")
    wait_until(lambda: waits)
    child.kill()

    wait_until(lambda: not waits)
    assert server.wait(returnStatus=True) is True


def test_child_waits_until_another_thread_of_it_unlocks(server, child, waits):
    server.lock()
    child.ask("exec('import threading; waiter = threading.Thread(target=server.wait); waiter.start()')")
    wait_until(lambda: waits)
    assert child.ask("waiter.is_alive()") is True
    child.ask("server.unlock()")

    assert child.ask(f"waiter.join({PATIENCE_S}) or waiter.is_alive()") is False
    assert server.wait(returnStatus=True) is False


def test_end_of_the_session_releases_a_child_that_waits(server, child, waits):
    server.lock()
    child.begin("server.wait()")
    wait_until(lambda: waits)
    child.session.end()

    name, text = child.end()
    assert name == "ServerStateError"
    assert "before it answered 'wait'" in text
    assert child.ask("server.lock()")[0] == "ServerStateError"


def test_stop_of_the_server_releases_a_child_that_waits(server, child, waits):
    server.getWSGI()
    server.lock()
    child.begin("server.wait()")
    wait_until(lambda: waits)
    server._engine.locks.end_period(0)

    assert child.end() == ("ServerStateError", "the server stops, and what this dispatcher waits for is still locked")


def test_question_after_the_end_fails_at_once(closed_channel):
    wait_until(lambda: closed_channel._is_closed)
    with pytest.raises(ServerStateError, match="cannot ask 'lock': the server has stopped, or ended the connection"):
        closed_channel.request("lock", {"dispatcher": None})


def test_session_ends_twice_without_harm(channel):
    channel.session.end()
    channel.session.end()


def test_threads_of_the_client_end_with_the_channel(connect):
    before = set(threading.enumerate())
    session, theirs = connect()
    client = ChannelClient(theirs)
    assert client.request("isLocked", {"dispatcher": None}) is False
    session.end()

    wait_until(lambda: before.issuperset(threading.enumerate()))


def test_forked_process_gets_a_clear_error(server, child):
    child.ask("server.lock()")
    program = (
        "import os\n"
        "read, write = os.pipe()\n"
        "if (pid := os.fork()) == 0:\n"
        "    try: server.unlock()\n"
        "    except Exception as exc: os.write(write, f'{type(exc).__name__}: {exc}'.encode())\n"
        "    os._exit(0)\n"
    )
    child.ask(f"exec({program!r})")

    assert child.ask("os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])") == 0
    assert child.ask("os.read(read, 1000).decode()") == (
        "ServerStateError: 'unlock' is asked in a process that a dispatcher forked, which has no channel to the "
        "server; ask before the fork, or in the process that runs the call"
    )
    assert server.wait(returnStatus=True) is True
    assert child.ask("server.unlock()") is None
