"""Properties that hold for any input."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flaskJSONRPCServer.sansio_jsonrpc import (
    ABSENT,
    ConcatenatedFraming,
    ContentLengthFraming,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcFramingError,
    JsonRpcInvalidMessage,
    JsonRpcInvalidRequestError,
    JsonRpcParseError,
    JsonRpcPeer,
    JsonRpcRequest,
    JsonRpcResponse,
    JsonRpcStream,
    NewlineFraming,
    decode,
    encode_error,
    encode_request,
    encode_result,
)

modest = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
ids = st.none() | numbers | text
params = st.none() | st.lists(values, max_size=3) | st.dictionaries(text, values, max_size=3)
requests = st.builds(JsonRpcRequest, text, params, ids | st.just(ABSENT))
errors = st.builds(JsonRpcError, st.integers(-40000, 40000), text, values | st.just(ABSENT))
responses = st.builds(JsonRpcResponse, ids, values) | st.builds(
    lambda request_id, error: JsonRpcResponse(request_id, error=error), ids, errors
)
framings = st.sampled_from([NewlineFraming(200), ConcatenatedFraming(200), ContentLengthFraming(200)])

TOKENS = [
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b"\\",
    b",",
    b":",
    b"1",
    b"-",
    b"e9",
    b"null",
    b"NaN",
    b" ",
    b"\n",
    b"\r\n",
    b"\0",
]
PARTS = [b'"jsonrpc":"2.0"', b'"method":"a"', b'"id":1', b"\\ud800", b"9" * 20, b"\xff", b"Content-Length: 5\r\n\r\n"]
json_like = st.lists(st.sampled_from(TOKENS + PARTS), max_size=24).map(b"".join)


def encode(codec, message):
    if isinstance(message, JsonRpcRequest):
        return encode_request(codec, message.id, message.method, message.params)
    if message.error is None:
        return encode_result(codec, message.id, message.result)
    return encode_error(codec, message.id, message.error)


@modest
@given(message=requests | responses)
def test_any_message_comes_back_equal(codec, message):
    assert decode(encode(codec, message), codec) == message


@modest
@given(messages=st.lists(requests | responses, min_size=1, max_size=4))
def test_any_batch_comes_back_equal(codec, messages):
    peer = JsonRpcPeer(codec)
    assert peer.parse(peer.batch(encode(codec, message) for message in messages)) == JsonRpcBatch(messages)


@modest
@given(data=st.binary(max_size=60) | json_like)
def test_any_bytes_give_messages_or_a_documented_exception(codec, data):
    try:
        message = decode(data, codec)
    except (JsonRpcParseError, JsonRpcInvalidRequestError):
        return
    assert isinstance(message, (JsonRpcRequest, JsonRpcResponse, JsonRpcInvalidMessage, JsonRpcBatch))


def outcome(codec, data):
    """Return the decoded value as text, in which 1, 1.0 and -0.0 differ."""
    try:
        return repr(codec.loads(data))
    except JsonRpcParseError as exc:
        return exc.message


@modest
@given(data=json_like | values.map(lambda value: json.dumps(value).encode()))
def test_every_codec_reads_like_the_standard_one(codec, data):
    assert outcome(codec, data) == outcome(JsonRpcPeer("json").codec, data)


@modest
@given(value=values)
def test_every_codec_writes_the_same_value(codec, value):
    assert json.loads(codec.dumps(value)) == value


def collect(framing, slices):
    stream = JsonRpcStream(framing, JsonRpcPeer())
    messages = []
    for data in [*slices, b""]:
        stream.receive_data(data)
    try:
        messages.extend(stream)
    except JsonRpcFramingError as exc:
        messages.append(exc.message)
    return messages


@modest
@given(framing=framings, data=st.data())
def test_any_slicing_gives_the_same_messages(framing, data):
    frame = framing.frame
    valid = st.lists(requests | responses, max_size=3).map(
        lambda messages: b"".join(frame(encode(JsonRpcPeer().codec, message)) for message in messages)
    )
    stream = data.draw(valid | json_like | st.tuples(valid, json_like).map(b"".join))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    slices = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True) if start < end]
    assert collect(framing, slices) == collect(framing, [stream] if stream else [])
