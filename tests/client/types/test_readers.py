"""Results are converted to the types of hints, by the standard library alone."""

import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import sys
import typing
import uuid
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union

import pydantic
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.client import Client, ResultError
from flaskJSONRPCServer.client.types.readers import result_reader

T = TypeVar("T")
Number = TypeVar("Number", bound=int)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class User:
    name: str
    born: datetime.date
    color: Color = Color.RED
    friends: "list[User]" = dataclasses.field(default_factory=list)
    age: int = dataclasses.field(init=False, default=5)


@dataclasses.dataclass
class Page(Generic[T]):
    items: list[T]
    following: "Page[T] | None" = None


class Place(TypedDict):
    name: str
    at: datetime.time


class Partial(TypedDict, total=False):
    name: str


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Model(pydantic.BaseModel):
    number: int


class Aliased(pydantic.BaseModel, strict=True, val_json_bytes="base64"):
    day: datetime.date = pydantic.Field(alias="theDay")
    raw: dict[str, bytes]


Code = NewType("Code", int)

BORN = datetime.date(1990, 5, 1)


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (Any, {"a": [1]}, {"a": [1]}),
        (object, 5, 5),
        (None, None, None),
        (bool, True, True),
        (int, 3, 3),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (float, 3.5, 3.5),
        (str, "a", "a"),
        (bytes, "/w==", b"\xff"),
        (bytearray, "/w==", bytearray(b"\xff")),
        (datetime.date, "2030-01-02", datetime.date(2030, 1, 2)),
        (datetime.datetime, "2030-01-02T03:04:05", datetime.datetime(2030, 1, 2, 3, 4, 5)),
        (
            datetime.datetime,
            "2030-01-02T03:04:05Z",
            datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        ),
        (datetime.time, "03:04:05", datetime.time(3, 4, 5)),
        (datetime.timedelta, 1.5, datetime.timedelta(seconds=1.5)),
        (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
        (decimal.Decimal, 5, decimal.Decimal(5)),
        (uuid.UUID, "12345678-1234-5678-1234-567812345678", uuid.UUID("12345678-1234-5678-1234-567812345678")),
        (pathlib.Path, "/tmp/a", pathlib.Path("/tmp/a")),
        (Color, "blue", Color.BLUE),
        (Level, 1, Level.LOW),
        (Literal["a", 1, None], 1, 1),
        (Literal[Color.RED], "red", Color.RED),
        (Optional[int], None, None),  # noqa: UP045  the old spelling is read too
        (int | None, 3, 3),
        (Union[datetime.date, int, str], "2030-01-02", datetime.date(2030, 1, 2)),  # noqa: UP007
        (datetime.date | int | str, "x", "x"),
        (float | int, 3, 3),
        (list, [1, "a"], [1, "a"]),
        (list[int], [1, 2.0], [1, 2]),
        (collections.abc.Sequence[Color], ["red"], [Color.RED]),
        (collections.abc.Iterable[int], [1], [1]),
        (set[int], [1, 1], {1}),
        (frozenset[str], ["a"], frozenset("a")),
        (collections.deque[int], [1], collections.deque([1])),
        (tuple, [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[()], [], ()),
        (dict, {"a": 1}, {"a": 1}),
        (dict[str, datetime.date], {"a": "2030-01-02"}, {"a": datetime.date(2030, 1, 2)}),
        (dict[int, str], {"-5": "a"}, {-5: "a"}),
        (dict[Color, int], {"red": 1}, {Color.RED: 1}),
        (collections.abc.Mapping[str, list[int]], {"a": [1]}, {"a": [1]}),
        (User, {"name": "Ada", "born": "1990-05-01"}, User("Ada", BORN)),
        (
            User,
            {
                "name": "A",
                "born": "1990-05-01",
                "color": "blue",
                "more": 1,
                "friends": [{"name": "B", "born": "1990-05-01"}],
            },
            User("A", BORN, Color.BLUE, [User("B", BORN)]),
        ),
        (Page[User], {"items": [{"name": "A", "born": "1990-05-01"}]}, Page([User("A", BORN)])),
        (Page[int], {"items": [], "following": {"items": [1]}}, Page([], Page([1]))),
        (Page[list[int]], {"items": [[1]]}, Page([[1]])),
        (Page, {"items": [1, "a"]}, Page([1, "a"])),
        (Place, {"name": "a", "at": "01:02"}, {"name": "a", "at": datetime.time(1, 2)}),
        (Partial, {}, {}),
        (Point, [1, 2], Point(1, 2.0)),
        (Model, {"number": 5}, Model(number=5)),
        (Annotated[int, "positive"], 5, 5),
        (list[Annotated[Color, "x"]], ["red"], [Color.RED]),
        (Code, 5, 5),
        (Number, 5, 5),
        (T, "x", "x"),
    ],
    ids=str,
)
def test_value_is_converted(hint, value, expected):
    result = result_reader(hint)(json.loads(json.dumps(value)))

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        (None, 0, "result: expected null, not number"),
        (bool, 0, "expected a boolean, not number"),
        (int, "3", "expected an integer, not string"),
        (int, True, "expected an integer, not boolean"),
        (int, 3.5, "expected an integer, not 3.5"),
        (float, True, "expected a number, not boolean"),
        (float, 10**400, "beyond the range"),
        (str, None, "expected a string, not null"),
        (bytes, "ä", "is not base64"),
        (datetime.date, "soon", "'soon' is not a date in ISO 8601"),
        (datetime.date, 5, "expected a string, not number"),
        (datetime.timedelta, 1e300, "beyond the range"),
        (decimal.Decimal, "x", "is not a decimal number"),
        (decimal.Decimal, True, "expected a number or a string"),
        (uuid.UUID, "x", "is not a UUID"),
        (Color, "green", "'green' is not a value of Color"),
        (Color, ["red"], "is not a value of Color"),
        (Level, True, "is not a value of Level"),
        (Literal["a", 1], True, "expected one of 'a', 1"),
        (int | None, "3", "expected an integer, not string"),
        (list[int], {"a": 1}, "expected an array, not object"),
        (list[int], [1, "a"], "result[1]: expected an integer"),
        (tuple[int, str], [1], "expected 2 items, not 1"),
        (dict[str, list[int]], {"a": [1, None]}, "result['a'][1]: expected an integer, not null"),
        (dict[int, int], {"a": 1}, "result['a']: expected an integer, not string"),
        (dict[int, int], {"--1": 1}, "result['--1']: expected an integer, not string"),
        (dict[int, int], {"9" * 5_000: 1}, "expected an integer, not string"),
        (set[Any], [[1]], "result: an item is an array or an object"),
        (User, [], "expected an object, not array"),
        (User, {"name": "A"}, "there is no 'born'"),
        (User, {"name": "A", "born": "1990-05-01", "friends": [{"name": 5}]}, "result['friends'][0]['name']"),
        (Place, {"name": "a"}, "there is no 'at'"),
        (Model, {"number": "x"}, "number"),
        (Page[int], {"items": ["x"]}, "result['items'][0]: expected an integer"),
        (User | int, {"name": "A"}, "there is no 'born'|expected an integer"),
    ],
    ids=str,
)
def test_value_that_does_not_fit(hint, value, text):
    with pytest.raises(ResultError) as raised:
        result_reader(hint)(value)

    assert any(part in str(raised.value) for part in text.split("|"))


