"""How the values of one schema relate to those of another one."""

import pytest

from flaskJSONRPCServer.contract.compatibility.schema_documents import SchemaDocument
from flaskJSONRPCServer.contract.compatibility.subsumption import Gap, Relation, Subsumption
from flaskJSONRPCServer.errors import ContractError

INT, STR, NULL, BOOL, NUM, LIST, OBJ = (
    {"type": name} for name in ("integer", "string", "null", "boolean", "number", "array", "object")
)


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def anyof(*members):
    return {"anyOf": [*members]}


def oneof(*members):
    return {"oneOf": [*members]}


def obj(required=(), **properties):
    return {"type": "object", "properties": properties, "required": [*required]}


def closed(required=(), **properties):
    return {**obj(required, **properties), "additionalProperties": False}


def gaps(first, second, first_types=None, second_types=None):
    """Return the values of the first schema that the second one lacks, and the reverse."""
    one, other = (SchemaDocument({"components": {"schemas": types or {}}}) for types in (first_types, second_types))
    return Subsumption(one, other).gap(first, second), Subsumption(other, one).gap(second, first)


EQUAL = [
    (True, {}),
    (True, anyof(NULL, BOOL, NUM, STR, LIST, OBJ)),
    (False, {"enum": []}),
    (INT, {"type": ["integer"]}),
    (NUM, {"type": ["integer", "number"]}),
    (INT, {"type": "number", "multipleOf": 1}),
    ({"type": ["string", "null"]}, anyof(NULL, STR)),
    (BOOL, {"enum": [True, False]}),
    (NULL, {"const": None}),
    ({"enum": [1, 2]}, {"enum": [2, 1.0]}),
    ({"enum": [1, 2]}, anyof({"const": 2}, {"const": 1})),
    ({"type": "string", "enum": ["a", 1]}, {"const": "a"}),
    ({"enum": ["a", "b"], "const": "a"}, {"const": "a"}),
    ({"enum": ["a", "abc"], "maxLength": 1}, {"const": "a"}),
    ({"type": "integer", "minimum": 1}, {"type": "integer", "exclusiveMinimum": 0}),
    ({"type": "integer", "maximum": 1.5}, {"type": "integer", "exclusiveMaximum": 2}),
    ({"type": "number", "minimum": 0, "exclusiveMinimum": 0}, {"type": "number", "exclusiveMinimum": 0}),
    ({"type": "number", "minimum": 2, "maximum": 1}, False),
    ({"allOf": [{"minimum": 0}, NUM]}, {"type": "number", "minimum": 0}),
    ({"allOf": [INT]}, INT),
    (anyof(INT, STR), oneof(STR, INT)),
    ({"type": "string", "title": "T", "description": "D", "default": "x", "examples": ["y"], "x-a": 1}, STR),
    ({"type": "string", "minLength": 0}, STR),
    ({"type": "array", "items": True}, LIST),
    (
        {"type": "array", "items": [INT, STR], "additionalItems": False},
        {"type": "array", "prefixItems": [INT, STR], "items": False},
    ),
    ({"type": "array", "prefixItems": [INT], "items": False}, {"type": "array", "items": INT, "maxItems": 1}),
    ({"type": "array", "uniqueItems": True, "maxItems": 1}, {"type": "array", "maxItems": 1}),
    (obj(a=INT, b=True), obj(a=INT)),
    (closed(a=INT, b=False), closed(a=INT)),
    ({"type": "object", "additionalProperties": True}, OBJ),
    (obj(["a"]), {"type": "object", "required": ["a"], "minProperties": 1}),
    (closed(a=INT), {**closed(a=INT), "propertyNames": {"enum": ["a"]}}),
    ({"allOf": [closed(a=INT), obj(["a"], a=NUM)]}, closed(["a"], a=INT)),
    ({"allOf": [obj(a=INT), closed(b=STR)]}, closed(a=False, b=STR)),
    ({"not": INT, "title": "T"}, {"not": INT}),
    ({"type": "string", "format": "date"}, {"type": "string", "format": "date", "title": "Day"}),
    (
        oneof(closed(["k"], k={"const": "a"}), closed(["k"], k={"const": "b"})),
        anyof(closed(["k"], k={"const": "a"}), closed(["k"], k={"const": "b"})),
    ),
]

