"""The incremental codec gives the results of the other codecs, and lets other threads run."""

import gc
import json
import sys

import pytest

from flaskJSONRPCServer.sansio_jsonrpc import IncrementalCodec, JsonLimits, JsonRpcSerializationError, make_codec

LONG = "ж" * 100_000
ROWS = [{"id": number, "name": f"row {number}", "ok": True, "parts": [number, None]} for number in range(3000)]
LARGE = {
    "rows": ROWS,
    "rows by name": {"rows": ROWS, 1: ROWS, None: "none"},
    "numbers": list(range(60_000)),
    "texts": [f"text {number}" for number in range(30_000)],
    "one text": LONG,
    "texts among small ones": ["a", LONG, "b", "c", LONG],
    "nested": [[[[[ROWS]]]]],
    "members": {f"name {number}": number for number in range(30_000)},
    "tuples": ((LONG, 1), (2, LONG)),
    "empty among large": [[], {}, LONG, [], {}],
    "a whole message": {"jsonrpc": "2.0", "method": "m", "params": {"rows": ROWS}, "id": 1},
}


def make(large_bytes=1000, codec=None, **limits):
    return IncrementalCodec(codec or make_codec("json"), limits=JsonLimits(**limits), large_bytes=large_bytes)


@pytest.mark.parametrize("value", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("engine", ["json", "simplejson", "orjson", "msgspec"])
def test_large_value_is_written_and_read_like_the_wrapped_codec_does(value, engine):
    codec = make_codec(engine)
    written = codec.dumps(value)

    patient = make(codec=codec)

    assert patient.is_large(value)
    assert patient.dumps(value) == written
    assert patient.loads(written) == make_codec("json").loads(written)


def test_value_without_a_json_form_is_converted_as_by_the_codec():
    codec = make_codec("json", default=lambda value: f"<{value.real:.0f}>")

    assert json.loads(make(codec=codec).dumps([LONG, 1j, {"a": 2j, "b": LONG}])) == [
        LONG,
        "<0>",
        {"a": "<0>", "b": LONG},
    ]


@pytest.mark.parametrize("value", [[LONG, object()], {"a": LONG, "b": {1, 2}}, [LONG, float("nan")]])
def test_large_value_without_a_json_form(value):
    with pytest.raises(JsonRpcSerializationError):
        make().dumps(value)


def test_circle_is_refused():
    circle = [LONG]
    circle.append(circle)

    with pytest.raises(JsonRpcSerializationError):
        make().dumps(circle)


def test_small_payloads_use_the_wrapped_codec():
    class Refusing:
        loads = dumps = None
        writes_standard_form = True

    patient = make(large_bytes=100, codec=Refusing())

    assert not patient.is_large("x" * 80)
    assert patient.is_large("x" * 100)
    with pytest.raises(TypeError):
        patient.loads(b"[1]")
    assert patient.loads(b"[1" + b" " * 100 + b"]") == [1]


def steps_of(work, *args):
    """Count the calls and returns of Python functions, at which the interpreter lets other threads run."""
    steps = 0

    def count(*_):
        nonlocal steps
        steps += 1

    gc.disable()  # finalizers of other tests' objects are functions too
    sys.setprofile(count)
    try:
        work(*args)
    finally:
        sys.setprofile(None)
        gc.enable()
    return steps


@pytest.mark.parametrize("kind", ["rows", "numbers", "texts", "nested", "members"])
def test_c_code_never_processes_a_large_part_of_a_payload(kind):
    value = {"jsonrpc": "2.0", "method": "m", "params": [LARGE[kind]], "id": 1}
    text = json.dumps(value).encode()
    plain = make_codec("json")

    assert steps_of(plain.loads, text) + steps_of(plain.dumps, value) < 1000
    assert steps_of(make().loads, text) > 3000
    assert steps_of(make().loads_literals, text) > 3000
    assert steps_of(make().dumps, value) > 3000
