"""The comparison of two OpenRPC documents."""

import copy
import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaskJSONRPCServer.contract.diff import Verdict, compare
from flaskJSONRPCServer.errors import ContractError

INT, STR, NUM = {"type": "integer"}, {"type": "string"}, {"type": "number"}


def param(name, schema=INT, required=False, **others):
    return {"name": name, "schema": schema, "required": required, **others}


def required(name, schema=INT):
    return param(name, schema, required=True)


def method(*params, name="add", result=INT, **others):
    made = {"name": name, "params": [*params], **others}
    return made if result is None else {**made, "result": {"name": "result", "schema": result}}


def document(*methods, **others):
    return {"openrpc": "1.4.1", "info": {"title": "API", "version": "1"}, "methods": [*methods], **others}


def findings(old, new):
    """Return the findings for two methods, as they are printed, without the method's name."""
    return [str(finding).replace(": add", "", 1) for finding in compare(document(old), document(new)).findings]


BY_NAME, BY_POSITION = {"paramStructure": "by-name"}, {"paramStructure": "by-position"}
A, B, C = param("a"), param("b"), param("c")
REST = param("rest", **{"x-variadic": True})
LISTED_BY_POSITION = "the document now lists the parameters by-position; calls may pass them as before"
UNCHECKED = {"x-validate": False}
STRING = param("a", STR)
OBJECT = {"type": "object", "properties": {"age": INT}}


def named(name, *aliases, schema=INT, **others):
    """Return the schema of an object with a member of several names."""
    return {"type": "object", "properties": {name: {**schema, "x-aliases": [*aliases]}}, **others}


