"""Results that the schemas of tools describe, and those that clients would refuse."""

import dataclasses
import datetime
import decimal
import enum
from typing import Annotated, Literal, NamedTuple

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, PlainSerializer, computed_field, field_serializer
from typing_extensions import TypedDict

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Image, Tool, ToolResult
from tests.mcp.judged import result_of


@dataclasses.dataclass
class Order:
    item: str
    count: int = 1


class Row(TypedDict):
    day: datetime.date


class Guest(BaseModel):
    name: str = Field(serialization_alias="fullName")
    price: decimal.Decimal = decimal.Decimal("1.10")

    @computed_field
    def letters(self) -> int:
        return len(self.name)


class Hidden(BaseModel):
    at: datetime.datetime
    secret: str = Field("s", exclude=True)

    @field_serializer("at")
    def shown(self, at: datetime.datetime):
        return at.hour


class Point(NamedTuple):
    x: float
    y: float = 0.0


class Color(enum.Enum):
    RED = "red"


DAY = datetime.date(2024, 2, 29)
NOON = datetime.datetime(2024, 2, 29, 12)
ORDER_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def returning(value, hint):
    def tool():
        return value

    tool.__annotations__ = {} if hint is None else {"return": hint}
    return tool


def called(value, hint, *, output_schema=None, **options):
    """Return the result of a tool, and the schema of its results."""
    server = flaskJSONRPCServer(None, **options)
    server.registerFunction(returning(value, hint), path="/api", mcp=Tool(output_schema=output_schema))
    [tool] = result_of(server, "tools/list")["tools"]
    return result_of(server, "tools/call", {"name": "tool", "arguments": {}}), tool["outputSchema"]


RIGHT = {
    "dataclass": (Order("tea"), Order),
    "dict for a dataclass": ({"item": "tea", "more": None}, Order),
    "typed dict": ([Row(day=DAY)], list[Row]),
    "model": (Guest(name="Ann"), Guest),
    "models": ({"a": [Guest(name="Ann")]}, dict[str, list[Guest]]),
    "named tuple": (Point(1), Point),
    "tuple": ((1, "a"), tuple[int, str]),
    "set": ({"a", "b"}, set[str]),
    "float without a fraction": ([1.0, 2], list[int]),
    "integers": ([1, 10**40], list[float]),
    "literal": ("a", Literal["a", 1]),
    "enum": ({Color.RED: Color.RED}, dict[Color, Color]),
    "union": ([Order("tea"), None, 5], list[Order | int | None]),
    "bounds": ([1], list[Annotated[int, Field(ge=1)]]),
    "durations": ([datetime.timedelta(seconds=1)], list[datetime.timedelta]),
    "structured": (ToolResult(["a"], structured={"item": 5}), dict[str, int]),
}


@pytest.mark.parametrize("name", RIGHT)
def test_result_of_the_type_of_the_hint_is_structured(name):
    result, schema = called(*RIGHT[name], log=0)

    assert "isError" not in result
    Draft202012Validator(schema).validate(result["structuredContent"])


WRONG = {
    "member": (Order(5), Order, "item: Input should be a valid string"),
    "missing": ({"count": 1}, Order, "item: Field required"),
    "item": ([1, "x"], list[int], "1: Input should be a valid integer"),
    "inner": ({"a": [Order("tea", "x")]}, dict[str, list[Order]], "a/0/count: Input should be a valid integer"),
    "alias": ({"name": "Ann"}, Guest, "fullName: Field required"),
    "tuple": ((1, 2), tuple[int, str], "1: Input should be a valid string"),
    "length": ((1,), tuple[int, str], "at least 2 items"),
    "twice": (["a", "a"], set[str], "Input has an item twice"),
    "literal": ("b", Literal["a", "c"], "Input should be 'a' or 'c'"),
    "text": ("b", int | None, "a JSON string, and its schema says integer or null"),
    "bounds": (0, Annotated[int, Field(ge=1)], "Input is not within minimum 1"),
    "structured": (ToolResult(["a"], structured={"b": "2"}), dict[str, int], "b: Input should be a valid integer"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_result_is_an_error_of_the_tool(name, caplog):
    value, hint, why = WRONG[name]
    result, _ = called(value, hint)

    assert result["isError"]
    assert "structuredContent" not in result
    assert "correlation id" in result["content"][0]["text"]
    assert why in caplog.text


PARTS_ALONE = "return ToolResult(parts, structured=value)"


@pytest.mark.parametrize(
    ("value", "hint", "why"),
    [
        (ToolResult(["a"]), None, PARTS_ALONE),
        (ToolResult(["a"]), dict, PARTS_ALONE),
        (ToolResult(["a"]), ToolResult, PARTS_ALONE),
        (Image(b"png"), None, PARTS_ALONE),
        (Image(b"png"), Image, PARTS_ALONE),
        (["a", Image(b"png")], list[str | Image], PARTS_ALONE),
        (ToolResult(["a"], structured={"a": "x"}), None, "a: Input should be a valid integer"),
        (ToolResult(["a"], structured={"a": "x"}), ToolResult, "a: Input should be a valid integer"),
        (ToolResult(["a"], structured=[1]), None, "Input should be an object"),
        ({"b": 1}, None, "a: Field required"),
        ({"b": 1}, dict, "a: Field required"),
        ({"b": 1}, dict | Image, "a: Field required"),
    ],
    ids=str,
)
def test_result_without_what_the_schema_of_the_author_says_is_an_error(value, hint, why, caplog):
    result, _ = called(value, hint, output_schema=ORDER_SCHEMA)

    assert result["isError"]
    assert why in caplog.text


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, ToolResult(["a"], structured={"a": 1}), ToolResult(["a"], is_error=True)],
    ids=["value", "structured", "error"],
)
@pytest.mark.parametrize("hint", [None, dict, ToolResult], ids=str)
def test_result_that_the_schema_of_the_author_describes_passes(value, hint):
    result, _ = called(value, hint, output_schema=ORDER_SCHEMA, log=0)

    assert result.get("structuredContent", {"a": 1}) == {"a": 1}
    assert result.get("isError", False) is getattr(value, "is_error", False)


Hour = Annotated[datetime.datetime, PlainSerializer(lambda at: at.hour)]


@pytest.mark.parametrize(
    ("value", "hint", "written"),
    [(Hidden(at=NOON), Hidden, {"at": 12}), ([NOON], list[Hour], [12])],
    ids=["field", "type"],
)
def test_serializer_that_does_not_say_what_it_returns_is_not_held_to_the_type(value, hint, written):
    assert called(value, hint, log=0)[0]["structuredContent"] == written


class WithOwnForms(flaskJSONRPCServer):
    def _fixJSON(self, o):
        return {"day": o.isoformat()} if isinstance(o, datetime.date) else super()._fixJSON(o)


def test_forms_of_the_users_own_are_not_held_to_the_type():
    server = WithOwnForms(None, log=0)
    server.registerFunction(returning([DAY], list[datetime.date]), path="/api", mcp=True)

    result = result_of(server, "tools/call", {"name": "tool", "arguments": {}})
    assert result["structuredContent"] == [{"day": "2024-02-29"}]
