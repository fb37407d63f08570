"""The mock server checks values by jsonschema: the dialect, the formats, the aliases, the texts."""

import itertools
import re
import urllib.request

import pytest

from flaskJSONRPCServer.errors import ContractError
from flaskJSONRPCServer.testing.json_schema import SchemaChecker

DOCUMENT = {
    "openrpc": "1.4.1",
    "$schema": "https://meta.open-rpc.org/",
    "components": {
        "schemas": {
            "Tree": {
                "type": "object",
                "properties": {
                    "leaf": {"type": "integer"},
                    "branches": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                },
            }
        }
    },
    "itself": {"$ref": "#/itself"},
    "text": "x",
}
TREE = {"$ref": "#/components/schemas/Tree"}
CHOICES = [{"type": "integer"}, {"type": "null"}]


def mismatch(value, schema, document=DOCUMENT):
    return SchemaChecker(document).mismatch(value, schema, "result")


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        ({"type": "integer"}, "x", "result is \"x\", which is not of type 'integer'"),
        ({"properties": {"a": {"maximum": 3}}}, {"a": 4}, "result.a is 4, which is greater than the maximum of 3"),
        (TREE, {"branches": [{}, {"leaf": "x"}]}, "result.branches[1].leaf is \"x\", which is not of type 'integer'"),
        ({"required": ["a"]}, {}, "result is {}: 'a' is a required property"),
        ({"const": 1}, 2, "result is 2: 1 was expected"),
        ({"enum": ["a", "b"]}, "c", "result is \"c\", which is not one of ['a', 'b']"),
        (
            {"anyOf": CHOICES},
            "x",
            'result is "x", which is not valid under any of the given schemas '
            '(anyOf: [{"type": "integer"}, {"type": "null"}])',
        ),
        ({"oneOf": [{"type": "string"}, TREE]}, {"leaf": "x"}, "result.leaf is \"x\", which is not of type 'integer'"),
        ({"propertyNames": {"pattern": "^a"}}, {"b": 1}, "a name in result is \"b\", which does not match '^a'"),
        ({"maxLength": 1}, "x" * 999, f'result is "{"x" * 56}..., which is too long (maxLength: 1)'),
        ({"minItems": 12}, [], "result is [], which is too short (minItems: 12)"),
    ],
)
def test_mismatch_has_the_place_the_value_and_the_rule(schema, value, text):
    assert mismatch(value, schema) == text


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"enum": ["x" * 99] * 99}, 3),
        ({"not": {"enum": [*range(999)]}}, 3),
        ({"items": [], "additionalItems": False}, [*range(999)]),
        ({"oneOf": [{"title": "x" * 999}] * 2}, 3),
        ({"anyOf": [{"const": "x" * 99}] * 99}, 3),
    ],
)
def test_mismatch_is_short_even_if_the_value_or_the_schema_is_not(schema, value):
    assert len(mismatch(value, schema)) < 400


@pytest.mark.parametrize("schema", [True, {}, {"unheard-of": 1}, {"type": "integer"}, {"anyOf": CHOICES}])
@pytest.mark.parametrize("value", [1, 1.0, 10**30])
def test_value_that_fits_has_no_mismatch(schema, value):
    assert mismatch(value, schema) is None


OLDER, NEWER = "http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"
PAIR = {"items": [{"type": "string"}], "additionalItems": False}
NEW_PAIR = {"prefixItems": [{"type": "string"}], "items": False}


