"""Structs of msgspec as results, in documents, and what is refused. ``api.py`` has the cases of parameters."""

import dataclasses
import datetime
import decimal
import enum
import sqlite3
import threading
import uuid
from typing import Annotated, Generic, TypeVar

import msgspec
import pydantic
import pytest
from jsonschema import Draft7Validator
from msgspec import UNSET, Meta, Struct, UnsetType

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer
from flaskJSONRPCServer.contract.schemas import schemas_of
from flaskJSONRPCServer.contract.types import HintedType, TypeMismatch
from tests.contract.api import Circle, Holder, HolderModel, HolderTuple, Items, Node, Numbers, Partial, Row, Square
from tests.execBackend.backends import maker_of
from tests.helpers import call_socket, call_wsgi, post, rpc

T = TypeVar("T")
U = TypeVar("U")

DAY = datetime.date(2024, 2, 29)
MINUTE = datetime.timedelta(seconds=60)


class Color(enum.Enum):
    RED = "red"


class Photo(pydantic.BaseModel):
    length: datetime.timedelta
    name: str = pydantic.Field(alias="fullName")


@dataclasses.dataclass
class Visit:
    length: datetime.timedelta


class Report(Struct, rename="camel", tag_field="kind", tag="report"):
    """All types that have a form of their own."""

    taken_at: datetime.datetime
    length: datetime.timedelta
    tags: set[str]
    raw: bytes
    photo: Photo
    visit: Visit
    color: Color = Color.RED
    price: decimal.Decimal = decimal.Decimal("1.10")
    ident: uuid.UUID = uuid.UUID(int=5)
    lengths: dict[str, datetime.timedelta] = {}


REPORT = Report(
    datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc),
    MINUTE,
    {"b", "a", "c"},
    b"\xff\xfb",
    Photo(length=MINUTE, fullName="p"),
    Visit(MINUTE),
    lengths={"x": MINUTE},
)
REPORT_JSON = {
    "kind": "report",
    "takenAt": "2024-02-29T12:00:00+00:00",
    "length": 60.0,
    "tags": ["a", "b", "c"],
    "raw": "//s=",
    "photo": {"length": 60.0, "fullName": "p"},
    "visit": {"length": 60.0},
    "color": "red",
    "price": "1.10",
    "ident": "00000000-0000-0000-0000-000000000005",
    "lengths": {"x": 60.0},
}


class Brief(Struct, omit_defaults=True):
    number: int = 100_000
    items: list[int] = []
    length: datetime.timedelta = MINUTE
    flag: bool | None = None


class Base(Struct):
    a: int


class Derived(Base):
    b: int = 0


class Ends(Struct, array_like=True):
    a: int
    b: int | UnsetType = UNSET
    c: int | UnsetType = UNSET


class MuchUnset(Struct):
    a: int | UnsetType
    never: UnsetType = UNSET


RESULTS = {
    "forms": (Report, REPORT, REPORT_JSON),
    "in a list": (list[Report], [REPORT], [REPORT_JSON]),
    "in a union": (Report | None, REPORT, REPORT_JSON),
    "in a tuple": (tuple[int, Report], (1, REPORT), [1, REPORT_JSON]),
    "in a dict": (dict[str, Report], {"a": REPORT}, {"a": REPORT_JSON}),
    "array": (Row, Row(DAY, MINUTE), ["row", "2024-02-29", 60.0]),
    "recursive": (Node, Node(1, Node(2)), {"value": 1, "next": {"value": 2, "next": None}}),
    "unset": (Partial, Partial(min_size=3), {"minSize": 3}),
    "unset at the end of an array": (Ends, Ends(1, 2), [1, 2]),
    "defaults": (Brief, Brief(), {}),
    "equal to defaults": (Brief, Brief(int("100000"), [], datetime.timedelta(minutes=1), None), {}),
    "no defaults": (
        Brief,
        Brief(1, [1], 2 * MINUTE, False),
        {"number": 1, "items": [1], "length": 120.0, "flag": False},
    ),
    "generic": (Items[datetime.timedelta], Items([MINUTE]), {"items": [60.0]}),
    "derived generic": (Numbers, Numbers([1]), {"items": [1], "total": 0}),
    "tagged union": (list[Circle | Square], [Square(1.0)], [{"type": "Square", "size": 1.0}]),
    "derived in a union": (list[Base | Derived], [Derived(1, 2), Base(3)], [{"a": 1, "b": 2}, {"a": 3}]),
    "derived": (Base, Derived(1, 2), {"a": 1}),
    "in a dataclass": (Holder, Holder(Node(1)), {"node": {"value": 1, "next": None}, "items": None}),
    "in a named tuple": (HolderTuple, HolderTuple(Node(1)), [{"value": 1, "next": None}]),
    "in a model": (HolderModel, HolderModel(nodes=[Node(1)]), {"nodes": [{"value": 1, "next": None}]}),
}


