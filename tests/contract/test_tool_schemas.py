"""The schema of a method's arguments agrees with what a call of it accepts, and that of its result with its answer."""

import datetime
import enum
import json
from dataclasses import dataclass
from typing import Annotated, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from pydantic import Field

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.contract.options import MethodOptions
from flaskJSONRPCServer.contract.tool_params import call_params
from flaskJSONRPCServer.contract.tool_schemas import input_schema, output_schema
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInvalidParamsError
from tests.client.types.types_table import ROWS
from tests.contract.api import CASES, REFUSED, Color, Node, Tree, User, method_of
from tests.contract.schema_values import values_of
from tests.contract.test_schemas import HINTS, mutated

ONCE = settings(
    max_examples=max(8, settings.default.max_examples // 12), deadline=None, suppress_health_check=list(HealthCheck)
)
TABLE = [(row, number, echo) for row, echoes in ROWS.items() for number, echo in enumerate(echoes)]


def route_of(function, **options):
    server = flaskJSONRPCServer(None, log=0)
    return server._engine.registrar.function_routes(function, path="/api", name="f", **options)[0]


def contract_of(function):
    return route_of(function).contract


def echo_of(hint):
    def echo(value):
        return value

    echo.__annotations__ = {"value": hint, "return": hint}
    return echo


def accepts(route, arguments):
    """Return whether a call with these arguments reaches the function."""
    try:
        route.plan.bind(call_params(route.contract, json.loads(json.dumps(arguments))))
    except JsonRpcInvalidParamsError:
        return False
    return True


@pytest.mark.parametrize("hint", HINTS, ids=range(len(HINTS)))
def test_schemas_of_all_cases_are_schemas(hint):
    contract = contract_of(echo_of(hint))

    Draft202012Validator.check_schema(input_schema(contract))
    Draft202012Validator.check_schema(output_schema(contract))


@pytest.mark.parametrize(("row", "number", "echo"), TABLE, ids=[f"{row}-{number}" for row, number, _ in TABLE])
def test_row_of_the_table_of_types_agrees_with_its_schemas(row, number, echo):
    route = route_of(echo_of(echo.hint))
    written = route.contract.result.written(echo.value)
    schemas = input_schema(route.contract), output_schema(route.contract)

    for schema in schemas:
        Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schemas[0]).is_valid({"value": written})
    assert Draft202012Validator(schemas[1]).is_valid(written)
    assert accepts(route, {"value": written})


@pytest.mark.parametrize("number", range(len(CASES)))
def test_value_that_is_accepted_is_valid(number):
    hint, value, outcome = CASES[number]
    route = route_of(method_of(hint, "method"))
    is_valid = Draft202012Validator(input_schema(route.contract)).is_valid({"value": value})

    assert accepts(route, {"value": value}) is (outcome is not REFUSED)
    assert is_valid or outcome is REFUSED


def test_refused_values_are_invalid_wherever_a_schema_can_say_so():
    routes = [(route_of(method_of(hint, "method")), value) for hint, value, outcome in CASES if outcome is REFUSED]
    valid = [
        value
        for route, value in routes
        if Draft202012Validator(input_schema(route.contract)).is_valid({"value": value})
    ]

    # An odd number, texts whose format is an annotation, a wrong pattern, and too many seconds.
    assert valid == [3, "x", "x", "(", "2023-02-29", "x", "90", 1e300]


def function(a: int, b: datetime.date | None = None, *rest: float, flag: bool = False, **more: list[str]) -> None: ...


def positional(a: int, b: User, c: str = "x", /, d: int = 4) -> None: ...


def only_names(*, a: int, tree: Tree, node: Node | None = None) -> None: ...


def unhinted(a, b=2, *rest): ...


@pytest.mark.parametrize("function", [positional, only_names, unhinted], ids=lambda function: function.__name__)
@given(data=st.data())
@ONCE
def test_schema_and_call_agree_about_generated_arguments(function, data):
    route = route_of(function)
    schema = input_schema(route.contract)
    valid = data.draw(values_of(schema, schema))
    other = data.draw(mutated(valid).filter(lambda value: isinstance(value, dict)))

    assert accepts(route, valid)
    assert Draft202012Validator(schema).is_valid(other) or not accepts(route, other)


