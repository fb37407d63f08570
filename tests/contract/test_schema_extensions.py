"""What JSON Schema cannot say is in the schemas as x-checks and x-aliases, and the comparison finds it."""

import dataclasses
import datetime
import decimal
import enum
import functools
import pathlib
from typing import Annotated, Any, Literal

import pydantic
import pytest
from pydantic import AfterValidator, AliasChoices, AliasPath, BeforeValidator, ConfigDict, Field
from pydantic_core import core_schema
from typing_extensions import TypedDict

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.contract.diff import Verdict, compare
from flaskJSONRPCServer.contract.schemas import schemas_of
from flaskJSONRPCServer.contract.types import HintedType
from tests.contract.api import CASES, even


class Color(enum.Enum):
    RED = "red"


class Image:
    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        return core_schema.is_instance_schema(cls)


class Checker:
    def __call__(self, value):
        return value


@dataclasses.dataclass
class Checked:
    a: int

    def __post_init__(self):
        if self.a < 0:
            raise ValueError("negative")


class Unprepared(pydantic.BaseModel):
    _cache: dict[str, int] = pydantic.PrivateAttr(default_factory=dict)
    a: int


class Prepared(pydantic.BaseModel):
    a: int

    def model_post_init(self, context):
        if self.a < 0:
            raise ValueError("negative")


def server_of(hint, **options):
    def method(value): ...

    method.__annotations__ = {"value": hint}
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(method, path="/api", **options)
    return server


def schema_of(hint, mode="validation", dialect="draft-07"):
    schemas = schemas_of([(HintedType(hint, "value"), mode)], dialect)
    return schemas.schema(HintedType(hint, "value"), mode), schemas.components


def verdict_of(old, new):
    return compare(server_of(old).openrpc(), server_of(new).openrpc()).verdict


@pytest.mark.parametrize(
    ("hint", "checks"),
    [
        (Annotated[int, AfterValidator(even)], ["even"]),
        (Annotated[int, BeforeValidator(functools.partial(even)), AfterValidator(abs)], ["even", "abs"]),
        (Annotated[int, AfterValidator(Checker())], ["Checker"]),
        (Annotated[str, AfterValidator(str.strip)], ["str.strip"]),
        (Image, ["is-instance Image"]),
        (pydantic.PastDate, ['now_op="past"']),
        (pydantic.AwareDatetime, ['tz_constraint="aware"']),
        (Checked, ["__post_init__"]),
    ],
)
@pytest.mark.parametrize("dialect", ["draft-07", "2020-12"])
def test_further_checks_are_named(hint, checks, dialect):
    schema, _ = schema_of(hint, dialect=dialect)

    assert schema["x-checks"] == checks
    assert "x-checks" not in str(schema_of(hint, "serialization"))


def test_checks_inside_of_types_are_named_too():
    schema, _ = schema_of(dict[str, list[Annotated[int, AfterValidator(even)]] | None])

    assert schema["additionalProperties"]["anyOf"][0]["items"] == {"type": "integer", "x-checks": ["even"]}


