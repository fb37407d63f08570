"""OpenRPC documents: their members, and outside judges."""

import copy
import dataclasses
import datetime
import enum
import json
import math
import subprocess
import sys
import warnings
from typing import Annotated, Any

import pydantic
import pytest
from jsonschema import Draft7Validator
from pydantic import Field

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer, rpc
from tests.contract.api import CASES
from tests.contract.meta_schemas import VERSIONS, faults_of
from tests.examples.servers import SERVERS, server_of

URL = "http://127.0.0.1:8080"


class Gone(JsonRpcApplicationError):
    """The order was cancelled.

    Nobody can restore it.
    """

    ERROR_CODE = 1410
    ERROR_MESSAGE = "Gone"


class Silent(JsonRpcApplicationError):
    ERROR_CODE = 1411


def make(*functions, path="/api", **options):
    server = flaskJSONRPCServer(None, log=False, name="books", **options)
    for function in functions:
        server.registerFunction(function, path=path)
    return server


def described(function, **options):
    """Return the Method Object of a function."""
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(function, path="/api", name="method", **options)
    return server.openrpc("/api")["methods"][0]


def echo_of(hint, number):
    def method(value):
        return value

    method.__annotations__ = {"value": hint, "return": hint}
    method.__name__ = f"method{number}"
    return method


def rich_server():
    """Return a server with every type of the table of cases, and every option of a method."""
    server = make(*(echo_of(hint, number) for number, (hint, _, _) in enumerate(CASES)))

    @server.method(
        "/shop",
        title="Order",
        tags=["orders", "write"],
        deprecated=True,
        examples=[{"name": "one", "summary": "s", "description": "d", "params": ["tea"], "result": 1}],
    )
    @rpc(alias=["purchase"])
    def order(item: str, /, *more: str) -> int:
        """Order an item.

        Longer text.

        Args:
            item: Its name.
            more: Further names.

        Returns:
            The number of the order.

        Raises:
            Gone: It is gone.
            Silent: Nobody knows.
        """

    @server.method("/shop", notification=True, examples=[{"params": {"text": "a"}}])
    def note(*, text: str = "", **others: int) -> None: ...

    server.registerFunction(order, path="/other", name="order", dispatcherBackend="threaded")
    return server


def schemas_in(document):
    """Yield every schema of a document, with the shared ones beside it."""
    for method in document["methods"]:
        for described_value in [*method["params"], *([method["result"]] if "result" in method else [])]:
            yield {"components": document["components"], **described_value["schema"]}
    yield from document["components"]["schemas"].values()


# Outside judges


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SERVERS)
def test_document_of_an_example_is_valid(name, version, tmp_path):
    document = server_of(name, tmp_path).openrpc(url=URL)

    assert document["methods"]
    assert faults_of(document, version) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", [None, "/api", "/shop", "/other"])
def test_document_with_everything_is_valid(path, version):
    assert faults_of(rich_server().openrpc(path, URL), version) == []


def test_every_schema_of_a_document_is_draft_07():
    schemas = list(schemas_in(rich_server().openrpc()))

    assert len(schemas) > 2 * len(CASES)
    for schema in schemas:
        Draft7Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["methods", 0, "name"], ""),
        (["methods", 0, "errors"], [{"code": 1, "message": "m", "x-description": "d"}]),
        (["methods", 0, "params", 0, "schema"], "any"),
        (["methods", 0, "paramStructure"], "sometimes"),
        (["info"], {"title": "no version"}),
        (["unknown"], 1),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_judge_finds_faults(place, value, version):
    document = copy.deepcopy(make(echo_of(int, 0)).openrpc(url=URL))
    *parents, last = place
    target = document
    for step in parents:
        target = target[step]
    target[last] = value

    assert faults_of(document, version)


# The members of a method


def test_method_with_everything():
    document = rich_server().openrpc("/shop", URL)
    order = next(method for method in document["methods"] if method["name"] == "order")

    assert order == {
        "name": "order",
        "summary": "Order",
        "description": "Order an item.\n\nLonger text.",
        "tags": [{"name": "orders"}, {"name": "write"}],
        "paramStructure": "by-position",
        "params": [
            {"name": "item", "description": "Its name.", "schema": {"type": "string"}, "required": True},
            {"name": "more", "description": "Further names.", "schema": {"type": "string"}, "x-variadic": True},
        ],
        "result": {"name": "result", "description": "The number of the order.", "schema": {"type": "integer"}},
        "deprecated": True,
        "errors": [{"code": 1410, "message": "Gone"}, {"code": 1411, "message": "Silent"}],
        "examples": [
            {
                "name": "one",
                "summary": "s",
                "description": "d",
                "params": [{"name": "item", "value": "tea"}],
                "result": {"name": "result", "value": 1},
            }
        ],
        "x-error-descriptions": {"1410": "It is gone.", "1411": "Nobody knows."},
        "x-aliases": ["purchase"],
    }


def test_notification_has_no_result():
    note = next(method for method in rich_server().openrpc("/shop")["methods"] if method["name"] == "note")

    assert "result" not in note
    assert note["paramStructure"] == "by-name"
    assert note["params"] == [
        {"name": "text", "schema": {"type": "string", "default": ""}},
        {"name": "others", "schema": {"type": "integer"}, "x-variadic": True},
    ]
    assert note["examples"] == [{"name": "example 1", "params": [{"name": "text", "value": "a"}]}]


def test_function_that_says_nothing_has_only_names():
    assert described(lambda a, b=2: None) == {
        "name": "method",
        "paramStructure": "either",
        "params": [{"name": "a", "schema": {}, "required": True}, {"name": "b", "schema": {"default": 2}}],
        "result": {"name": "result", "schema": {}},
    }