# The first schema accepts less.
SUBSET = [
    (False, {}),
    (INT, NUM),
    (INT, anyof(INT, NULL)),
    (INT, {"type": ["integer", "null"]}),
    (INT, oneof(STR, INT)),
    (INT, True),
    ({"const": 1}, INT),
    ({"const": 1.0}, INT),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}),
    ({"enum": ["a", None]}, anyof(STR, NULL)),
    ({"enum": [1, "a"]}, anyof({"type": "integer", "minimum": 1}, {"type": "string", "maxLength": 1})),
    ({"const": {"a": 1}}, OBJ),
    ({"const": [1]}, LIST),
    ({"const": [1]}, {"enum": [[1], [2]]}),
    ({"type": "integer", "minimum": 1}, INT),
    ({"minimum": 1}, {"minimum": 0}),
    ({"type": "number", "exclusiveMinimum": 1}, {"type": "number", "minimum": 1}),
    ({"type": "number", "maximum": 1}, {"type": "number", "exclusiveMaximum": 1.5}),
    ({"type": "integer", "multipleOf": 4}, {"type": "integer", "multipleOf": 2}),
    ({"type": "number", "multipleOf": 0.3}, {"type": "number", "multipleOf": 0.1}),
    (INT, {"type": "number", "multipleOf": 0.5}),
    ({"allOf": [{"multipleOf": 2}, {"multipleOf": 3}, INT]}, {"type": "integer", "multipleOf": 3}),
    ({"type": "string", "maxLength": 1}, {"type": "string", "maxLength": 2}),
    ({"type": "string", "minLength": 1}, STR),
    ({"type": "string", "pattern": "^a"}, STR),
    ({"type": "string", "format": "date"}, STR),
    ({"type": "string", "pattern": "a", "format": "date"}, {"type": "string", "pattern": "a"}),
    ({"type": "array", "items": INT}, {"type": "array", "items": NUM}),
    ({"type": "array", "minItems": 1}, LIST),
    ({"type": "array", "uniqueItems": True}, LIST),
    ({"type": "array", "items": [INT], "minItems": 1}, {"type": "array", "items": [NUM]}),
    ({"type": "array", "prefixItems": [INT, STR], "items": False}, {"type": "array", "items": anyof(INT, STR)}),
    (obj(["a"]), OBJ),
    (obj(a=INT), obj(a=NUM)),
    (obj(a=INT), OBJ),
    (closed(a=INT), obj(a=INT)),
    (closed(a=INT), {"type": "object", "additionalProperties": INT}),
    ({"type": "object", "additionalProperties": INT}, {"type": "object", "additionalProperties": NUM}),
    ({"type": "object", "propertyNames": {"maxLength": 1}}, OBJ),
    ({"type": "object", "propertyNames": {"maxLength": 1}}, {"type": "object", "propertyNames": {"maxLength": 2}}),
    ({"type": "object", "patternProperties": {"^a": INT}}, OBJ),
    ({"not": NULL}, {}),
    ({"type": "string", "if": {"const": "a"}, "then": False}, STR),
    (oneof(STR, {"maxLength": 1, "type": "string"}), STR),
    ({"type": "string", "contentEncoding": "base64"}, STR),
    (oneof(obj(["k"], k={"const": "a"}), obj(["k"], k={"const": "b"})), obj(["k"], k=STR)),
]

