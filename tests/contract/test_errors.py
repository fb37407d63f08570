"""The errors that functions declare."""

import functools
import json

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, RegistrationError, flaskJSONRPCServer, raises
from flaskJSONRPCServer.contract.errors import DeclaredError, declared_errors
from tests.helpers import call


class MissingError(JsonRpcApplicationError):
    """There is no such item.

    This paragraph is for its author.
    """

    ERROR_CODE = 40_401
    ERROR_MESSAGE = "Missing"


class QuotaError(JsonRpcApplicationError):
    ERROR_CODE = 40_402
    ERROR_MESSAGE = "Over quota"


class SilentError(JsonRpcApplicationError):
    ERROR_CODE = 40_403


class InnerQuotaError(QuotaError):
    ERROR_CODE = 40_404


class CodelessError(JsonRpcApplicationError):
    ERROR_MESSAGE = "No code"


class Errors:
    Missing = MissingError


class Answering:
    def __getattr__(self, name):
        raise AssertionError("the attributes of an object are not read")


answering = Answering()

MISSING = DeclaredError(40_401, "Missing", "There is no such item.")
QUOTA = DeclaredError(40_402, "Over quota")


@raises(MissingError, QuotaError)
def declared():
    raise MissingError


def test_declared_errors_are_those_of_the_decorator_in_order():
    assert declared_errors(declared) == (MISSING, QUOTA)


def test_function_without_declarations_has_none():
    assert declared_errors(lambda: 1) == ()
    assert declared_errors(len) == ()


def test_decorator_returns_the_function_and_does_not_change_its_call():
    def function(a):
        return a

    assert raises(MissingError)(function) is function

    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(declared, path="/api")
    assert call(server.getWSGI(), "declared")["error"] == {"code": 40_401, "message": "Missing"}


def test_decorators_add_up_and_name_each_error_once():
    @raises(QuotaError)
    @raises(MissingError, QuotaError)
    def function():
        pass

    assert declared_errors(function) == (QUOTA, MISSING)


def test_message_without_an_error_message_is_the_name_of_the_class():
    assert declared_errors(raises(SilentError)(lambda: 1)) == (DeclaredError(40_403, "SilentError"),)


def test_description_of_a_base_class_does_not_describe_the_subclass():
    class DocumentedError(JsonRpcApplicationError):
        """Documented."""

        ERROR_CODE = 40_405

    class OtherError(DocumentedError):
        ERROR_CODE = 40_406

    assert [error.description for error in declared_errors(raises(DocumentedError, OtherError)(lambda: 1))] == [
        "Documented.",
        "",
    ]


class Methods:
    @raises(MissingError)
    def plain(self):
        pass

    @raises(MissingError)
    @staticmethod
    def static():
        pass

    @staticmethod
    @raises(MissingError)
    def static_inside():
        pass

    @raises(MissingError)
    @classmethod
    def of_class(cls):
        pass

    @raises(MissingError)
    def __call__(self):
        pass


def wrapped(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    "function",
    [
        Methods().plain,
        Methods.static,
        Methods.static_inside,
        Methods.of_class,
        Methods(),
        functools.partial(raises(MissingError)(lambda a: a), 1),
        raises(MissingError)(functools.partial(lambda a: a, 1)),
        wrapped(raises(MissingError)(lambda: 1)),
        raises(MissingError)(wrapped(lambda: 1)),
        functools.lru_cache(raises(MissingError)(lambda: 1)),
    ],
)
def test_errors_of_every_kind_of_callable_are_found(function):
    assert declared_errors(function) == (MISSING,)


def test_wrapped_that_leads_back_ends():
    def function():
        pass

    function.__wrapped__ = function

    assert declared_errors(raises(QuotaError)(function)) == (QUOTA,)


@pytest.mark.parametrize(
    "wrong", [ValueError, JsonRpcApplicationError, CodelessError, "MissingError", MissingError(), int, None]
)
def test_anything_but_an_application_error_with_a_code_is_refused(wrong):
    with pytest.raises(RegistrationError, match="mapException"):
        raises(QuotaError, wrong)


def test_object_that_takes_no_attributes_is_refused():
    with pytest.raises(RegistrationError, match=r"len.* cannot declare errors; wrap it"):
        raises(QuotaError)(len)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["MissingError"], (MISSING,)),
        (["QuotaError", "MissingError", "Errors.Missing"], (QUOTA, MISSING)),
        ([":exc:`MissingError`"], (MISSING,)),
        (["MissingError, QuotaError"], (MISSING, QUOTA)),
        (["Errors.Missing"], (MISSING,)),
        (["errors_module.QuotaError"], ()),
        (["UnknownError", "ValueError", "JsonRpcApplicationError", "CodelessError", "answering.MissingError"], ()),
        (["Errors.Missing.more", "", "..", "1"], ()),
    ],
)
def test_names_of_the_docstring_are_resolved_and_unknown_ones_ignored(names, expected):
    assert declared_errors(lambda: 1, dict.fromkeys(names, "")) == expected


def test_description_of_the_docstring_takes_precedence_over_that_of_the_class():
    documented = {"MissingError": "It was sold.", "QuotaError": ""}

    assert declared_errors(lambda: 1, documented) == (DeclaredError(40_401, "Missing", "It was sold."), QUOTA)


def test_names_are_resolved_in_the_closure_first():
    class MissingError(JsonRpcApplicationError):
        ERROR_CODE = 40_407

    def function():
        raise MissingError

    assert declared_errors(function, {"MissingError": ""}) == (DeclaredError(40_407, "MissingError"),)


def test_variable_of_the_closure_without_a_value_is_ignored():
    def function():
        raise LaterError

    assert declared_errors(function, {"LaterError": ""}) == ()

    class LaterError(JsonRpcApplicationError):
        ERROR_CODE = 40_408


def test_names_are_resolved_in_the_module_of_a_decorated_function():
    decorated = functools.wraps(declared)(eval("lambda: 1", {}))  # the decorator is of another module

    assert declared_errors(decorated, {"InnerQuotaError": ""}) == (MISSING, QUOTA, DeclaredError(40_404, "Over quota"))


def test_names_are_resolved_through_modules():
    function = eval("lambda: 1", {"own": __import__(__name__, fromlist=["x"]), "json": json})

    assert declared_errors(function, {"own.MissingError": "", "json.MissingError": ""}) == (MISSING,)


def test_names_of_a_method_are_resolved():
    assert declared_errors(Methods().plain, {"QuotaError": ""}) == (MISSING, QUOTA)