@pytest.mark.parametrize("hint", [complex, typing.Callable[[], int], type, list[complex], 5], ids=str)
def test_type_without_a_json_form_is_refused(hint):
    with pytest.raises(TypeError, match="no type that results can have"):
        result_reader(hint)


def test_required_keys_of_text_hints():
    namespace = {}
    source = (
        "from __future__ import annotations\n"
        "from typing_extensions import NotRequired, Required, TypedDict\n"
        "class Shape(TypedDict, total=False):\n"
        "    name: Required[str]\n"
        "    size: NotRequired[int]\n"
    )
    exec(source, namespace | {"__name__": __name__}, namespace)
    sys.modules[__name__].__dict__.update({name: namespace[name] for name in ("Required", "NotRequired")})
    read = result_reader(namespace["Shape"])

    assert read({"name": "a"}) == {"name": "a"}
    with pytest.raises(ResultError, match="there is no 'name'"):
        read({})


if sys.version_info >= (3, 12):  # which has the statement

    def test_type_alias():
        namespace = {}
        exec("type Numbers = list[int]", namespace)

        assert result_reader(namespace["Numbers"])([1]) == [1]


def test_deeply_nested_class():
    value = {"items": []}
    for _ in range(50):
        value = {"items": [], "following": value}
    page = result_reader(Page[int])(value)

    depth = 0
    while page is not None:
        page, depth = page.following, depth + 1
    assert depth == 51


ROUND_TRIPS = [
    (int, 3),
    (float, 2.5),
    (bool, True),
    (str, "ä"),
    (int | None, None),
    (Literal["a", 1], "a"),
    (Color, Color.BLUE),
    (Level, Level.LOW),
    (datetime.date, BORN),
    (datetime.datetime, datetime.datetime(2030, 1, 2, 3, 4, 5, 600, tzinfo=datetime.timezone.utc)),
    (datetime.time, datetime.time(3, 4)),
    (datetime.timedelta, datetime.timedelta(days=1, milliseconds=5)),
    (decimal.Decimal, decimal.Decimal("1.10")),
    (uuid.UUID, uuid.UUID(int=5)),
    (pathlib.Path, pathlib.Path("a/b")),
    (bytes, b"\x00\xff"),
    (list[datetime.date], [BORN]),
    (set[int], {1, 2}),
    (tuple[int, str], (1, "a")),
    (Point, Point(1, 2.0)),
    (dict[str, decimal.Decimal], {"a": decimal.Decimal("1.5")}),
    (User, User("Ada", BORN, Color.BLUE, [User("Bob", BORN)])),
    (Page[User], Page([User("Ada", BORN)], Page([]))),
    (Model, Model(number=5)),
    (dict[str, Aliased], {"a": Aliased(theDay=BORN, raw={"b": b"\xff"})}),
]


def test_all_types_of_contracts_go_to_the_server_and_back():
    server = flaskJSONRPCServer(None, log=0)
    got = []
    for number, (hint, _) in enumerate(ROUND_TRIPS):

        def echo(value):
            got.append(value)
            return value

        echo.__annotations__ = {"value": hint, "return": hint}
        server.registerFunction(echo, path="/api", name=f"echo{number}")
    with Client(server) as client:
        for number, (hint, value) in enumerate(ROUND_TRIPS):
            assert client.options(result_type=hint).call(f"echo{number}", value) == value
            assert got[-1] == value


def test_float_that_json_has_not():
    server = flaskJSONRPCServer(None, log=0)
    with Client(server) as client, pytest.raises(TypeError, match="have no JSON form"):
        client.add(math.inf)
