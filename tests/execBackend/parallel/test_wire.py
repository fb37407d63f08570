"""Messages over a pair of sockets."""

import pickle
import socket
import threading

import pytest

from flaskJSONRPCServer.execBackend.parallel.wire import MessageType, Wire, code_of, with_code


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 16 * 1024 + 1, 3_000_000])
def test_message_arrives_with_its_type_and_its_body(ends, size):
    ours, theirs = map(Wire, ends)
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    sender = threading.Thread(target=ours.send, args=(MessageType.CALL, body))
    sender.start()

    assert theirs.receive() == (MessageType.CALL, body)
    sender.join()


def test_message_is_a_byte_eight_bytes_of_length_and_the_body(ends):
    Wire(ends[0]).send(MessageType.FUNCTION, b"body")

    assert ends[1].recv(100) == b"\x02\x04\0\0\0\0\0\0\0body"


def test_messages_arrive_in_their_order(ends):
    ours, theirs = map(Wire, ends)
    for message_type in MessageType:
        ours.send(message_type, message_type.name.encode())

    assert [theirs.receive() for _ in MessageType] == [(kind, kind.name.encode()) for kind in MessageType]


@pytest.mark.parametrize("part", [b"", b"\x03", b"\x03\x05\0\0\0\0\0\0\0bod"])
def test_end_inside_a_message_is_an_end_of_file(ends, part):
    ends[0].sendall(part)
    ends[0].close()

    with pytest.raises(EOFError):
        Wire(ends[1]).receive()


def test_unknown_type_is_refused(ends):
    ends[0].sendall(b"\x63" + bytes(8))

    with pytest.raises(ValueError, match="99 is not a valid MessageType"):
        Wire(ends[1]).receive()


def test_message_that_does_not_come_in_time_is_a_timeout(ends):
    ends[1].settimeout(0.01)

    with pytest.raises(TimeoutError):
        Wire(ends[1]).receive()


def test_message_to_an_end_that_is_gone_fails(ends):
    ends[1].close()

    with pytest.raises(OSError, match="Broken pipe"):
        Wire(ends[0]).send(MessageType.END, b"")


@pytest.mark.parametrize(("code", "read"), [(-32603, -32603), (7, 7), (10**30, 2**63 - 1), (-(10**30), -(2**63))])
def test_code_of_an_error_follows_its_outcome_which_is_read_as_before(code, read):
    body = bytearray(with_code(pickle.dumps({"error": code}), code))

    assert code_of(body) == read
    assert pickle.loads(body) == {"error": code}
