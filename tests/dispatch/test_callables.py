"""The plans of callables of every kind: no parameters of a client make a call fail with a traceback."""

import functools
import inspect

import pytest

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.callables import plan_of
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInvalidParamsError
from tests.helpers import call, result_of


def served(function, name="function", **options):
    server = flaskJSONRPCServer(None, log=False, **options)
    server.registerFunction(function, path="/api", name=name)
    return server.getWSGI()


def message_of(application, params):
    error = call(application, "function", params)["error"]
    assert error["code"] == -32602
    return error["message"]


class Methods:
    def method(self, **others):
        return others

    @classmethod
    def of_class(cls, **others):
        return others

    @staticmethod
    def static(self, **others):  # noqa: PLW0211  that is what is tested
        return self, others

    def positional_only(self, /, **others):
        return others

    def __call__(self, **others):
        return others


def first(a, **others):
    return a, others


def wrapped(function):
    @functools.wraps(function)
    def pass_on(self, *args, **kwargs):
        return function(self, *args, **kwargs)

    return pass_on


class Decorated:
    @wrapped
    def method(self, **others):
        return others

    @functools.cache  # noqa: B019  there is one instance
    def cached(self, **others):
        return list(others)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (Methods().method, "self"),
        (Methods.of_class, "cls"),
        (Methods(), "self"),
        (functools.partial(first, 1), "a"),
        (functools.partial(functools.partial(Methods.method, Methods()), b=1), "self"),
        (Decorated().method, "self"),
        (Decorated().cached, "self"),
    ],
    ids=["method", "class method", "object", "partial", "partial of partial", "decorated method", "cached method"],
)
def test_name_that_is_bound_already_is_refused_before_the_call(function, name):
    application = served(function)

    assert message_of(application, {name: 2}) == f"Invalid params: unexpected {name!r}"
    assert "error" not in call(application, "function", {"other": 2})


@pytest.mark.parametrize(
    ("function", "params", "result"),
    [
        (Methods().positional_only, {"self": 1}, {"self": 1}),
        (Methods().static, {"self": 1}, [1, {}]),
        (functools.partial(first, a=1), {"a": 2}, [2, {}]),
    ],
)
def test_name_that_is_not_taken_is_passed_on(function, params, result):
    assert result_of(served(function), "function", params) == result


def greeting(user, word, mark="!"):
    return f"{word}, {user}{mark}"


