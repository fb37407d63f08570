"""The checks of the mock server agree with another implementation of JSON Schema draft-07."""

import itertools

import jsonschema
import pytest

from flaskJSONRPCServer.errors import ContractError
from flaskJSONRPCServer.testing.json_schema import SchemaChecker

VALUES = [
    *(None, True, False, 0, 1, 1.0, 1.5, -3, 7, 12, 10**20, 1e300, 0.1),
    *("", "a", "abc", "2024-01-31", "12", "ä"),
    *([], [1], [1, "a"], [1, 1.0], [1, True], ["a", 1, None], [[1], [1]], [{"a": 1}, {"a": 1.0}], [0, False]),
    *({}, {"a": 1}, {"a": "x"}, {"b": 1}, {"a": 1, "b": 2}, {"a": 1, "c": None}, {"ab": 1, "x1": "y"}),
    *({"a": {"a": {"a": 1}}}, {"a": {"a": "x"}}, {"a": None}, {"": 1}),
]
SCHEMAS = [
    *(True, False, {}, {"unheard-of": 1}, {"$ref": "#/definitions/tree"}, {"$ref": "#/definitions/a~1b%25/not"}),
    *({"type": kind} for kind in ("null", "boolean", "integer", "number", "string", "array", "object")),
    *({"type": ["string", "null"]}, {"type": ["integer", "array"]}, {"$ref": "#/definitions/one", "type": "string"}),
    *({"enum": [1, "a", None]}, {"enum": [[1, 1], {"a": 1}]}, {"const": 1}, {"const": False}, {"const": {"a": 1.0}}),
    *({"multipleOf": 3}, {"multipleOf": 0.5}, {"multipleOf": 1.5}, {"maximum": 1}, {"exclusiveMaximum": 1}),
    *({"minimum": 1}, {"exclusiveMinimum": 1}, {"minimum": 0, "maximum": 7}),
    *({"maxLength": 1}, {"minLength": 2}, {"pattern": "^a"}, {"pattern": "b"}, {"pattern": "^\\d+$"}),
    *({"maxItems": 1}, {"minItems": 2}, {"uniqueItems": True}, {"uniqueItems": False}),
    *({"items": {"type": "integer"}}, {"items": [{"const": 1}, {"type": "string"}]}, {"items": False}, {"items": []}),
    *({"items": [{"const": 1}], "additionalItems": False}, {"items": [{}], "additionalItems": {"type": "string"}}),
    *({"additionalItems": False}, {"contains": {"const": 1}}, {"contains": False}),
    *({"maxProperties": 1}, {"minProperties": 2}, {"required": ["a"]}, {"required": ["a", "b"]}, {"required": []}),
    *({"properties": {"a": {"type": "integer"}}}, {"properties": {"a": False}}, {"additionalProperties": False}),
    *({"properties": {"a": {}}, "additionalProperties": False}, {"additionalProperties": {"type": "integer"}}),
    *(
        {"patternProperties": {"^a": {"type": "integer"}}},
        {"patternProperties": {"b$": False}, "properties": {"b": {}}},
    ),
    {"properties": {"a": {}}, "patternProperties": {"^x": {"type": "string"}}, "additionalProperties": {"const": 1}},
    {"patternProperties": {"1$": {}}, "additionalProperties": False},
    *({"propertyNames": {"maxLength": 1}}, {"propertyNames": {"pattern": "^[a-b]*$"}}),
    *({"dependencies": {"a": ["b"]}}, {"dependencies": {"a": {"required": ["c"]}}}, {"dependencies": {"b": False}}),
    *({"allOf": [{"type": "number"}, {"minimum": 1}]}, {"anyOf": [{"type": "null"}, {"type": "string"}]}),
    *({"oneOf": [{"type": "number"}, {"minimum": 1}]}, {"oneOf": [{"type": "string"}, {"type": "array"}]}),
    *({"not": {"type": "number"}}, {"not": {}}, {"if": {"type": "number"}, "then": {"minimum": 1}}),
    {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"type": "integer"}},
    *({"then": False}, {"if": {"type": "string"}, "else": False}),
]
DEFINITIONS = {
    "tree": {"anyOf": [{"type": "integer"}, {"properties": {"a": {"$ref": "#/definitions/tree"}}, "type": "object"}]},
    "one": {"const": 1},
    "a/b%": {"not": {"type": "array"}},
}


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_checks_agree_with_another_implementation(schema):
    checker = SchemaChecker({"definitions": DEFINITIONS})
    root = {"definitions": DEFINITIONS, "allOf": [schema]}
    judge = jsonschema.Draft7Validator(root)

    disagreements = [value for value in VALUES if checker.fits(value, schema) is not judge.is_valid(value)]

    assert disagreements == []


