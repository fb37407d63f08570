"""Schemas are the behaviour: what a schema accepts is accepted, and what it refuses is refused."""

import datetime
import re
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator, Draft202012Validator

from flaskJSONRPCServer.contract.schemas import schemas_of
from flaskJSONRPCServer.contract.types import HintedType
from tests.contract.api import CASES, Checked, Even
from tests.contract.schema_values import values_of

# Their checks are Python code, which no schema shows.
_BEYOND_SCHEMAS = (Even, Checked, re.Pattern)

HINTS = list({str(hint): hint for hint, _, _ in CASES if hint not in _BEYOND_SCHEMAS}.values())
VALIDATORS = {"draft-07": Draft7Validator, "2020-12": Draft202012Validator}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.sampled_from(["", "a", "1", "2024-02-29"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "x", "name", "items"]), inner, max_size=3)
    ),
    max_leaves=4,
)

# A few for each of some seventy hints; --hypothesis-profile=thorough tries many.
ONCE = settings(
    max_examples=max(12, settings.default.max_examples // 10), deadline=None, suppress_health_check=list(HealthCheck)
)


def schema_of(hinted, dialect):
    """Return the schema of a parameter, with its shared schemas, as one document."""
    schemas = schemas_of([(hinted, "validation")], dialect)
    return {"components": {"schemas": schemas.components}, **schemas.schema(hinted, "validation")}


def hinted_of(hint):
    return HintedType(type(None) if hint is None else hint, "a parameter")


@pytest.mark.parametrize("hint", HINTS, ids=range(len(HINTS)))
@given(data=st.data())
@ONCE
def test_values_of_the_schema_are_accepted(hint, data):
    hinted = hinted_of(hint)
    schemas = {dialect: schema_of(hinted, dialect) for dialect in VALIDATORS}
    value = data.draw(st.one_of([values_of(schema, schema) for schema in schemas.values()]))

    assert all(VALIDATORS[dialect](schema).is_valid(value) for dialect, schema in schemas.items())
    hinted.checked(value)


@pytest.mark.parametrize("hint", HINTS, ids=range(len(HINTS)))
@given(data=st.data())
@ONCE
def test_values_that_the_schema_refuses_are_refused(hint, data):
    hinted = hinted_of(hint)
    schema = schema_of(hinted, "draft-07")
    value = data.draw(mutated(data.draw(values_of(schema, schema))) | JSON)

    accepted = {name: make(schema_of(hinted, name)).is_valid(value) for name, make in VALIDATORS.items()}
    assert accepted["draft-07"] == accepted["2020-12"]
    assert accepted["draft-07"] or not hinted.accepts(value)


def mutated(value: Any) -> Any:
    """Return a strategy of values that differ from a value in one place."""
    if isinstance(value, dict) and value:
        keys = sorted(value)
        without = st.sampled_from(keys).map(lambda key: {k: v for k, v in value.items() if k != key})
        changed = st.sampled_from(keys).flatmap(lambda key: mutated(value[key]).map(lambda new: {**value, key: new}))
        return without | changed | JSON
    if isinstance(value, list) and value:
        places = st.integers(0, len(value) - 1)
        changed = places.flatmap(lambda i: mutated(value[i]).map(lambda new: [*value[:i], new, *value[i + 1 :]]))
        return changed | st.just(value[1:]) | JSON
    return JSON


@pytest.mark.parametrize("dialect", VALIDATORS)
def test_schemas_are_schemas_of_their_dialect(dialect):
    for hint in HINTS:
        VALIDATORS[dialect].check_schema(schema_of(hinted_of(hint), dialect))


def test_tuple_has_the_form_of_the_dialect():
    hinted = hinted_of(tuple[int, datetime.date])
    items = [{"type": "integer"}, {"type": "string", "format": "date"}]

    assert schema_of(hinted, "draft-07")["items"] == items
    assert schema_of(hinted, "2020-12")["prefixItems"] == items
