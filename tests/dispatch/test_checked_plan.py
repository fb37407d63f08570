"""The error of a call whose parameters are not of their types."""

import contextvars
import datetime
import functools
import ipaddress
import zoneinfo
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.contract.types import HintedType
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInvalidParamsError
from tests.helpers import call_wsgi, post, rpc

T = TypeVar("T")


class Address(BaseModel):
    city: str
    lines: list[str] = []


class User(BaseModel):
    name: str
    age: int
    address: Address | None = None


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]
    age: int


@pytest.fixture
def call():
    server = flaskJSONRPCServer(None, log=False)

    def register(function, params):
        server.registerFunction(function, path="/api", name=function.__name__)
        answer = call_wsgi(server.getWSGI(), post(rpc(function.__name__, params)))
        return answer.json()

    return register


def errors_of(answer):
    assert answer["error"]["code"] == -32602
    return answer["error"]["data"]["errors"]


def paths_of(answer):
    return [error["path"] for error in errors_of(answer)]


def greet(user: User, day: datetime.date, times: int = 1, *, loud: bool = False):
    return True


def test_all_errors_are_listed_in_the_order_of_the_signature(call):
    user = {"name": 1, "age": "x", "address": {"lines": ["a", 2, None]}}
    answer = call(greet, {"loud": 1, "times": None, "day": 3, "user": user})

    assert paths_of(answer) == [
        ["user", "name"],
        ["user", "age"],
        ["user", "address", "city"],
        ["user", "address", "lines", 1],
        ["user", "address", "lines", 2],
        ["day"],
        ["times"],
        ["loud"],
    ]
    assert [set(error) for error in errors_of(answer)] == [{"path", "message", "type"}] * 8
    assert answer["error"]["message"] == "Invalid params: user/name: Input should be a valid string"


def test_what_does_not_fit_the_signature_is_listed_too(call):
    answer = call(greet, {"user": {"name": "a", "age": 1}, "times": "x", "more": 1})

    assert errors_of(answer) == [
        {"path": ["day"], "message": "missing", "type": "missing"},
        {"path": ["times"], "message": "Input should be a valid integer", "type": "int_type"},
        {"path": ["more"], "message": "unexpected", "type": "unexpected"},
    ]
    assert answer["error"]["message"] == "Invalid params: unexpected 'more'"


@pytest.mark.parametrize(
    ("params", "entry"),
    [
        ([], {"path": ["user"], "message": "missing", "type": "missing"}),
        ([1] * 9, {"path": [], "message": "9 given, at most 3 taken", "type": "count"}),
    ],
)
def test_misfit_of_positional_parameters_is_listed(call, params, entry):
    assert entry in errors_of(call(greet, params))


def test_values_are_not_repeated(call):
    secret = "s3cret-value"

    def function(
        number: int, choice: Literal["a", "b"], pet: Annotated[Cat | Dog, Field(discriminator="kind")], short: User
    ):
        return True

    answer = call(function, [secret, secret, {"kind": secret}, {"name": secret, "age": secret}])

    assert len(errors_of(answer)) == 4
    assert secret not in str(answer)


def test_list_of_errors_is_bounded(call):
    def function(numbers: list[int]):
        return True

    assert len(errors_of(call(function, [["x"] * 900]))) == 20
    assert len(errors_of(call(function, [["x"] * 5_000]))) == 1


def test_long_keys_and_texts_are_cut(call):
    def fail(value: int) -> int:
        raise ValueError("m" * 100_000)

    def function(numbers: dict[str, Annotated[int, AfterValidator(fail)]]):
        return True

    (error,) = errors_of(call(function, [{"k" * 100_000: 1}]))
    assert (len(error["path"][1]), len(error["message"])) == (200, 200)


def test_path_has_no_names_of_choices(call):
    def function(value: list[int] | dict[str, int] | Address):
        return True

    assert {tuple(path) for path in paths_of(call(function, [["a"]]))} == {("value",), ("value", 0)}


@pytest.mark.parametrize("error", [RuntimeError, KeyError, SystemExit, KeyboardInterrupt, StopIteration])
def test_exception_of_a_validator_fails_its_call_alone(call, error, caplog):
    def fail(value: int) -> int:
        raise error("a secret")

    def function(value: Annotated[int, AfterValidator(fail)]):
        return True

    answer = call(function, [1])
    assert (answer["error"]["code"], answer["error"]["message"]) == (-32603, "Internal error")
    assert "a secret" not in str(answer)


