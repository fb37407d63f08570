"""The callables below a callable."""

import functools
from types import MethodType

import pytest

from flaskJSONRPCServer.contract.layers import choices_of, layers_of


def function(*args):
    return args


def decorated(inner):
    @functools.wraps(inner)
    def wrapper(*args):
        return inner(*args)

    return wrapper


class Decorator:
    """A decorator that is an object, and binds itself by a partial."""

    def __init__(self, inner):
        functools.update_wrapper(self, inner)

    def __call__(self, *args):
        return args

    def __get__(self, owner, cls=None):
        return self if owner is None else functools.partial(self, owner)


class Methods:
    def __call__(self):
        pass

    def method(self):
        pass

    @classmethod
    def of_class(cls):
        pass

    @staticmethod
    def static():
        pass

    wrapped = decorated(method)


class StaticCall:
    __call__ = staticmethod(function)


class DecoratedCall:
    __call__ = Decorator(function)


class Failing:
    def __getattr__(self, name):
        raise LookupError


class Endless:
    def __getattr__(self, name):
        return Endless()


METHODS = Methods()
PARTIAL = functools.partial(function, 1)
CACHED = functools.cache(function)
WRAPPER = decorated(function)
OBJECT = Decorator(function)
STATIC_CALL = StaticCall()

LAYERS = {
    "function": (function, []),
    "built-in function": (len, []),
    "class": (Methods, []),
    "method": (METHODS.method, [Methods.method]),
    "class method": (METHODS.of_class, [Methods.of_class.__func__]),
    "static method": (METHODS.static, []),
    "partial": (PARTIAL, [function]),
    "partial of a partial": (functools.partial(PARTIAL), [function]),  # Python makes one of them
    "partial of a class": (functools.partial(Methods), [Methods]),
    "object": (METHODS, [METHODS.__call__, Methods.__call__]),
    "object with a static call": (STATIC_CALL, [function]),
}
DECORATED = {
    "decorated function": (WRAPPER, [function]),
    "decorated method": (METHODS.wrapped, [Methods.wrapped, Methods.method]),
    "cached function": (CACHED, [function]),
    "decorator that is an object": (OBJECT, [function]),
    "decorated partial": (decorated(PARTIAL), [PARTIAL, function]),
    "partial of a decorated function": (functools.partial(WRAPPER), [WRAPPER, function]),
}
UNDECORATED = {
    "decorated function": (WRAPPER, []),
    "decorated method": (METHODS.wrapped, [Methods.wrapped]),
    "cached function": (CACHED, []),
    "decorator that is an object": (OBJECT, [MethodType(Decorator.__call__, OBJECT), Decorator.__call__]),
    "object with a decorated call": (DecoratedCall(), []),
}


@pytest.mark.parametrize(("outermost", "below"), [*LAYERS.values(), *DECORATED.values()], ids=[*LAYERS, *DECORATED])
def test_each_kind_of_callable_has_its_layers(outermost, below):
    assert list(layers_of(outermost)) == [outermost, *below]


@pytest.mark.parametrize(("outermost", "below"), [*LAYERS.values(), *UNDECORATED.values()], ids=[*LAYERS, *UNDECORATED])
def test_decorated_functions_may_be_left_out(outermost, below):
    assert list(layers_of(outermost, follow_wrapped=False)) == [outermost, *below]


def test_decorated_call_of_an_object_is_below_it():
    *_, decorator, innermost = layers_of(DecoratedCall())

    assert isinstance(decorator, Decorator)
    assert innermost is function


def test_cycle_ends_after_each_layer_once():
    def first():
        pass

    second = decorated(first)
    first.__wrapped__ = second

    assert list(layers_of(second)) == [second, first]


def test_endless_chain_ends():
    layers = list(layers_of(Endless()))

    assert len({id(layer) for layer in layers}) == len(layers) > 1


def test_attribute_that_cannot_be_read_is_none():
    failing = Failing()

    assert list(layers_of(failing)) == [failing]


def test_choices_are_those_of_a_function_that_dispatches_by_type():
    def for_int(value):
        return value

    dispatching = functools.singledispatch(function)
    dispatching.register(int, for_int)

    assert list(choices_of(dispatching)) == [function, for_int]
    assert list(choices_of(function)) == []
