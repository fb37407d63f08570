"""The options of a method as a tool of the Model Context Protocol (MCP)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import RegistrationError
from .option_checks import checked_icons, is_list, json_copy, refuse_unless

__all__ = ["Tool"]

# MCP 2025-11-25, server/tools, "Tool Names".
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True)
class Tool:
    """The options of a method as a tool. None leaves a member to the method, or to the server.

    The four hints do not change what a call does: clients decide by them whether to ask a person first.

    Args:
        name: Its name among the tools, 1 to 128 of ``A-Z a-z 0-9 _ - .``; None: made from the name of the method.
        title: A title for people; None: the title of the method.
        description: A description for the model; None: that of the docstring.
        read_only: Whether it changes nothing.
        destructive: Whether it may delete or overwrite something.
        idempotent: Whether a second call with the same arguments changes nothing; None: as the method says.
        open_world: Whether it reaches anything outside, such as the web.
        icons: Icons, each a dict of JSON values with ``src``, a URL; kept as a tuple of copies.
        meta: Further members for clients that know them, a dict of JSON values.
        input_schema: A JSON Schema of the arguments, in the place of that of the hints; calls are still checked by
            the hints.
        output_schema: A JSON Schema of the result, in the place of that of the hint; results are checked by it.
        scopes: What the token of a caller must allow, beside the scopes of the endpoint.
        task: Whether a call is answered with a task, which its client asks about later, if the client takes tasks.
            None: if it runs on another exec backend than ``simple``, and takes more than a second. ``"required"``:
            always, and other clients get an error.

    Raises:
        RegistrationError: A value is not accepted; the message names it.
    """

    name: str | None = None
    title: str | None = None
    description: str | None = None
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None
    icons: Sequence[Mapping[str, Any]] = ()
    meta: Mapping[str, Any] | None = None
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None
    scopes: Sequence[str] = ()
    task: bool | Literal["required"] | None = None

    def __post_init__(self) -> None:
        for name in ("name", "title", "description"):
            refuse_unless(f"Tool: {name}", getattr(self, name), str, "a string, or None")
        for name in ("read_only", "destructive", "idempotent", "open_world"):
            refuse_unless(f"Tool: {name}", getattr(self, name), bool, "True, False, or None")
        refuse_task(self.task)
        refuse_name(self.name)
        object.__setattr__(self, "icons", checked_icons(self.icons, "Tool: "))
        object.__setattr__(self, "scopes", read_scopes(self.scopes))
        for name in ("meta", "input_schema", "output_schema"):
            object.__setattr__(self, name, read_members(name, getattr(self, name)))
        refuse_input_schema(self.input_schema)


def refuse_task(task: Any) -> None:
    if task is not None and not isinstance(task, bool) and task != "required":
        raise RegistrationError(f"Tool: task={task!r} is refused: it takes True, False, 'required', or None")


def refuse_name(name: str | None) -> None:
    if name is not None and _NAME.fullmatch(name) is None:
        raise RegistrationError(
            f"Tool: name={name!r} is refused: it takes 1 to 128 of the characters A-Z a-z 0-9 _ - ."
        )


def read_scopes(scopes: Any) -> tuple[str, ...]:
    """Return a copy of the scopes.

    Raises:
        RegistrationError: They are no list of names without spaces.
    """
    if not is_list(scopes) or not all(isinstance(scope, str) and scope.split() == [scope] for scope in scopes):
        raise RegistrationError(f"Tool: scopes={scopes!r} is refused: it takes a list of names without spaces")
    return tuple(scopes)


def refuse_input_schema(schema: Mapping[str, Any] | None) -> None:
    if schema is not None and schema.get("type") != "object":
        raise RegistrationError(f"Tool: input_schema={schema!r:.200} is refused: the arguments are of 'type': 'object'")


def read_members(name: str, members: Any) -> Mapping[str, Any] | None:
    """Return a copy of the members of a JSON object.

    Raises:
        RegistrationError: They are no dict of JSON values.
    """
    if members is None:
        return None
    if not isinstance(members, Mapping) or not all(isinstance(key, str) for key in members):
        raise RegistrationError(f"Tool: {name}={members!r} is refused: it takes a dict with strings as keys, or None")
    copied: Mapping[str, Any] = json_copy(dict(members), f"Tool: {name}={members!r}")
    return copied