UNKNOWN = [
    (INT, STR),
    ({"enum": [1, 2]}, {"enum": [2, 3]}),
    ({"const": True}, {"const": 1}),
    ({"minimum": 1}, {"maximum": 2}),
    ({"type": "string", "pattern": "a"}, {"type": "string", "pattern": "b"}),
    ({"type": "string", "format": "date"}, {"type": "string", "format": "time"}),
    (obj(a=INT), obj(b=INT)),
    (obj(a=INT), obj(a=STR)),
    (closed(a=INT), closed(b=INT)),
    ({"not": INT}, {"not": STR}),
    ({"type": "array", "items": INT}, {"type": "array", "items": STR}),
    ({"type": "object", "patternProperties": {"^a": INT}}, {"type": "object", "patternProperties": {"^b": INT}}),
]


def named(pairs):
    return [pytest.param(*pair, id=f"{number}: {pair[0]} and {pair[1]}"[:100]) for number, pair in enumerate(pairs)]


@pytest.mark.parametrize(("first", "second"), named(EQUAL))
def test_equal(first, second):
    assert gaps(first, second) == (None, None)


@pytest.mark.parametrize(("first", "second"), named(SUBSET))
def test_subset(first, second):
    lost, gained = gaps(first, second)

    assert Relation.of(lost, gained) is Relation.SUBSET, (lost, gained)
    assert Relation.of(gained, lost) is Relation.SUPERSET


@pytest.mark.parametrize(("first", "second"), named(UNKNOWN))
def test_neither(first, second):
    assert Relation.of(*gaps(first, second)) is Relation.UNKNOWN


@pytest.mark.parametrize(
    ("first", "second", "path", "values"),
    [
        (anyof(INT, NULL), INT, "", "null"),
        (anyof(INT, STR), INT, "", "strings"),
        ({"enum": list("abcd")}, {"const": "x"}, "", '"a", "b", "c", ...'),
        (NUM, INT, "", "numbers with a fraction"),
        (NUM, {"type": "number", "minimum": 1}, "", "numbers below 1"),
        (NUM, {"type": "number", "exclusiveMinimum": 1}, "", "numbers up to 1"),
        (NUM, {"type": "number", "maximum": 1}, "", "numbers above 1"),
        (NUM, {"type": "number", "exclusiveMaximum": 1}, "", "numbers from 1"),
        (INT, {"type": "integer", "multipleOf": 2}, "", "numbers that are no multiples of 2"),
        (STR, {"type": "string", "minLength": 1}, "", "strings of fewer than 1 characters"),
        (STR, {"type": "string", "maxLength": 1}, "", "strings of more than 1 characters"),
        (STR, {"type": "string", "pattern": "^a"}, "", 'strings without the pattern "^a"'),
        (LIST, {"type": "array", "minItems": 1}, "", "arrays of fewer than 1 items"),
        (LIST, {"type": "array", "maxItems": 1}, "", "arrays of more than 1 items"),
        (LIST, {"type": "array", "uniqueItems": True}, "", "arrays with equal items"),
        ({"type": "array", "items": NUM}, {"type": "array", "items": INT}, "[]", "numbers with a fraction"),
        (
            {"type": "array", "items": [INT, NUM]},
            {"type": "array", "items": [INT, INT]},
            "[1]",
            "numbers with a fraction",
        ),
        (OBJ, obj(["a"]), "", 'objects without the member "a"'),
        (OBJ, {"type": "object", "minProperties": 1}, "", "objects of fewer than 1 members"),
        (OBJ, {"type": "object", "maxProperties": 1}, "", "objects of more than 1 members"),
        (OBJ, {"type": "object", "propertyNames": {"maxLength": 1}}, "", "members with other names"),
        (obj(a=obj(b=NUM)), obj(a=obj(b=INT)), ".a.b", "numbers with a fraction"),
        (
            {"type": "object", "additionalProperties": NUM},
            {"type": "object", "additionalProperties": INT},
            ".*",
            "numbers with a fraction",
        ),
        (STR, {"not": {"const": "a"}}, "", "values that the keyword 'not' decides on"),
        (STR, oneof(STR, {"minLength": 1, "type": "string"}), "", "values of a oneOf whose members overlap"),
        (STR, {"$ref": "other.json#/A"}, "", 'values that the other document "other.json#/A" describes'),
        (INT, anyof({"minimum": 1, "type": "integer"}, {"maximum": 0, "type": "integer"}), "", "numbers"),
    ],
)
def test_gap_names_the_place_and_the_values(first, second, path, values):
    assert gaps(first, second)[0] == Gap(path, values)