RULES = [
    # Parameters
    (method(A), method(A, B), ["compatible: params.b: the new parameter is optional"]),
    (method(A), method(A, required("b")), ["breaking: params.b: the new parameter is required"]),
    (method(A, **BY_NAME), method(B, A, **BY_NAME), ["compatible: params.b: the new parameter is optional"]),
    (
        method(A),
        method(B, A),
        [
            "breaking: params.b: the new parameter comes before others and moves them",
            "compatible: params.b: the new parameter is optional",
        ],
    ),
    (
        method(A, **BY_POSITION),
        method(B, A, **BY_POSITION),
        [
            "breaking: params.b: the new parameter comes before others and moves them",
            "compatible: params.b: the new parameter is optional",
        ],
    ),
    (method(A, B), method(A), ["breaking: params.b: the parameter is removed"]),
    (method(A, B), method(B), ["breaking: params.a: the parameter is removed"]),
    (method(A, B, **BY_POSITION), method(B, **BY_POSITION), ["breaking: params.a: the parameter is removed"]),
    (method(A, B, **BY_NAME), method(B, **BY_NAME), ["breaking: params.a: the parameter is removed"]),
    (
        method(A, B),
        method(C, B),
        ["breaking: params.a: the parameter is renamed to 'c'", "compatible: params.c: the new parameter is optional"],
    ),
    (
        method(required("a"), **BY_NAME),
        method(required("c"), **BY_NAME),
        ["breaking: params.a: the parameter is renamed to 'c'", "breaking: params.c: the new parameter is required"],
    ),
    (
        method(A, B, **BY_POSITION),
        method(C, B, **BY_POSITION),
        ["compatible: params.a: the parameter is renamed to 'c', and is only passed by position"],
    ),
    (
        method(A, **BY_POSITION),
        method(param("c", STR), **BY_POSITION),
        [
            "compatible: params.a: the parameter is renamed to 'c', and is only passed by position",
            "breaking: params.a: cannot be shown to be compatible: it may refuse numbers",
        ],
    ),
    (
        method(A, B),
        method(B, A),
        [
            "breaking: params.a: the parameter moved to position 1",
            "breaking: params.b: the parameter moved to position 0",
        ],
    ),
    (method(A, B, **BY_NAME), method(B, A, **BY_NAME), []),
    (method(A), method(required("a")), ["breaking: params.a: the parameter was optional and is required"]),
    (method(required("a")), method(A), ["compatible: params.a: the parameter was required and is optional"]),
    (
        method(A, B, C),
        method(C, A, B),
        [
            "breaking: params.a: the parameter moved to position 1",
            "breaking: params.b: the parameter moved to position 2",
            "breaking: params.c: the parameter moved to position 0",
        ],
    ),
    (
        method(A, B),
        method(A, C, B),
        [
            "breaking: params.c: the new parameter comes before others and moves them",
            "compatible: params.c: the new parameter is optional",
        ],
    ),
    # How they are passed
    (
        method(A),
        method(A, **BY_NAME),
        ["breaking: paramStructure: parameters were passed either, and are now passed by-name"],
    ),
    (
        method(A, **BY_NAME),
        method(A, **BY_POSITION),
        ["breaking: paramStructure: parameters were passed by-name, and are now passed by-position"],
    ),
    (
        method(A, **BY_POSITION),
        method(A),
        ["compatible: paramStructure: parameters were passed by-position, and are now passed either"],
    ),
    (method(), method(**BY_NAME), []),
    (method(A), method(A, paramStructure="either"), []),
    # Both ways, if one list of parameters cannot say them
    (
        method(A),
        method(A, B, **BY_NAME, **{"x-by-position": [A]}),
        [
            "compatible: paramStructure: the document now lists the parameters by-name; calls may pass them as before",
            "compatible: params.b: the new parameter is optional",
        ],
    ),
    (
        method(A, B),
        method(A, B, **BY_NAME, **{"x-by-position": [A]}),
        [
            "compatible: paramStructure: the document now lists the parameters by-name; calls may pass them as before",
            "breaking: params.b: the parameter can no longer be passed by position",
        ],
    ),
    (
        method(A, B, **BY_NAME, **{"x-by-position": [A]}),
        method(A, B),
        [
            "compatible: paramStructure: the document now lists the parameters either; calls may pass them as before",
            "compatible: params.b: the parameter can now be passed by position too",
        ],
    ),
    (
        method(A, B, **BY_POSITION, **{"x-by-name": [B]}),
        method(A, B),
        [
            "compatible: paramStructure: the document now lists the parameters either; calls may pass them as before",
            "compatible: params.a: the parameter can now be passed by name too",
        ],
    ),
    (
        method(A, B, **BY_NAME, **{"x-by-position": [B, A]}),
        method(A, B, **BY_NAME, **{"x-by-position": [A, B]}),
        [
            "breaking: params.b: the parameter moved to position 1",
            "breaking: params.a: the parameter moved to position 0",
        ],
    ),
    (
        method(REST, **BY_POSITION, **{"x-by-name": [A]}),
        method(REST, **BY_POSITION),
        [
            "breaking: paramStructure: parameters were passed either, and are now passed by-position",
            "breaking: params.a: the parameter is removed",
        ],
    ),
    (
        method(REST, **BY_POSITION, **{"x-by-name": [param("a", NUM)]}),
        method(REST, **BY_POSITION, **{"x-by-name": [A]}),
        ["breaking: params.a: the type is narrowed: it may refuse numbers with a fraction"],
    ),
    # Variadic parameters
    (
        method(REST, **BY_POSITION),
        method({**REST, "name": "others"}, **BY_POSITION),
        ["compatible: params.rest: the parameter is renamed to 'others', and calls do not name it"],
    ),
    (method(A, REST, **BY_POSITION), method(A, **BY_POSITION), ["breaking: params.rest: the parameter is removed"]),
    (
        method(A, B, **BY_POSITION),
        method(A, REST, **BY_POSITION),
        [
            "compatible: params.b: the parameter is removed, and its values are now some of 'rest'",
            "compatible: params.rest: the new parameter is optional",
        ],
    ),
    (
        method(A, param("b", STR), **BY_NAME),
        method(A, REST, **BY_NAME),
        [
            "compatible: params.b: the parameter is removed, and its values are now some of 'rest'",
            "breaking: params.b: cannot be shown to be compatible: it may refuse strings",
            "compatible: params.rest: the new parameter is optional",
        ],
    ),
    (
        method(A, B),
        method(A, REST, **BY_POSITION, **{"x-by-name": [A]}),
        [
            f"compatible: paramStructure: {LISTED_BY_POSITION}",
            "breaking: params.b: the parameter is removed",
            "compatible: params.rest: the new parameter is optional",
        ],
    ),
    (
        method(A, B, REST, **BY_POSITION),
        method(REST, **BY_POSITION),
        [
            "compatible: params.a: the parameter is removed, and its values are now some of 'rest'",
            "compatible: params.b: the parameter is removed, and its values are now some of 'rest'",
        ],
    ),
    (
        method(REST, **BY_POSITION),
        method(param("b", STR), REST, **BY_POSITION),
        [
            "compatible: params.b: the new parameter is optional",
            "breaking: params.b: values of 'rest' are now those of this parameter, and it may refuse numbers",
        ],
    ),
    (
        method(REST, **BY_NAME),
        method(param("b", STR), REST, **BY_NAME),
        [
            "compatible: params.b: the new parameter is optional",
            "breaking: params.b: values of 'rest' are now those of this parameter, and it may refuse numbers",
        ],
    ),
    (
        method(REST, **BY_NAME),
        method(B, REST, **BY_NAME),
        ["compatible: params.b: the new parameter is optional"],
    ),
    # Whether values are checked
    (
        method(A, **UNCHECKED),
        method(A),
        ["breaking: x-validate: values of 'a' were not checked against their types, and now are"],
    ),
    (method(param("a", {}), **UNCHECKED), method(param("a", {})), []),
    (
        method(A, **UNCHECKED),
        method(A, B),
        [
            "compatible: params.b: the new parameter is optional",
            "breaking: x-validate: values of 'a' were not checked against their types, and now are",
        ],
    ),
    (
        method(A, **UNCHECKED, **BY_NAME),
        method(REST, **BY_NAME),
        [
            "compatible: params.a: the parameter is removed, and its values are now some of 'rest'",
            "compatible: params.rest: the new parameter is optional",
            "breaking: x-validate: values of 'rest' were not checked against their types, and now are",
        ],
    ),
    (method(A), method(A, **UNCHECKED), ["compatible: x-validate: values are no longer checked against the types"]),
    (
        method(A, **UNCHECKED),
        method(param("a", STR), **UNCHECKED),
        ["breaking: params.a: cannot be shown to be compatible: it may refuse numbers"],
    ),
    # Types of parameters
    (method(A), method(param("a", NUM)), ["compatible: params.a: the type is widened"]),
    (
        method(param("a", NUM)),
        method(A),
        ["breaking: params.a: the type is narrowed: it may refuse numbers with a fraction"],
    ),
    (
        method(A),
        method(param("a", STR)),
        ["breaking: params.a: cannot be shown to be compatible: it may refuse numbers"],
    ),
    (
        method(param("a", OBJECT)),
        method(param("a", {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}})),
        ["breaking: params.a.age: the type is narrowed: it may refuse numbers below 0"],
    ),
    (
        method(param("a", OBJECT)),
        method(param("a", {"type": "object", "properties": {"age": INT, "name": STR}})),
        ["compatible: params.a.name: the type is changed only for members that the old document does not declare"],
    ),
    (
        method(param("a", OBJECT)),
        method(param("a", {**OBJECT, "required": ["age"]})),
        ['breaking: params.a: the type is narrowed: it may refuse objects without the member "age"'],
    ),
    (
        method(param("a", {"type": "object", "required": ["age"]})),
        method(param("a", {**OBJECT, "required": ["age"]})),
        ["breaking: params.a.age: the type is narrowed: it may refuse null"],
    ),
    (
        method(param("a", {"type": "object", "propertyNames": {"enum": ["age"]}})),
        method(param("a", {**OBJECT, "propertyNames": {"enum": ["age"]}})),
        ["breaking: params.a.age: the type is narrowed: it may refuse null"],
    ),
    # Further checks, and names of members
    (
        method(A),
        method(param("a", {**INT, "x-checks": ["even"]})),
        ["breaking: params.a: the type is narrowed: it may refuse values that the check 'even' refuses"],
    ),
    (method(param("a", {**INT, "x-checks": ["even"]})), method(A), ["compatible: params.a: the type is widened"]),
    (
        method(param("a", {**INT, "x-checks": ["even", "small"]})),
        method(param("a", {"allOf": [INT], "x-checks": ["small", "even"]})),
        [],
    ),
    (
        method(param("a", {**INT, "x-checks": ["even"]})),
        method(param("a", {**INT, "x-checks": ["odd"]})),
        ["breaking: params.a: cannot be shown to be compatible: it may refuse values that the check 'odd' refuses"],
    ),
    (
        method(param("a", {"enum": [1, 2]})),
        method(param("a", {"enum": [1, 2], "x-checks": ["even"]})),
        ["breaking: params.a: the type is narrowed: it may refuse values that the check 'even' refuses"],
    ),
    (
        method(param("a", {"anyOf": [STR, {**INT, "x-checks": ["even"]}]})),
        method(param("a", {"anyOf": [{**INT, "x-checks": ["even"]}, STR, {"type": "null"}]})),
        ["compatible: params.a: the type is widened"],
    ),
    (
        method(param("a", {})),
        method(param("a", {"x-checks": ["is-instance Image"]})),
        ["breaking: params.a: the type is narrowed: it may refuse values that the check 'is-instance Image' refuses"],
    ),
    (
        method(param("a", {"type": "object"})),
        method(param("a", {"type": "object", "propertyNames": {"x-checks": ["boolean"]}})),
        ["breaking: params.a: the type is narrowed: it may refuse members with other names"],
    ),
    (
        method(param("a", named("age", "years"))),
        method(param("a", named("age"))),
        ['breaking: params.a: the type is narrowed: it may refuse objects with the member "years"'],
    ),
    (
        method(param("a", named("age", "years", required=["age"]))),
        method(param("a", named("age", required=["age"]))),
        ['breaking: params.a: the type is narrowed: it may refuse objects without the member "age"'],
    ),
    (
        method(param("a", named("age"))),
        method(param("a", named("age", "years"))),
        ["compatible: params.a: the type is widened"],
    ),
    (
        method(param("a", named("age", "years", required=["age"]))),
        method(param("a", named("years", "age", required=["years"]))),
        [],
    ),
    (
        method(param("a", named("age", "years"))),
        method(param("a", named("years", "age", schema=STR))),
        ["breaking: params.a.age: cannot be shown to be compatible: it may refuse numbers"],
    ),
    # Results
    (method(result=NUM), method(result=INT), ["compatible: result: the type is narrowed"]),
    (
        method(),
        method(result={"type": ["integer", "null"]}),
        ["breaking: result: the type is widened: it may now be null"],
    ),
    (method(), method(result=STR), ["breaking: result: cannot be shown to be compatible: it may now be strings"]),
    (
        method(result=OBJECT),
        method(result={"type": "object", "properties": {"age": INT, "name": STR}}),
        ["compatible: result: the type is narrowed"],
    ),
    (
        method(result={"type": "object", "properties": {"age": INT, "name": STR}, "required": ["name"]}),
        method(result=OBJECT),
        ['breaking: result: the type is widened: it may now be objects without the member "name"'],
    ),
    (method(), method(result=None), ["breaking: result: the result is removed: the method takes only notifications"]),
    (method(result=None), method(), ["compatible: result: the result is new: the method took only notifications"]),
    (method(result=None), method(result=None), []),
    # Errors
    (
        method(),
        method(errors=[{"code": 1, "message": "No"}]),
        ["compatible: errors.1: the error is new; callers meet a code that they do not know"],
    ),
    (
        method(errors=[{"code": 1, "message": "No"}]),
        method(),
        ["compatible: errors.1: the error is no longer declared"],
    ),
    (
        method(errors=[{"code": 1, "message": "No"}]),
        method(errors=[{"code": 1, "message": "Yes"}]),
        ["compatible: errors.1: the error has another message or data; its meaning may have changed"],
    ),
    (
        method(errors=[{"code": 1, "message": "No"}, {"code": 1, "message": "Yes"}]),
        method(errors=[{"code": 1, "message": "Yes"}, {"code": 1, "message": "No"}]),
        [],
    ),
    # Deadlines
    (
        method(**{"x-timeout": 10}),
        method(**{"x-timeout": 2.5}),
        ["compatible: x-timeout: the deadline is shorter: it was 10 s and is 2.5 s"],
    ),
    (method(), method(**{"x-timeout": 5}), ["compatible: x-timeout: the deadline is shorter: it was none and is 5 s"]),
    (method(**{"x-timeout": 5}), method(), ["compatible: x-timeout: the deadline is longer: it was 5 s and is none"]),
    (method(**{"x-timeout": None}), method(), []),
    # Documentation
    (
        method(summary="Add", tags=[]),
        method(summary="Sum", deprecated=True),
        ["compatible: documentation changed: summary, tags, deprecated"],
    ),
    (method(A), method({**A, "description": "A"}), ["compatible: params.a: documentation changed: description"]),
    (method(A), method(param("a", {**INT, "title": "A", "description": "A", "examples": [1]})), []),
    (method(A), method(param("a", {**INT, "default": 1})), ["compatible: params.a: the default was none and is 1"]),
    (
        method(param("a", {"type": "object", "properties": {"age": {**INT, "default": 1}}})),
        method(param("a", {"type": "object", "properties": {"age": {**INT, "default": 2}}})),
        ["compatible: params.a.age: the default was 1 and is 2"],
    ),
    (
        method(**{"x-exec-backend": "a"}),
        method(**{"x-exec-backend": "b"}),
        ["compatible: documentation changed: x-exec-backend"],
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), RULES, ids=[f"{i}: {rule[2]}" for i, rule in enumerate(RULES)])
def test_rules_of_a_caller(old, new, expected):
    assert findings(old, new) == expected