def test_exec_backend_is_named():
    assert described(lambda: None, dispatcherBackend="threaded")["x-exec-backend"] == "threaded"
    assert "x-exec-backend" not in described(lambda: None, notifBackend="threaded")


def test_magic_parameter_is_not_described():
    assert described(lambda a, _connection: None)["params"] == [{"name": "a", "schema": {}, "required": True}]


@pytest.mark.parametrize(
    ("function", "structure", "names"),
    [
        (lambda: None, "either", []),
        (lambda a, b=1: None, "either", ["a", "b"]),
        (lambda a, /, b=1: None, "by-position", ["a", "b"]),
        (lambda a, *rest: None, "by-position", ["a", "rest"]),
        (lambda a, *rest, b=1: None, "by-position", ["a", "rest"]),
        (lambda a, *, b: None, "by-name", ["a", "b"]),
        (lambda a=1, *, b: None, "by-name", ["b", "a"]),
        (lambda a, **named: None, "by-name", ["a", "named"]),
        (lambda a, *rest, b, **named: None, "by-name", ["a", "b", "named"]),
    ],
)
def test_structure_of_parameters(function, structure, names):
    method = described(function)

    assert method["paramStructure"] == structure
    assert [parameter["name"] for parameter in method["params"]] == names


def test_examples_by_position_name_their_parameters():
    def total(first: int, *numbers: int) -> int: ...

    (example,) = described(total, examples=[{"params": [1, 2, 3], "result": 6}])["examples"]

    assert example["params"] == [
        {"name": "first", "value": 1},
        {"name": "numbers0", "value": 2},
        {"name": "numbers1", "value": 3},
    ]


def test_example_whose_result_is_null_has_a_result():
    (example,) = described(lambda: None, examples=[{"params": []}])["examples"]

    assert example["result"] == {"name": "result", "value": None}


# Defaults and bounds that JSON cannot write


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Wide:
    limit: float = math.inf
    at: datetime.date = datetime.date(2024, 2, 29)


def schema_of_parameter(hint, default):
    def method(value=default): ...

    if hint is not None:
        method.__annotations__ = {"value": hint}
    document = make(method).openrpc()
    json.dumps(document, allow_nan=False)
    schema = document["methods"][0]["params"][0]["schema"]
    return schema, document["components"]["schemas"]


@pytest.mark.parametrize(
    ("hint", "default", "shown"),
    [
        (None, 1.5, [1.5]),
        (None, None, [None]),
        (None, math.inf, []),
        (None, math.nan, []),
        (None, 10**5000, []),
        (None, object(), []),
        (None, (1, 2), []),
        (float, -math.inf, []),
        (float, 2.0, [2.0]),
        (int, 10**5000, []),
        (datetime.date, datetime.date(2024, 2, 29), ["2024-02-29"]),
        (Color, Color.RED, ["red"]),
        (int, "not an int", []),
        (int, None, [None]),
        (Any, object(), []),
    ],
    ids=range(15),
)
def test_default_is_shown_if_json_has_it(hint, default, shown):
    schema, _ = schema_of_parameter(hint, default)

    assert ([schema["default"]] if "default" in schema else []) == shown


def test_infinite_bound_is_none():
    schema, _ = schema_of_parameter(Annotated[float, Field(ge=0, le=math.inf)], 1.0)

    assert schema == {"type": "number", "minimum": 0, "default": 1.0}


def test_infinite_default_inside_a_type_is_left_out():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, shared = schema_of_parameter(Wide, None)

    properties = shared["Wide"]["properties"]
    assert "default" not in properties["limit"]
    assert properties["at"]["default"] == "2024-02-29"


def test_docstring_with_a_lone_surrogate_is_served_as_json():
    def method(): ...

    method.__doc__ = "Half a \ud83d face."

    assert described(method)["summary"] == "Half a \ud83d face."


# Shared types


def classes_named_user():
    """Return two classes of one name, from two modules."""
    first = pydantic.create_model("User", __module__="first", name=(str, ...))
    second = pydantic.create_model("User", __module__="second", age=(int, ...))
    return first, second


def test_shared_type_is_described_once():
    document = make(echo_of(Wide, 0), echo_of(list[Wide], 1)).openrpc()

    assert list(document["components"]["schemas"]) == ["Wide"]
    reference = {"$ref": "#/components/schemas/Wide"}
    assert [method["params"][0]["schema"] for method in document["methods"]] == [
        reference,
        {"type": "array", "items": reference},
    ]


def test_two_classes_of_one_name_are_kept_apart():
    first, second = classes_named_user()
    document = make(echo_of(first, 0), echo_of(second, 1)).openrpc()

    (name_of_first, name_of_second) = (
        method["params"][0]["schema"]["$ref"].rpartition("/")[2] for method in document["methods"]
    )
    assert name_of_first != name_of_second
    shared = document["components"]["schemas"]
    assert list(shared[name_of_first]["properties"]) == ["name"]
    assert list(shared[name_of_second]["properties"]) == ["age"]


# The same registry gives the same bytes

_DOCUMENT_OF_CASES = """
import json, random, sys
from tests.contract.test_openrpc import CASES, classes_named_user, echo_of, make
functions = [echo_of(hint, number) for number, (hint, _, _) in enumerate(CASES)]
functions += [echo_of(cls, 1000 + number) for number, cls in enumerate(classes_named_user())]
random.Random(int(sys.argv[1])).shuffle(functions)
print(json.dumps(make(*functions).openrpc(url="http://h")))
"""


def test_same_bytes_in_another_process_and_another_order():
    printed = [
        subprocess.run(
            [sys.executable, "-c", _DOCUMENT_OF_CASES, seed],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert printed[0] == printed[1]
    assert len(json.loads(printed[0])["methods"]) == len(CASES) + 2