@pytest.mark.parametrize(
    ("dialect", "schema", "refused"),
    [
        ({}, PAIR, True),
        ({}, NEW_PAIR, True),  # `prefixItems` says nothing, and `items` allows none
        ({}, {"prefixItems": [{"type": "string"}]}, False),
        ({"$schema": OLDER}, {"prefixItems": [{"type": "string"}]}, False),
        ({"$schema": NEWER}, {"prefixItems": [{"type": "string"}]}, True),
        ({}, {"$schema": NEWER, "prefixItems": [{"type": "string"}]}, True),
        ({}, {"$ref": "#/components/schemas/Tree", "type": "integer"}, True),
        ({"$schema": NEWER}, {"$ref": "#/x/any", "minItems": 2}, True),
        ({}, {"$ref": "#/x/any", "minItems": 2}, False),  # draft-07 ignores what is beside a reference
    ],
)
def test_dialect_is_draft_07_unless_another_one_is_named(dialect, schema, refused):
    document = {**DOCUMENT, "x": {"any": {}}}
    document.update(dialect)

    assert (mismatch([1], schema, document) is not None) is refused


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        ("date", ["2024-02-29"], ["2023-02-29", "20240229", "2024-02-29T00:00:00", ""]),
        (
            "date-time",
            ["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.5+02:00", "2024-02-29T12:00:00"],
            ["2024-02-30T12:00:00", "2024-02-29", "2024-02-29T25:00:00", "noon", "1700000000"],
        ),
        ("time", ["12:00:00", "12:00", "23:59:59.123Z"], ["24:00:00", "12", "12:60"]),
        ("duration", ["P1D", "PT1.5S", "-P1Y2M3DT4H5M6S", "P1W"], ["P", "PT", "1D", "P1S", ""]),
        ("uuid", ["12345678-1234-5678-1234-567812345678"], ["12345678123456781234567812345678", "x"]),
        ("ipv4", ["127.0.0.1"], ["127.0.0.256", "::1"]),
        ("ipv6", ["::1"], ["127.0.0.1"]),
        ("unheard-of", ["anything"], []),
    ],
)
def test_format_is_checked(name, valid, invalid):
    checker = SchemaChecker({})
    texts = itertools.chain(valid, invalid)

    assert [text for text in texts if checker.mismatch(text, {"format": name}, "x") is None] == valid
    assert checker.mismatch(3, {"format": name}, "x") is None


ALIASED = {
    "properties": {"aB": {"type": "integer", "x-aliases": ["a_b", "c_d"]}, "other": True},
    "patternProperties": {"^c": {"type": "string"}},
    "required": ["aB"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("document", [{}, {"$schema": NEWER}, {"$schema": "http://json-schema.org/draft-04/schema#"}])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"aB": 1}, None),
        ({"a_b": 1, "other": 2, "c": "x"}, None),
        ({"c_d": 1}, None),
        ({"a_b": "x"}, "result[0].aB is \"x\", which is not of type 'integer'"),
        ({"other": 1}, "result[0] is {\"other\": 1}: 'aB' is a required property"),
        ({"aB": 1, "ab": 1}, "'ab' does not match any of the regexes: '^c'"),
    ],
)
def test_member_may_have_one_of_its_aliases(document, value, text):
    found = mismatch([value], {"items": {"anyOf": [ALIASED]}}, document)

    assert found is None if text is None else text in found


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "#/nowhere"}, "$ref '/nowhere' does not point to a schema of the document"),
        ({"$ref": "other.json#/a"}, "$ref 'other.json#/a' does not point to a schema of the document"),
        ({"$ref": "#/text"}, "the schema of result cannot be used: 'str' object"),
        ({"$ref": "#/text/a"}, "the schema of result cannot be used: "),
        ({"$ref": "#/itself"}, "the schema of result cannot be used: it refers to itself without an end"),
        ({"pattern": "("}, "the pattern '(' cannot be read"),
        ({"type": "strng"}, "the schema of result cannot be used: Unknown type 'strng'"),
        ({"enum": 3}, "the schema of result cannot be used: "),
        ({"properties": []}, "the schema of result cannot be used: "),
        (3, "the schema of result cannot be used: "),
    ],
)
def test_schema_that_cannot_be_used_is_an_error(schema, message):
    with pytest.raises(ContractError, match=re.escape(message)):
        mismatch({} if "properties" in str(schema) else "a", schema)


@pytest.mark.parametrize(("value", "rule"), [(3, {"multipleOf": 0}), (10**400, {"multipleOf": 0.5})])
def test_number_that_cannot_be_divided_is_an_error(value, rule):
    with pytest.raises(ContractError, match="the schema of result cannot be used: "):
        mismatch(value, rule)


def test_reference_to_a_url_is_not_fetched(monkeypatch):
    fetched = []
    monkeypatch.setattr(urllib.request, "urlopen", fetched.append)

    with pytest.raises(ContractError, match=r"\$ref 'http://localhost/a' does not point to a schema of the document"):
        mismatch(1, {"$ref": "http://localhost/a"})
    assert fetched == []
