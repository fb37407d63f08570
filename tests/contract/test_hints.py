"""Hints are resolved where the function was defined, or refused at registration."""

import functools
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

import pytest
from pydantic import BaseModel, Field

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer
from tests.helpers import call_wsgi, post, rpc

if TYPE_CHECKING:
    from nowhere import Missing

T = TypeVar("T")


class Later(BaseModel):
    value: int


def served(function, **options):
    """Return a function that calls the registered function and returns the answer."""
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(function, path="/api", name="call", **options)
    application = server.getWSGI()
    return lambda params: call_wsgi(application, post(rpc("call", params))).json()


def is_refused(answer):
    return answer.get("error", {}).get("code") == -32602


def text_hint(value: "int"):
    return value


def nested_text_hint(value: "list[Later]"):
    return [item.value for item in value]


def annotated_hint(value: Annotated["int", Field(ge=1)]):
    return value


def hint_of_closure():
    class Local(BaseModel):
        x: int

    def function(value: "Local"):
        return Local is type(value)

    return function


def with_default(value: int = 5):
    return value


def with_keyword(*, value: int):
    return value


def positional(value: int, /):
    return value


class Adder:
    def __call__(self, value: int):
        return value

    def method(self, value: int):
        return value

    @classmethod
    def of_class(cls, value: int):
        return value

    @staticmethod
    def of_none(value: int):
        return value


def passed_on(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def with_user(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function("ada", *args, **kwargs)

    return inner


@with_user
def greeted(user: str, count: int):
    return [user, count]


class Constructed:
    def __init__(self, value: "int"):
        self.value = value


@functools.wraps(Constructed)
def constructing(*args, **kwargs):
    return Constructed(*args, **kwargs).value


CALLABLES = {
    "text": text_hint,
    "Annotated with text": annotated_hint,
    "partial": functools.partial(lambda other, value: value, 1),
    "object": Adder(),
    "method": Adder().method,
    "class method": Adder.of_class,
    "static method": Adder.of_none,
    "decorated": passed_on(text_hint),
    "decorated twice": passed_on(passed_on(text_hint)),
    "cached": functools.lru_cache(text_hint),
    "decorated class": constructing,
    "default": with_default,
}
CALLABLES["partial"].func.__annotations__ = {"value": int}


@pytest.mark.parametrize("name", CALLABLES)
def test_hints_of_each_kind_of_callable_are_checked(name):
    call = served(CALLABLES[name])

    assert call([3])["result"] == call({"value": 3})["result"] == 3
    assert is_refused(call(["3"]))
    assert is_refused(call({"value": "3"}))


def test_parameter_that_is_passed_in_one_way_only_is_checked():
    assert served(with_keyword)({"value": 3})["result"] == 3
    assert is_refused(served(with_keyword)({"value": "3"}))
    assert served(positional)([3])["result"] == 3
    assert is_refused(served(positional)(["3"]))


def test_names_of_the_scope_are_found():
    assert served(nested_text_hint)([[{"value": 1}]])["result"] == [1]
    assert served(hint_of_closure())([{"x": 1}])["result"] is True


def test_default_is_not_checked():
    def function(value: int = None):  # noqa: RUF013
        return value

    call = served(function)
    assert call([])["result"] is None
    assert is_refused(call([None]))


def test_variadic_values_are_checked_each():
    def function(first: int, *rest: int, **others: float):
        return [first, rest, others]

    call = served(function)
    assert call([1, 2.0, 3])["result"] == [1, [2, 3], {}]
    assert call({"first": 1, "x": 2})["result"] == [1, [], {"x": 2.0}]
    errors = call([1, "2", 3, "4"])["error"]["data"]["errors"]
    assert [error["path"] for error in errors] == [["rest", 0], ["rest", 2]]
    assert call({"first": 1, "x": "2"})["error"]["data"]["errors"][0]["path"] == ["x"]


def test_parameters_without_hints_are_passed_as_they_are():
    def function(value, count: int = 0):
        return [value, count]

    assert served(function)([{"a": True}, 2])["result"] == [{"a": True}, 2]


def test_magic_parameter_is_not_checked():
    def function(value: int, _connection: sqlite3.Connection = None):  # noqa: RUF013
        return [value, _connection.path]

    call = served(function)
    assert call([1])["result"] == call({"value": 1})["result"] == [1, "/api/"]
    assert is_refused(call(["1"]))


def test_decorator_that_adds_a_parameter_leaves_positional_ones_unchecked():
    call = served(greeted)

    assert call([3])["result"] == ["ada", 3]
    assert call({"count": 3})["result"] == ["ada", 3]
    assert is_refused(call({"count": "3"}))
    assert call(["3"])["result"] == ["ada", "3"]


def test_generic_function_takes_any_value():
    def function(value: T) -> T:
        return value

    assert served(function)([{"a": 1}])["result"] == {"a": 1}


def missing(value: "Missing"):
    return value


def broken(value: "int[") -> int:  # noqa: F722
    return value


def unusable(value: sqlite3.Connection):
    return value


def unusable_inside(value: list[sqlite3.Connection]):
    return value


@pytest.mark.parametrize("function", [missing, broken, unusable, unusable_inside])
def test_hint_that_cannot_be_used_is_refused_with_the_parameter_and_the_remedy(function):
    server = flaskJSONRPCServer(None, log=False)

    with pytest.raises(
        RegistrationError, match=rf"parameter 'value' of <function {function.__name__} .*validate=False"
    ):
        server.registerFunction(function, path="/api")
    assert served(function, validate=False)(["x"])["result"] == "x"


def test_unusable_hint_of_a_result_is_refused_only_if_results_are_checked():
    def function() -> sqlite3.Connection:
        return 3

    assert served(function)([])["result"] == 3
    with pytest.raises(RegistrationError, match="the result of"):
        served(function, validateResult=True)


def test_server_may_turn_the_checks_off():
    server = flaskJSONRPCServer(None, log=False, validate=False)
    server.registerFunction(text_hint, path="/off", name="call")
    server.registerFunction(text_hint, path="/on", name="call", validate=True)
    application = server.getWSGI()

    assert call_wsgi(application, post(rpc("call", ["3"]), "/off")).json()["result"] == "3"
    assert is_refused(call_wsgi(application, post(rpc("call", ["3"]), "/on")).json())


class Box(BaseModel, Generic[T]):
    content: T


def test_parametrised_model_is_checked_inside():
    def function(value: Box[int]):
        return value.content

    call = served(function)
    assert call([{"content": 3.0}])["result"] == 3
    assert is_refused(call([{"content": "3"}]))


@pytest.mark.parametrize("hint", [Callable[[int], int], type[int], Callable | type[int]])
def test_hint_that_no_json_value_is_of_is_refused(hint):
    def function(value):
        return value

    function.__annotations__ = {"value": hint}
    with pytest.raises(RegistrationError, match="no JSON value is a function or a class"):
        served(function)


def test_hint_that_some_json_values_are_of_is_taken():
    def function(value: type[int] | None, other: Callable | str = ""):
        return [value, other]

    call = served(function)
    assert call([None, "a"])["result"] == [None, "a"]
    assert is_refused(call(["int"]))