def test_members_that_nobody_declared_can_be_left_out():
    document = SchemaDocument({})

    def gap(inner, outer):
        return Subsumption(document, document, ignores_undeclared=True).gap(inner, outer)

    assert gap(obj(a=INT), obj(a=INT, b=INT)) is None
    assert gap(obj(a=INT), obj(["b"], a=INT, b=INT))
    assert gap(obj(a=INT), closed(a=INT))
    assert gap({**obj(a=INT), "additionalProperties": True}, obj(a=INT, b=INT))
    assert gap({"allOf": [obj(a=INT), {"type": "object", "additionalProperties": True}]}, obj(a=INT, b=INT))
    assert gap({**obj(a=INT), "patternProperties": {"^b": STR}}, obj(a=INT, b=INT))


NODE = {"Node": obj(["value"], value=INT, next=anyof(ref("Node"), NULL))}
WIDER = {"Node": obj(["value"], value=NUM, next=anyof(ref("Node"), NULL))}
RENAMED = {"Item": obj(["value"], value=INT, next=anyof(ref("Item"), NULL))}
TWICE = {
    "A": obj(["value"], value=INT, next=anyof(ref("B"), NULL)),
    "B": obj(["value"], value=INT, next=anyof(ref("A"), NULL)),
}


@pytest.mark.parametrize(
    ("first", "first_types", "second", "second_types", "relation"),
    [
        (ref("Node"), NODE, ref("Node"), NODE, Relation.EQUAL),
        (ref("Node"), NODE, ref("Item"), RENAMED, Relation.EQUAL),
        (ref("Node"), NODE, NODE["Node"], NODE, Relation.EQUAL),
        (ref("Node"), NODE, ref("A"), TWICE, Relation.EQUAL),
        (ref("Node"), NODE, {"allOf": [ref("Node"), ref("Node")]}, NODE, Relation.EQUAL),
        (ref("Node"), NODE, ref("Node"), WIDER, Relation.SUBSET),
        (ref("Node"), NODE, {"allOf": [ref("Node"), ref("Node")]}, WIDER, Relation.SUBSET),
        ({"allOf": [ref("Node"), {"required": ["next"]}]}, NODE, ref("Node"), WIDER, Relation.SUBSET),
        (ref("Node"), NODE, anyof(ref("Node"), STR), WIDER, Relation.SUBSET),
        (ref("Node"), NODE, ref("Node"), {"Node": obj(value=STR)}, Relation.UNKNOWN),
        ({"$ref": "other.json"}, {}, {"$ref": "other.json"}, {}, Relation.EQUAL),
        ({"$ref": "other.json"}, {}, {"$ref": "another.json"}, {}, Relation.UNKNOWN),
    ],
)
def test_recursive_schemas_are_compared(first, first_types, second, second_types, relation):
    assert Relation.of(*gaps(first, second, first_types, second_types)) is relation


def test_gap_in_a_recursive_schema_is_at_its_first_occurrence():
    assert gaps(ref("Node"), ref("Node"), WIDER, NODE)[0] == Gap(".value", "numbers with a fraction")


def test_failed_alternative_leaves_no_assumption():
    """The second alternative must not find the pair of `x` assumed, which has failed in the first one."""
    assert gaps(closed(x=INT), anyof(closed(x=STR), closed(x=STR, y=INT)))[0]