def application_of(hint, function, server_class=flaskJSONRPCServer, **options):
    function.__annotations__ = hint if isinstance(hint, dict) else {"return": hint}
    server = server_class(None, log=False)
    server.registerFunction(function, path="/api", name="call", **options)
    return server.getWSGI()


def answer(application, params=()):
    return call_wsgi(application, post(rpc("call", list(params) if isinstance(params, tuple) else params))).json()


@pytest.mark.parametrize("is_checked", [False, True])
@pytest.mark.parametrize("name", RESULTS)
def test_result_has_the_documented_forms(name, is_checked):
    hint, result, expected = RESULTS[name]
    application = application_of(hint, lambda: result, validateResult=is_checked)

    assert answer(application)["result"] == expected


@pytest.mark.parametrize("name", [name for name in RESULTS if "union" not in name and name != "derived"])
def test_written_result_is_read_as_the_same_struct(name):
    hint, result, expected = RESULTS[name]

    assert HintedType(hint, "a result").checked(expected) == result


@pytest.mark.parametrize("name", RESULTS)
def test_written_result_is_of_the_schema(name):
    hint, _, expected = RESULTS[name]
    hinted = HintedType(hint, "a result")
    schemas = schemas_of([(hinted, "serialization")], "draft-07")
    document = {**schemas.schema(hinted, "serialization"), "components": {"schemas": schemas.components}}

    Draft7Validator(document).validate(expected)


@pytest.mark.parametrize("backend", ["threaded", "threadedNative", "parallel"])
def test_backends_pass_and_write_structs(backend):
    with maker_of(backend) as make_backend:
        server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, dispatcherBackend=make_backend(), validateResult=True)
        server.registerFunction(followed, path="/api")
        server.start()
        try:
            calls = [rpc("followed", [{"value": i}, ["row", "2024-02-29", i]], i) for i in range(3)]
            answers = call_socket(server.addresses[0], post(calls)).json()
        finally:
            server.stop()

    expected = [[{"value": -1, "next": {"value": i, "next": None}}, ["row", "2024-02-29", i * 60]] for i in range(3)]
    assert [answer["result"] for answer in answers] == expected


def followed(node: Node, row: Row) -> tuple[Node, Row]:
    return Node(-1, node), Row(row.day, row.length * 60)


class OwnForms(flaskJSONRPCServer):
    def _fixJSON(self, o):
        if isinstance(o, datetime.timedelta):
            return f"{o.total_seconds():.0f} s"
        if isinstance(o, datetime.date):
            return f"day {o.day}"
        return super()._fixJSON(o)