@pytest.mark.parametrize(("old", "new", "expected"), RULES, ids=range(len(RULES)))
def test_rules_hold_for_what_is_referred_to(old, new, expected):
    """The same findings if parameters, results, errors and methods are references into the components."""
    first, second = (referring(document(copy.deepcopy(one))) for one in (old, new))

    assert [str(finding).replace(": add", "", 1) for finding in compare(first, second).findings] == expected


def referring(tree):
    [made] = tree["methods"]
    components = {"contentDescriptors": {}, "schemas": {}, "errors": {}, "methods": {"it": made}}
    for index, one in enumerate([*made["params"], *([made["result"]] if "result" in made else [])]):
        components["schemas"][f"S{index}"] = one["schema"]
        components["contentDescriptors"][f"D{index}"] = {**one, "schema": {"$ref": f"#/components/schemas/S{index}"}}
    count = len(made["params"])
    made["params"] = [{"$ref": f"#/components/contentDescriptors/D{index}"} for index in range(count)]
    if "result" in made:
        made["result"] = {"$ref": f"#/components/contentDescriptors/D{count}"}
    if "errors" in made:
        components["errors"] = {f"E{index}": error for index, error in enumerate(made["errors"])}
        made["errors"] = [{"$ref": f"#/components/errors/{name}"} for name in components["errors"]]
    return {**tree, "methods": [{"$ref": "#/components/methods/it"}], "components": components}