def test_members_that_a_pattern_accepts_are_not_refused_by_additional_properties():
    assert gaps({**closed(a=INT), "patternProperties": {"^b": STR}}, closed(a=INT))[0]


def test_listed_value_that_a_further_check_may_refuse_is_not_accepted():
    assert gaps({"const": "b"}, {"enum": ["a", "b"], "pattern": "^a"})[0]


def test_schema_beside_a_reference_restricts_in_newer_dialects_only():
    narrowed = {**ref("A"), "minimum": 5}
    types = {"A": INT}

    assert Relation.of(*gaps(narrowed, INT, types)) is Relation.SUBSET
    assert Relation.of(*gaps(narrowed, {"type": "integer", "minimum": 5}, types)) is Relation.SUPERSET


def test_discriminator_tells_members_apart():
    def pet(*kinds):
        members = [obj(kind={"const": kind}, age=INT) for kind in kinds]
        return {"oneOf": members, "discriminator": {"propertyName": "kind"}}

    assert Relation.of(*gaps(pet("cat", "dog"), pet("cat", "dog", "cow"))) is Relation.SUBSET


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "strnig"}, 'type is "strnig"'),
        ({"type": []}, "type is []"),
        ({"type": [["string"]]}, "type is"),
        ({"minimum": "1"}, 'minimum is "1"; it takes a number'),
        ({"exclusiveMinimum": True}, "exclusiveMinimum is true; it takes a number"),
        ({"multipleOf": 0}, "multipleOf is 0; it takes a number above 0"),
        ({"required": True}, "required is true; it takes a list"),
        ({"properties": []}, "properties is []; it takes an object"),
        ({"anyOf": {}}, "anyOf is {}; it takes a list"),
        ({"items": 5}, "a schema is 5"),
        ({"anyOf": [None]}, "a schema is null"),
        ({"$ref": 5}, "$ref is 5; it takes a string"),
        (ref("Gone"), "$ref '#/components/schemas/Gone' names nothing in the document"),
        ({"$ref": "#/components/schemas/A/x/0"}, "names nothing in the document"),
        (ref("Self"), "'#/components/schemas/Self' leads to itself"),
        (ref("Loop"), "'#/components/schemas/Loop' leads to itself"),
    ],
)
def test_malformed_schema_is_an_error(schema, message):
    types = {"A": INT, "Self": ref("Self"), "Loop": anyof(INT, ref("Loop"))}

    for first, second in ((schema, STR), (STR, schema)):
        with pytest.raises(ContractError) as raised:
            gaps(first, second, types, types)
        assert message in str(raised.value)


@pytest.mark.parametrize(
    "reference",
    ["#/components/schemas/a~1b", "#/components/schemas/a~0b", "#/components/schemas/a%20b", "#/tuple/1", "#"],
)
def test_reference_is_a_json_pointer(reference):
    names = {"a/b": INT, "a~b": INT, "a b": INT}
    document = SchemaDocument({"components": {"schemas": names}, "tuple": [STR, INT], **INT})

    assert Subsumption(document, document).gap({"$ref": reference}, INT) is None
    assert Subsumption(document, document).gap(INT, {"$ref": reference}) is None


def test_chain_of_many_types_is_given_up():
    first = {f"T{number}": obj(a=ref(f"T{number + 1}")) for number in range(2000)}
    wider = {**first, "T2000": NUM}

    assert gaps(ref("T0"), ref("T0"), {**first, "T2000": INT}, wider)[0] == Gap(
        "", "values that nest too deeply for a comparison"
    )


def test_too_many_alternatives_are_given_up():
    many = anyof(*({"const": number} for number in range(20)))
    product = {"allOf": [anyof(*({"minLength": number} for number in range(20)))] * 4}

    assert gaps(product, {"allOf": [product, {"maxLength": 5}]})[0].values.endswith("too many alternatives")
    assert gaps(many, INT)[0] is None