@pytest.mark.parametrize("is_checked", [False, True])
def test_own_forms_are_used_inside_structs(is_checked):
    def call():
        return [Row(DAY, MINUTE)], REPORT

    result = answer(application_of(tuple[list[Row], Report], call, OwnForms, validateResult=is_checked))["result"]

    assert result[0] == [["row", "day 29", "60 s"]]
    own = {"takenAt": "day 29", "length": "60 s", "lengths": {"x": "60 s"}, "visit": {"length": "60 s"}}
    assert result[1] == {**REPORT_JSON, **own, "photo": {"length": "60 s", "fullName": "p"}}


def test_wrong_field_of_a_result_is_an_error_only_if_results_are_checked():
    def call():
        return [Base("x")]

    assert answer(application_of(list[Base], call))["result"] == [{"a": "x"}]
    assert answer(application_of(list[Base], call, validateResult=True))["error"]["code"] == -32603


@pytest.mark.parametrize("result", [{"a": 1}, None, [3], "x"])
def test_result_that_is_no_struct_is_written_as_it_is(result):
    assert answer(application_of(Base, lambda: result))["result"] == result


def circular():
    node = Node(1)
    node.next = node
    return node


def deep():
    node = None
    for value in range(5000):
        node = Node(value, node)
    return node


@pytest.mark.parametrize("is_checked", [False, True])
@pytest.mark.parametrize("make", [circular, deep])
def test_result_without_an_end_is_an_internal_error(make, is_checked):
    result = make()
    application = application_of(Node, lambda: result, validateResult=is_checked)

    assert answer(application)["error"]["code"] == -32603


def test_unset_field_without_a_default_is_left_out_of_a_result():
    assert answer(application_of(MuchUnset, lambda: MuchUnset(UNSET)))["result"] == {}
    with pytest.raises(TypeMismatch):
        HintedType(MuchUnset, "a parameter").checked({})


def raising(exception):
    class Raising(Struct):
        a: int
        b: str = ""

        def __post_init__(self):
            raise exception

    return Raising


@pytest.mark.parametrize("exception", [ValueError("no such a"), TypeError("no such a")])
def test_refusal_of_post_init_is_a_mismatch_of_the_parameter(exception):
    application = application_of({"value": list[raising(exception)]}, lambda value: value)

    error = answer(application, ([{"a": 1}],))["error"]

    assert error["code"] == -32602
    [entry] = error["data"]["errors"]
    assert entry["path"] == ["value", 0]
    assert "no such a" in entry["message"]


@pytest.mark.parametrize("exception", [KeyError("a"), OSError("disk")])
def test_other_exception_of_post_init_is_an_internal_error(exception):
    application = application_of({"value": raising(exception)}, lambda value: value)

    assert answer(application, ({"a": 1},))["error"]["code"] == -32603


def test_errors_of_nested_structs_have_their_paths():
    application = application_of({"value": Holder, "row": Row}, lambda value, row: None)

    error = answer(
        application, ({"node": {"value": 1, "next": {"value": "x"}}, "items": {"items": [1, "y"]}}, ["row", 5])
    )

    paths = [entry["path"] for entry in error["error"]["data"]["errors"]]
    assert paths == [["value", "node", "next", "value"], ["value", "items", "items", 1], ["row", 1]]


def test_batch_and_notification_get_structs():
    got = []

    def call(value):
        got.append(value)

    application = application_of({"value": Node}, call)
    calls = [rpc("call", [{"value": 1}]), {"jsonrpc": "2.0", "method": "call", "params": {"value": {"value": 2}}}]

    answers = call_wsgi(application, post(calls)).json()

    assert len(answers) == 1
    assert got == [Node(1), Node(2)]


def test_defaults_and_factories_are_those_of_the_struct():
    made = []

    class Made(Struct):
        number: int = msgspec.field(default_factory=lambda: made.append(1) or len(made))
        names: list[str] = msgspec.field(default_factory=list, name="n")

    hinted = HintedType(Made, "a parameter")

    first, second = hinted.checked({}), hinted.checked({"n": ["a"]})
    assert (first.number, first.names, second.number, second.names) == (1, [], 2, ["a"])
    assert first.names is not hinted.checked({}).names