def test_methods_and_aliases_are_compared_by_the_names_that_callers_use():
    old = document(
        method(name="kept", **{"x-aliases": ["plus", "lost", "other"]}),
        method(name="gone", **{"x-aliases": ["stays"]}),
        method(name="becomes_alias"),
    )
    new = document(
        method(name="other", result=STR),
        method(name="kept", **{"x-aliases": ["plus", "becomes_alias", "more"]}),
        method(name="stays"),
    )

    assert [*map(str, compare(old, new).findings)] == [
        "breaking: lost: the alias of 'kept' is removed",
        "breaking: other: result: cannot be shown to be compatible: it may now be strings",
        "breaking: gone: the method is removed",
        "compatible: more: the alias of 'kept' is new",
    ]


def at(*urls):
    return {"servers": [{"url": url} for url in urls]}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (at("/b"), at("/c"), ["breaking: add: servers: the method was called at '/b', and is now called at '/c'"]),
        (at("/b"), {}, ["breaking: add: servers: the method was called at '/b', and is now called at '/'"]),
        ({}, at("/b"), ["breaking: add: servers: the method was called at '/', and is now called at '/b'"]),
        (
            at("/b", "/c"),
            at("/c"),
            ["breaking: add: servers: the method was called at '/b', and is now called at '/c'"],
        ),
        (at("/b"), at("/b", "/c"), ["compatible: add: documentation changed: servers"]),
        (at("/b"), at("/b/"), ["compatible: add: documentation changed: servers"]),
        ({}, at("/"), ["compatible: add: documentation changed: servers"]),
    ],
)
def test_method_that_moves_to_another_url_breaks_its_callers(old, new, expected):
    assert [*map(str, compare(document(method(**old)), document(method(**new))).findings)] == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("http://a", "http://a/api"), ("https://b/v2/", "https://b/v2/api")),
        (("http://a", "http://a/api"), ("http://a/api", None)),
        (("http://a/api", None), ("http://a/", "http://a/api")),
        (("/", "/api"), ("http://a/", "http://a/api")),
    ],
)
def test_documents_of_one_server_may_begin_at_other_urls(old, new):
    first, second = (document(method(**(at(url) if url else {})), **at(base)) for base, url in (old, new))

    assert compare(first, second).verdict is not Verdict.BREAKING
    elsewhere = document(method(**at("http://a/other")), **at("http://a"))
    assert compare(first, elsewhere).verdict is Verdict.BREAKING


