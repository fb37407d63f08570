"""The messages of a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ...contract.json_objects import WrittenAsJson
from ...runtime.text import short_repr
from ..content import Content, Text
from ..protocol.revisions import ROLES

__all__ = ["Message", "messages_of"]


@dataclass(frozen=True, slots=True)
class Message(WrittenAsJson):
    """One message of a prompt.

    Attributes:
        role: Who says it: ``user`` or ``assistant``.
        content: What it says: a text, or another part.

    Raises:
        ValueError: There is no such role.
        TypeError: The content is neither a string nor a part.
    """

    role: Literal["user", "assistant"]
    content: str | Content

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role={self.role!r} is refused: a message is of 'user' or 'assistant'")
        if not isinstance(self.content, (str, Content)):
            raise TypeError(
                f"content={short_repr(self.content)} is refused: a message has a string, or a part such as Image"
            )

    def members(self) -> dict[str, Any]:
        """Return it as JSON values."""
        content = Text(self.content) if isinstance(self.content, str) else self.content
        return {"role": self.role, "content": content.members()}


def messages_of(value: Any) -> list[dict[str, Any]]:
    """Return what the function of a prompt returns as messages: one or several, the user's unless they say otherwise.

    Raises:
        TypeError: One is neither a string, nor a part, nor a message.
    """
    parts = value if isinstance(value, (list, tuple)) else (value,)
    return [message_of(part).members() for part in parts]


def message_of(part: Any) -> Message:
    return part if isinstance(part, Message) else Message("user", part)