def test_properties_are_in_the_order_of_the_parameters_with_defaults():
    schema = input_schema(contract_of(function))

    assert list(schema["properties"]) == ["a", "b", "rest", "flag"]
    assert schema["required"] == ["a"]
    assert schema["properties"]["rest"] == {"type": "array", "items": {"type": "number"}}
    assert schema["properties"]["b"]["default"] is None
    assert schema["properties"]["flag"] == {"type": "boolean", "default": False}
    assert schema["additionalProperties"] == {"type": "array", "items": {"type": "string"}}


def test_defaults_have_their_json_form():
    def f(day: datetime.date = datetime.date(2024, 2, 29), color: Color = Color.RED, users: tuple[User, ...] = ()): ...

    properties = input_schema(contract_of(f))["properties"]

    assert [schema["default"] for schema in properties.values()] == ["2024-02-29", "red", []]


def test_function_without_parameters_takes_an_empty_object():
    assert input_schema(contract_of(lambda: 1)) == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }
    assert output_schema(contract_of(lambda: 1)) is None


def test_parameters_without_hints_take_any_value():
    schema = input_schema(contract_of(unhinted))

    assert schema["properties"] == {"a": {}, "b": {"default": 2}, "rest": {"type": "array"}}
    assert input_schema(contract_of(lambda **more: 1))["additionalProperties"] is True


def test_magic_parameter_is_left_out():
    assert list(input_schema(contract_of(lambda a, _connection=None: 1))["properties"]) == ["a"]


@pytest.mark.parametrize("hint", [str, User, Color, "str | None"], ids=["text", "dataclass", "enum", "union"])
def test_members_of_a_field_are_at_the_property(hint):
    hint = str | None if hint == "str | None" else hint
    extra = Field(description="Where.", json_schema_extra={"x-mcp-header": "Region"})

    def f(region, other): ...

    f.__annotations__ = {"region": Annotated[hint, extra], "other": hint}
    properties = input_schema(contract_of(f))["properties"]

    assert properties["region"]["x-mcp-header"] == "Region"
    assert properties["region"]["description"] == "Where."
    assert "x-mcp-header" not in properties["other"]


def test_docstring_describes_parameters_and_result():
    def f(user: User, other: Annotated[int, Field(description="of the hint")] = 1) -> User:
        """Do it.

        Args:
            user: Who it is.
            other: Another one.

        Returns:
            The same.
        """
        return user

    contract = contract_of(f)
    properties = input_schema(contract)["properties"]

    assert properties["user"] == {"$ref": "#/$defs/User", "description": "Who it is."}
    assert properties["other"] == {"type": "integer", "description": "Another one.", "default": 1}
    assert output_schema(contract)["description"] == "The same."


def test_root_of_a_result_has_its_type():
    def of_tree() -> Tree: ...

    def of_user() -> User: ...

    tree, user = (output_schema(contract_of(f)) for f in (of_tree, of_user))

    assert (tree["type"], list(tree["$defs"])) == ("object", ["Tree"])
    assert (user["type"], "$defs" in user) == ("object", False)
    assert Draft202012Validator(tree).is_valid({"value": 1, "children": [{"value": 2, "children": []}]})
    assert not Draft202012Validator(tree).is_valid({"value": 1, "children": [{"value": "2", "children": []}]})


def test_result_has_the_form_that_is_written():
    def f() -> datetime.timedelta: ...

    assert output_schema(contract_of(f)) == {"type": "number"}


def test_two_types_of_one_name_are_both_there():
    def make(hint) -> Any:
        @dataclass
        class Item:
            value: hint  # type: ignore[valid-type]

        return Item

    def f(a, b): ...

    f.__annotations__ = {"a": make(int), "b": make(str)}
    validator = Draft202012Validator(input_schema(contract_of(f)))

    assert validator.is_valid({"a": {"value": 1}, "b": {"value": "1"}})
    assert not validator.is_valid({"a": {"value": "1"}, "b": {"value": 1}})


def test_unchecked_method_has_its_schema_too():
    route = route_of(only_names, options=MethodOptions(validate=False))

    assert input_schema(route.contract) == input_schema(contract_of(only_names))


class Unused(enum.Enum):
    A = 1


def test_parameters_that_no_call_can_pass_are_left_out():
    def by_position(a: int, /, *rest: int, b: Unused = Unused.A, **more: int): ...

    def by_name(a: Unused = Unused.A, /, c: int = 1, *rest: int, b: int): ...

    first, second = (input_schema(contract_of(f)) for f in (by_position, by_name))

    assert (list(first["properties"]), first["additionalProperties"], "$defs" in first) == (["a", "rest"], False, False)
    assert (list(second["properties"]), second["required"], "$defs" in second) == (["c", "b"], ["b"], False)