def test_large_value_is_checked_as_a_whole(call):
    def function(numbers: list[int], texts: dict[str, list[datetime.date]]):
        return len(numbers) + sum(map(len, texts.values()))

    numbers = list(range(50_000))
    texts = {str(number): ["2024-01-01"] * 10 for number in range(1_000)}
    assert call(function, [numbers, texts])["result"] == 60_000
    assert paths_of(call(function, [[*numbers, "x"], texts])) == [["numbers", 50_000]]


def test_function_without_hints_has_no_data_in_its_error(call):
    def function(a, b):
        return True

    assert call(function, [1])["error"] == {"code": -32602, "message": "Invalid params: missing 'b'"}


def test_context_variables_of_a_validator_end_with_the_check():
    variable = contextvars.ContextVar("variable", default="unset")

    def set_variable(value: int) -> int:
        variable.set("set by a validator")
        return value

    def function(value: Annotated[int, AfterValidator(set_variable)]):
        return variable.get()

    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(function, path="/api")
    server.registerFunction(variable.get, path="/api", name="later")
    batch = [rpc("function", [1], 1), rpc("later", [], 2)]

    answers = call_wsgi(server.getWSGI(), post(batch)).json()
    assert [answer["result"] for answer in answers] == ["unset", "unset"]
    assert variable.get() == "unset"


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_notification_with_wrong_parameters_is_not_lost(backend, caplog):
    def function(value: int):
        return value

    server = flaskJSONRPCServer(None, log=3, notifBackend=backend)
    server.registerFunction(function, path="/api")
    notification = {"jsonrpc": "2.0", "method": "function", "params": ["x"]}

    assert call_wsgi(server.getWSGI(), post(notification)).code == 204
    server.stop()
    assert server.stats()["notificationLostCount"] == 0
    assert "lost" not in caplog.text


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (ipaddress.IPv4Address, "s3cret"),
        (zoneinfo.ZoneInfo, {"key": "s3cret"}),
        (Annotated[str, AfterValidator(lambda value: 1 / 0 if value == "" else int(value))], "s3cret"),
        (dict[str, ipaddress.IPv4Address], {"a": "s3cret"}),
    ],
)
def test_text_of_a_type_that_repeats_the_value_is_replaced(call, hint, value):
    def function(value):
        return True

    function.__annotations__ = {"value": hint}
    answer = call(function, [value])
    assert errors_of(answer)
    assert "s3cret" not in str(answer)


def test_text_of_a_type_that_does_not_repeat_the_value_stays(call):
    def refuse(value: str) -> str:
        raise ValueError("the shop is closed")

    def function(value: Annotated[str, AfterValidator(refuse)], kind: Literal["longer than it"]):
        return True

    texts = [error["message"] for error in errors_of(call(function, ["s3cret", "longer"]))]
    assert texts == ["Value error, the shop is closed", "Input should be 'longer than it'"]


def test_names_in_the_message_are_bounded(call):
    def function(value: int):
        return True

    def unhinted(value):
        return True

    params = {f"name{number}" * 100: 1 for number in range(5_000)}
    for registered in (function, unhinted):
        assert len(str(call(registered, params))) < 20_000


def test_wrong_large_value_stops_at_its_first_wrong_item(call):
    checked = []

    def check(value: int) -> int:
        checked.append(value)
        raise ValueError("wrong")

    def function(values: list[Annotated[int, AfterValidator(check)]]):
        return True

    (error,) = errors_of(call(function, [[1] * 100_000]))
    assert error["path"] == ["values", 0]
    assert len(checked) < 10


def test_object_with_many_wrong_members_has_one_error(call):
    def function(values: dict[str, int]):
        return True

    (error,) = errors_of(call(function, [{str(number): "x" for number in range(5_000)}]))
    assert (error["path"], error["message"], error["type"]) == (["values"], "Input has 5000 errors", "too_many_errors")


def test_value_of_a_validator_before_a_type_is_checked(call):
    class Event(BaseModel):
        day: datetime.date

        @model_validator(mode="before")
        @classmethod
        def of_text(cls, value):
            return {"day": value} if isinstance(value, str) else value

    def function(event: Event, day: Annotated[datetime.date, BeforeValidator(str.strip)]):
        return [event.day, day]

    assert call(function, ["2024-01-01", " 2024-01-02 "])["result"] == ["2024-01-01", "2024-01-02"]
    assert [path[0] for path in paths_of(call(function, ["x", "y"]))] == ["event", "day"]


