"""Structs of msgspec as the types of results, and as parameters."""

import contextlib
import dataclasses
import datetime
import subprocess
import sys
from typing import Generic, TypeVar

import msgspec
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.client import Client, ResultError
from flaskJSONRPCServer.client.types.readers import result_reader
from tests.client.faces import FACES

T = TypeVar("T")


class Item(msgspec.Struct, rename="camel"):
    item_name: str
    day: datetime.date
    parts: "list[Item]" = []
    weeks: int | msgspec.UnsetType = msgspec.UNSET
    gone: msgspec.UnsetType = msgspec.UNSET


class Point(msgspec.Struct, array_like=True, tag="point", frozen=True):
    x: float
    y: float = 0.0
    label: str | msgspec.UnsetType = msgspec.UNSET


class Cat(msgspec.Struct, tag_field="kind", tag="cat", forbid_unknown_fields=True, kw_only=True):
    lives: int = 9
    name: str


class Dog(msgspec.Struct, tag_field="kind", tag="dog"):
    name: str


class Numbered(msgspec.Struct, tag=1):
    name: str = "x"


class Page(msgspec.Struct, Generic[T]):
    items: list[T]
    took: datetime.timedelta


class Even(msgspec.Struct):
    number: int

    def __post_init__(self):
        if self.number % 2:
            raise ValueError("the number is odd")


@dataclasses.dataclass
class Box:
    point: Point
    pet: Cat | Dog


DAY = datetime.date(2030, 1, 2)

READ = [
    (Item, {"itemName": "a", "day": "2030-01-02"}, Item("a", DAY)),
    (Item, {"itemName": "a", "day": "2030-01-02", "weeks": 2, "more": 1}, Item("a", DAY, [], 2)),
    (
        Item,
        {"itemName": "a", "day": "2030-01-02", "parts": [{"itemName": "b", "day": "2030-01-02"}]},
        Item("a", DAY, [Item("b", DAY)]),
    ),
    (Point, ["point", 1.5], Point(1.5)),
    (Point, ["point", 1, 2, "a", "more"], Point(1.0, 2.0, "a")),
    (Cat | Dog, {"kind": "dog", "name": "a"}, Dog("a")),
    (Cat | Dog, {"name": "a", "kind": "cat"}, Cat(name="a")),
    (Numbered, {"type": 1}, Numbered()),
    (Page[datetime.date], {"items": ["2030-01-02"], "took": 1.5}, Page([DAY], datetime.timedelta(seconds=1.5))),
    (Even, {"number": 2}, Even(2)),
    (Box, {"point": ["point", 1.0], "pet": {"kind": "cat", "name": "a"}}, Box(Point(1.0), Cat(name="a"))),
    (dict[str, Point], {"a": ["point", 1.0]}, {"a": Point(1.0)}),
]


@pytest.mark.parametrize(("hint", "value", "expected"), READ, ids=range(len(READ)))
def test_struct_is_read(hint, value, expected):
    read = result_reader(hint)(value)

    assert read == expected
    assert type(read) is type(expected)


MISFITS = [
    (Item, [], "result: expected an object, not array"),
    (Item, {"day": "2030-01-02"}, "result: there is no 'itemName'"),
    (Item, {"itemName": "a", "day": 5}, r"result\['day'\]: "),
    (
        Item,
        {"itemName": "a", "day": "2030-01-02", "parts": [{"itemName": 5}]},
        r"result\['parts'\]\[0\]\['itemName'\]: expected a string, not number",
    ),
    (Point, {"x": 1}, "result: expected an array, not object"),
    (Point, ["point"], "result: there is no 1"),
    (Point, ["point", "a"], r"result\[1\]: "),
    (Point, ["line", 1.0], r"result\[0\]: expected the tag 'point', not 'line'"),
    (Point, [], "result: there is no 0"),
    (Dog, {"name": "a"}, "result: there is no 'kind'"),
    (Cat, {"kind": "cat", "name": "a", "color": 1}, "result: Cat has no 'color'"),
    (Numbered, {"type": True}, r"result\['type'\]: expected the tag 1, not True"),
    (Even, {"number": 1}, "result: the number is odd"),
]


@pytest.mark.parametrize(("hint", "value", "text"), MISFITS, ids=range(len(MISFITS)))
def test_value_that_does_not_fit(hint, value, text):
    with pytest.raises(ResultError, match=text):
        result_reader(hint)(value)


class Api:
    def moved(self, point: Point, by: float = 1.0) -> Point: ...

    def page(self, items: list[Item]) -> Page[Item]: ...

    def pet(self, pet: Cat | Dog) -> Cat | Dog: ...


@pytest.fixture(scope="module")
def server():
    server = flaskJSONRPCServer(None, log=0)

    @server.method("/api")
    def moved(point: Point, by: float = 1.0) -> Point:
        return Point(point.x + by, point.y)

    @server.method("/api")
    def page(items: list[Item]) -> Page[Item]:
        return Page(items, datetime.timedelta(seconds=0.5))

    @server.method("/api")
    def pet(pet: Cat | Dog) -> Cat | Dog:
        return pet

    return server


@pytest.mark.parametrize("kind", FACES)
def test_structs_go_to_our_server_and_back(server, kind):
    items = [Item("a", DAY, [Item("b", DAY)], 3), Item("c", DAY)]
    with contextlib.closing(FACES[kind](server)) as face:
        assert face.call("moved", Point(1.0, 2.0), options={"result_type": Point}) == Point(2.0, 2.0)
        assert face.call("page", items, options={"result_type": Page[Item]}) == Page(
            items, datetime.timedelta(seconds=0.5)
        )
        assert face.call("pet", Cat(name="a"), options={"result_type": Cat | Dog}) == Cat(name="a")


def test_typed_view_with_structs(server):
    with Client(server) as client:
        assert client.typed(Api).moved(Point(1.0), by=2.0) == Point(3.0, 0.0)


def test_msgspec_is_not_imported_by_the_client():
    code = """
import dataclasses, sys
from flaskJSONRPCServer.client.types.readers import result_reader
@dataclasses.dataclass
class A:
    a: int | None
assert result_reader(list[A])([{"a": 1}]) == [A(1)]
print("msgspec" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
