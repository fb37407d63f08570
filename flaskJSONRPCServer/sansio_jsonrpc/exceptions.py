"""Every exception of this library, and the way from an error to its exception and back.

JsonRpcException
 ├── JsonRpcParseError                     -32700
 │    ├── JsonRpcFramingError              -32700   the stream of bytes is broken for good
 │    └── JsonRpcLongIntegerError          -32700   a number with too many digits; `decode` turns it into messages
 ├── JsonRpcInvalidRequestError            -32600
 ├── JsonRpcMethodNotFoundError            -32601
 ├── JsonRpcInvalidParamsError             -32602
 ├── JsonRpcInternalError                  -32603
 │    └── JsonRpcSerializationError        -32603   a value cannot be written as JSON
 ├── JsonRpcReservedError                  any other from -32768 to -32000
 └── JsonRpcApplicationError               all the rest: the application's own

Source: JSON-RPC 2.0, section 5.1.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from .messages import ABSENT, JsonRpcError, OptionalId

_RESERVED_CODES: Final = range(-32768, -31999)
_PREDEFINED_CODES: Final = frozenset({-32700, -32600, -32601, -32602, -32603})

# Code to class. The last class defined for a code holds it, so that a module loaded again replaces its own.
_classes: Final[dict[int, type[JsonRpcException]]] = {}


class JsonRpcException(Exception):
    """The base of all exceptions of this library. Catch it; raise one of its subclasses.

    Attributes:
        ERROR_CODE: The code of the class.
        ERROR_MESSAGE: What `message` falls back to.
        code: The code of this error.
        message: One sentence, which the other side gets to read.
        request_id: The id of the message that this is the answer to, else None; `ABSENT` for a notification.
    """

    ERROR_CODE: ClassVar[int | None] = None
    ERROR_MESSAGE: ClassVar[str | None] = None

    code: int
    message: str
    request_id: OptionalId = None
    _data: Any

    # What a class without a code of its own has.
    _FALLBACK_CODE: ClassVar[int] = -32603

    def __new__(cls, *args: Any, **_: Any) -> JsonRpcException:
        """Give the error the code and message of its class: the `__init__` of a subclass may not call this one's."""
        exc = super().__new__(cls, *args)
        message = cls.__name__ if cls.ERROR_MESSAGE is None else cls.ERROR_MESSAGE
        exc._fill(cls._FALLBACK_CODE if cls.ERROR_CODE is None else cls.ERROR_CODE, message, ABSENT)
        return exc

    def __init__(self, message: str | None = None, *, data: Any = None, request_id: OptionalId = None) -> None:
        """Make the error of this class.

        Args:
            message: One sentence for the other side. None stands for the class's own.
            data: Any JSON value that tells more. None stands for no such member.
            request_id: The id of the message that this is the answer to.

        Raises:
            TypeError: The class has no code, or there is no message. The text says what to add.
        """
        if self.ERROR_CODE is None:
            raise TypeError(f"{type(self).__qualname__} has no ERROR_CODE; raise one of its subclasses")
        self.request_id = request_id
        self._fill(self.ERROR_CODE, self._message_or_default(message), ABSENT if data is None else data)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__.copy())

    @property
    def data(self) -> Any:
        """The JSON value that tells more; None where there is none."""
        return None if self._data is ABSENT else self._data

    def get_error(self) -> JsonRpcError:
        """The value that travels for this exception."""
        return JsonRpcError(self.code, self.message, self._data)

    @staticmethod
    def exc_from_error(error: JsonRpcError) -> JsonRpcException:
        """Make the exception for an error that the other side sent.

        The class is found by its code, the user's own classes included. Their `__init__` is not called: it may want
        arguments that did not travel.

        Args:
            error: What came in a response.

        Returns:
            An instance of the class that was defined last for this code; `JsonRpcReservedError` or
            `JsonRpcApplicationError` where there is none. The caller raises it.
        """
        cls = _class_for(error.code)
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
    """The bytes are not JSON, or pass a limit. A server answers with this error and the id null."""

    ERROR_CODE = -32700
    ERROR_MESSAGE = "Parse error"


class JsonRpcFramingError(JsonRpcParseError):
    """The stream cannot be cut into messages any more. Answer if you can, then close the connection."""


class JsonRpcLongIntegerError(JsonRpcParseError):
    """The text is JSON, with an integer of more digits than the limit allows.

    Attributes:
        tree: The text as Python values, with a mark in the place of each such integer.
    """

    tree: Any

    def __init__(self, message: str, tree: Any) -> None:
        """Keep the rest of the message, so that its id can be told."""
        super().__init__(message)
        self.tree = tree


class JsonRpcInvalidRequestError(JsonRpcException):
    """The JSON is not a JSON-RPC 2.0 message. `request_id` is its id where that is valid."""

    ERROR_CODE = -32600
    ERROR_MESSAGE = "Invalid Request"


class JsonRpcMethodNotFoundError(JsonRpcException):
    """There is no method of this name."""

    ERROR_CODE = -32601
    ERROR_MESSAGE = "Method not found"


class JsonRpcInvalidParamsError(JsonRpcException):
    """The method does not take these parameters."""

    ERROR_CODE = -32602
    ERROR_MESSAGE = "Invalid params"


class JsonRpcInternalError(JsonRpcException):
    """The server failed."""

    ERROR_CODE = -32603
    ERROR_MESSAGE = "Internal error"


class JsonRpcSerializationError(JsonRpcInternalError):
    """A value cannot be written as strict JSON. The reason is the `__cause__`; it is not told to the other side."""

    ERROR_MESSAGE = "Internal error: the value cannot be written as JSON"


class _ChosenCodeError(JsonRpcException):
    """An error whose code somebody chooses: the class, or whoever raises it."""

    _IS_RESERVED: ClassVar[bool]
    _CODE_RULE: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        code = cls.__dict__.get("ERROR_CODE")
        if code is not None:
            _classes[cls._checked(code)] = cls

    def __init__(self, message: str | None = None, *, data: Any = None, code: int | None = None) -> None:
        """Make an error.

        Args:
            message: One sentence for the other side. None stands for `ERROR_MESSAGE`.
            data: Any JSON value that tells more. None stands for no such member.
            code: None stands for `ERROR_CODE`; where that is None too it is -1 for an application's error and -32000
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


class JsonRpcReservedError(_ChosenCodeError):
    """A code that the specification reserves and gives no meaning, such as -32099."""

    ERROR_MESSAGE = "Server error"
    _IS_RESERVED = True
    _FALLBACK_CODE = -32000
    _CODE_RULE = "one from -32768 to -32000 that is none of -32700, -32600, -32601, -32602, -32603"


class JsonRpcApplicationError(_ChosenCodeError):
    """An error of the application. Raise it as it is, or give a subclass `ERROR_CODE` and `ERROR_MESSAGE`.

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


def _class_for(code: int) -> type[JsonRpcException]:
    fallback = JsonRpcReservedError if code in _RESERVED_CODES else JsonRpcApplicationError
    return _classes.get(code, fallback)


def _restore(cls: type[JsonRpcException], args: tuple[Any, ...], state: dict[str, Any]) -> JsonRpcException:
    exc = cls.__new__(cls)
    exc.args = args
    exc.__dict__.update(state)
    return exc
