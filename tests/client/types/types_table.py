"""A value for each type of the table in docs/contracts.md, and a server that echoes them.

`python types_table.py newline|length` serves them on standard input and output.
"""

import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import os
import pathlib
import sys
import uuid
from types import UnionType
from typing import Any, Literal, NamedTuple, Optional, Union, get_origin

import msgspec
import pydantic
from typing_extensions import TypedDict, is_typeddict

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer, raises
from flaskJSONRPCServer.client import ClientRequest, Deadline
from flaskJSONRPCServer.client.transports.wsgi import WsgiTransport
from flaskJSONRPCServer.sansio_jsonrpc import ContentLengthFraming, NewlineFraming

FRAMINGS = {"newline": NewlineFraming(), "length": ContentLengthFraming()}


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(NamedTuple):
    x: int
    label: str


@dataclasses.dataclass
class User:
    name: str
    born: datetime.date
    color: Color = Color.RED
    friends: "list[User]" = dataclasses.field(default_factory=list)


class Place(TypedDict):
    name: str
    opens: datetime.time


class Model(pydantic.BaseModel):
    number: int
    day: datetime.date


class Item(msgspec.Struct, rename="camel"):
    item_name: str
    added: datetime.date


class ItemOfClients(TypedDict):
    itemName: str
    added: datetime.date


@dataclasses.dataclass(frozen=True)
class Echo:
    """A type: the hint of the server, a value of the client, and the client's hint, if it is another one."""

    hint: Any
    value: Any
    client_hint: Any = None

    @property
    def result_hint(self):
        return self.hint if self.client_hint is None else self.client_hint


DAY = datetime.date(1990, 5, 1)
INSTANT = datetime.datetime(2030, 1, 2, 3, 4, 5, 600, tzinfo=datetime.timezone.utc)

# The rows of the table by their hints, as it writes them.
ROWS = {
    "`int`": [Echo(int, 3), Echo(int, -(2**60))],
    "`float`": [Echo(float, 3.5), Echo(float, 3.0)],
    "`bool`": [Echo(bool, True), Echo(bool, False)],
    "`str`": [Echo(str, "Grüße, 世界 🎉 \0 \u2028"), Echo(str, "x" * 70_000)],
    "`int | None`, `Optional[int]`": [Echo(int | None, 3), Echo(Optional[int], None)],  # noqa: UP045
    '`Literal["a", 1]`': [Echo(Literal["a", 1], "a"), Echo(Literal["a", 1], 1)],
    "an enum": [Echo(Color, Color.BLUE)],
    "`date`, `datetime`, `time`": [
        Echo(datetime.date, DAY),
        Echo(datetime.datetime, INSTANT),
        Echo(datetime.datetime, datetime.datetime(2030, 1, 2, 3, 4)),
        Echo(datetime.time, datetime.time(3, 4, 5)),
    ],
    "`timedelta`": [Echo(datetime.timedelta, datetime.timedelta(days=-1, milliseconds=5))],
    "`Decimal`": [Echo(decimal.Decimal, decimal.Decimal("1.10"))],
    "`UUID`, `Path`": [Echo(uuid.UUID, uuid.UUID(int=5)), Echo(pathlib.Path, pathlib.Path("a/ö"))],
    "`bytes`": [Echo(bytes, b"\x00\xff")],
    "`list[T]`, `Iterable[T]`, `set[T]`, `tuple[...]`, a named tuple": [
        Echo(list[datetime.date], [DAY]),
        # The function of the server gets an iterator, and returns a list.
        Echo(collections.abc.Iterable[Color], [Color.RED], list[Color]),
        Echo(set[int], {1, 2}),
        Echo(tuple[int, str], (1, "a")),
        Echo(tuple[decimal.Decimal, ...], (decimal.Decimal("0.1"),)),
        Echo(Point, Point(1, "a")),
    ],
    "`dict[str, T]`": [Echo(dict[str, list[bytes]], {"ä": [b"\xff"], "": []})],
    "a dataclass, a `TypedDict`, a pydantic model": [
        Echo(User, User("Ada", DAY, Color.BLUE, [User("Bob", DAY)])),
        Echo(Place, {"name": "shop", "opens": datetime.time(8)}),
        Echo(Model, Model(number=5, day=DAY)),
    ],
    # The client does not read structs: it has another class with the same members.
    "a `msgspec.Struct`": [Echo(Item, {"itemName": "lamp", "added": DAY}, ItemOfClients)],
}

ECHOES = {f"echo{number}": echo for number, echo in enumerate(echo for row in ROWS.values() for echo in row)}


class OutOfStock(JsonRpcApplicationError):
    ERROR_CODE = 1702
    ERROR_MESSAGE = "Out of stock"


class Api:
    """Functions beside those of the types."""

    def __init__(self):
        self._heard = []

    def hear(self, text: str) -> None:
        self._heard.append(text)

    def heard(self) -> list[str]:
        """Return the texts that were heard since the last call."""
        heard, self._heard = self._heard, []
        return heard

    @raises(OutOfStock)
    def buy(self, item: str, count: int = 1) -> datetime.date:
        raise OutOfStock(data={"item": item, "count": count})


def echo_function(echo):
    """Return a function that returns its parameter, after a look at its type."""
    generic = get_origin(echo.hint) in (Union, Literal, UnionType, collections.abc.Iterable) or is_typeddict(echo.hint)
    expected = object if generic else get_origin(echo.hint) or echo.hint

    def function(value):
        assert isinstance(value, expected), type(value)
        return list(value) if expected is object and hasattr(value, "__next__") else value

    function.__annotations__ = {"value": echo.hint, "return": echo.hint}
    return function


def register(server):
    """Register the functions on /api."""
    for name, echo in ECHOES.items():
        server.registerFunction(echo_function(echo), path="/api", name=name)
    server.registerInstance(Api(), path="/api")


def interface():
    """Return a class with a method for each type, as an interface of a client."""
    methods = {}
    for name, echo in ECHOES.items():

        def method(self, value): ...

        method.__annotations__ = {"value": echo.hint, "return": echo.result_hint}
        methods[name] = method
    return type("Types", (Api,), methods)


class StreamServer:
    """Passes the messages of a stream to a server, and writes its answers."""

    def __init__(self, server, framing, write):
        self._transport = WsgiTransport(server, "/api", limit_bytes=1 << 30)
        self._framing = FRAMINGS[framing]
        self._reader = self._framing.reader()
        self._write = write

    def receive(self, data):
        for message in self._reader.feed(data):
            request = ClientRequest("", {"Content-Type": "application/json"}, message)
            answer = self._transport.send(request, Deadline(None))
            if answer.body:
                self._write(self._framing.frame(answer.body))


def main():
    server = flaskJSONRPCServer(None, log=0)
    register(server)
    stream = StreamServer(server, sys.argv[1], lambda data: os.write(1, data))
    while data := os.read(0, 65536):
        stream.receive(data)


if __name__ == "__main__":
    main()
