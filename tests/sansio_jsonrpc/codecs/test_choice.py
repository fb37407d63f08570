import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from flaskJSONRPCServer.sansio_jsonrpc import (
    Codec,
    JsonLimits,
    JsonRpcParseError,
    JsonRpcSerializationError,
    make_codec,
)


def test_module_is_the_same_as_its_name():
    assert type(make_codec(json)) is type(make_codec("json")) is type(make_codec())


def test_unknown_module_is_an_import_error():
    with pytest.raises(ImportError, match="no_such_json_module"):
        make_codec("no_such_json_module")


def test_other_module_is_imported_by_name(monkeypatch):
    module = ModuleType("other_json")
    module.loads, module.dumps = json.loads, json.dumps
    monkeypatch.setitem(sys.modules, "other_json", module)
    assert make_codec("other_json").loads(b"[1]") == [1]


@pytest.mark.parametrize(
    ("backend", "missing"),
    [
        (SimpleNamespace(), "no loads and no dumps"),
        (SimpleNamespace(loads=json.loads), "no dumps"),
        (SimpleNamespace(loads=1, dumps=json.dumps), "no loads"),
    ],
)
def test_missing_methods_of_an_object_are_named(backend, missing):
    with pytest.raises(TypeError, match=f"{missing}; it needs loads and dumps"):
        make_codec(backend)


def test_custom_object_may_write_bytes():
    backend = SimpleNamespace(loads=json.loads, dumps=lambda value: b"[ ]")
    assert make_codec(backend).dumps(1) == b"[ ]"


@pytest.mark.parametrize("written", [b"\xff", "\ud800", '"\\ud800"', "NaN", "1e999", None])
def test_output_of_a_custom_object_is_checked(written):
    backend = SimpleNamespace(loads=json.loads, dumps=lambda value: written)
    with pytest.raises(JsonRpcSerializationError):
        make_codec(backend).dumps(1)


def test_any_exception_of_a_custom_object_is_a_parse_error():
    failure = LookupError("no such thing")

    def fail(text):
        raise failure

    with pytest.raises(JsonRpcParseError, match=r"^Parse error$") as refused:
        make_codec(SimpleNamespace(loads=fail, dumps=json.dumps)).loads(b"1")
    assert refused.value.__cause__ is failure


def test_encoder_in_python_gives_the_same(monkeypatch):
    monkeypatch.setattr("json.encoder.c_make_encoder", None)
    codec = make_codec("json")
    assert codec.dumps({"a": [1, "\xe9"]}) == '{"a":[1,"\xe9"]}'.encode()
    with pytest.raises(JsonRpcSerializationError):
        codec.dumps(float("nan"))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_depth": 0}, "max_depth=0; choose 1 to 500"),
        ({"max_depth": 501}, "max_depth=501; choose 1 to 500"),
        ({"max_integer_digits": 0}, "max_integer_digits=0; choose 1 or more"),
    ],
)
def test_limits_out_of_range_are_refused(limits, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        JsonLimits(**limits)


@pytest.mark.parametrize(
    ("wanted", "of_interpreter", "counts"), [(4300, 640, 640), (700, 4300, 700), (9999, 4300, 4300), (9999, 0, 9999)]
)
def test_lower_limit_of_digits_counts(monkeypatch, wanted, of_interpreter, counts):
    monkeypatch.setattr(sys, "get_int_max_str_digits", lambda: of_interpreter)
    assert JsonLimits(max_integer_digits=wanted).integer_digits == counts


def test_user_can_write_a_codec():
    class Fixed(Codec):
        def loads(self, data):
            return data.decode()

        def dumps(self, value):
            return value.encode()

    assert Fixed().dumps(Fixed().loads(b"1")) == b"1"
