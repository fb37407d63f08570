"""No text of a document gets out of its literal, comment or identifier in a generated module."""

import ast
import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaskJSONRPCServer.client.generate import DocumentError, generate
from tests.client.generate.generating import VERSION, document_of, loaded, python_source
from tests.client.node import find_node

# Each would change a list, if it were executed in Python or in JavaScript.
PAYLOADS = (
    'hacked.append("x")',
    '"""\nhacked.append("x")\n"""',
    '\\"""\nhacked.append("x")\n\\"""',
    "'''\nhacked.append('x')\n'''",
    '*/ hacked.append("x"); /*',
    '"); hacked.append("x"); ("',
    '${hacked.append("x")}',
    "x\nhacked.append('x')",
    "x\rhacked.append('x')",
    "x\u2028hacked.append('x')",
    "x\x0chacked.append('x')",
    '</script><script>hacked.append("x")</script>',
    "# type: ignore\nhacked",
    "# mypy: ignore-errors",
    "«»",
    "__NAME__",
    "__ABOUT__",
    "{}",
    "%s",
    "\\",
    '"',
    "\\N{BULLET}",
    "\ud800",
    "\x00",
    "\u202e",
    "class",
    "def",
    "None",
    "self",
    "constructor",
    "__proto__",
    "then",
    "close",
    "import",
    "delete",
    "eval",
    "a.b..c.",
    "",
    "list",
    "str",
    "Any",
    "Api",
    "Literal",
    "cast",
    "property",
    "__init__",
    "__class__",
    "Promise",
    "grüße",
    "挨拶",
    "ﬁ",
    "1st",
)
TEXTS = (
    st.sampled_from(PAYLOADS)
    | st.text(max_size=12)
    | st.tuples(st.sampled_from(PAYLOADS), st.text(max_size=3)).map("".join)
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
WRONG = VALUES | st.lists(VALUES, max_size=2)


def schemas(inner):
    references = st.sampled_from(["A", "B", "C-Output", "none"]).map(
        lambda name: {"$ref": f"#/components/schemas/{name}"}
    )
    objects = st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", ["string", "null"], "integer", 3]),
            "properties": st.dictionaries(TEXTS, inner, max_size=3) | WRONG,
            "required": st.lists(TEXTS, max_size=2) | WRONG,
            "additionalProperties": inner | st.booleans(),
            "items": inner | st.lists(inner, max_size=2),
            "prefixItems": st.lists(inner, max_size=2),
            "description": TEXTS,
            "default": VALUES,
            "nullable": st.booleans(),
        },
    )
    return (
        references
        | objects
        | st.fixed_dictionaries({"enum": st.lists(VALUES, max_size=4)})
        | st.fixed_dictionaries({"const": VALUES})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"allOf": st.lists(inner, max_size=3)})
    )


SCHEMAS = st.recursive(st.booleans() | WRONG, schemas, max_leaves=6)
PARAMS = st.fixed_dictionaries(
    {"name": TEXTS, "schema": SCHEMAS},
    optional={"description": TEXTS, "required": st.booleans(), "x-variadic": st.booleans()},
)
METHODS = st.fixed_dictionaries(
    {"name": TEXTS, "params": st.lists(PARAMS, max_size=3)},
    optional={
        "summary": TEXTS,
        "description": TEXTS,
        "paramStructure": st.sampled_from(["either", "by-name", "by-position", "other"]),
        "x-by-name": st.lists(PARAMS, max_size=2),
        "x-by-position": st.lists(PARAMS, max_size=2),
        "x-aliases": st.lists(TEXTS, max_size=2) | WRONG,
        "x-timeout": VALUES,
        "x-error-descriptions": st.dictionaries(st.just("7"), TEXTS) | WRONG,
        "result": st.fixed_dictionaries({"name": TEXTS, "schema": SCHEMAS, "description": TEXTS}) | WRONG,
        "errors": st.lists(
            st.fixed_dictionaries({"code": st.sampled_from([7, -32000, -32601, True, "7", 2**70]), "message": TEXTS})
        ),
        "servers": st.lists(st.fixed_dictionaries({"url": TEXTS | st.just("http://h/p")}), max_size=1) | WRONG,
    },
)
DOCUMENTS = st.builds(
    lambda methods, components, info, servers: document_of(*methods, schemas=components, info=info, servers=servers),
    st.lists(METHODS, min_size=1, max_size=3),
    st.fixed_dictionaries(dict.fromkeys(("A", "B", "C-Output"), SCHEMAS)) | WRONG,
    st.fixed_dictionaries({"title": TEXTS, "version": TEXTS, "description": TEXTS}) | WRONG,
    st.lists(st.fixed_dictionaries({"url": TEXTS}), max_size=1),
)


