"""The file and the name that a function has in its source."""

import functools
from pathlib import Path

import pytest

from flaskJSONRPCServer.runtime.function_sources import owner_of, source_of, without_partials

HERE = Path(__file__).resolve()


def plain():
    pass


def decorator(function):
    @functools.wraps(function)
    def wrapper():
        return function()

    return wrapper


@decorator
def decorated():
    pass


named = lambda: None  # noqa: E731
other_name_of_plain = plain
part = functools.partial(plain)


class Thing:
    def method(self):
        pass

    @classmethod
    def of_class(cls):
        pass

    @staticmethod
    def static():
        pass


thing = Thing()


def make():
    return lambda: None


@pytest.mark.parametrize(
    ("function", "name", "owner"),
    [
        (plain, "plain", None),
        (decorated, "decorated", None),
        (named, "named", None),
        (part, "part", None),
        (make(), None, None),
        (Thing.static, None, None),
        (Thing.of_class, None, None),
        (thing.method, "thing", thing),
    ],
)
def test_source_of_a_function_in_this_file(function, name, owner):
    source = source_of(function)

    assert (source.file, source.name, source.owner) == (HERE, name, owner)


def test_instance_without_a_global_name_goes_by_its_class():
    assert source_of(Thing().method).name == "Thing"


def test_instance_of_a_local_class_has_no_name():
    class Local:
        def method(self):
            pass

    assert source_of(Local().method).name is None


@pytest.mark.parametrize("function", [len, [].append, eval("lambda: None")], ids=["builtin", "method", "no file"])
def test_function_without_a_file_has_no_source(function):
    assert source_of(function) is None


def test_owner_is_the_object_of_a_bound_method():
    assert owner_of(thing.method) is thing
    assert [owner_of(function) for function in (plain, len, Thing.of_class)] == [None] * 3


def test_function_below_nested_partials():
    assert without_partials(functools.partial(part, 1)) is plain
