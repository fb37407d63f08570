"""JSON Schemas as types of Python and of TypeScript."""

import pytest

from flaskJSONRPCServer.client.generate.documents import Document
from flaskJSONRPCServer.client.generate.names import Names, class_name, identifier
from flaskJSONRPCServer.client.generate.python_types import PythonTypes
from flaskJSONRPCServer.client.generate.schemas import SchemaReader
from flaskJSONRPCServer.client.generate.script_types import type_declarations, type_text
from flaskJSONRPCServer.client.generate.texts import block_comment, docstring, python_literal, script_literal


def read(schema, schemas=None):
    """Return the type of a schema in Python and in TypeScript, and the declarations of each."""
    reader = SchemaReader(Document({"components": {"schemas": schemas or {}}}), Names())
    kind = reader.read(schema, "Hint")
    declared = reader.declarations()
    python = PythonTypes()
    return (
        python.text(kind),
        type_text(kind),
        "\n".join(python.declarations(declared)),
        "\n".join(type_declarations(declared)),
    )


STRING, INTEGER = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "python", "script"),
    [
        ({}, "Any", "unknown"),
        (True, "Any", "unknown"),
        (None, "Any", "unknown"),
        ({"type": "no such"}, "Any", "unknown"),
        (STRING, "str", "string"),
        ({"type": "string", "format": "date-time"}, "str", "string"),
        (INTEGER, "int", "number"),
        ({"type": "number"}, "float", "number"),
        ({"type": "boolean"}, "bool", "boolean"),
        ({"type": "null"}, "None", "null"),
        ({"type": ["null", "string"]}, "str | None", "string | null"),
        ({"type": "string", "nullable": True}, "str | None", "string | null"),
        ({"anyOf": [INTEGER, {"type": "number"}]}, "float", "number"),
        ({"oneOf": [STRING, {"type": "null"}, STRING]}, "str | None", "string | null"),
        ({"anyOf": [STRING, {}]}, "Any", "unknown"),
        ({"type": "string", "anyOf": [{"minLength": 1}, {"pattern": "a"}]}, "str", "string"),
        ({"const": "a"}, 'Literal["a"]', '"a"'),
        ({"const": None}, "None", "null"),
        ({"enum": ["a", 1, True, None]}, 'Literal["a", 1, True] | None', '"a" | 1 | true | null'),
        (
            {"enum": [1.5, [1], {"a": 1}]},
            "float | list[Any] | dict[str, Any]",
            "number | Array<unknown> | { [name: string]: unknown }",
        ),
        ({"enum": [2**60]}, "int", "number"),
        ({"enum": [f"v{number}" for number in range(1001)]}, "str", "string"),
        ({"type": "array"}, "list[Any]", "Array<unknown>"),
        ({"type": "array", "items": STRING}, "list[str]", "Array<string>"),
        (
            {"items": [STRING, INTEGER], "minItems": 1, "additionalItems": False},
            "list[str | int]",
            "[string, (number)?]",
        ),
        ({"prefixItems": [STRING], "minItems": 1, "items": INTEGER}, "list[str | int]", "[string, ...Array<number>]"),
        (
            {"type": "array", "prefixItems": [STRING, STRING], "minItems": 2, "maxItems": 2},
            "list[str]",
            "[string, string]",
        ),
        ({"type": "object"}, "dict[str, Any]", "{ [name: string]: unknown }"),
        ({"type": "object", "additionalProperties": INTEGER}, "dict[str, int]", "{ [name: string]: number }"),
        (
            {"patternProperties": {"a": STRING}, "additionalProperties": False},
            "dict[str, str]",
            "{ [name: string]: string }",
        ),
        ({"allOf": [STRING], "default": "a"}, "str", "string"),
        ({"allOf": [{}, INTEGER]}, "int", "number"),
        ({"$ref": "#/components/schemas/None"}, "Any", "unknown"),
        ({"$ref": "https://a.test/schema.json"}, "Any", "unknown"),
        ({"$ref": "#/$defs/A", "$defs": {"A": STRING}}, "A", "A"),
    ],
)
def test_type_of_a_schema(schema, python, script):
    assert read(schema)[:2] == (python, script)


def test_object_with_required_and_optional_members():
    schema = {"type": "object", "properties": {"a": INTEGER, "b": STRING}, "required": ["a"], "description": "An item."}
    python, script, python_text, script_text = read(schema)

    assert (python, script) == ("Hint", "Hint")
    assert "class HintRequired(TypedDict):" in python_text
    assert 'class Hint(HintRequired, total=False):\n    """An item."""\n\n    b: str\n' in python_text
    assert script_text == "/** An item. */\nexport interface Hint {\n  a: number;\n  b?: string;\n}\n"


def test_members_whose_names_are_no_identifiers():
    schema = {"properties": {"a-b": INTEGER, "class": STRING, "list": STRING}}
    _, _, python_text, script_text = read(schema)

    assert python_text.startswith(
        'Hint = TypedDict(\n    "Hint",\n    {\n        "a-b": "int",\n        "class": "str",\n'
    )
    assert '  "a-b"?: number;\n  class?: string;\n  list?: string;\n' in script_text