def test_types_without_further_checks_have_no_members_of_our_own():
    hints = [hint for hint, _, _ in CASES if "even" not in str(hint)]

    assert "x-" not in str([schema_of(hint) for hint in hints])


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (Annotated[int, AfterValidator(even)], int),
        (Annotated[list[int], AfterValidator(sorted)], list[int]),
        (pydantic.FutureDate, datetime.date),
        (pydantic.AwareDatetime, datetime.datetime),
        (Annotated[datetime.date, Field(ge=datetime.date(2024, 1, 1))], datetime.date),
        (Annotated[datetime.datetime, Field(lt=datetime.datetime(2024, 1, 1))], datetime.datetime),
        (Annotated[datetime.time, Field(gt=datetime.time(8))], datetime.time),
        (Annotated[datetime.timedelta, Field(le=datetime.timedelta(days=1))], datetime.timedelta),
        (Annotated[bytes, Field(max_length=3)], bytes),
        (Annotated[decimal.Decimal, Field(max_digits=3)], decimal.Decimal),
        (Annotated[decimal.Decimal, Field(decimal_places=2)], decimal.Decimal),
        (Prepared, Unprepared),
        (Image, Any),
        (Image, None | Any),
        *((dict[names, int], dict[str, int]) for names in (bool, int, float, decimal.Decimal, Color, pathlib.Path)),
        (dict[Literal[1], int], dict[str, int]),
        (dict[Annotated[int, Field(ge=1)], int], dict[int, int]),
        (dict[Annotated[str, AfterValidator(str.strip)], int], dict[str, int]),
    ],
)
def test_more_checks_break_callers_and_fewer_do_not(narrow, wide):
    assert verdict_of(wide, narrow) is Verdict.BREAKING
    assert verdict_of(narrow, wide) is Verdict.COMPATIBLE
    assert verdict_of(narrow, narrow) is verdict_of(wide, wide) is Verdict.EQUAL


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Annotated[int, AfterValidator(even)], Annotated[int, AfterValidator(abs)]),
        (pydantic.PastDate, pydantic.FutureDate),
        (pydantic.FileUrl, pydantic.WebsocketUrl),
        (dict[bool, int], dict[decimal.Decimal, int]),
    ],
)
def test_other_checks_break_callers(first, second):
    assert verdict_of(first, second) is verdict_of(second, first) is Verdict.BREAKING


def model(alias, default=..., **config):
    class Model(pydantic.BaseModel):
        model_config = ConfigDict(**config)
        age: int = Field(default, validation_alias=alias)

    return Model


def typed_dict(alias):
    return TypedDict("Options", {"age": Annotated[int, Field(validation_alias=alias)]})


def test_further_names_of_members_are_listed():
    choices = AliasChoices("years", "old", AliasPath("person", 0))

    for hint in (model(choices, populate_by_name=True), model(choices, validate_by_name=True)):
        _, components = schema_of(hint)
        assert components["Model"]["properties"] == {
            "years": {"type": "integer", "x-aliases": ["old", "person.0", "age"]}
        }
        assert "x-aliases" not in str(schema_of(hint, "serialization"))
    _, components = schema_of(typed_dict(choices))
    assert components["Options"]["properties"]["years"]["x-aliases"] == ["old", "person.0"]
    _, components = schema_of(model("years", validate_by_name=True, validate_by_alias=False))
    assert components["Model"]["properties"] == {"age": {"type": "integer"}}


def test_further_names_of_members_of_dataclasses_are_listed():
    @pydantic.dataclasses.dataclass(config=ConfigDict(populate_by_name=True))
    class Aged:
        age: int = Field(validation_alias="years")

    assert schema_of(Aged)[1]["Aged"]["properties"]["years"]["x-aliases"] == ["age"]


BOTH, ONE, OTHER = AliasChoices("a", "b"), "a", "b"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (model(BOTH), model(ONE), Verdict.BREAKING),
        (model(BOTH), model(OTHER), Verdict.BREAKING),
        (model(BOTH, 0), model(ONE, 0), Verdict.BREAKING),
        (model(BOTH), model(AliasChoices("b", "a")), Verdict.EQUAL),
        (model(ONE), model(BOTH), Verdict.COMPATIBLE),
        (model(ONE, 0), model(BOTH, 0), Verdict.COMPATIBLE),
        (model(OTHER), model(BOTH), Verdict.COMPATIBLE),
        (model(ONE, populate_by_name=True), model(ONE), Verdict.BREAKING),
        (model(ONE, 0, populate_by_name=True), model(ONE, 0), Verdict.BREAKING),
        (model(ONE), model(ONE, populate_by_name=True), Verdict.COMPATIBLE),
        (typed_dict(BOTH), typed_dict(ONE), Verdict.BREAKING),
        (list[model(BOTH)], list[model(ONE)], Verdict.BREAKING),
        (model(AliasChoices("a", AliasPath("b", "c"))), model(ONE), Verdict.BREAKING),
    ],
)
def test_lost_names_of_members_break_callers(old, new, expected):
    assert verdict_of(old, new) is expected