def test_methods_are_compared_by_their_urls_and_their_names_in_requests():
    """The names in documents are labels: here the two methods have exchanged them."""
    old = document(method(**at("/b")), method(STRING, name="c/add", **at("/c"), **{"x-method": "add"}))
    new = document(method(STRING, **at("/c")), method(name="b/add", **at("/b"), **{"x-method": "add"}))

    assert [*map(str, compare(old, new).findings)] == [
        "compatible: add: name: the document now names it 'b/add'; calls do not",
        "compatible: c/add: name: the document now names it 'add'; calls do not",
    ]


def test_new_method_of_the_same_name_at_another_url_is_new():
    old = document(method(**at("/b")))
    new = document(method(STRING, name="a/add", **at("/a"), **{"x-method": "add"}), method(**at("/b")))

    assert [*map(str, compare(old, new).findings)] == ["compatible: a/add: the method is new"]


def test_alias_at_another_url_is_no_substitute():
    old = document(method(name="sum", **at("/a")))
    new = document(method(**at("/b"), **{"x-aliases": ["sum"]}))

    assert [*map(str, compare(old, new).findings)] == [
        "breaking: sum: the method is removed",
        "compatible: add: the method is new",
        "compatible: sum: the alias of 'add' is new",
    ]


def test_new_method_is_compatible():
    comparison = compare(document(method()), document(method(name="first"), method()))

    assert [*map(str, comparison.findings)] == ["compatible: first: the method is new"]
    assert comparison.verdict is Verdict.COMPATIBLE


