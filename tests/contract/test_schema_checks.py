"""The check of a value by a schema is as strict as jsonschema by the schemas of hints."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flaskJSONRPCServer.contract.schema_checks import check_of
from flaskJSONRPCServer.contract.tool_schemas import output_schema
from tests.contract.checked_values import mismatch
from tests.contract.schema_values import values_of
from tests.contract.test_schemas import mutated
from tests.contract.test_tool_schemas import TABLE, contract_of, echo_of

pytestmark = pytest.mark.timeout(900)  # for --hypothesis-profile=thorough


@pytest.mark.parametrize(("row", "number", "echo"), TABLE, ids=[f"{row}-{number}" for row, number, _ in TABLE])
@given(data=st.data())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_check_of_a_hint_agrees_with_its_schema(row, number, echo, data):
    contract = contract_of(echo_of(echo.hint))
    schema = output_schema(contract)
    written = contract.result.written(echo.value)
    other = data.draw(mutated(data.draw(values_of(schema, schema) | st.just(written))))

    assert mismatch(schema, written) is None
    if check_of(schema) is not None:
        assert (mismatch(schema, other) is None) is Draft202012Validator(schema).is_valid(other), (other, schema)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string", "description": "A name."},
        {"type": ["integer", "null"]},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"type": "object", "properties": {}, "additionalProperties": True},
        {"type": "array", "items": {}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "items": {"type": "string"}},
    ],
    ids=["any", "string", "types", "choices", "object", "array", "draft-07"],
)
def test_schema_that_says_a_type_alone_needs_no_check(schema):
    assert check_of(schema) is None


def nested(keyword, levels=400):
    schema = {"type": "integer", "minimum": 1}
    for _ in range(levels):
        schema = {keyword: {"a": schema} if keyword == "properties" else [schema] if keyword == "allOf" else schema}
    return schema


@pytest.mark.parametrize("keyword", ["properties", "items", "allOf", "additionalProperties", "propertyNames"])
def test_schema_that_is_nested_too_deep_has_no_check(keyword):
    assert check_of(nested(keyword, 10)) is not None
    assert check_of(nested(keyword)) is None


def test_chain_of_references_that_is_too_long_has_no_check():
    definitions = {str(number): {"items": {"$ref": f"#/$defs/{number + 1}"}} for number in range(400)}
    assert check_of({"$ref": "#/$defs/0", "$defs": {**definitions, "400": {"type": "integer"}}}) is None


@pytest.mark.parametrize(
    "schema", [{"const": 10**5000}, {"$ref": f"#/prefixItems/{'9' * 5000}", "prefixItems": [1]}], ids=["const", "$ref"]
)
def test_schema_with_a_number_that_python_does_not_write_has_no_check(schema):
    assert check_of(schema) is None


LISTS_OR_TEXT = {
    "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}},
    "anyOf": [{"$ref": "#/$defs/A"}, {"type": "string", "maxLength": 3}],
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([["x"]], "[" * 300 + '"x"' + "]" * 300),
        (["\ud800"], '["\\ud800"]'),
        ("\ud800", "\ud800"),
        ([10**5000], f"[1{'0' * 5000}]"),
    ],
    ids=["deep", "surrogate", "text", "number"],
)
def test_value_that_pydantic_does_not_read_is_not_refused(value, text):
    check = check_of({**LISTS_OR_TEXT, "type": ["array", "string"]})
    assert check.mismatch(value, text) is None


def test_value_that_pydantic_does_not_read_has_a_type_of_the_schema():
    deep = "[" * 300 + "]" * 300
    assert (
        check_of({"type": "object", "required": ["a"]}).mismatch([], deep)
        == "it is a JSON array, and its schema says object"
    )


def test_reasons_name_the_places():
    schema = {"type": "array", "items": {"type": "object", "properties": {"a": {"enum": [1, "b"]}}, "required": ["c"]}}

    assert mismatch(schema, [{"a": 2}]) == '0/c: Field required; 0/a: Input should be one of [1, "b"]'
