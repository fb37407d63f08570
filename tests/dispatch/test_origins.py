"""Where registered functions come from."""

import functools
from pathlib import Path

import pytest

from flaskJSONRPCServer.dispatch.origins import origin_of, owner_of, without_partials

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
def test_origin_of_a_function_of_this_file(function, name, owner):
    origin = origin_of(function)

    assert (origin.file, origin.name, origin.owner) == (HERE, name, owner)


def test_instance_without_a_name_has_that_of_its_class():
    assert origin_of(Thing().method).name == "Thing"


def test_instance_of_a_local_class_has_no_name():
    class Local:
        def method(self):
            pass

    assert origin_of(Local().method).name is None


@pytest.mark.parametrize("function", [len, [].append, eval("lambda: None")], ids=["builtin", "method", "no file"])
def test_what_comes_from_no_file_has_no_origin(function):
    assert origin_of(function) is None


def test_owner():
    assert owner_of(thing.method) is thing
    assert [owner_of(each) for each in (plain, len, Thing.of_class)] == [None] * 3


def test_partials_are_taken_off():
    assert without_partials(functools.partial(part, 1)) is plain
