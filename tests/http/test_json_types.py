"""The JSON form of types that JSON lacks."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath

import pytest

from flaskJSONRPCServer.http.json_types import to_json_type


class Colour(Enum):
    RED = "red"


class Number(IntEnum):
    ONE = 1


@dataclass
class Point:
    x: int
    y: object


@dataclass(frozen=True, slots=True)
class Slotted:
    inner: Point


CASES = [
    (Decimal("1.10"), "1.10"),
    (Decimal("NaN"), "NaN"),
    (datetime(2024, 2, 29, 1, 2, 3, 4), "2024-02-29T01:02:03.000004"),
    (datetime(2024, 2, 29, tzinfo=timezone.utc), "2024-02-29T00:00:00+00:00"),
    (date(2024, 2, 29), "2024-02-29"),
    (time(1, 2), "01:02:00"),
    (timedelta(seconds=1.5), 1.5),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (PurePosixPath("/a"), "/a"),
    (b"\xff\x00", "/wA="),
    (bytearray(b"a"), "YQ=="),
    (memoryview(b"a"), "YQ=="),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset("ab"), ["a", "b"]),
    (set(), []),
    (Colour.RED, "red"),
    (Number.ONE, 1),
    ((1, 2), [1, 2]),
]


@pytest.mark.parametrize(("value", "form"), CASES, ids=[type(value).__name__ for value, _ in CASES])
def test_form(value, form):
    converted = to_json_type(value)

    assert converted == form
    assert type(converted) is type(form)


def test_unordered_members_are_all_converted():
    assert sorted(map(str, to_json_type({1, "a"}))) == ["1", "a"]


def test_dataclass_is_converted_one_level_at_a_time():
    inner = Point(1, Decimal(2))

    assert to_json_type(inner) == {"x": 1, "y": Decimal(2)}
    assert to_json_type(Slotted(inner)) == {"inner": inner}


@pytest.mark.parametrize(
    ("value", "name"),
    [(object(), "an object"), (Point, "a type"), (len, "a builtin_function_or_method"), (1j, "a complex")],
    ids=["object", "dataclass itself", "function", "complex"],
)
def test_other_types_are_refused_by_name(value, name):
    with pytest.raises(TypeError, match=f"^{name} has no JSON form; convert it, or override _fixJSON$"):
        to_json_type(value)
