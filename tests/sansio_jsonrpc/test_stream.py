import pytest

from flaskJSONRPCServer.sansio_jsonrpc import (
    ConcatenatedFraming,
    ContentLengthFraming,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcFramingError,
    JsonRpcInvalidMessage,
    JsonRpcPeer,
    JsonRpcRequest,
    JsonRpcStream,
    NewlineFraming,
)

CALL = b'{"jsonrpc":"2.0","method":"add","id":1}'
REQUEST = JsonRpcRequest("add", None, 1)


def make_stream(framing=None, **options):
    return JsonRpcStream(framing or NewlineFraming(), JsonRpcPeer(**options))


@pytest.mark.parametrize("framing", [NewlineFraming(), ConcatenatedFraming(), ContentLengthFraming()])
def test_messages_come_when_they_are_complete(framing):
    stream = make_stream(framing)
    data = stream.frame(CALL)
    stream.receive_data(data + data[:10])
    assert list(stream) == [REQUEST]
    assert list(stream) == []
    stream.receive_data(data[10:])
    stream.receive_data(b"")
    assert list(stream) == [REQUEST]


def test_invalid_message_is_reported_in_its_place_and_the_stream_goes_on():
    stream = make_stream(max_batch_length=1)
    stream.receive_data(b"{\n" + CALL + b"\n[]\n[1,2]\n[" + CALL + b"]\n5\n")
    broken, request, empty, too_long, batch, number = stream
    assert broken == JsonRpcInvalidMessage(None, JsonRpcError(-32700, "Parse error"))
    assert request == REQUEST
    assert empty == JsonRpcInvalidMessage(None, JsonRpcError(-32600, "Invalid Request: the batch is empty"))
    assert too_long.error.message == "Invalid Request: a batch of 2; at most 1 are read"
    assert batch == JsonRpcBatch([REQUEST])
    assert number.error.message == "Invalid Request: a message must be an object, not a number"


def test_failure_is_raised_after_the_complete_messages_and_on_each_later_pull():
    stream = make_stream(NewlineFraming(limit_bytes=50))
    stream.receive_data(CALL + b"\n" + b"x" * 51)
    stream.receive_data(b"\n" + CALL + b"\n")
    stream.receive_data(b"")
    messages = iter(stream)
    assert next(messages) == REQUEST
    with pytest.raises(JsonRpcFramingError, match=r"^Parse error: a message of more than 50 bytes$"):
        next(messages)
    with pytest.raises(JsonRpcFramingError, match=r"^Parse error: a message of more than 50 bytes$"):
        list(stream)


def test_end_inside_a_message_is_a_failure():
    stream = make_stream(ConcatenatedFraming())
    stream.receive_data(CALL[:-1])
    assert list(stream) == []
    stream.receive_data(b"")
    with pytest.raises(JsonRpcFramingError, match="the stream ends inside a message"):
        list(stream)


def test_no_data_is_accepted_after_the_end():
    stream = make_stream()
    stream.receive_data(CALL)
    stream.receive_data(b"")
    stream.receive_data(b"")
    assert list(stream) == [REQUEST]
    with pytest.raises(RuntimeError, match="make a new JsonRpcStream for a new connection"):
        stream.receive_data(CALL)


def test_streams_can_share_a_framing_and_a_peer():
    framing, peer = ConcatenatedFraming(), JsonRpcPeer()
    first, second = JsonRpcStream(framing, peer), JsonRpcStream(framing, peer)
    first.receive_data(CALL[:5])
    second.receive_data(CALL)
    assert (list(first), list(second)) == ([], [REQUEST])
