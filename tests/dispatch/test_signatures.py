"""Binding parameters to a signature."""

import functools
import inspect

import pytest

from flaskJSONRPCServer.dispatch.callables import plan_of
from flaskJSONRPCServer.errors import RegistrationError
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInvalidParamsError

MAGIC = object()


def plain(a, b=2):
    return a, b


def none():
    return ()


def star(a, *args):
    return a, args


def named(a, **kwargs):
    return a, kwargs


def keyword(a, *, b, c=3):
    return a, b, c


def positional(a, b=2, /):
    return a, b


def positional_and_named(a=1, /, **kwargs):
    return a, kwargs


def magic_first(ctx, a, b=2):
    return ctx, a, b


def magic_middle(a, ctx, b=2):
    return a, ctx, b


def magic_last(a, b=2, ctx=None):
    return a, b, ctx


def magic_keyword(*args, ctx):
    return args, ctx


def magic_star(a, ctx, *args):
    return a, ctx, args


def magic_named(ctx, **kwargs):
    return ctx, kwargs


def magic_after_positional(a, /, ctx, b=2):
    return a, ctx, b


def catches_magic(**ctx):
    return ctx


def single(a):
    return a


def two(a, b):
    return a, b


def other_names(**values):
    return values


other_names.__signature__ = inspect.signature(two)


class Callable:
    def __call__(self, a, b=2):
        return a, b

    def method(self, a, b=2):
        return a, b


def bind(function, params):
    """Bind, and call as the invoker does."""
    args, kwargs = plan_of(function, "ctx").bind(params, MAGIC)
    return function(*args, **kwargs)


@pytest.mark.parametrize(
    ("function", "params", "bound"),
    [
        (plain, [1], (1, 2)),
        (plain, [1, 5], (1, 5)),
        (plain, {"a": 1}, (1, 2)),
        (plain, {"b": 5, "a": 1}, (1, 5)),
        (single, {"a": 1}, 1),
        (two, {"b": 5, "a": 1}, (1, 5)),
        (other_names, {"b": 5, "a": 1}, {"a": 1, "b": 5}),
        (none, None, ()),
        (none, [], ()),
        (none, {}, ()),
        (star, [1], (1, ())),
        (star, [1, 2, 3], (1, (2, 3))),
        (star, {"a": 1}, (1, ())),
        (named, [1], (1, {})),
        (named, {"a": 1, "z": 2}, (1, {"z": 2})),
        (keyword, {"a": 1, "b": 2}, (1, 2, 3)),
        (positional, [1], (1, 2)),
        (positional, [1, 5], (1, 5)),
        (positional_and_named, {"a": 5}, (1, {"a": 5})),
        (positional_and_named, [5], (5, {})),
        (magic_first, [1], (MAGIC, 1, 2)),
        (magic_first, [1, 5], (MAGIC, 1, 5)),
        (magic_first, {"a": 1}, (MAGIC, 1, 2)),
        (magic_middle, [1], (1, MAGIC, 2)),
        (magic_middle, [1, 5], (1, MAGIC, 5)),
        (magic_middle, {"a": 1, "b": 5}, (1, MAGIC, 5)),
        (magic_last, [1], (1, 2, MAGIC)),
        (magic_last, [1, 5], (1, 5, MAGIC)),
        (magic_keyword, [], ((), MAGIC)),
        (magic_keyword, [1, 2], ((1, 2), MAGIC)),
        (magic_keyword, None, ((), MAGIC)),
        (magic_star, [1], (1, MAGIC, ())),
        (magic_star, [1, 2, 3], (1, MAGIC, (2, 3))),
        (magic_named, {"a": 1}, (MAGIC, {"a": 1})),
        (magic_after_positional, [1], (1, MAGIC, 2)),
        (magic_after_positional, [1, 5], (1, MAGIC, 5)),
        (catches_magic, {"a": 1}, {"a": 1}),
        (Callable(), [1], (1, 2)),
        (Callable().method, {"a": 1}, (1, 2)),
        (functools.partial(plain, 1), [5], (1, 5)),
        (functools.partial(plain, b=7), [5], (5, 7)),
        (functools.partial(plain, b=7), {"a": 5, "b": 8}, (5, 8)),
        (max, [1, 3, 2], 3),
    ],
)
def test_bound(function, params, bound):
    assert bind(function, params) == bound