def test_table_tries_each_schema_with_a_value_that_fits_and_one_that_does_not():
    checker = SchemaChecker({"definitions": DEFINITIONS})
    always = ("True", "{}", "{'unheard-of': 1}", "{'then': False}", "{'uniqueItems': False}", "{'required': []}")
    outcomes = {str(schema): {checker.fits(value, schema) for value in VALUES} for schema in SCHEMAS}

    same = {schema for schema, found in outcomes.items() if len(found) == 1}
    assert same == {*always, "False", "{'not': {}}", "{'additionalItems': False}", "{'items': []}"}


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        ({"type": "integer"}, "x", 'result is "x", not of type integer'),
        ({"type": ["integer", "null"]}, "x", 'result is "x", not of type integer or null'),
        ({"items": {"properties": {"a": {"maximum": 3}}}}, [{}, {"a": 4}], "result[1].a is 4, above 3"),
        ({"required": ["a"]}, {}, "result has no member 'a'"),
        ({"additionalProperties": False}, {"b": 1}, "result.b is not allowed"),
        ({"enum": ["a", "b"]}, "c", 'result is "c", none of ["a", "b"]'),
        ({"anyOf": [{"type": "null"}, {"const": 1}]}, 2, "result is 2, not of type null; or result is 2, not 1"),
        ({"oneOf": [{}, True]}, 2, "result is 2, which fits several schemas that exclude each other"),
        ({"type": "string"}, "x" * 200, None),
        ({"maxLength": 1}, "x" * 200, f'result is "{"x" * 56}..., longer than 1'),
    ],
)
def test_mismatch_names_the_place_and_the_value(schema, value, text):
    assert SchemaChecker({}).mismatch(value, schema, "result") == text


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        ("date", ["2024-02-29"], ["2023-02-29", "20240229", "2024-02-29T00:00:00", ""]),
        (
            "date-time",
            ["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.5+02:00", "2024-02-29T12:00:00"],
            ["2024-02-30T12:00:00", "2024-02-29", "2024-02-29T25:00:00", "noon"],
        ),
        ("time", ["12:00:00", "12:00", "23:59:59.123Z"], ["24:00:00", "12", "12:60"]),
        ("duration", ["P1D", "PT1.5S", "-P1Y2M3DT4H5M6S", "P1W"], ["P", "PT", "1D", "P1S", ""]),
        ("uuid", ["12345678-1234-5678-1234-567812345678"], ["12345678123456781234567812345678", "x"]),
        ("unheard-of", ["anything"], []),
    ],
)
def test_format_is_checked(name, valid, invalid):
    checker = SchemaChecker({})

    assert [text for text in itertools.chain(valid, invalid) if checker.fits(text, {"format": name})] == valid
    assert checker.fits(3, {"format": name})


def test_member_may_have_one_of_its_aliases():
    checker = SchemaChecker({})
    member = {"type": "integer", "x-aliases": ["a_b"]}
    schema = {"properties": {"aB": member}, "required": ["aB"], "additionalProperties": False}

    assert checker.mismatch({"a_b": 1}, schema, "item") is None
    assert checker.mismatch({"a_b": "x"}, schema, "item") == 'item.aB is "x", not of type integer'
    assert checker.mismatch({"ab": 1}, schema, "item") == "item.ab is not allowed"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "#/nowhere"}, "'#/nowhere' does not point to a schema of the document"),
        ({"$ref": "other.json#/a"}, "'other.json#/a' does not point to a schema of the document"),
        ({"$ref": "#/text"}, "'#/text' does not point to a schema of the document"),
        ({"$ref": "#/itself"}, "the schema of result refers to itself without an end"),
        ({"pattern": "("}, r"the pattern '\(' cannot be read"),
    ],
)
def test_schema_that_cannot_be_followed_is_an_error(schema, message):
    checker = SchemaChecker({"itself": {"$ref": "#/itself"}, "text": "x"})

    with pytest.raises(ContractError, match=message):
        checker.mismatch("a", schema, "result")
