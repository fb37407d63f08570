"""The predicates on kinds of values."""

import decimal
import functools
import math
import types

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer


class Own:
    def method(self):
        pass


VALUES = {
    "list": [1],
    "tuple": (1,),
    "dict": {"a": 1},
    "text": "text",
    "bytes": b"bytes",
    "integer": 1,
    "float": 1.5,
    "complex": 1j,
    "decimal": decimal.Decimal(1),
    "boolean": True,
    "none": None,
    "lambda": lambda: None,
    "builtin": len,
    "method": Own().method,
    "partial": functools.partial(len),
    "class": Own,
    "own": Own(),
    "module": math,
}


@pytest.mark.parametrize(
    ("helper", "kinds"),
    [
        ("_isArray", {"list"}),
        ("_isTuple", {"tuple"}),
        ("_isDict", {"dict"}),
        ("_isString", {"text"}),
        ("_isNum", {"integer", "float", "complex", "decimal"}),
        ("_isFunction", {"lambda", "builtin", "method", "partial"}),
        ("_isInstance", {"own", "decimal", "partial"}),
        ("_isModule", {"module"}),
    ],
)
def test_kinds(helper, kinds):
    predicate = getattr(flaskJSONRPCServer(None, log=False), helper)

    assert {name for name, value in VALUES.items() if predicate(value) is True} == kinds
    assert {name for name, value in VALUES.items() if predicate(value) is False} == set(VALUES) - kinds


def test_instance_of_a_subclass_has_the_kind_of_its_base():
    assert flaskJSONRPCServer(None, log=False)._isModule(type("M", (types.ModuleType,), {})("m"))