def test_required_and_optional_members_whose_names_are_no_identifiers():
    python_text = read({"properties": {"a-b": INTEGER, "c d": STRING}, "required": ["a-b"], "description": "Both."})[2]

    assert 'HintRequired = TypedDict(\n    "HintRequired",\n    {\n        "a-b": "int",\n    },\n)\n' in python_text
    assert (
        'HintOptional = TypedDict(\n    "HintOptional",\n    {\n        "c d": "str",\n    },\n    total=False,\n)\n'
        in python_text
    )
    assert python_text.endswith('class Hint(HintRequired, HintOptional):\n    """Both."""\n')


def test_recursive_types_refer_to_themselves():
    node = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#/components/schemas/Node"}, {"type": "null"}]}},
    }
    value = {"anyOf": [STRING, {"type": "array", "items": {"$ref": "#/components/schemas/Value"}}]}
    schema = {"anyOf": [{"$ref": "#/components/schemas/Node"}, {"$ref": "#/components/schemas/Value"}]}
    python, _, python_text, script_text = read(schema, {"Node": node, "Value": value})

    assert python == "Node | Value"
    assert "    next: Node | None\n" in python_text
    assert 'Value: TypeAlias = "str | list[Value]"\n' in python_text
    assert "export type Value = string | Array<Value>;\n" in script_text


def test_aliases_that_mean_only_each_other_are_any_value():
    first, second = ({"$ref": f"#/components/schemas/{name}"} for name in ("A", "B"))
    python_text = read(first, {"A": {"anyOf": [second, {"type": "null"}]}, "B": first})[2]

    assert python_text == 'A: TypeAlias = "Any"\n\nB: TypeAlias = "Any"\n'


def test_types_that_several_schemas_describe_together():
    base = {"type": "object", "properties": {"a": INTEGER}, "required": ["a"]}
    schema = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"b": STRING}, "required": ["b"]}]}

    assert "class Hint(TypedDict):\n" in read(schema, {"Base": base})[2]
    assert read(schema, {"Base": base})[3].startswith("export interface Hint {\n  a: number;\n  b: string;\n}\n")


def test_two_types_of_one_name_have_different_names():
    schemas = {"my.Item": {"properties": {"a": STRING}}, "my-Item": {"properties": {"b": STRING}}}
    choices = [{"$ref": f"#/components/schemas/{name}"} for name in schemas]

    assert read({"anyOf": choices}, schemas)[0] == "MyItem | MyItem2"


def test_types_of_a_document_do_not_take_the_names_of_parts():
    schemas = {
        "A": {"properties": {"a-b": STRING, "c": STRING}, "required": ["c"]},
        "ARequired": {"properties": {"d": STRING}},
        "AOptional": {"properties": {"e": STRING}},
    }
    python_text = read({"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in schemas]}, schemas)[2]
    declared = [line.split("(")[0].split(" ")[1] for line in python_text.splitlines() if line.startswith("class ")]

    assert sorted(declared) == ["A", "AOptional2", "ARequired2"]


def test_long_enum_gets_a_name():
    schema = {"enum": [f"a long value {number}" for number in range(10)]}
    python, _, python_text, _ = read(schema)

    assert python == "Hint"
    assert python_text.startswith('Hint: TypeAlias = Literal[\n    "a long value 0",\n')
    assert read({"$ref": "#/components/schemas/E"}, {"E": schema})[2].count("TypeAlias") == 1


@pytest.mark.parametrize(
    ("text", "python", "name"),
    [
        ("add", "add", "Add"),
        ("rpc.add", "rpc_add", "RpcAdd"),
        ("out of stock", "out_of_stock", "OutOfStock"),
        ("class", "class_", "Class"),
        ("__init__", "init__", "Init"),
        ("1st", "x_1st", "X1st"),
        ("", "x", "X"),
        ("***", "x", "X"),
        ("grüße", "grüße", "Grüße"),
        ("挨拶", "挨拶", "挨拶"),
        ("ﬁle", "file", "File"),
        ("a\u202eb", "a_b", "AB"),
    ],
)
def test_identifiers(text, python, name):
    assert identifier(text, "x", {"class"}) == python
    assert class_name(text, "X") == name


def test_names_of_a_scope_are_different():
    names = Names({"a", "AsyncB"})

    assert [names.add("a"), names.add("a"), names.add("B", "Async{}"), names.add("B")] == ["a_2", "a_3", "B2", "B"]


@pytest.mark.parametrize(
    ("text", "python", "script"),
    [
        ('a"b\\', '"a\\"b\\\\"', '"a\\"b\\\\"'),
        ("a\nb\u2028", '"a\\nb\\u2028"', '"a\\nb\\u2028"'),
        ("\x00\ud800", '"\\x00\\ud800"', '"\\u0000\\ud800"'),
        ("</script><!--", '"</script><!--"', '"<\\/script><\\!--"'),
        ("grüße 🎉", '"grüße 🎉"', '"grüße 🎉"'),
    ],
)
def test_literals(text, python, script):
    assert python_literal(text) == python
    assert script_literal(text) == script


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("One.", '"""One."""\n'),
        ('Ends with "quotes"', '"""Ends with "quotes\\""""\n'),
        ('""" \\', '"""\\"\\"" \\\\"""\n'),
        ("Two\r\n# mypy: ignore-errors", '"""Two\n    # mypy: ignore-errors\n"""\n'),
    ],
)
def test_docstrings(text, written):
    assert docstring(text, "") == written


def test_comments():
    assert block_comment("a */ b", "") == "/** a *\\/ b */\n"
    assert block_comment("a\nb", "  ") == "  /**\n   * a\n   * b\n   */\n"
