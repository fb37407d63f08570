"""The comparison of schemas is never wrong: jsonschema judges values that Hypothesis makes."""

import json

import jsonschema
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flaskJSONRPCServer.contract.compatibility.schema_documents import SchemaDocument
from flaskJSONRPCServer.contract.compatibility.subsumption import Relation, Subsumption
from flaskJSONRPCServer.contract.diff import Kind, compare

pytestmark = pytest.mark.timeout(900)  # for --hypothesis-profile=thorough

NAMES = st.sampled_from(["a", "b", "c"])
SMALL = st.integers(-2, 3)
SCALARS = st.none() | st.booleans() | SMALL | st.sampled_from([0.5, 1.0, 1.5, "", "a", "ab", "aab"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
KEYWORDS = {
    "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
    "enum": st.lists(SCALARS, min_size=1, max_size=4),
    "const": SCALARS,
    "minimum": SMALL,
    "maximum": SMALL,
    "exclusiveMinimum": SMALL,
    "exclusiveMaximum": SMALL,
    "multipleOf": st.sampled_from([1, 2, 3, 0.5]),
    "minLength": st.integers(0, 2),
    "maxLength": st.integers(0, 2),
    "pattern": st.sampled_from(["^a", "b$"]),
    "minItems": st.integers(0, 2),
    "maxItems": st.integers(0, 2),
    "uniqueItems": st.booleans(),
    "minProperties": st.integers(0, 2),
    "maxProperties": st.integers(0, 2),
    "required": st.lists(NAMES, max_size=2, unique=True),
}


def schemas_with(inner, combining, max_keywords=3):
    """Return a strategy for schemas with a few keywords; some occur together more often."""
    nested = {
        "properties": st.dictionaries(NAMES, inner, max_size=3),
        "additionalProperties": inner,
        "propertyNames": st.fixed_dictionaries({"enum": st.lists(NAMES, min_size=1)}),
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
        **{keyword: st.lists(inner, min_size=1, max_size=3) for keyword in combining},
        **({"not": inner, "patternProperties": st.fixed_dictionaries({"^a": inner})} if combining else {}),
    }
    keywords = {**KEYWORDS, **nested}
    chosen = st.lists(st.sampled_from([*keywords]), max_size=max_keywords, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: keywords[name] for name in names}))


REFERENCES = st.sampled_from(["#/definitions/A", "#/definitions/B"]).map(lambda reference: {"$ref": reference})
SIMPLE = st.booleans() | schemas_with(st.booleans(), ())
SCHEMAS = st.recursive(
    SIMPLE | REFERENCES, lambda inner: schemas_with(inner, ("allOf", "anyOf", "oneOf")), max_leaves=5
)
# References inside members and items only, so that no definition leads to itself.
DEFINITIONS = st.fixed_dictionaries({name: schemas_with(SIMPLE | REFERENCES, ()) for name in "AB"})


def mutated(draw, schema):
    """Return a schema that differs a little, so that many pairs are in a relation."""
    if not isinstance(schema, dict) or not schema or draw(st.integers(0, 5)) == 0:
        return draw(SCHEMAS)
    keyword = draw(st.sampled_from([*schema]))
    value = schema[keyword]
    if keyword == "properties" and value and draw(st.booleans()):
        name = draw(st.sampled_from([*value]))
        return {**schema, keyword: {**value, name: mutated(draw, value[name])}}
    if keyword in ("items", "additionalProperties", "not") and draw(st.booleans()):
        return {**schema, keyword: mutated(draw, value)}
    change = draw(st.sampled_from(["drop", "replace", "add", "wrap", "nest"]))
    if change == "drop":
        return {name: member for name, member in schema.items() if name != keyword}
    if change == "replace" and keyword in KEYWORDS:
        return {**schema, keyword: draw(KEYWORDS[keyword])}
    if change == "wrap":
        return {draw(st.sampled_from(["anyOf", "oneOf"])): [schema, draw(SCHEMAS)]}
    if change == "nest":
        return {"allOf": [schema, draw(SCHEMAS)]}
    return {**schema, **draw(SIMPLE.filter(lambda simple: isinstance(simple, dict)))}


@st.composite
def pairs(draw):
    """Draw two documents, each as its definitions, with a schema in each."""
    definitions = draw(DEFINITIONS)
    first = draw(SCHEMAS)
    second = mutated(draw, first) if draw(st.booleans()) else draw(SCHEMAS)
    changed = definitions if draw(st.booleans()) else {**definitions, "A": mutated_definition(draw, definitions["A"])}
    return (definitions, first), (changed, second)


