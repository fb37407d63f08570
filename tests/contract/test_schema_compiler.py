"""Core schemas that are made of JSON Schemas are never stricter than jsonschema."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flaskJSONRPCServer.contract.schema_compiler import Compiler
from tests.contract.checked_values import mismatch
from tests.contract.compatibility.test_soundness import DEFINITIONS, SCHEMAS, VALUES

pytestmark = pytest.mark.timeout(900)  # for --hypothesis-profile=thorough

LISTS = {"$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}}, "$ref": "#/$defs/A"}


def refused(schema, values):
    return [value for value in values if mismatch(schema, value) is not None]


@settings(max_examples=2 * settings.default.max_examples)
@given(DEFINITIONS, SCHEMAS, st.lists(VALUES, min_size=15, max_size=30))
def test_valid_value_is_never_refused(definitions, schema, values):
    whole = {"allOf": [schema], "definitions": definitions}
    is_valid = Draft202012Validator(whole).is_valid
    for value in values:
        assert mismatch(whole, value) is None or not is_valid(value), (value, whole)


@pytest.mark.parametrize(
    ("schema", "wrong"),
    [
        (LISTS, [1, [[1]]]),
        ({"$ref": "#"}, []),
        ({"anyOf": [{"type": "integer"}, {"$ref": "#"}]}, []),
        ({"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}}, []),
        (
            {
                "$ref": "#/$defs/B",
                "$defs": {
                    "A": {"$ref": "#/$defs/B"},
                    "B": {"type": "array", "items": {"$ref": "#/$defs/A"}, "allOf": [{"$ref": "#/$defs/A"}]},
                },
            },
            [1, [[1]]],
        ),
        ({"type": "array", "items": {"$ref": "#/$defs/gone"}}, []),
        ({"type": "array", "items": {"$ref": "https://example.com/a"}}, []),
        ({"type": "array", "items": {"$id": "x", "$ref": "#/type"}}, []),
        ({"type": "nothing", "minimum": 1}, []),
        ({"type": "string", "pattern": "("}, []),
        ({"type": "array", "minItems": -1, "maxItems": "x", "uniqueItems": 1}, []),
        ({"type": "array", "prefixItems": [False, True], "minItems": 2}, [1, [[1]]]),
    ],
    ids=["lists", "itself", "any of", "circle", "inner", "gone", "elsewhere", "id", "type", "pattern", "counts", "no"],
)
def test_odd_schema_refuses_only_what_it_says(schema, wrong):
    assert refused(schema, [1, [[1]]]) == wrong


def diamonds(levels):
    """Return a schema with references from each level to the next one on two ways."""
    definitions = {}
    for level in range(levels):
        definitions[f"top{level}"] = {"allOf": [{"$ref": f"#/$defs/left{level}"}, {"$ref": f"#/$defs/right{level}"}]}
        for side in ("left", "right"):
            definitions[f"{side}{level}"] = {"$ref": f"#/$defs/top{level + 1}"}
    return {"$ref": "#/$defs/top0", "$defs": {**definitions, f"top{levels}": {"type": "object"}}}


def test_references_that_meet_again_are_followed_once():
    levels = 60  # as many ways as 2 to the power of it

    made = Compiler(diamonds(levels)).schema()

    assert len(made["definitions"]) == 3 * levels + 2
