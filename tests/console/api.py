"""The server that the tests of the console open in a browser."""

import datetime
import decimal
import enum
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pydantic

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer

# The names of properties that every object has, markup, and quotes of all kinds.
HOSTILE = """<img src=x onerror=alert(1)>"'`</script><script>alert(2)</script>javascript:alert(3)"""
HOSTILE_NAMES = (HOSTILE, "__proto__", "constructor", "javascript:alert(4)//", "a/b?c#d%2F&e", "日本 ж")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Address:
    street: str
    number: int | None = None


@dataclass
class Person:
    """A person with an address.

    Args:
        name: The full name.
    """

    name: str
    home: Address
    others: list[Address] = field(default_factory=list)
    boss: "Person | None" = None


class OutOfStock(JsonRpcApplicationError):
    """The shop has less of the item."""

    ERROR_CODE = 1001
    ERROR_MESSAGE = "Out of stock"


class Recorder:
    """Methods that keep what they were called with.

    Attributes:
        calls: The name and the arguments of each call, in order.
    """

    def __init__(self):
        self.calls = []

    def record(self, _method, **arguments):
        self.calls.append((_method, arguments))
        return True


class Types:
    """A method for each kind of type; each records its argument.

    Args:
        recorder: Keeps the calls.
    """

    def __init__(self, recorder):
        self._record = recorder.record

    def integer(self, value: Annotated[int, pydantic.Field(ge=0, le=10**30)]) -> bool:
        return self._record("integer", value=value)

    def number(self, value: float) -> bool:
        return self._record("number", value=value)

    def text(self, value: Annotated[str, pydantic.Field(max_length=40)]) -> bool:
        return self._record("text", value=value)

    def flag(self, value: bool) -> bool:
        return self._record("flag", value=value)

    def choice(self, value: Color) -> bool:
        return self._record("choice", value=value)

    def literal(self, value: Literal["x", 1, None]) -> bool:
        return self._record("literal", value=value)

    def nothing(self, value: None) -> bool:
        return self._record("nothing", value=value)

    def date(self, value: datetime.date) -> bool:
        return self._record("date", value=value)

    def moment(self, value: datetime.datetime) -> bool:
        return self._record("moment", value=value)

    def time(self, value: datetime.time) -> bool:
        return self._record("time", value=value)

    def file(self, value: bytes) -> bool:
        return self._record("file", value=value)

    def unique(self, value: uuid.UUID) -> bool:
        return self._record("unique", value=value)

    def money(self, value: decimal.Decimal) -> bool:
        return self._record("money", value=value)

    def union(self, value: int | str | list[int]) -> bool:
        return self._record("union", value=value)

    def optional(self, value: str | None) -> bool:
        return self._record("optional", value=value)

    def array(self, value: list[int]) -> bool:
        return self._record("array", value=value)

    def pair(self, value: tuple[int, str]) -> bool:
        return self._record("pair", value=value)

    def mapping(self, value: dict[str, int]) -> bool:
        return self._record("mapping", value=value)

    def nested(self, value: Person) -> bool:
        return self._record("nested", value=value)

    def anything(self, value: Any) -> bool:
        return self._record("anything", value=value)


def add(a: float, b: float = 1) -> float:
    """Add two numbers.

    Args:
        a: The first number.
        b: The second number.
    """
    return a + b


def old(value: int) -> int:
    return value


def positional(a: int, b: int = 2, /, *rest: int) -> list[int]:
    return [a, b, *rest]


def named(*, a: int, **rest: int) -> dict[str, int]:
    return {"a": a, **rest}


def buy(item: str) -> int:
    """Buy an item.

    Raises:
        OutOfStock: Fewer are left.
    """
    raise OutOfStock(data={"item": item})


def answer_headers(_connection) -> None:
    _connection.headersOut["X-Answer"] = HOSTILE


def make_server(recorder, **options):
    """Make a server with methods of all kinds."""
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, name="console", **options)
    server.registerInstance(Types(recorder), path="/types")
    server.registerFunction(add, path="/api", tags=["math"], examples=[{"name": "two", "params": [2, 3], "result": 5}])
    server.registerFunction(old, path="/api", deprecated=True)
    for function in (positional, named, buy, answer_headers):
        server.registerFunction(function, path="/api")
    for name in HOSTILE_NAMES:
        server.registerFunction(hostile(), path="/hostile", name=name, tags=[HOSTILE], title=HOSTILE)
    return server


def hostile():
    def function(value: str = HOSTILE) -> dict[str, str]:
        return {HOSTILE: HOSTILE, "__proto__": value, "value": value}

    function.__doc__ = f"{HOSTILE}\n\n    {HOSTILE}\n\n    - {HOSTILE}\n\n    `{HOSTILE}`\n"
    return function