CONSTRAINTS = {
    "number": (Annotated[int, Meta(ge=1, lt=5, multiple_of=2)], [2, 4], [0, 3, 6]),
    "text": (Annotated[str, Meta(min_length=1, max_length=2, pattern="^a")], ["a", "ab"], ["", "b", "abc"]),
    "list": (Annotated[list[int], Meta(max_length=1)], [[], [1]], [[1, 2]]),
    "number or text": (Annotated[int | str, Meta(ge=1)], [1, "a"], [0]),
    "number or nothing": (Annotated[int | None, Meta(ge=1)], [1, None], [0]),
    "text or number": (Annotated[str | int, Meta(max_length=1)], ["a", 100], ["ab"]),
    "time zone": (Annotated[datetime.datetime, Meta(tz=True)], ["2024-02-29T12:00:00Z"], ["2024-02-29T12:00:00"]),
    "no time zone": (Annotated[datetime.time, Meta(tz=False)], ["12:00"], ["12:00Z"]),
}


@pytest.mark.parametrize("in_struct", [False, True])
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints_of_msgspec_are_checked(name, in_struct):
    hint, accepted, refused = CONSTRAINTS[name]
    if in_struct:
        hint = msgspec.defstruct("Field", [("f", hint)])
        accepted, refused = ([{"f": value} for value in values] for values in (accepted, refused))
    hinted = HintedType(hint, "a parameter")

    assert all(map(hinted.accepts, accepted))
    assert not any(map(hinted.accepts, refused))


def components_of(*hints, mode="validation"):
    hinted = [HintedType(hint, "a parameter") for hint in hints]
    return schemas_of([(each, mode) for each in hinted], "2020-12").components


def test_structs_are_components_by_their_names():
    components = components_of(Holder, Node, list[Items[int]], Items[datetime.date])

    assert sorted(components) == ["Holder", "Items_date_", "Items_int_", "Node"]
    assert components["Node"] == {
        "title": "Node",
        "type": "object",
        "properties": {
            "value": {"type": "integer"},
            "next": {"anyOf": [{"$ref": "#/components/schemas/Node"}, {"type": "null"}], "default": None},
        },
        "required": ["value"],
    }


def test_structs_of_one_name_are_kept_apart():
    def make(hint):
        return msgspec.defstruct("Same", [("a", hint)], module=f"m_{hint.__name__}")

    components = components_of(make(int), make(str))

    assert len(components) == 2
    assert {schema["properties"]["a"]["type"] for schema in components.values()} == {"integer", "string"}


def test_schema_of_an_array_is_an_array():
    row = components_of(Row)["Row"]
    assert (row["type"], row["minItems"], row["prefixItems"][0]["const"]) == ("array", 2, "row")
    ends = components_of(Ends, mode="serialization")["Ends"]
    assert (ends["minItems"], ends["maxItems"]) == (1, 3)


def test_docstring_and_tag_are_in_the_schema():
    report = components_of(Report)["Report"]

    assert report["description"] == "All types that have a form of their own."
    assert report["properties"]["kind"]["const"] == "report"
    assert "kind" in report["required"]
    assert report["properties"]["length"]["anyOf"][0] == {"type": "number"}
    assert components_of(Report, mode="serialization")["Report"]["properties"]["length"] == {"type": "number"}


class Parent(Struct, Generic[T]):
    value: T


class Child(Parent[list[T]], Generic[U, T]):
    other: U


def test_parameters_of_generic_bases_are_followed():
    hinted = HintedType(Child[int, str], "a parameter")

    assert hinted.checked({"value": ["a"], "other": 1.0}) == Child(["a"], 1)
    assert not hinted.accepts({"value": [1], "other": 1})
    assert not hinted.accepts({"value": ["a"], "other": "1"})


class NumberParent(Parent[int]):
    pass


