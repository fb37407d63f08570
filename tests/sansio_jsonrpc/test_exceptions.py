import copy
import gc
import pickle
import weakref

import pytest

from flaskJSONRPCServer.sansio_jsonrpc import (
    ABSENT,
    JsonRpcApplicationError,
    JsonRpcError,
    JsonRpcException,
    JsonRpcFramingError,
    JsonRpcInternalError,
    JsonRpcInvalidParamsError,
    JsonRpcInvalidRequestError,
    JsonRpcMethodNotFoundError,
    JsonRpcParseError,
    JsonRpcReservedError,
    JsonRpcSerializationError,
    exceptions,
)


class PinError(JsonRpcApplicationError):
    ERROR_CODE = 4810
    ERROR_MESSAGE = "Wrong PIN"

    def __init__(self, pin):
        super().__init__(data={"length": len(pin)})
        self.pin = pin


class ThrottledError(JsonRpcReservedError):
    ERROR_CODE = -32042
    ERROR_MESSAGE = "Slow down"


@pytest.fixture(autouse=True)
def classes_of_no_other_test(monkeypatch):
    """Hide the classes that other tests of the process defined, and forget those of this one."""
    own = {code: cls for code, cls in exceptions._classes.items() if cls.__module__ in (__name__, exceptions.__name__)}
    monkeypatch.setattr(exceptions, "_classes", own)


@pytest.mark.parametrize(
    ("exc", "error"),
    [
        (JsonRpcParseError(), JsonRpcError(-32700, "Parse error")),
        (JsonRpcFramingError(), JsonRpcError(-32700, "Parse error")),
        (JsonRpcInvalidRequestError(), JsonRpcError(-32600, "Invalid Request")),
        (JsonRpcMethodNotFoundError(), JsonRpcError(-32601, "Method not found")),
        (JsonRpcInvalidParamsError(), JsonRpcError(-32602, "Invalid params")),
        (JsonRpcInternalError(), JsonRpcError(-32603, "Internal error")),
        (
            JsonRpcSerializationError(),
            JsonRpcError(-32603, "Internal error: the value cannot be written as JSON"),
        ),
        (JsonRpcReservedError(), JsonRpcError(-32000, "Server error")),
        (JsonRpcReservedError("Busy", code=-32099), JsonRpcError(-32099, "Busy")),
        (JsonRpcApplicationError("Closed"), JsonRpcError(-1, "Closed")),
        (JsonRpcApplicationError("Closed", code=0, data=[]), JsonRpcError(0, "Closed", [])),
        (JsonRpcInvalidParamsError("No such colour", data="pink"), JsonRpcError(-32602, "No such colour", "pink")),
        (PinError("12"), JsonRpcError(4810, "Wrong PIN", {"length": 2})),
        (ThrottledError(), JsonRpcError(-32042, "Slow down")),
        (ThrottledError(code=-32043), JsonRpcError(-32043, "Slow down")),
    ],
)
def test_exception_gives_its_error(exc, error):
    assert exc.get_error() == error
    assert (exc.code, exc.message, str(exc)) == (error.code, error.message, error.message)
    assert exc.data == (None if error.data is ABSENT else error.data)


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (-32700, JsonRpcParseError),
        (-32600, JsonRpcInvalidRequestError),
        (-32601, JsonRpcMethodNotFoundError),
        (-32602, JsonRpcInvalidParamsError),
        (-32603, JsonRpcInternalError),
        (-32768, JsonRpcReservedError),
        (-32000, JsonRpcReservedError),
        (-32042, ThrottledError),
        (-32769, JsonRpcApplicationError),
        (-31999, JsonRpcApplicationError),
        (10**30, JsonRpcApplicationError),
        (4810, PinError),
    ],
)
@pytest.mark.parametrize("data", [ABSENT, None, [1]])
def test_error_gives_its_exception(code, cls, data):
    error = JsonRpcError(code, "text of the other side", data)
    exc = JsonRpcException.exc_from_error(error)
    assert type(exc) is cls
    assert exc.get_error() == error
    assert exc.request_id is None


