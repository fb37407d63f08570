"""The types and methods of the tables of cases. Worker processes import this module too."""

import dataclasses
import datetime
import decimal
import enum
import ipaddress
import pathlib
import re
import uuid
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
import pydantic
from pydantic import AfterValidator, Field
from typing_extensions import NotRequired, TypedDict

from flaskJSONRPCServer import flaskJSONRPCServer

REFUSED = "refused"


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Flags(enum.Enum):
    OFF = 0
    ON = 1


@dataclasses.dataclass
class User:
    name: str
    age: int = 0


@dataclasses.dataclass(frozen=True)
class Team:
    lead: User
    members: list[User] = dataclasses.field(default_factory=list)


class Point(pydantic.BaseModel):
    x: int
    y: float = 0.0


class Tree(pydantic.BaseModel):
    value: int
    children: "list[Tree]" = []


class Aliased(pydantic.BaseModel):
    full_name: str = Field(alias="fullName")


class Closed(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    a: int


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]
    good: bool


T = TypeVar("T")


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]
    next: int | None = None


class Options(TypedDict):
    deep: bool
    limit: NotRequired[int]


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Struct(msgspec.Struct):
    a: int
    when: datetime.date | None = None


class Node(msgspec.Struct):
    value: int
    next: "Node | None" = None