def assert_no_text_is_code(source):
    """Names in the module are identifiers that no payload has, and only our functions are called."""
    called = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called.add(node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
        assert not (isinstance(node, ast.Name) and node.id == "hacked")
    classes = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)}
    assert called <= classes | {
        "cast",
        "_call",
        "_notify",
        "_batch",
        "__init__",
        "super",
        "TypedDict",
        "mixed",
        "joined",
    }


@settings(max_examples=40)
@given(document=DOCUMENTS)
def test_generated_python_compiles_and_runs_none_of_the_texts(document):
    try:
        source = python_source(document)
    except DocumentError:
        return
    assert_no_text_is_code(source)
    loaded(source)


CHECK = """
import fs from "node:fs";
import vm from "node:vm";
globalThis.hacked = [];
for (const source of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const module = new vm.SourceTextModule(source);
  await module.link(() => { throw new Error("it imports something"); });
  await module.evaluate();
}
console.log(JSON.stringify(globalThis.hacked));
"""


@settings(max_examples=6)
@given(documents=st.lists(DOCUMENTS, min_size=5, max_size=8))
def test_generated_javascript_compiles_and_runs_none_of_the_texts(documents):
    assert (
        run_javascript([generate(document, "javascript", VERSION) for document in map(with_a_method, documents)]) == []
    )


def with_a_method(document):
    return {**document, "methods": [*document["methods"], {"name": "x", "params": []}]}


def run_javascript(sources):
    """Evaluate modules in Node.js, and return what their texts have done."""
    done = subprocess.run(
        [find_node(), "--experimental-vm-modules", "--no-warnings", "--input-type=module", "--eval", CHECK],
        input=json.dumps(sources).encode(),
        capture_output=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def everywhere(text):
    """Return a document with a text in all its places."""
    schema = {
        "type": "object",
        "properties": {text: {"type": "string", "description": text, "enum": [text, "b"]}},
        "description": text,
        "default": text,
    }
    member = {"name": text, "schema": schema, "description": text, "required": True}
    method = {
        "name": text or "empty",
        "summary": text,
        "description": text,
        "params": [member],
        "result": member,
        "errors": [{"code": 5, "message": text}],
        "x-error-descriptions": {"5": text},
        "x-aliases": [text],
    }
    return document_of(
        method,
        schemas={text: schema},
        info={"title": text, "version": text, "description": text},
        servers=[{"url": f"http://{text}"}],
    )


def test_every_payload_in_every_place_is_a_literal_or_a_comment():
    for text in PAYLOADS:
        assert_no_text_is_code(python_source(everywhere(text)))
        assert (text or "Error5") == loaded(python_source(everywhere(text))).ERRORS[5].ERROR_MESSAGE

    assert run_javascript([generate(everywhere(text), "javascript", VERSION) for text in PAYLOADS]) == []


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_deep_and_wide_documents_are_no_trouble(language):
    deep = {}
    for _ in range(60):
        deep = {"type": "array", "items": {"anyOf": [{"type": "object", "properties": {"a": deep}}, {"type": "null"}]}}
    chain = {f"T{number}": {"$ref": f"#/components/schemas/T{number + 1}"} for number in range(3000)}
    circle = {"A": {"anyOf": [{"$ref": "#/components/schemas/A"}, {"type": "null"}]}}
    huge = {"enum": [f"value {number}" for number in range(20_000)]}
    method = {
        "name": ".".join("abcdefghijklmnop"),
        "params": [
            {"name": str(number), "schema": schema}
            for number, schema in enumerate(
                [deep, {"$ref": "#/components/schemas/T0"}, {"$ref": "#/components/schemas/A"}, huge]
            )
        ],
    }
    source = generate(document_of(method, schemas={**chain, **circle}), language, VERSION)

    assert len(source) < 2_000_000
    assert "value 19999" not in source


def test_document_that_nests_too_deeply_is_refused():
    deep = {}
    for _ in range(100_000):
        deep = {"items": deep}

    with pytest.raises(DocumentError, match="nests too deeply"):
        python_source(document_of({"name": "f", "params": [{"name": "a", "schema": deep}]}))