class Grandchild(NumberParent, Generic[T]):
    more: T | None = None


def test_parameter_of_one_name_has_the_value_of_its_class():
    hinted = HintedType(Grandchild[str], "a parameter")

    assert hinted.checked({"value": 1.0, "more": "a"}) == Grandchild(1, "a")
    assert not hinted.accepts({"value": "1"})
    assert not hinted.accepts({"value": 1, "more": 1})


def test_structs_and_dataclasses_may_contain_each_other():
    class Folder(Struct):
        entries: "list[Entry]" = []

    @dataclasses.dataclass
    class Entry:
        folder: Folder | None = None

    Folder.__annotations__["entries"] = list[Entry]  # no global
    value = {"entries": [{"folder": {"entries": [{"folder": None}]}}]}

    for hint in (Folder, list[Folder]):
        hinted = HintedType(hint, "a parameter")
        wrapped = value if hint is Folder else [value]
        assert hinted.written(hinted.checked(wrapped)) == wrapped
    assert HintedType(Entry, "a parameter").checked({"folder": value}).folder.entries[0].folder.entries == [Entry()]


def test_recursive_struct_may_be_local():
    class Local(Struct):
        inner: "Local | None" = None

    hinted = HintedType(Local, "a parameter")
    assert hinted.checked({"inner": {}}) == Local(Local())
    assert not hinted.accepts({"inner": {"inner": 1}})


def test_each_field_has_its_own_parameters_of_a_generic_struct():
    @dataclasses.dataclass
    class Two:
        numbers: Items[int]
        days: Items[datetime.date]

    hinted = HintedType(Two, "a parameter")
    assert hinted.checked({"numbers": {"items": [1.0]}, "days": {"items": ["2024-02-29"]}}) == Two(
        Items([1]), Items([DAY])
    )
    assert not hinted.accepts({"numbers": {"items": ["2024-02-29"]}, "days": {"items": []}})


@dataclasses.dataclass
class Ambiguous:
    both: tuple[Items[int], Items[str]]


@dataclasses.dataclass
class GenericHolder(Generic[T]):
    items: Items[T]


@pytest.mark.parametrize("hint", [Ambiguous, GenericHolder[int]])
def test_generic_struct_whose_parameters_are_unknown_is_refused_with_the_remedy(hint):
    with pytest.raises(RegistrationError, match=r"generic struct Items here; derive a struct from Items\[\.\.\.\]"):
        HintedType(hint, "parameter 'value'")


class Unresolved(Struct):
    a: "Missing"  # noqa: F821


class Unusable(Struct):
    a: sqlite3.Connection


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (Unresolved, "a hint of the struct Unresolved cannot be resolved: name 'Missing'"),
        (Unusable, "sqlite3.Connection"),
        (tuple[Node, sqlite3.Connection], "sqlite3.Connection"),
        (int | UnsetType, "UnsetType"),
    ],
)
def test_unusable_hint_is_refused_with_the_parameter(hint, text):
    with pytest.raises(RegistrationError, match="parameter 'value'") as caught:
        HintedType(hint, "parameter 'value'")
    assert text in str(caught.value)


def test_classes_of_the_user_stay_as_they_are():
    before = dict(vars(HolderModel)), dict(vars(Node)), dict(vars(Holder))

    HintedType(tuple[HolderModel, Node, Holder], "a parameter")

    assert (dict(vars(HolderModel)), dict(vars(Node)), dict(vars(Holder))) == before
    with pytest.raises(pydantic.ValidationError):  # as for others: an instance, and no dict
        HolderModel(nodes=[{"value": 1}])


def test_any_number_of_threads_may_use_one_type():
    hinted = HintedType(list[Node], "a parameter")
    value = [{"value": i, "next": {"value": -i, "next": None}} for i in range(50)]
    same = []
    threads = [threading.Thread(target=lambda: same.append(hinted.written(hinted.checked(value)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert same == [value] * 4