def test_floats_that_are_no_integers_of_the_hint_stay_floats(call):
    class Data(BaseModel):
        count: int
        values: dict[str, Any]
        number: int | float = 0

    def function(data: Data):
        return [repr(value) for value in (data.count, data.values, data.number)]

    data = {"count": 2.0, "values": {"a": 1.0, "b": -0.0}, "number": 1.0}
    assert call(function, [data])["result"] == ["2", "{'a': 1.0, 'b': -0.0}", "1.0"]


def test_method_of_a_generic_class_is_checked_by_the_type_of_the_subclass():
    class Repo(Generic[T]):
        def put(self, item: T, more: list[T]) -> T:
            return item

    class IntRepo(Repo[int]):
        pass

    server = flaskJSONRPCServer(None, log=False)
    server.registerInstance(IntRepo(), path="/api")
    application = server.getWSGI()

    assert call_wsgi(application, post(rpc("put", [1, [2]]))).json()["result"] == 1
    assert paths_of(call_wsgi(application, post(rpc("put", ["x", [2, "y"]]))).json()) == [["item"], ["more", 1]]


def test_wrong_result_is_not_mapped():
    def function() -> int:
        return "three"

    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(function, path="/api", validateResult=True)
    server.mapException(Exception, code=5, message="mapped")

    assert call_wsgi(server.getWSGI(), post(rpc("function"))).json()["error"]["code"] == -32603


def test_parameter_without_a_hint_is_not_of_the_type_of_further_names(call):
    def tag(name, /, size=1, **counts: int):
        return [size, counts]

    def note(size=1, **counts: int):
        return [size, counts]

    assert call(note, {"size": "large", "a": 1.0})["result"] == ["large", {"a": 1}]
    assert [error["path"] for error in errors_of(call(note, {"size": "large", "a": "x"}))] == [["a"]]
    assert call(tag, ["x", "large"])["result"] == ["large", {}]


def scale(a: int, b: str, c: bool, d: Annotated[int, Field(gt=0)]): ...


def label(a: int, b: str, c: bool): ...


UNUSUAL = st.sampled_from(["\ud800", 2.0, 2**70])
SCALARS = st.one_of(st.integers(), st.booleans(), st.text(max_size=3), st.floats(), st.none(), UNUSUAL)


@given(
    st.sampled_from([scale, label]),
    st.lists(SCALARS, min_size=4, max_size=4),
    st.permutations(["a", "b", "c", "d"]),
    st.booleans(),
)
def test_parameters_pass_exactly_if_each_is_of_its_type(function, values, order, by_name):
    hints = {"a": int, "b": str, "c": bool, **({"d": Annotated[int, Field(gt=0)]} if function is scale else {})}
    values = dict(zip("abcd", values, strict=True))
    expected = {name: HintedType(hint, name) for name, hint in hints.items()}
    named = {name: values[name] for name in order if name in hints}
    params = named if by_name else [values[name] for name in hints]
    plan = plan_of(function)

    if all(expected[name].accepts(values[name]) for name in hints):
        args, kwargs = plan.bind(params)
        bound = {**dict(zip(hints, args, strict=False)), **kwargs}
        wanted = {name: expected[name].checked(values[name]) for name in hints}
        assert bound == wanted
        assert [type(bound[name]) for name in hints] == [type(wanted[name]) for name in hints]
    else:
        with pytest.raises(JsonRpcInvalidParamsError):
            plan.bind(params)


def test_parameter_of_another_name_is_refused_though_the_types_fit():
    with pytest.raises(JsonRpcInvalidParamsError, match="unexpected 'x'"):
        plan_of(label).bind({"a": 1, "b": "", "x": True})


def test_checked_parameters_are_bound_without_another_check():
    plan = plan_of(label)
    checked = plan.checked({"c": True, "a": 2.0, "b": "x"})

    assert plan.bind(checked) == ((2, "x", True), {})
    assert plan.bind(plan.checked([2.0, "x", True])) == ([2, "x", True], {})


@functools.cache
def plan_of(function):
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(function, path="/api")
    return server._backend_context.router.table.find("/api/", function.__name__).plan