def with_user(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function("ada", *args, **kwargs)

    return inner


def passing_on(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def without_token(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        kwargs.pop("token", None)
        return function(*args, **kwargs)

    return inner


def with_token(function):
    @functools.wraps(function)
    def inner(token, *args, **kwargs):
        return token, function(*args, **kwargs)

    return inner


class Decorator:
    def __init__(self, function):
        functools.update_wrapper(self, function)

    def __call__(self, *args, **kwargs):
        return self.__wrapped__(*args, **kwargs)


def word_only(function):
    @functools.wraps(function)
    def inner(word):
        return function("ada", word)

    return inner


@pytest.mark.parametrize(
    ("decorators", "params", "result"),
    [
        ([with_user], ["hello"], "hello, ada!"),
        ([with_user], {"word": "hello", "mark": "?"}, "hello, ada?"),
        ([passing_on, with_user], ["hello"], "hello, ada!"),
        ([with_user, passing_on], {"word": "hello"}, "hello, ada!"),
        ([passing_on], ["bob", "hello"], "hello, bob!"),
        ([without_token], {"token": 1, "user": "bob", "word": "hello"}, "hello, bob!"),
        ([with_token], [1, "bob", "hello"], [1, "hello, bob!"]),
        ([with_token], {"token": 1, "user": "bob", "word": "hello"}, [1, "hello, bob!"]),
        ([with_token, with_user], [1, "hello"], [1, "hello, ada!"]),
        ([Decorator], ["bob", "hello"], "hello, bob!"),
        ([Decorator, with_user], {"word": "hello"}, "hello, ada!"),
        ([word_only], ["hello"], "hello, ada!"),
        ([word_only], {"word": "hello"}, "hello, ada!"),
        ([functools.cache], {"user": "bob", "word": "hello"}, "hello, bob!"),
        ([functools.cache, with_user], ["hello"], "hello, ada!"),
        ([with_user, functools.cache], {"word": "hello"}, "hello, ada!"),
    ],
)
def test_decorated_function_is_called_through_its_decorator(decorators, params, result):
    function = functools.reduce(lambda decorated, decorator: decorator(decorated), reversed(decorators), greeting)

    assert result_of(served(function), "function", params) == result


@pytest.mark.parametrize(
    ("decorator", "params", "message"),
    [
        (passing_on, [], "missing 'user', 'word'"),
        (passing_on, [1, 2, 3, 4], "4 given, at most 3 taken"),
        (passing_on, {"user": 1, "word": 2, "other": 3}, "unexpected 'other'"),
        (with_user, [], "missing 'word'"),
        (with_user, {"user": 1, "word": 2}, "unexpected 'user'"),
        (Decorator, [1], "missing 'word'"),
        (with_token, [], "missing 'token'"),
        (with_token, [1], "missing 'user', 'word'"),
        (word_only, ["a", "b"], "2 given, at most 1 taken"),
        (word_only, {"user": "a", "word": "b"}, "unexpected 'user'"),
        (functools.cache, ["a"], "missing 'word'"),
    ],
)
def test_wrong_call_of_a_decorated_function_is_its_error(decorator, params, message):
    assert message_of(served(decorator(greeting)), params) == f"Invalid params: {message}"


def three(a, b, c):
    return a, b, c


def by_keyword(*, key):
    return key


def by_position(a, b, /):
    return a, b


@pytest.mark.parametrize(
    ("function", "params", "message"),
    [
        (three, [], "missing 'a', 'b', 'c'"),
        (three, {"a": 1, "b": 2, "c": 3, "aa": 4}, "unexpected 'aa'"),
        (by_keyword, {}, "missing 'key'"),
        (by_keyword, [1], "1 given, at most 0 taken"),
        (by_position, {"a": 1, "b": 2}, "'a', 'b' only by position"),
    ],
)
def test_wrong_call_behind_a_decorator_has_the_message_of_any_other(function, params, message):
    assert message_of(served(passing_on(function)), params) == f"Invalid params: {message}"


@functools.singledispatch
def doubled(value, **others):
    return [value, value]


@doubled.register
def _(value: str, separator=""):
    return f"{value}{separator}{value}"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ([], "Invalid params: at least 1 by position"),
        ({"value": 1}, "Invalid params: at least 1 by position"),
        ({"self": 1}, "Invalid params: at least 1 by position"),
        (["a", "b", "c"], "Invalid params: 3 given, at most 2 taken"),
    ],
)
def test_wrong_call_of_a_function_that_dispatches_by_type(params, message):
    application = served(doubled)

    assert message_of(application, params) == message
    assert result_of(application, "function", [1]) == [1, 1]
    assert result_of(application, "function", ["a", "-"]) == "a-a"


def test_wrong_call_of_a_decorated_function_leaves_no_traceback(caplog):
    server = flaskJSONRPCServer(None, log=4)
    server.registerFunction(passing_on(greeting), path="/api", name="function")

    message_of(server.getWSGI(), [])
    assert "Traceback" not in caplog.text


def fails_inside(user):
    return greeting()


def calls_itself(user=None):
    return calls_itself(1, 2)


def complains(user):
    raise TypeError("complains() got an unexpected keyword argument 'user'")


@pytest.mark.parametrize("function", [fails_inside, calls_itself, complains])
def test_type_error_from_inside_a_decorated_function_is_no_wrong_call(function):
    assert call(served(passing_on(function)), "function", ["a"])["error"]["code"] == -32603


def names_magic(user, word, _connection):
    return user, word, _connection.path


def magic_first(_connection, user, word):
    return user, word, _connection.path


@pytest.mark.parametrize(
    ("decorator", "function", "params"),
    [
        (passing_on, names_magic, ["ada", "hello"]),
        (passing_on, names_magic, {"user": "ada", "word": "hello"}),
        (passing_on, magic_first, ["ada", "hello"]),
        (with_user, names_magic, ["hello"]),
        (with_user, names_magic, {"word": "hello"}),
    ],
)
def test_magic_variable_reaches_a_decorated_function(decorator, function, params):
    assert result_of(served(decorator(function)), "function", params) == ["ada", "hello", "/api/"]


def test_magic_variable_reaches_a_decorator_that_names_it():
    @functools.wraps(greeting)
    def inner(word, _connection):
        return greeting(_connection.path, word)

    assert result_of(served(inner), "function", ["hello"]) == "hello, /api/!"


def test_client_cannot_pass_the_magic_variable_to_a_decorator():
    application = served(passing_on(names_magic))
    params = {"user": "ada", "word": "hello", "_connection": 1}

    assert message_of(application, params) == "Invalid params: unexpected '_connection'"


def test_signature_that_a_decorator_declares_counts():
    inner = with_user(greeting)
    inner.__signature__ = inspect.signature(lambda word: None)

    assert message_of(served(inner), []) == "Invalid params: missing 'word'"


def positional_magic(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)

    return inner


class WithoutSelf:
    def method():
        return 1


def leads_to_itself():
    return 1


leads_to_itself.__wrapped__ = leads_to_itself


@functools.cache
async def cached_coroutine():
    return 1


@functools.lru_cache
def cached_generator():
    yield 1


def has_no_signature():
    return 1


has_no_signature.__signature__ = 3  # not text, which some releases of 3.12 and 3.13 read


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (cached_coroutine, "caches coroutines, and each can be awaited only once; cache the results instead"),
        (cached_generator, "is a generator function"),
        (has_no_signature, "cannot be called: unexpected object 3"),
        (positional_magic(names_magic), r"needs '_connection', and its decorator cannot take it; add \*\*kwargs"),
        (WithoutSelf().method, "a method takes self or is a @staticmethod"),
        (functools.partial(greeting, 1, 2, 3, 4), "a partial binds what its function takes"),
        (leads_to_itself, "wrapper loop"),
    ],
)
def test_uncallable_function_is_refused_at_registration(function, why):
    with pytest.raises(RegistrationError, match=why):
        served(function)


def test_bound_name_is_refused_by_the_plan_itself():
    with pytest.raises(JsonRpcInvalidParamsError, match="unexpected 'self'"):
        plan_of(Methods().method, "_connection").bind({"self": 1})