def mutated_definition(draw, definition):
    names = draw(st.lists(st.sampled_from([*KEYWORDS]), max_size=1))
    kept = {name: value for name, value in definition.items() if draw(st.integers(0, 3))}
    return {**kept, **{name: draw(KEYWORDS[name]) for name in names}}


def root(definitions):
    return SchemaDocument({"definitions": definitions})


def validator(definitions, schema):
    return jsonschema.Draft202012Validator({"allOf": [schema], "definitions": definitions})


def is_subset(first, second):
    return Subsumption(root(first[0]), root(second[0])).gap(first[1], second[1]) is None


@settings(max_examples=2 * settings.default.max_examples)
@given(pairs(), st.lists(VALUES, min_size=15, max_size=30))
def test_values_of_a_subset_are_valid_in_the_superset(pair, values):
    first, second = pair
    assume(is_subset(first, second))
    inner, outer = validator(*first), validator(*second)

    for value in values:
        assert not inner.is_valid(value) or outer.is_valid(value), (value, first, second)


def relation(first, second):
    gaps = (Subsumption(root(a[0]), root(b[0])).gap(a[1], b[1]) for a, b in ((first, second), (second, first)))
    return Relation.of(*gaps)


@given(pairs())
def test_relation_of_swapped_schemas_is_swapped(pair):
    first, second = pair
    swapped = {Relation.SUBSET: Relation.SUPERSET, Relation.SUPERSET: Relation.SUBSET}
    found = relation(first, second)

    assert relation(second, first) is swapped.get(found, found)


@given(DEFINITIONS, SCHEMAS)
def test_schema_equals_itself(definitions, schema):
    assert relation((definitions, schema), (definitions, schema)) is Relation.EQUAL


@given(DEFINITIONS, schemas_with(SIMPLE, ()), schemas_with(SIMPLE, ()))
def test_alternatives_include_each_of_them(definitions, first, second):
    either = {"anyOf": [first, second]}

    assert is_subset((definitions, first), (definitions, either))
    assert is_subset((definitions, {"allOf": [first, second]}), (definitions, second))


@pytest.mark.parametrize(
    ("inner", "outer", "is_one"),
    [
        ({"enum": ["b"], "pattern": "^a"}, {"anyOf": [{"enum": ["b"], "pattern": "^a"}, {"type": "null"}]}, True),
        ({"allOf": [{"enum": ["b"]}, {"pattern": "^a"}]}, {"pattern": "^a"}, True),
        ({"enum": ["b"], "pattern": "^a"}, {"enum": ["b"]}, True),
        ({"enum": [[1]], "items": {"type": "string"}}, {"items": {"minLength": 0}}, True),
        ({"enum": ["b"]}, {"pattern": "^a"}, False),
        ({"enum": ["b"]}, {"enum": ["b"], "pattern": "^a"}, False),
        ({"enum": ["b"], "pattern": "^a"}, {"enum": ["b"], "pattern": "^b"}, False),
    ],
)
def test_listed_value_under_a_condition_is_accepted_by_what_the_condition_implies(inner, outer, is_one):
    assert is_subset(({}, inner), ({}, outer)) is is_one


@pytest.mark.parametrize("count", [300])
def test_enough_pairs_are_comparable(count):
    """The soundness test means something: of the pairs it draws, many are in a relation."""
    found = []

    @settings(max_examples=count, derandomize=True, database=None)
    @given(pairs())
    def draw(pair):
        found.append(is_subset(*pair))

    draw()
    assert sum(found) > count // 10


def with_method(definitions, schema):
    """Return a document with a method that takes and returns values of a schema."""
    moved = json.loads(json.dumps(schema).replace("#/definitions/", "#/components/schemas/"))
    schemas = json.loads(json.dumps(definitions).replace("#/definitions/", "#/components/schemas/"))
    described = {"name": "value", "schema": moved}
    methods = [{"name": "echo", "params": [described], "result": described}]
    return {"openrpc": "1.4.1", "info": {}, "methods": methods, "components": {"schemas": schemas}}


@given(pairs(), st.lists(VALUES, min_size=15, max_size=30))
def test_compatible_documents_accept_the_calls_and_results_of_each_other(pair, values):
    old, new = pair
    findings = compare(with_method(*old), with_method(*new)).findings
    breaking = {finding.place[:6] for finding in findings if finding.kind is Kind.BREAKING or "declare" in finding.text}
    before, after = validator(*old), validator(*new)

    for value in values:
        if "params" not in breaking:
            assert not before.is_valid(value) or after.is_valid(value), (value, old, new)
        if "result" not in breaking:
            assert not after.is_valid(value) or before.is_valid(value), (value, old, new)
        if not findings:
            assert before.is_valid(value) == after.is_valid(value), (value, old, new)
