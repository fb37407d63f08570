"""The exceptions of this library, and the conversion between errors and exceptions.

JsonRpcException
 ├── JsonRpcParseError                     -32700
 │    ├── JsonRpcFramingError              -32700   the stream of bytes cannot be read any further
 │    └── JsonRpcLongIntegerError          -32700   a number with too many digits; `decode` converts it to messages
 ├── JsonRpcInvalidRequestError            -32600
 ├── JsonRpcMethodNotFoundError            -32601
 ├── JsonRpcInvalidParamsError             -32602
 ├── JsonRpcInternalError                  -32603
 │    └── JsonRpcSerializationError        -32603   a value cannot be written as JSON
 ├── JsonRpcReservedError                  all other codes from -32768 to -32000
 └── JsonRpcApplicationError               all other codes: errors of the application

Source: JSON-RPC 2.0, section 5.1.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from .messages import ABSENT, JsonRpcError, OptionalId

__all__ = [
    "JsonRpcApplicationError",
    "JsonRpcException",
    "JsonRpcFramingError",
    "JsonRpcInternalError",
    "JsonRpcInvalidParamsError",
    "JsonRpcInvalidRequestError",
    "JsonRpcLongIntegerError",
    "JsonRpcMethodNotFoundError",
    "JsonRpcParseError",
    "JsonRpcReservedError",
    "JsonRpcSerializationError",
]

_RESERVED_CODES: Final = range(-32768, -31999)
_PREDEFINED_CODES: Final = frozenset({-32700, -32600, -32601, -32602, -32603})

# Code to class. The class defined last for a code wins, so that a reloaded module replaces its own classes.
_classes: Final[dict[int, type[JsonRpcException]]] = {}


class JsonRpcException(Exception):
    """The base of all exceptions of this library. Catch it; raise one of its subclasses.

    Attributes:
        ERROR_CODE: The code of the class.
        ERROR_MESSAGE: The default of `message`.
        code: The code of this error.
        message: One sentence, which is sent to the other side.
        request_id: The id of the message that caused the error, if known, else None; `ABSENT` for a notification.
    """

    ERROR_CODE: ClassVar[int | None] = None
    ERROR_MESSAGE: ClassVar[str | None] = None

    code: int
    message: str
    request_id: OptionalId = None
    _data: Any

    # The code of a class without its own ERROR_CODE.
    _FALLBACK_CODE: ClassVar[int] = -32603

    def __new__(cls, *args: Any, **_: Any) -> JsonRpcException:
        """Set the code and message of the class: the `__init__` of a subclass need not call the base's."""
        exc = super().__new__(cls, *args)
        message = cls.__name__ if cls.ERROR_MESSAGE is None else cls.ERROR_MESSAGE
        exc._fill(cls._FALLBACK_CODE if cls.ERROR_CODE is None else cls.ERROR_CODE, message, ABSENT)
        return exc

    def __init__(self, message: str | None = None, *, data: Any = None, request_id: OptionalId = None) -> None:
        """Make the error of this class.

        Args:
            message: One sentence for the other side. None for the message of the class.
            data: Any JSON value with details. None for no such member.
            request_id: The id of the message that caused the error.

        Raises:
            TypeError: The class has no code, or there is no message. The text names what is missing.
        """
        if self.ERROR_CODE is None:
            raise TypeError(f"{type(self).__qualname__} has no ERROR_CODE; raise one of its subclasses")
        self.request_id = request_id
        self._fill(self.ERROR_CODE, self._message_or_default(message), ABSENT if data is None else data)

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (type(self), self.args, self.__dict__.copy())

    @property
    def data(self) -> Any:
        """The JSON value with details; None if there is none."""
        return None if self._data is ABSENT else self._data

    def get_error(self) -> JsonRpcError:
        """Return the error to send for this exception."""
        return JsonRpcError(self.code, self.message, self._data)

    @staticmethod
    def exc_from_error(error: JsonRpcError) -> JsonRpcException:
        """Make the exception for an error that the other side sent.

        The code selects the class, including classes of the user. Their `__init__` is not called: it may require
        arguments that were not sent.

        Args:
            error: The error of a response.

        Returns:
            An instance of the class that was defined last for this code; `JsonRpcReservedError` or
            `JsonRpcApplicationError` if there is none. The caller raises it.
        """
        cls = class_for(error.code)
        exc = cls.__new__(cls)
        exc._fill(error.code, error.message, error.data)
        return exc

    def _fill(self, code: int, message: str, data: Any) -> None:
        self.args = (message,)
        self.code = code
        self.message = message
        self._data = data

    @classmethod
    def _message_or_default(cls, message: str | None) -> str:
        message = cls.ERROR_MESSAGE if message is None else message
        if not isinstance(message, str):
            raise TypeError(
                f"{cls.__qualname__}: {message!r} is not a message; pass a str, or give the class an ERROR_MESSAGE"
            )
        return message


class JsonRpcParseError(JsonRpcException):
    """The bytes are not JSON, or exceed a limit. A server answers with this error and the id null."""

    ERROR_CODE = -32700
    ERROR_MESSAGE = "Parse error"


