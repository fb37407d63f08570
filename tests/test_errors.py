"""The exceptions that the package raises for its users."""

import pytest

import flaskJSONRPCServer
from flaskJSONRPCServer import errors


@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("RegistrationError", ValueError),
        ("SettingsError", ValueError),
        ("ServerStateError", RuntimeError),
        ("UnsupportedError", NotImplementedError),
        ("MissingExtraError", ImportError),
        ("ContractError", ValueError),
        ("BindError", OSError),
    ],
)
def test_exception_is_caught_by_both_its_bases(name, also):
    exception = getattr(errors, name)

    assert issubclass(exception, errors.ServerError)
    assert issubclass(exception, also)
    assert getattr(flaskJSONRPCServer, name) is exception
    with pytest.raises(also):
        raise exception("text")


def test_bind_error_has_the_number_of_the_system():
    assert errors.BindError(98, "text").errno == 98


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("CORS", ["auth", "cors"], "unknown kind 'CORS'; did you mean 'cors'? Known: auth, cors"),
        ("treaded", ["simple", "threaded"], "unknown kind 'treaded'; did you mean 'threaded'? Known: simple, threaded"),
        ("zzz", ["b", "a"], "unknown kind 'zzz'; known: a, b"),
        (5, ["a"], "unknown kind 5; known: a"),
    ],
)
def test_unknown_name(name, known, message):
    assert errors.unknown_name("kind", name, known) == message