def test_changes_outside_the_methods_are_documentation():
    old, new = document(), {**document(), "servers": [], "info": {"title": "New", "version": "2"}, "openrpc": "1.3.2"}

    assert [*compare(old, new).lines()] == ["compatible: documentation changed: info, servers", "compatible"]


@pytest.mark.parametrize("version", ["1.2.6", "1.3.0", "1.3.2", "1.4.0", "1.4.1"])
def test_document_equals_itself(version):
    tree = {**document(method(A, B, errors=[{"code": 1, "message": ""}])), "openrpc": version}

    assert compare(tree, copy.deepcopy(tree)).verdict is Verdict.EQUAL


def test_read_only_document_is_compared():
    tree = document(method(A))

    assert compare(MappingProxyType(tree), MappingProxyType(document(method()))).verdict is Verdict.BREAKING


def test_documents_are_left_as_they_were():
    old, new = document(method(A)), document(method(B))
    texts = json.dumps(old), json.dumps(new)
    compare(old, new)

    assert (json.dumps(old), json.dumps(new)) == texts


def test_schemas_that_methods_share_are_compared_once(monkeypatch):
    shared = {"type": "object", "properties": {f"p{index}": STR for index in range(20)}}
    changed = {**shared, "required": ["p0"]}

    def of(schema):
        methods = (method(param("a", {"$ref": "#/components/schemas/S"}), name=f"m{index}") for index in range(300))
        return document(*methods, components={"schemas": {"S": schema}})

    counts = []
    module = "flaskJSONRPCServer.contract.compatibility.schema_pairs"
    original = __import__(module, fromlist=["defaults_in"]).defaults_in
    monkeypatch.setattr(f"{module}.defaults_in", lambda *arguments: counts.append(1) or original(*arguments))

    assert len(compare(of(shared), of(changed)).findings) == 300
    assert len(counts) == 4  # two documents, and two schemas: of the parameter and of the result


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([], "the document is []; it takes an object"),
        ({}, "openrpc is null; known are the versions 1.2.6 to 1.4.1"),
        ({"openrpc": "2.0.0", "methods": []}, 'openrpc is "2.0.0"'),
        ({"openrpc": "1.4.1"}, "methods is null; it takes a list"),
        (document(5), "methods[0] is 5; it takes an object"),
        (document({}), "methods[0].name is null; it takes a string"),
        (document(method(), method()), "methods[1]: there are two methods 'add'"),
        (document({"$ref": "#/no"}), "methods[0]: $ref '#/no' names nothing in the document"),
        (document({"$ref": "other.json"}), "methods[0] is"),
        (document({"$ref": "#/methods/0"}), "methods[0]: $ref '#/methods/0' leads to itself"),
        (document({"name": "add"}), "methods[0] (add).params is null; it takes a list"),
        (document(method(A, A)), "methods[0] (add).params: there are two parameters 'a'"),
        (document(method({"name": "a"})), "methods[0] (add).params[0].schema is missing"),
        (document(method({"schema": INT})), "methods[0] (add).params[0].name is null"),
        (document(method({"name": "a", "schema": 5})), "methods[0] (add).params[0].schema: a schema is 5"),
        (document(method(param("a", required="yes"))), 'methods[0] (add).params[0].required is "yes"'),
        (document(method(paramStructure="any")), 'methods[0] (add).paramStructure is "any"; it takes either, by-name'),
        (document(method(paramStructure=[])), "methods[0] (add).paramStructure is []"),
        (document({**method(), "result": 5}), "methods[0] (add).result is 5"),
        (document(method(errors={})), "methods[0] (add).errors is {}; it takes a list"),
        (document(method(errors=[{"code": "1"}])), 'methods[0] (add).errors[0].code is "1"; it takes an integer'),
        (document(method(errors=[{"code": True}])), "methods[0] (add).errors[0].code is true"),
        (document(method(**{"x-aliases": [1]})), "methods[0] (add).x-aliases is 1; it takes a list of strings"),
        (document(method(**{"x-timeout": 0})), "methods[0] (add).x-timeout is 0; it takes seconds, or null"),
        (document(method(**{"x-method": 1})), "methods[0] (add).x-method is 1; it takes a string"),
        (document(method(**{"x-validate": 0})), "methods[0] (add).x-validate is 0; it takes true or false"),
        (document(method(servers={})), "methods[0] (add).servers is {}; it takes a list"),
        (document(method(servers=[{"url": 1}])), "methods[0] (add).servers[0].url is 1; it takes a string"),
        (document(servers=[1]), "servers[0] is 1; it takes an object"),
        (document(method(**BY_NAME, **{"x-by-position": 1})), "methods[0] (add).x-by-position is 1; it takes a list"),
        (document(method(param("a", **{"x-variadic": 1}))), "methods[0] (add).params[0].x-variadic is 1"),
        (document(method(**{"x-timeout": "1"})), 'methods[0] (add).x-timeout is "1"'),
        (document(info={"x": float("nan")}), "the number nan is not finite"),
        (document(info={"x": {1, 2}}), "{1, 2} in the document is no JSON value"),
        (document(info={1: 2}), "an object of the document has a name that is no string"),
    ],
)
def test_malformed_document_is_an_error_that_says_where(tree, message):
    for name, arguments in (("old", (tree, document())), ("new", (document(), tree))):
        with pytest.raises(ContractError) as raised:
            compare(*arguments)
        assert str(raised.value).startswith(f"{name} document: {message}")


