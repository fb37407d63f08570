"""Find the part of a value that cannot be written, with every codec."""

import collections
import dataclasses
import json
import math
import sys
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.sansio_jsonrpc import (
    JsonRpcSerializationError,
    find_unwritable,
    make_codec,
)


@dataclasses.dataclass
class Row:
    when: object = None
    rows: list = dataclasses.field(default_factory=list)


class Unknown:
    def __repr__(self):
        return "a secret"


class Wrapped:
    def __init__(self, value):
        self.value = value


def convert(value):
    if isinstance(value, Row):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, collections.ChainMap):
        return dict(value)
    if isinstance(value, Wrapped):
        return value.value
    raise TypeError(f"no form of {type(value).__name__}")


def nested(depth, value=1):
    for _ in range(depth):
        value = [value]
    return value


def circle():
    value = {"name": "a", "rows": []}
    value["rows"].append({"owner": value})
    return value


def circle_of_rows():
    row = Row()
    row.rows.append({"row": row})
    return [row]


NO_FORM = "no form of Unknown"
FOUND = {
    "itself": (Unknown(), f"result: {NO_FORM}"),
    "attribute": ({"rows": [1, 2, 3, Row(Unknown())]}, f'result["rows"][3].when: {NO_FORM}'),
    "last of many": ([*range(10_000), Unknown()], f"result[10000]: {NO_FORM}"),
    "first of several": ([1, Unknown(), 2, object()], f"result[1]: {NO_FORM}"),
    "tuple": ((1, (2, Unknown())), f"result[1][1]: {NO_FORM}"),
    "set": ({"tags": {Unknown()}}, f'result["tags"][0]: {NO_FORM}'),
    "mapping": (collections.ChainMap({"a": Unknown()}), f'result["a"]: {NO_FORM}'),
    "what the hook gives": ([Wrapped(Wrapped([Unknown()]))], f"result[0][0]: {NO_FORM}"),
    "other keys": ({1: {None: {'say "hi"': Unknown()}}}, f'result[1][None]["say \\"hi\\""]: {NO_FORM}'),
    "long key": ({"x" * 1000: Unknown()}, f'result["{"x" * 59}...]: {NO_FORM}'),
    "circle": (circle(), 'result["rows"][0]["owner"]: circular reference to result'),
    "circle of objects": (
        circle_of_rows(),
        'result[0].rows[0]["row"]: circular reference to result[0]',
    ),
    "deep": (nested(100_000), f"result{'[0]' * 19}...: nested deeper than Python's recursion limit allows"),
    "deep down": (nested(300, Unknown()), f"result{'[0]' * 10}...{'[0]' * 10}: {NO_FORM}"),
}
PLACES = {
    "NaN": ({"a": [1.5, math.nan]}, 'result["a"][1]: '),
    "infinity of the hook": ([Wrapped(math.inf)], "result[0]: "),
    "lone surrogate": (["\xe9", {"a": "\ud800"}], 'result[1]["a"]: '),
    "key that is no string": ({"a": {"b": 1, (1, 2): 3}}, 'result["a"]: the key (1, 2) cannot be written ('),
    "key with a lone surrogate": ([{"\udc00": 1}], "result[0]: the key '\\udc00' cannot be written ("),
    "long integer": ({"n": [10**5000]}, 'result["n"][0]: '),
}


def find(codec, value):
    with pytest.raises(JsonRpcSerializationError) as refused:
        codec.dumps(value)
    return find_unwritable(codec, {"result": value}, refused.value)


@pytest.mark.parametrize(("value", "text"), FOUND.values(), ids=FOUND)
def test_names_the_path_and_the_reason(make, value, text):
    assert str(find(make(default=convert), value)) == text


@pytest.mark.parametrize(("value", "begin"), PLACES.values(), ids=PLACES)
def test_names_the_path_and_keeps_the_codecs_reason(make, value, begin):
    unwritable = str(find(make(default=convert), value))

    assert unwritable.startswith(begin)
    assert len(unwritable) > len(begin)


@pytest.mark.parametrize("name", ["itself", "attribute", "set", "circle"])
def test_reason_has_no_context(make, name):
    reason = find(make(default=convert), FOUND[name][0]).reason

    assert (reason.__context__, reason.__cause__) == (None, None)


@pytest.mark.parametrize("raised", [LookupError("gone"), GeneratorExit(), SystemExit("leave")], ids=repr)
def test_hook_may_raise_anything(make, raised):
    def fail(value):
        raise raised

    unwritable = find_unwritable(make(default=fail), {"result": {"a": [Unknown()]}}, raised)

    assert (unwritable.path, unwritable.reason) == ('result["a"][0]', raised)


def test_ctrl_c_ends_the_search(make):
    def fail(value):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_unwritable(make(default=fail), {"result": [Unknown()]}, ValueError())


def test_hook_without_end(make):
    unwritable = find(make(default=Wrapped), {"a": Unknown()})

    assert str(unwritable) == 'result["a"]...: nested deeper than Python\'s recursion limit allows'


@pytest.mark.parametrize("engine", ["json", "simplejson", "orjson", "msgspec"])
def test_circle_is_not_written_more_often_than_the_recursion_limit_says(engine):
    conversions = []
    codec = make_codec(engine, default=lambda value: conversions.append(value) or [])
    circle = [Unknown()]
    circle.append(circle)

    with pytest.raises(JsonRpcSerializationError):
        codec.dumps(circle)
    assert len(conversions) <= 2 * sys.getrecursionlimit()


def test_value_that_can_be_written_the_second_time_keeps_the_first_reason(make):
    first = ValueError("only once")

    assert str(find_unwritable(make(), {"result": {"a": [1]}}, first)) == "result: only once"


def test_exception_without_a_text_is_named():
    class Silent(Exception):
        def __str__(self):
            raise RuntimeError

    assert str(find_unwritable(make_codec("json"), {"result": 1}, Silent())) == "result: Silent"
    assert str(find_unwritable(make_codec("json"), {"result": 1}, KeyError())) == "result: KeyError"


def test_custom_object_decides_on_its_output():
    def dumps(value):
        if 3 in (value if isinstance(value, list) else [value]):
            raise ValueError("no threes here")
        return json.dumps(value)

    own = make_codec(SimpleNamespace(loads=json.loads, dumps=dumps), default=convert)

    assert str(find(own, [1, 2, 3, 4])) == "result[2]: no threes here"


def test_first_of_several_values_is_named():
    codec = make_codec("json", default=convert)

    unwritable = find_unwritable(codec, {"result": [1], "data": [Unknown()]}, ValueError("first"))
    assert str(unwritable) == f"data[0]: {NO_FORM}"
    assert str(find_unwritable(codec, {"result": 1}, ValueError("first"))) == "result: first"