class Partial(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    max_size: int | msgspec.UnsetType = msgspec.UNSET
    min_size: Annotated[int | msgspec.UnsetType | None, msgspec.Meta(ge=0)] = msgspec.UNSET


class Row(msgspec.Struct, array_like=True, tag="row"):
    day: datetime.date
    length: datetime.timedelta | None = None


class ClosedRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    a: int = 0


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    low: int = 0
    high: int

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError("low is above high")


class Circle(msgspec.Struct, tag=True):
    size: float


class Square(msgspec.Struct, tag=True):
    size: float


class Items(msgspec.Struct, Generic[T]):
    items: list[T] = []


class Numbers(Items[int]):
    total: int = 0


@dataclasses.dataclass
class Holder:
    node: Node
    items: Items[int] | None = None


class HolderDict(TypedDict):
    node: Node


class HolderTuple(NamedTuple):
    node: Node


class HolderModel(pydantic.BaseModel, arbitrary_types_allowed=True):
    nodes: list[Node]


def even(value: int) -> int:
    if value % 2:
        raise ValueError("odd")
    return value


Even = Annotated[int, AfterValidator(even)]
Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
DAY = datetime.date(2024, 2, 29)
UUID_TEXT = "12345678-1234-5678-1234-567812345678"

# (hint, JSON value, the value that the function gets or REFUSED)
CASES = [
    # Numbers
    (int, 3, 3),
    (int, -3, -3),
    (int, 3.0, 3),
    (int, 0.0, 0),
    (int, 1e3, 1000),
    (int, 2**70, 2**70),
    (int, 3.5, REFUSED),
    (int, "3", REFUSED),
    (int, "", REFUSED),
    (int, True, REFUSED),
    (int, None, REFUSED),
    (int, [], REFUSED),
    (int, {}, REFUSED),
    (float, 3, 3.0),
    (float, 3.5, 3.5),
    (float, "3.5", REFUSED),
    (float, True, REFUSED),
    (float, None, REFUSED),
    (bool, True, True),
    (bool, False, False),
    (bool, 1, REFUSED),
    (bool, 0.0, REFUSED),
    (bool, "true", REFUSED),
    (bool, None, REFUSED),
    (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
    (decimal.Decimal, 3, decimal.Decimal(3)),
    (decimal.Decimal, 1.5, decimal.Decimal("1.5")),
    (decimal.Decimal, "x", REFUSED),
    (decimal.Decimal, True, REFUSED),
    (Annotated[int, Field(ge=1, le=3)], 3, 3),
    (Annotated[int, Field(ge=1, le=3)], 3.0, 3),
    (Annotated[int, Field(ge=1, le=3)], 4, REFUSED),
    (Annotated[int, Field(multiple_of=5)], 10, 10),
    (Annotated[int, Field(multiple_of=5)], 11, REFUSED),
    (Annotated[float, Field(gt=0)], 0, REFUSED),
    (Even, 4, 4),
    (Even, 4.0, 4),
    (Even, 3, REFUSED),
    # Texts
    (str, "a", "a"),
    (str, "", ""),
    (str, "\u00e9\U0001f600", "\u00e9\U0001f600"),
    (str, 3, REFUSED),
    (str, None, REFUSED),
    (str, ["a"], REFUSED),
    (Annotated[str, Field(min_length=2, max_length=3)], "ab", "ab"),
    (Annotated[str, Field(min_length=2, max_length=3)], "a", REFUSED),
    (Annotated[str, Field(min_length=2, max_length=3)], "abcd", REFUSED),
    (Annotated[str, Field(pattern="^a+$")], "aa", "aa"),
    (Annotated[str, Field(pattern="^a+$")], "b", REFUSED),
    (bytes, "YWI=", b"ab"),
    (bytes, "", b""),
    (bytes, "YWI", REFUSED),
    (bytes, "Y!I=", REFUSED),
    (bytes, 3, REFUSED),
    (pathlib.Path, "a/b", pathlib.Path("a/b")),
    (pathlib.Path, 3, REFUSED),
    (uuid.UUID, UUID_TEXT, uuid.UUID(UUID_TEXT)),
    (uuid.UUID, "x", REFUSED),
    (uuid.UUID, 5, REFUSED),
    (ipaddress.IPv4Address, "192.0.2.1", ipaddress.IPv4Address("192.0.2.1")),
    (ipaddress.IPv4Address, "x", REFUSED),
    (re.Pattern, "a+", re.compile("a+")),
    (re.Pattern, "(", REFUSED),
    # Times
    (datetime.date, "2024-02-29", DAY),
    (datetime.date, "2023-02-29", REFUSED),
    (datetime.date, 19000, REFUSED),
    (datetime.date, None, REFUSED),
    (datetime.datetime, "2024-02-29T10:00:00", datetime.datetime(2024, 2, 29, 10)),
    (datetime.datetime, "x", REFUSED),
    (datetime.datetime, 1700000000, REFUSED),
    (datetime.time, "10:30", datetime.time(10, 30)),
    (datetime.time, 5, REFUSED),
    (datetime.timedelta, "PT90S", datetime.timedelta(seconds=90)),
    (datetime.timedelta, 90, datetime.timedelta(seconds=90)),
    (datetime.timedelta, 1.5, datetime.timedelta(seconds=1.5)),
    (datetime.timedelta, True, REFUSED),
    (datetime.timedelta, "90", REFUSED),
    (datetime.timedelta, 1e300, REFUSED),
    # Nothing and anything
    (None, None, None),
    (None, 0, REFUSED),
    (Any, {"a": [1, None]}, {"a": [1, None]}),
    (object, "x", "x"),
    # Choices
    (int | None, None, None),
    (int | None, 3, 3),
    (int | None, "3", REFUSED),
    (int | str, "3", "3"),
    (int | str, 3, 3),
    (int | str, True, REFUSED),
    (int | float, 2.5, 2.5),
    (str | list[str], ["a"], ["a"]),
    (str | list[str], [1], REFUSED),
    (Literal["a", "b"], "a", "a"),
    (Literal["a", "b"], "c", REFUSED),
    (Literal[1, 2], 1, 1),
    (Literal[1, 2], True, REFUSED),
    (Literal[1, 2], "1", REFUSED),
    (Literal[0, 1], 1, 1),
    (Literal[0, 1], 99, REFUSED),
    (Literal[0, 1], False, REFUSED),
    (Literal[True], True, True),
    (Literal[True], 1, REFUSED),
    (Color, "red", Color.RED),
    (Color, "RED", REFUSED),
    (Color, 1, REFUSED),
    (Level, 2, Level.HIGH),
    (Level, 3, REFUSED),
    (Level, "1", REFUSED),
    (Level, True, REFUSED),
    (Flags, 0, Flags.OFF),
    (Flags, False, REFUSED),
    # Arrays
    (list, [1, "a"], [1, "a"]),
    (list, "ab", REFUSED),
    (list, {"a": 1}, REFUSED),
    (list[int], [1, 2.0], [1, 2]),
    (list[int], [], []),
    (list[int], [1, "2"], REFUSED),
    (list[list[int]], [[1], []], [[1], []]),
    (list[datetime.date], ["2024-02-29"], [DAY]),
    (Annotated[list[int], Field(min_length=1)], [], REFUSED),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[int, str], [1], REFUSED),
    (tuple[int, str], ["a", 1], REFUSED),
    (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
    (set[int], [1, 1], {1}),
    (set[int], ["1"], REFUSED),
    (frozenset[str], ["a"], frozenset(["a"])),
    (Pair, [1, "b"], Pair(1, "b")),
    (Pair, [1], Pair(1)),
    (Pair, ["a", "b"], REFUSED),
    # Objects
    (dict, {"a": 1}, {"a": 1}),
    (dict, [["a", 1]], REFUSED),
    (dict[str, int], {"a": 1.0}, {"a": 1}),
    (dict[str, int], {"a": "1"}, REFUSED),
    (dict[int, str], {"1": "a"}, {1: "a"}),
    (dict[int, str], {"a": "a"}, REFUSED),
    (dict[Color, int], {"red": 1}, {Color.RED: 1}),
    (User, {"name": "a", "age": 3}, User("a", 3)),
    (User, {"name": "a"}, User("a")),
    (User, {"age": 3}, REFUSED),
    (User, {"name": "a", "age": "3"}, REFUSED),
    (User, ["a", 3], REFUSED),
    (User | None, None, None),
    (Team, {"lead": {"name": "a"}, "members": [{"name": "b"}]}, Team(User("a"), [User("b")])),
    (Team, {"lead": {"name": "a"}, "members": [{"name": 1}]}, REFUSED),
    (Point, {"x": 1}, Point(x=1)),
    (Point, {"x": 1.0, "y": 2}, Point(x=1, y=2.0)),
    (Point, {"x": True}, REFUSED),
    (Point, {"x": 1, "z": 5}, Point(x=1)),
    (Tree, {"value": 1, "children": [{"value": 2}]}, Tree(value=1, children=[Tree(value=2)])),
    (Tree, {"value": 1, "children": [{"value": "2"}]}, REFUSED),
    (Aliased, {"fullName": "a"}, Aliased(fullName="a")),
    (Aliased, {"full_name": "a"}, REFUSED),
    (Closed, {"a": 1}, Closed(a=1)),
    (Closed, {"a": 1, "b": 2}, REFUSED),
    (Pet, {"kind": "cat", "lives": 9}, Cat(kind="cat", lives=9)),
    (Pet, {"kind": "dog", "good": True}, Dog(kind="dog", good=True)),
    (Pet, {"kind": "cow"}, REFUSED),
    (Page[int], {"items": [1]}, Page[int](items=[1])),
    (Page[int], {"items": ["1"]}, REFUSED),
    (Page[User], {"items": [{"name": "a"}]}, Page[User](items=[User("a")])),
    (Options, {"deep": True}, {"deep": True}),
    (Options, {"deep": True, "limit": 3.0}, {"deep": True, "limit": 3}),
    (Options, {"limit": 3}, REFUSED),
    (Struct, {"a": 1, "when": "2024-02-29"}, Struct(1, DAY)),
    (Struct, {"a": "1"}, REFUSED),
    (list[Struct], [{"a": 1.0}], [Struct(1)]),
    (dict[str, Struct | None], {"x": {"a": 1}, "y": None}, {"x": Struct(1), "y": None}),
    (Node, {"value": 1, "next": {"value": 2.0}}, Node(1, Node(2))),
    (Node, {"value": 1, "next": {"value": "2"}}, REFUSED),
    (Node, [1], REFUSED),
    (Partial, {}, Partial()),
    (Partial, {"maxSize": 1, "minSize": None}, Partial(1, None)),
    (Partial, {"maxSize": None}, REFUSED),
    (Partial, {"minSize": -1}, REFUSED),
    (Partial, {"max_size": 1}, REFUSED),
    (Row, ["row", "2024-02-29"], Row(DAY)),
    (Row, ["row", "2024-02-29", 90, "more"], Row(DAY, datetime.timedelta(seconds=90))),
    (Row, ["row"], REFUSED),
    (Row, ["column", "2024-02-29"], REFUSED),
    (Row, {"type": "row", "day": "2024-02-29"}, REFUSED),
    (ClosedRow, [], ClosedRow()),
    (ClosedRow, [1.0], ClosedRow(1)),
    (ClosedRow, [1, 2], REFUSED),
    (ClosedRow, {}, REFUSED),
    (Checked, {"high": 1}, Checked(high=1)),
    (Circle | Square, {"type": "Square", "size": 2}, Square(2.0)),
    (Circle | Square, {"type": "Line", "size": 2}, REFUSED),
    (Circle | Square, {"size": 2}, REFUSED),
    (Items[datetime.date], {"items": ["2024-02-29"]}, Items([DAY])),
    (Items[int], {"items": ["1"]}, REFUSED),
    (Items, {"items": ["1", 2]}, Items(["1", 2])),
    (Numbers, {"items": [1.0]}, Numbers([1])),
    (Numbers, {"items": ["1"]}, REFUSED),
    (Holder, {"node": {"value": 1}, "items": {"items": [2.0]}}, Holder(Node(1), Items([2]))),
    (Holder, {"node": {"value": 1}, "items": {"items": ["2"]}}, REFUSED),
    (HolderDict, {"node": {"value": 1}}, {"node": Node(1)}),
    (HolderDict, {"node": {"value": "1"}}, REFUSED),
    (HolderTuple, [{"value": 1}], HolderTuple(Node(1))),
    (HolderTuple, [{"value": "1"}], REFUSED),
    (HolderModel, {"nodes": [{"value": 1}]}, HolderModel(nodes=[Node(1)])),
    (HolderModel, {"nodes": [{"value": "1"}]}, REFUSED),
]


def shown(value):
    """Return a text that tells values apart that are equal, such as 1 and True."""
    return f"{type(value).__name__} {value!r}"


def method_of(hint, name):
    def method(value):
        return shown(value)

    method.__annotations__ = {"value": hint}
    method.__name__ = method.__qualname__ = name
    return method


def make(backend, address=None, **options):
    """Return a server with one method for each case, whose calls run on a backend."""
    server = flaskJSONRPCServer(address, name="cases", log=False, dispatcherBackend=backend, **options)
    for number, (hint, _, _) in enumerate(CASES):
        server.registerFunction(method_of(hint, f"case{number}"), path="/api")
    return server


def make_for_worker():
    """Return the server that a Celery worker imports."""
    return make("celery", notifBackend="celery")
