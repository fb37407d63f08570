"""The messages of JSON-RPC 2.0 as values, and the sentinel for missing members."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

__all__ = [
    "ABSENT",
    "IDEMPOTENCY_KEY",
    "Absent",
    "JsonRpcBatch",
    "JsonRpcError",
    "JsonRpcInvalidMessage",
    "JsonRpcKeyedRequest",
    "JsonRpcMessage",
    "JsonRpcRequest",
    "JsonRpcResponse",
    "OptionalId",
    "Params",
    "RequestId",
]


class Absent(Enum):
    """The type of `ABSENT`. An enumeration, so that pickle and copy preserve its identity."""

    ABSENT = "ABSENT"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT
"""The sentinel for a member that a message does not have. It is false, and it is not null: null is None."""

RequestId: TypeAlias = str | int | float | None
"""The id of a call. None is the id `null`, which is an id (JSON-RPC 2.0, section 4).

A number that a float would round is a `NumberLiteral`: a float that keeps its characters.
"""

OptionalId: TypeAlias = RequestId | Literal[Absent.ABSENT]
"""The id of a message that may be a notification."""

Params: TypeAlias = dict[str, Any] | list[Any] | None
"""The parameters of a call: by name, by position, or None for none at all."""


@dataclass(frozen=True, slots=True)
class JsonRpcError:
    """The error of a response.

    Attributes:
        code: Any integer. -32768 to -32000 belong to the specification.
        message: One sentence for a human.
        data: Any JSON value; `ABSENT` if the member is missing.

    Source: JSON-RPC 2.0, section 5.1.
    """

    code: int
    message: str
    data: Any = ABSENT


# Not frozen: the constructor of a frozen class takes 2.5 times as long, and there is one request per call.
@dataclass(slots=True)
class JsonRpcRequest:
    """A call, or a notification if the id is `ABSENT`.

    Attributes:
        method: The name of the method.
        params: Parameters by name (dict), by position (list), or None if the member is missing.
        id: The id for the response; None is the id `null`; `ABSENT` requests no response.

    Source: JSON-RPC 2.0, section 4.
    """

    method: str
    params: Params = None
    id: OptionalId = ABSENT

    @property
    def is_notification(self) -> bool:
        """Whether no response may be sent, not even an error (section 4.1)."""
        return self.id is ABSENT


IDEMPOTENCY_KEY: Final = "idempotencyKey"
"""The member of a call with its idempotency key. The specification leaves such members to the two sides."""


@dataclass(slots=True)
class JsonRpcKeyedRequest(JsonRpcRequest):
    """A call with an idempotency key: a server that knows these runs it once, however often it is sent.

    Attributes:
        item: The JSON value of the whole call.
    """

    item: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Any:
        """The key: any JSON value, since nothing has checked it."""
        return self.item.get(IDEMPOTENCY_KEY)


@dataclass(slots=True)
class JsonRpcResponse:
    """The answer to a call.

    Attributes:
        id: The id of the call; None also if the other side could not read it.
        result: Any JSON value, including null (None); `ABSENT` if there is an error.
        error: The error; None if there is a result.

    Source: JSON-RPC 2.0, section 5.
    """

    id: RequestId
    result: Any = ABSENT
    error: JsonRpcError | None = None

    @property
    def is_success(self) -> bool:
        """Whether the call was answered with a result."""
        return self.error is None

    @property
    def success(self) -> bool:
        """The same as `is_success`."""
        return self.error is None


@dataclass(slots=True)
class JsonRpcInvalidMessage:
    """A JSON value that was received in place of a message.

    Attributes:
        id: The id of the JSON if it has a valid one, else None; `ABSENT` for a notification, which must not be answered
            (section 4.1).
        error: The error for the answer.
    """

    id: OptionalId
    error: JsonRpcError

    @property
    def is_notification(self) -> bool:
        """Whether no response may be sent."""
        return self.id is ABSENT


JsonRpcMessage: TypeAlias = JsonRpcRequest | JsonRpcResponse | JsonRpcInvalidMessage
"""The result of decoding one JSON object."""


class JsonRpcBatch(tuple[JsonRpcMessage, ...]):
    """The messages of one JSON array, in order: an immutable sequence.

    The answer to it is an array, even for one message (JSON-RPC 2.0, section 6).
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"JsonRpcBatch({super().__repr__()})"
