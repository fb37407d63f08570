"""Each result that is of its hint fits the schema of the hint, as jsonschema and the check of results judge."""

import datetime
import enum
import json
from dataclasses import make_dataclass
from typing import Annotated, Literal, NamedTuple

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import PlainSerializer, SecretStr

from flaskJSONRPCServer.contract.schema_checks import check_of
from flaskJSONRPCServer.contract.tool_schemas import input_schema, output_schema
from tests.contract.test_tool_schemas import accepts, contract_of, echo_of, route_of

pytestmark = pytest.mark.timeout(900)  # for --hypothesis-profile=thorough


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Share(float, enum.Enum):
    HALF = 0.5
    ALL = 1.0


class Answer(enum.Enum):
    YES = True
    NO = 0


class Mixed(enum.Enum):
    NUMBER = 1.5
    TEXT = "1.5"
    NOTHING = None
    PAIR = (1, 2)


class Color(str, enum.Enum):
    RED = "red"
    BLUE = "blue"


class Perm(enum.IntFlag):
    R = 1
    W = 2


class Mode(enum.Flag):
    A = 1
    B = 2


class Pair(NamedTuple):
    by: dict[Level, int]


Named = Annotated[Level, PlainSerializer(lambda level: level.name, return_type=str)]


# Hints with their values; all are keys too.
LEAVES = [
    *((kind, st.sampled_from(kind)) for kind in (Level, Share, Answer, Mixed, Color)),
    *((kind, st.integers(0, 3).map(kind)) for kind in (Perm, Mode)),
    (Named, st.sampled_from(Level)),
    (Literal[1, "1"], st.sampled_from([1, "1"])),
    (SecretStr, st.text(max_size=2).map(SecretStr)),
    (str, st.text(st.characters(codec="utf-8"), max_size=2)),
    (int, st.integers(-9, 9)),
    (bool, st.booleans()),
    (float, st.floats(-9, 9)),
    (datetime.date, st.dates()),
    (datetime.timedelta, st.timedeltas()),
    (int | str, st.integers(0, 2) | st.sampled_from(["0", "1"])),
    (object, st.sampled_from([datetime.date(2024, 2, 29), "2024-02-29", 1, "1"])),
]


def containers(inner):
    """Return a strategy for hints with their values, which have other ones inside."""
    return st.one_of(
        inner.map(lambda one: (list[one[0]], st.lists(one[1], max_size=3))),
        inner.map(lambda one: (one[0] | None, one[1] | st.none())),
        inner.map(lambda one: (tuple[one[0], ...], st.lists(one[1], max_size=3).map(tuple))),
        inner.map(of_dataclass),
        inner.map(of_model),
        st.tuples(st.sampled_from(LEAVES), inner).map(
            lambda two: (dict[two[0][0], two[1][0]], st.dictionaries(two[0][1], two[1][1], max_size=3))
        ),
        st.sampled_from(LEAVES).map(lambda one: (set[one[0]], st.sets(one[1], max_size=3))),
        st.sampled_from(LEAVES).map(lambda one: (frozenset[one[0]], st.frozensets(one[1], max_size=3))),
    )


def of_dataclass(one):
    cls = make_dataclass("Record", [("a", one[0]), ("b", one[0])])
    return cls, st.builds(cls, one[1], one[1])


def of_model(one):
    model = pydantic.create_model("Model", a=(one[0], ...), b=(list[one[0]], ...))
    return model, st.builds(model.model_construct, a=one[1], b=st.lists(one[1], max_size=2))


def judged(hint, value):
    """Return what refuses a result: jsonschema, or the check of results."""
    contract = contract_of(echo_of(hint))
    schema = output_schema(contract)
    written = json.loads(json.dumps(contract.result.written(value)))
    check = check_of(schema)
    Draft202012Validator.check_schema(schema)
    refusal = None if check is None else check.mismatch(written, json.dumps(written))
    return [] if Draft202012Validator(schema).is_valid(written) and refusal is None else [refusal, written, schema]


@given(st.recursive(st.sampled_from(LEAVES), containers, max_leaves=3), st.data())
@settings(deadline=None)
def test_right_result_fits_its_schema(pair, data):
    hint, values = pair
    assert judged(hint, data.draw(values)) == []


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (dict[Level, str], {Level.LOW: "a"}),
        (dict[Level, int] | None, {Level.HIGH: 1}),
        (Pair, Pair({Level.LOW: 1})),
        (dict[Share, int], {Share.ALL: 1}),
        (dict[Answer, int], {Answer.YES: 1, Answer.NO: 2}),
        (dict[Mixed, int], {Mixed.NOTHING: 1, Mixed.PAIR: 2, Mixed.NUMBER: 3}),
        (dict[Named, int], {Level.LOW: 1}),
        (dict[Perm, int], {Perm.R | Perm.W: 1}),
        (Perm, Perm.R | Perm.W),
        (list[Perm], [Perm(0)]),
        (Mode, Mode.A | Mode.B),
        (set[SecretStr], {SecretStr("a"), SecretStr("b")}),
        (frozenset[object], frozenset({datetime.date(2024, 2, 29), "2024-02-29"})),
        (set[Named], {Level.LOW}),
    ],
    ids=[
        "names",
        "none",
        "tuple",
        "floats",
        "bools",
        "mixed",
        "own",
        "flags",
        "flag",
        "empty",
        "mode",
        "secrets",
        "any",
        "items",
    ],
)
def test_values_whose_names_or_items_have_other_forms_fit(hint, value):
    assert judged(hint, value) == []


def test_names_that_are_no_members_do_not_fit():
    schema = output_schema(contract_of(echo_of(dict[Level, int])))
    check = check_of(schema)

    assert schema["propertyNames"] == {"enum": ["1", "2"]}
    assert check.mismatch({"1": 1}, '{"1": 1}') is None
    assert check.mismatch({"3": 1}, '{"3": 1}') is not None


def test_names_of_a_shared_enum_of_texts_refer_to_it():
    model = pydantic.create_model("Model", a=(Color, ...), b=(dict[Color, int], ...), c=(dict[Level, Level], ...))
    properties = output_schema(contract_of(echo_of(model)))["properties"]

    assert properties["b"]["propertyNames"] == {"$ref": "#/$defs/Color"}
    assert properties["c"]["propertyNames"] == {"enum": ["1", "2"]}


@pytest.mark.parametrize(("item", "is_unique"), [(str, True), (Level, True), (SecretStr, False), (object, False)])
def test_only_items_that_are_surely_written_differently_are_unique(item, is_unique):
    assert ("uniqueItems" in output_schema(contract_of(echo_of(set[item])))) is is_unique


@pytest.mark.parametrize("names", [["1"], ["2", "1"], ["3"], ["x"]], ids=",".join)
def test_names_of_parameters_are_described_as_they_are_read(names):
    route = route_of(echo_of(dict[Level, int]))
    arguments = {"value": dict.fromkeys(names, 1)}

    assert accepts(route, arguments) is Draft202012Validator(input_schema(route.contract)).is_valid(arguments)


@pytest.mark.parametrize("value", [1, 2, 0, 3])
def test_flags_of_parameters_are_described_as_they_are_read(value):
    route = route_of(echo_of(Perm))
    is_valid = Draft202012Validator(input_schema(route.contract)).is_valid({"value": value})

    assert accepts(route, {"value": value}) is is_valid


def test_title_of_a_flag_stays():
    assert output_schema(contract_of(echo_of(Perm))) == {"title": "Perm", "type": "integer"}
