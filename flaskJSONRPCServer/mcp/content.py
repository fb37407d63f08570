"""Results of tools and prompts beside plain values: texts, images, sounds, resources, errors.

A function returns one of these, or a list of them and of strings. A caller by JSON-RPC gets the same objects as JSON,
if the function's hint names them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, ClassVar, Final

from ..contract.hints import names_class
from ..contract.json_objects import WrittenAsJson
from ..runtime.text import short_repr
from ..sansio_jsonrpc import ABSENT
from .content_checks import check_attribute, refusal_of, refuse_annotations, refuse_unless_uri
from .written_content import is_written_part, without_nulls

__all__ = [
    "Audio",
    "Content",
    "EmbeddedResource",
    "Image",
    "ResourceLink",
    "Text",
    "ToolResult",
    "blocks_of",
    "names_content",
    "resource_contents",
]


_BYTES: Final = (bytes, bytearray, memoryview)


class Content(WrittenAsJson):
    """One part of a result for a model."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Text(Content):
    """A text.

    Attributes:
        text: The text.
        annotations: Whom it is for, and how important it is: ``audience``, ``priority``, ``lastModified``.

    Raises:
        TypeError: The text is no string, or the annotations are no dict as above.
    """

    text: str
    annotations: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_attribute(self, "text", str, "a string")
        refuse_annotations(self)

    def members(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return with_annotations({"type": "text", "text": self.text}, self.annotations)


@dataclass(frozen=True, slots=True)
class Media(Content):
    """A file that a model sees or hears."""

    kind: ClassVar[str]

    data: bytes
    mime_type: str
    annotations: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_attribute(self, "data", _BYTES, "the bytes of a file")
        check_attribute(self, "mime_type", str, "a media type such as 'image/png'")
        prefix = f"{self.kind}/"
        if not self.mime_type.lower().startswith(prefix) or len(self.mime_type) == len(prefix):
            raise ValueError(refusal_of(self, "mime_type", f"it takes a media type that begins with {prefix!r}"))
        refuse_annotations(self)

    def members(self) -> dict[str, Any]:
        """Return it as JSON values."""
        block = {"type": self.kind, "data": base64_text(self.data), "mimeType": self.mime_type}
        return with_annotations(block, self.annotations)


@dataclass(frozen=True, slots=True)
class Image(Media):
    """An image.

    Attributes:
        data: The bytes of the file.
        mime_type: Its media type, which begins with ``image/``.
        annotations: As for :class:`Text`.

    Raises:
        TypeError: The data is not bytes, the media type is no string, or the annotations are no such dict.
        ValueError: The media type is of another kind.
    """

    kind = "image"

    mime_type: str = "image/png"


@dataclass(frozen=True, slots=True)
class Audio(Media):
    """A sound.

    Attributes:
        data: The bytes of the file.
        mime_type: Its media type, which begins with ``audio/``.
        annotations: As for :class:`Text`.

    Raises:
        TypeError: The data is not bytes, the media type is no string, or the annotations are no such dict.
        ValueError: The media type is of another kind.
    """

    kind = "audio"

    mime_type: str = "audio/wav"


@dataclass(frozen=True, slots=True)
class EmbeddedResource(Content):
    """A resource with its contents.

    Attributes:
        uri: Its URI.
        contents: Its contents: a text, or bytes.
        mime_type: Its media type; None for ``text/plain``, or ``application/octet-stream`` for bytes.
        annotations: As for :class:`Text`.

    Raises:
        TypeError: One of these is of another type.
        ValueError: The URI has no scheme, or a character that has to be percent-encoded.
    """

    uri: str
    contents: str | bytes
    mime_type: str | None = None
    annotations: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        refuse_unless_uri(self)
        check_attribute(self, "contents", (str, *_BYTES), "a string, or bytes")
        check_attribute(self, "mime_type", (str, NoneType), "a media type such as 'image/png', or None")
        refuse_annotations(self)

    def members(self) -> dict[str, Any]:
        """Return it as JSON values."""
        resource = resource_contents(self.uri, self.contents, self.mime_type)
        return with_annotations({"type": "resource", "resource": resource}, self.annotations)


@dataclass(frozen=True, slots=True)
class ResourceLink(Content):
    """A reference to a resource, which the client may read.

    Attributes:
        uri: Its URI.
        name: Its name.
        title: A title for people.
        description: What it is.
        mime_type: Its media type.
        annotations: As for :class:`Text`.

    Raises:
        TypeError: One of these is of another type.
        ValueError: The URI has no scheme, or a character that has to be percent-encoded.
    """

    uri: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None
    annotations: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        refuse_unless_uri(self)
        check_attribute(self, "name", str, "a string")
        for name in ("title", "description", "mime_type"):
            check_attribute(self, name, (str, NoneType), "a string, or None")
        refuse_annotations(self)

    def members(self) -> dict[str, Any]:
        """Return it as JSON values."""
        optional = {"title": self.title, "description": self.description, "mimeType": self.mime_type}
        known = {name: value for name, value in optional.items() if value is not None}
        return with_annotations(
            {"type": "resource_link", "uri": self.uri, "name": self.name, **known}, self.annotations
        )


@dataclass(frozen=True, slots=True)
class ToolResult(WrittenAsJson):
    """The whole result of a tool.

    Attributes:
        content: The parts for the model, or a single one. A dict with exactly the members of a part is one too.
        structured: A JSON value for programs; without it, there is none.
        is_error: Whether the tool has failed; the content says why.
        meta: Further members, for ``_meta``.

    Raises:
        TypeError: The content has anything else, ``is_error`` is no bool, or ``meta`` no dict.
    """

    content: Sequence[Content | str] = ()
    structured: Any = ABSENT
    is_error: bool = False
    meta: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for part in parts_of(self.content):
            refuse_other_part(part)
        check_attribute(self, "is_error", bool, "True or False")
        check_attribute(self, "meta", (Mapping, NoneType), "a dict, or None")

    def members(self) -> dict[str, Any]:
        """Return it as JSON values."""
        members: dict[str, Any] = {"content": blocks_of(self.content)}
        if self.structured is not ABSENT:
            members["structuredContent"] = self.structured
        if self.is_error:
            members["isError"] = True
        if self.meta is not None:
            members["_meta"] = dict(self.meta)
        return members


def blocks_of(value: Any) -> list[dict[str, Any]]:
    """Return a value as parts for a model: one part or several, strings among them."""
    return [block_of(part) for part in parts_of(value)]


def parts_of(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def block_of(part: Any) -> dict[str, Any]:
    refuse_other_part(part)  # a list of parts may have changed
    if isinstance(part, Content):
        return part.members()
    return {"type": "text", "text": part} if isinstance(part, str) else without_nulls(part)


def refuse_other_part(part: Any) -> None:
    """Check that a value is a string, a part, or a dict with the members of a part.

    Raises:
        TypeError: It is not.
    """
    if not isinstance(part, (str, Content)) and not is_written_part(part):
        raise TypeError(f"content has {short_repr(part)}, which is refused: it takes strings, and parts such as Image")


def names_content(hint: Any) -> bool:
    """Return whether the hint of a result names content, alone or in a list or a union."""
    return names_class(hint, WrittenAsJson)


def resource_contents(uri: str, contents: str | bytes, mime_type: str | None) -> dict[str, Any]:
    """Return the contents of a resource as JSON values."""
    if isinstance(contents, str):
        return {"uri": uri, "mimeType": mime_type or "text/plain", "text": contents}
    return {"uri": uri, "mimeType": mime_type or "application/octet-stream", "blob": base64_text(contents)}


def with_annotations(block: dict[str, Any], annotations: Mapping[str, Any] | None) -> dict[str, Any]:
    return block if annotations is None else {**block, "annotations": dict(annotations)}


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
