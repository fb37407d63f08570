"""Check JSON values against the JSON Schemas of a document, by the package ``jsonschema``."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft7Validator, FormatChecker
from jsonschema.exceptions import UnknownType, ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from ..contract.compatibility.json_values import shown
from ..contract.schema_extensions import ALIASES
from ..contract.types import HintedType
from ..errors import ContractError

__all__ = ["SchemaChecker"]

# In characters; guessed.
_LONGEST_REASON: Final = 200

# jsonschema raises these for a broken schema, such as a `$ref` to a text: it does not check schemas first.
_FAILURES: Final = (UnknownType, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

# The keywords that look members of an object up by their names.
_BY_NAME: Final = ("properties", "patternProperties", "additionalProperties", "required")


class SchemaChecker:
    """Checks values against the schemas of one document.

    The dialect is draft-07, as in OpenRPC, unless ``$schema`` names another one, in the document or in a schema.

    Args:
        document: The document that references (``$ref``) point into.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        validator = with_aliases(validator_for(document, default=Draft7Validator))
        # A registry of its own: with that of jsonschema, a reference to a URL would be fetched.
        self._root: Validator = validator(document, registry=Registry(), format_checker=format_checker())

    def mismatch(self, value: Any, schema: Any, place: str) -> str | None:
        """Return why a value does not fit a schema; None if it fits.

        Args:
            value: A JSON value.
            schema: A schema of the document.
            place: The name of the value in the text, such as ``result``.

        Raises:
            ContractError: The schema cannot be used.
        """
        try:
            error = best_match(self._root.evolve(schema=schema).iter_errors(value))
        except Unresolvable as exc:
            raise ContractError(f"$ref {exc.ref!r} does not point to a schema of the document") from exc
        except RecursionError as exc:
            reason = "it refers to itself without an end, or the value is nested too deeply"
            raise ContractError(f"the schema of {place} cannot be used: {reason}") from exc
        except re.error as exc:
            raise ContractError(f"the pattern {exc.pattern!r} cannot be read: {exc}") from exc
        except _FAILURES as exc:
            reason = str(exc).partition("\n")[0].rstrip(":")
            raise ContractError(f"the schema of {place} cannot be used: {reason}") from exc
        return None if error is None else text_of(error, place)


@functools.cache
def format_checker() -> FormatChecker:
    """Return the checks of the formats that our documents have.

    RFC 3339 demands the offset of a time, and has no negative durations. Our documents have both kinds, so these
    formats are those that the server reads.
    """
    checker = FormatChecker(("date", "ipv4", "ipv6", "uuid"))
    for name, hint in (("date-time", datetime.datetime), ("time", datetime.time), ("duration", datetime.timedelta)):
        checker.checks(name)(functools.partial(is_text_of, HintedType(hint, name)))
    return checker


def is_text_of(hinted: HintedType, value: Any) -> bool:
    """Return whether a text is read as a value of a type. Values of other kinds have every format."""
    return not isinstance(value, str) or hinted.accepts(value)


@functools.cache
def with_aliases(validator: type[Validator]) -> type[Validator]:
    """Return a class of validators that accepts members under their further names (``x-aliases``)."""
    checks = {keyword: renaming(check) for keyword, check in validator.VALIDATORS.items() if keyword in _BY_NAME}
    extended: type[Validator] = extend(validator, checks)  # type: ignore[no-untyped-call]
    return extended


def renaming(check: Any) -> Any:
    """Return the check of a keyword that reads objects with the names of the schema."""
    return lambda validator, argument, value, schema: check(validator, argument, renamed(value, schema), schema)


def renamed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a value; of an object, members with an alias get the names that the schema has."""
    if not isinstance(value, dict):
        return value
    described: Mapping[str, Any] = schema.get("properties", {})
    members = {name: member for name, member in described.items() if isinstance(member, Mapping)}
    names = {alias: name for name, member in members.items() for alias in member.get(ALIASES, ())}
    return {names.get(name, name): member for name, member in value.items()} if names else value


def text_of(error: ValidationError, place: str) -> str:
    """Return an error with the place and the value first, as in ``rows[3].when is 5, which is not of type 'string'``.

    Args:
        error: The error.
        place: The name of the whole value.
    """
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    # An error in the name of a member has the path of the object.
    where = f"a name in {place}{path}" if "propertyNames" in error.absolute_schema_path else f"{place}{path}"
    reason = error.message.removeprefix(repr(error.instance))  # most messages begin with the value, at its whole length
    link = ": " if reason == error.message else ", which"
    return f"{where} is {shown(error.instance)}{link}{shortened(reason)}{rule_of(error, reason)}"


def rule_of(error: ValidationError, reason: str) -> str:
    """Return the keyword and its value, if the reason needs them: alternatives, and limits that it does not name."""
    rule = error.validator_value
    is_unnamed_limit = type(rule) is int and str(rule) not in reason
    return f" ({error.validator}: {shown(rule)})" if error.context or is_unnamed_limit else ""


def shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 3]}..."