def test_malformed_schema_is_an_error_with_its_method():
    old, new = document(method(A)), document(method(param("a", {"type": "strnig"})))

    with pytest.raises(ContractError, match=r"^method 'add': params\.a: type is \"strnig\"; it takes the name"):
        compare(old, new)


def test_document_that_nests_deeply_is_refused():
    nested = INT
    for _ in range(5000):
        nested = {"type": "array", "items": nested}

    with pytest.raises(ContractError, match="old document: the document nests deeper than 200 levels"):
        compare(document(method(param("a", nested))), document())


KEYWORDS = st.sampled_from(["$ref", "type", "anyOf", "items", "properties", "required", "enum", "minimum"])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["$ref", "type", "x-checks", "items"]), inner)
    ),
    max_leaves=4,
)
PLACES = st.sampled_from(
    [
        *("name", "params", "result", "errors", "paramStructure", "x-aliases", "x-timeout", "deprecated", "servers"),
        *("x-method", "x-validate", "x-by-name", "x-by-position"),
    ]
)


@given(st.dictionaries(PLACES, JSON_VALUES, max_size=2), JSON_VALUES, JSON_VALUES)
def test_any_document_is_compared_or_refused(members, old_schema, new_schema):
    old = document(method(param("a", old_schema), **members))
    new = document(method(param("a", new_schema)))

    for arguments in ((old, new), (new, old), (old, old)):
        try:
            first = compare(*arguments)
        except ContractError:
            continue
        assert first == compare(*arguments)