class JsonRpcFramingError(JsonRpcParseError):
    """The stream can no longer be split into messages. Answer if you can, then close the connection."""


class JsonRpcLongIntegerError(JsonRpcParseError):
    """The text is JSON, with an integer of more digits than the limit allows.

    Attributes:
        tree: The text as Python values, with a mark in place of each such integer.
    """

    tree: Any

    def __init__(self, message: str, tree: Any) -> None:
        """Keep the rest of the message, so that its id can be answered."""
        super().__init__(message)
        self.tree = tree


class JsonRpcInvalidRequestError(JsonRpcException):
    """The JSON is not a JSON-RPC 2.0 message. `request_id` is its id if that is valid."""

    ERROR_CODE = -32600
    ERROR_MESSAGE = "Invalid Request"


class JsonRpcMethodNotFoundError(JsonRpcException):
    """There is no method of this name."""

    ERROR_CODE = -32601
    ERROR_MESSAGE = "Method not found"


class JsonRpcInvalidParamsError(JsonRpcException):
    """The method does not accept these parameters."""

    ERROR_CODE = -32602
    ERROR_MESSAGE = "Invalid params"


class JsonRpcInternalError(JsonRpcException):
    """The server failed."""

    ERROR_CODE = -32603
    ERROR_MESSAGE = "Internal error"


class JsonRpcSerializationError(JsonRpcInternalError):
    """A value cannot be written as strict JSON. The `__cause__` has the reason; it is not sent to the other side."""

    ERROR_MESSAGE = "Internal error: the value cannot be written as JSON"


class ChosenCodeError(JsonRpcException):
    """An error whose code is chosen by its class or by the caller that raises it.

    A subclass with an ``ERROR_CODE`` is what `exc_from_error` makes for that code, anywhere in the process. One that
    is made for a single other side, whose codes mean nothing elsewhere, is defined with ``registered=False``.
    """

    _IS_RESERVED: ClassVar[bool]
    _CODE_RULE: ClassVar[str]

    def __init_subclass__(cls, *, registered: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        code = cls.__dict__.get("ERROR_CODE")
        if code is None:
            return
        cls._checked(code)
        if registered:
            _classes[code] = cls

    def __init__(self, message: str | None = None, *, data: Any = None, code: int | None = None) -> None:
        """Make an error.

        Args:
            message: One sentence for the other side. None for `ERROR_MESSAGE`.
            data: Any JSON value with details. None for no such member.
            code: The code. None for `ERROR_CODE`; if that is None too, -1 for an error of the application and -32000
                for a reserved one.

        Raises:
            TypeError: There is no message, or the code is not an integer.
            ValueError: The code is outside the range of the class.
        """
        code = self._checked(self._default_code() if code is None else code)
        self._fill(code, self._message_or_default(message), ABSENT if data is None else data)

    @classmethod
    def _default_code(cls) -> int:
        return cls._FALLBACK_CODE if cls.ERROR_CODE is None else cls.ERROR_CODE

    @classmethod
    def _checked(cls, code: int) -> int:
        if not isinstance(code, int) or isinstance(code, bool):
            raise TypeError(f"{cls.__qualname__}: the code {code!r} is not an integer; choose {cls._CODE_RULE}")
        if (code in _RESERVED_CODES) is not cls._IS_RESERVED or code in _PREDEFINED_CODES:
            raise ValueError(f"{cls.__qualname__}: the code {code} is not allowed here; choose {cls._CODE_RULE}")
        return code


class JsonRpcReservedError(ChosenCodeError):
    """An error with a code that the specification reserves without a meaning, such as -32099."""

    ERROR_MESSAGE = "Server error"
    _IS_RESERVED = True
    _FALLBACK_CODE = -32000
    _CODE_RULE = "one from -32768 to -32000 that is none of -32700, -32600, -32601, -32602, -32603"


class JsonRpcApplicationError(ChosenCodeError):
    """An error of the application. Raise it directly, or define a subclass with `ERROR_CODE` and `ERROR_MESSAGE`.

    `JsonRpcException.exc_from_error` finds such a subclass by its code.
    """

    _IS_RESERVED = False
    _FALLBACK_CODE = -1
    _CODE_RULE = "one outside -32768 to -32000, which the specification keeps for itself"


_classes.update(
    {
        -32700: JsonRpcParseError,
        -32600: JsonRpcInvalidRequestError,
        -32601: JsonRpcMethodNotFoundError,
        -32602: JsonRpcInvalidParamsError,
        -32603: JsonRpcInternalError,
    }
)


def class_for(code: int) -> type[JsonRpcException]:
    fallback = JsonRpcReservedError if code in _RESERVED_CODES else JsonRpcApplicationError
    return _classes.get(code, fallback)


def restore(cls: type[JsonRpcException], args: tuple[Any, ...], state: dict[str, Any]) -> JsonRpcException:
    exc = cls.__new__(cls)
    exc.args = args
    exc.__dict__.update(state)
    return exc