def test_later_class_replaces_an_earlier_one_which_can_be_collected():
    def define():
        class ReloadedError(JsonRpcApplicationError):
            ERROR_CODE = 4712

        return ReloadedError

    earlier = weakref.ref(define())
    later = define()
    gc.collect()
    assert type(JsonRpcException.exc_from_error(JsonRpcError(4712, "no"))) is later
    assert earlier() is None


def test_class_for_a_single_other_side_is_made_for_no_error_of_others():
    class OfOneServerError(JsonRpcApplicationError, registered=False):
        ERROR_CODE = 4713
        ERROR_MESSAGE = "Only there"

    assert type(JsonRpcException.exc_from_error(JsonRpcError(4713, "no"))) is JsonRpcApplicationError
    assert OfOneServerError().get_error() == JsonRpcError(4713, "Only there")


def test_class_that_is_not_registered_needs_a_permitted_code_too():
    with pytest.raises(ValueError, match="-32000 is not allowed here"):

        class OfOneServerError(JsonRpcApplicationError, registered=False):
            ERROR_CODE = -32000


def test_intermediate_class_needs_no_code():
    class ShopError(JsonRpcApplicationError):
        ERROR_CODE = None

    class EmptyError(ShopError):
        ERROR_CODE = 4713

    class EmptierError(EmptyError):
        pass

    assert ShopError("x").code == -1
    assert EmptierError("x").code == 4713
    assert type(JsonRpcException.exc_from_error(JsonRpcError(4713, "no"))) is EmptyError


@pytest.mark.parametrize(
    ("base", "code", "refusal", "message"),
    [
        (JsonRpcApplicationError, -32000, ValueError, "the code -32000 is not allowed here; choose one outside -32768"),
        (JsonRpcApplicationError, -32768, ValueError, "the code -32768 is not allowed here"),
        (JsonRpcApplicationError, -32601, ValueError, "the code -32601 is not allowed here"),
        (JsonRpcReservedError, -31999, ValueError, "the code -31999 is not allowed here; choose one from -32768"),
        (JsonRpcReservedError, 1, ValueError, "the code 1 is not allowed here"),
        (JsonRpcReservedError, -32700, ValueError, "the code -32700 is not allowed here"),
        (JsonRpcApplicationError, True, TypeError, "the code True is not an integer; choose one outside"),
        (JsonRpcApplicationError, "1", TypeError, "the code '1' is not an integer"),
        (JsonRpcReservedError, 1.0, TypeError, "the code 1.0 is not an integer"),
    ],
)
def test_code_out_of_range_is_refused(base, code, refusal, message):
    with pytest.raises(refusal, match=message):
        type("WrongError", (base,), {"ERROR_CODE": code})
    with pytest.raises(refusal, match=message):
        base("text", code=code)


@pytest.mark.parametrize("make", [JsonRpcApplicationError, lambda: JsonRpcParseError(5)])
def test_message_is_needed(make):
    with pytest.raises(TypeError, match="is not a message; pass a str, or give the class an ERROR_MESSAGE"):
        make()


def test_base_exception_cannot_be_raised():
    with pytest.raises(TypeError, match="JsonRpcException has no ERROR_CODE; raise one of its subclasses"):
        JsonRpcException("text")


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize(
    "exc",
    [
        JsonRpcInvalidRequestError("no", data=[1], request_id="a"),
        JsonRpcReservedError(code=-32099),
        PinError("123"),
        exceptions.JsonRpcLongIntegerError("Parse error: long", [1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exceptions_can_be_pickled_and_copied(again, exc):
    other = again(exc)
    assert type(other) is type(exc)
    assert other.get_error() == exc.get_error()
    assert other.__dict__ == exc.__dict__
    assert str(other) == str(exc)


class WithoutSuper(JsonRpcApplicationError):
    ERROR_CODE = 4711

    def __init__(self, item, amount=1):
        self.item = item


def test_subclass_that_does_not_call_our_init_has_the_code_and_the_name_of_its_class():
    error = WithoutSuper("tea", amount=2).get_error()

    assert (error.code, error.message, error.data) == (4711, "WithoutSuper", ABSENT)
    assert pickle.loads(pickle.dumps(WithoutSuper("tea"))).get_error() == error