@pytest.mark.parametrize(
    ("function", "params", "reason"),
    [
        (plain, None, "missing 'a'"),
        (single, {"b": 1}, "unexpected 'b'"),
        (two, {"a": 1, "c": 2}, "unexpected 'c'"),
        (plain, [], "missing 'a'"),
        (plain, {}, "missing 'a'"),
        (plain, {"b": 1}, "missing 'a'"),
        (plain, [1, 2, 3], "3 given, at most 2 taken"),
        (plain, {"a": 1, "z": 2}, "unexpected 'z'"),
        (plain, {"z": 1, "y": 2}, "unexpected 'z', 'y'"),
        (none, [1], "1 given, at most 0 taken"),
        (star, [], "missing 'a'"),
        (star, {"a": 1, "args": [2]}, "unexpected 'args'"),
        (named, {"z": 1}, "missing 'a'"),
        (named, [1, 2], "2 given, at most 1 taken"),
        (keyword, [1], "'b' only by name"),
        (keyword, {"b": 1}, "missing 'a'"),
        (keyword, {"a": 1}, "missing 'b'"),
        (positional, {"a": 1}, "'a' only by position"),
        (positional, {}, "'a' only by position"),
        (positional, [], "missing 'a'"),
        (magic_first, [], "missing 'a'"),
        (magic_first, {"ctx": 1, "a": 1}, "unexpected 'ctx'"),
        (magic_first, [1, 2, 3], "3 given, at most 2 taken"),
        (magic_named, {"ctx": 1}, "unexpected 'ctx'"),
        (magic_named, {"ctx": 1, "z": 1}, "unexpected 'ctx'"),
        (magic_after_positional, {"a": 1}, "'a' only by position"),
        (catches_magic, {"ctx": 1}, "unexpected 'ctx'"),
        (Callable(), [], "missing 'a'"),
        (Callable().method, {"self": 1, "a": 1}, "unexpected 'self'"),
        (functools.partial(plain, 1), [1, 2], "2 given, at most 1 taken"),
    ],
)
def test_misfit(function, params, reason):
    with pytest.raises(JsonRpcInvalidParamsError) as raised:
        bind(function, params)

    assert raised.value.message == f"Invalid params: {reason}"
    assert raised.value.code == -32602


@pytest.mark.parametrize(
    ("function", "takes"),
    [
        (plain, False),
        (magic_first, True),
        (magic_last, True),
        (magic_keyword, True),
        (catches_magic, False),
        (max, False),
    ],
)
def test_takes_magic(function, takes):
    assert plan_of(function, "ctx").takes_magic is takes


@pytest.mark.parametrize(
    ("function", "name", "takes"),
    [(plain, "a", True), (plain, "z", False), (named, "z", True), (positional, "a", False), (star, "args", False)],
)
def test_takes_name(function, name, takes):
    assert plan_of(function, "ctx").takes(name) is takes


def test_parameters_are_not_changed():
    values, names = [1], {"a": 1}
    bind(magic_middle, values)
    bind(magic_middle, names)

    assert (values, names) == ([1], {"a": 1})


def test_magic_parameter_that_is_positional_only_is_refused():
    def function(ctx, /):
        return ctx

    with pytest.raises(RegistrationError, match="'ctx' is passed by name: it cannot be a positional-only parameter"):
        plan_of(function, "ctx")


def test_parameters_that_no_call_can_pass_together_are_refused():
    def function(a, /, b, *, c):
        return a, b, c

    with pytest.raises(RegistrationError, match="'a' is taken by position only, and 'c' by name only"):
        plan_of(function, "ctx")
    assert plan_of(lambda a, /, *, ctx: a, "ctx").takes_magic
