"""The documentation of a method, read from its docstring.

Google, NumPy, reST and Epydoc sections are parsed by ``docstring_parser``. A docstring without sections
is split here, which takes a tenth of the time and does not import the parser.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .layers import attribute_of, layers_of

if TYPE_CHECKING:
    from docstring_parser import Docstring

__all__ = ["Documentation", "RaisedError", "documentation_of"]

_SECTIONS = re.compile(
    r"""
    ^(?:
        (?P<GOOGLE>(?:Arg(?:ument)?s|Param(?:eter)?s|Raises|Except(?:ions)?|Returns|Yields|Attributes|Examples?)
            :[ \t]*$)
      | (?P<NUMPYDOC>(?:(?:Other[ ])?(?:Param(?:eter)?s|Arg(?:ument)?s)|Receives?|Raises?|Warns?|Attributes?|Returns?
            |Yields?|Examples?|Warnings?|See[ ]Also|Related|Notes?|References?)[ \t]*\n-{2,}[ \t]*$)
      | (?P<REST>:(?:param(?:eter)?|arg(?:ument)?|key(?:word)?|type|raises?|except(?:ion)?|returns?|rtype|yields?)
            \b[^:\n]*:)
    )""",
    re.MULTILINE | re.VERBOSE,
)
_EPYDOC = re.compile(r"^@(?=(?:param|type|raise|return|rtype|yield|ytype|keyword|arg)\b[^:\n]*:)", re.MULTILINE)
"""The start of an Epydoc field. With a colon for the at sign it is one of reST."""

_GOOGLE_ALIASES = re.compile(
    r"^(?:(?P<Params>Keyword Arg(?:ument)?s|Other Param(?:eter)?s)|(?P<Returns>Return)|(?P<Raises>Raise)):[ \t]*$",
    re.MULTILINE,
)
"""Titles of sections that Napoleon knows and ``docstring_parser`` does not."""

_DEPRECATED = re.compile(
    r"^(?:\.\.[ ]deprecated::|:deprecated:|@deprecated:|Deprecated(?::|$))[ \t]*"
    r"(?P<version>\d[\w.]*)?[ \t]*(?P<text>.*(?:\n+[ \t]+\S.*)*)",
    re.MULTILINE,
)
_ROLE = re.compile(r":(?:\w+:)?\w+:`(?P<short>~)?!?(?P<target>[^`]*)`")
"""A cross-reference of Sphinx, such as ``:class:`~decimal.Decimal```."""

_NAMES = re.compile(r"[\s,|]+(?:or\s+)?")
_NOT_PARAMETERS = {"attribute", "receives"}
_NOT_ERRORS = {"warns"}


@dataclass(frozen=True, slots=True)
class RaisedError:
    """An exception that a docstring declares.

    Attributes:
        type_name: The name of its class as written, which may be dotted.
        description: When it is raised; empty if the docstring does not say.
    """

    type_name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Documentation:
    """The texts of a docstring. Lines keep their breaks; a text that is missing is empty.

    Attributes:
        summary: The first paragraph, on one line.
        description: The paragraphs between the summary and the sections. Sections of other kinds, such as examples, are
            left out.
        parameters: The description of each documented parameter, by its name without asterisks.
        returns: The description of the result.
        raises: The declared exceptions, in their order.
        is_deprecated: Whether the docstring or ``warnings.deprecated`` says so.
    """

    summary: str = ""
    description: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    returns: str = ""
    raises: tuple[RaisedError, ...] = ()
    is_deprecated: bool = False


def documentation_of(function: Any) -> Documentation:
    """Return the documentation of a function, a method, a partial or a callable object.

    Docstrings are free text: one that cannot be parsed keeps its sections in the description. Docstrings that nobody
    wrote for the method are left out: those of ``functools.partial``, of built-in classes, and generated ones.

    Args:
        function: Any callable. A decorated one is documented by the decorator's function, or else by its own.
    """
    text, is_deprecated = "", False
    for candidate in documented_objects(function):
        text = text or docstring_of(candidate)
        is_deprecated = is_deprecated or isinstance(attribute_of(candidate, "__deprecated__"), str)
    return parse_docstring(text, is_deprecated=is_deprecated)


def documented_objects(function: Any) -> Iterator[Any]:
    """Yield the objects whose docstring may document a callable, the outermost first."""
    layers = list(layers_of(function))
    yield from layers
    for layer, below in reversed(list(itertools.pairwise(layers))):
        if below == attribute_of(layer, "__call__"):
            yield type(layer)


def docstring_of(candidate: Any) -> str:
    """Return the docstring that was written for this object itself; empty if there is none."""
    text = attribute_of(candidate, "__doc__")
    if not isinstance(text, str) or text == attribute_of(type(candidate), "__doc__"):  # inherited from its class
        return ""
    return "" if isinstance(candidate, type) and is_generated(candidate, text) else text


def is_generated(cls: type, text: str) -> bool:
    """Return whether the docstring of a class is the signature that ``dataclass`` or ``NamedTuple`` wrote."""
    is_record = hasattr(cls, "__dataclass_fields__") or hasattr(cls, "_fields")
    return is_record and text.startswith(f"{cls.__name__}(") and "\n" not in text


def parse_docstring(text: str, *, is_deprecated: bool = False) -> Documentation:
    """Parse a docstring.

    Args:
        text: The docstring, with or without its indentation.
        is_deprecated: Whether the method is known to be deprecated already.
    """
    text = inspect.cleandoc(text)
    if ":`" in text:
        text = _ROLE.sub(role_text, text)
    if "eprecated" in text:
        text, count = _DEPRECATED.subn(deprecation_text, text)
        is_deprecated = is_deprecated or count > 0
    if "@" in text:
        text = _EPYDOC.sub(":", text)
    text = _GOOGLE_ALIASES.sub(lambda title: f"{title.lastgroup}:", text)
    sections = [*_SECTIONS.finditer(text)]
    parsed = parse_sections(text, {str(section.lastgroup) for section in sections}) if sections else None
    if parsed is None:
        start = sections[0].start() if sections else len(text)
        summary, description = split_summary(text[:start])
        return Documentation(summary, f"{description}\n\n{text[start:]}".strip(), is_deprecated=is_deprecated)
    return Documentation(
        *split_summary(parsed.description or ""),
        parameters=parameters_in(parsed),
        returns="\n".join(filter(None, map(result_text, parsed.many_returns))),
        raises=tuple(errors_in(parsed)),
        is_deprecated=is_deprecated,
    )


def parse_sections(text: str, styles: set[str]) -> Docstring | None:
    """Parse the sections of a docstring in its style; None if that fails. Of several styles, one finds the most."""
    from docstring_parser import DocstringStyle, parse

    style = min(styles) if len(styles) == 1 else "AUTO"
    try:
        return parse(text, DocstringStyle[style])
    except Exception:  # noqa: BLE001  the parser's errors are not only its ParseError, and the text is a user's
        return None


def split_summary(text: str) -> tuple[str, str]:
    """Split a text into its first paragraph, on one line, and the others."""
    summary, _, rest = text.strip().partition("\n\n")
    return " ".join(summary.split()), rest.strip()


def role_text(role: re.Match[str]) -> str:
    """Return a Sphinx role as Markdown code: ``:meth:`~a.b.c``` is shown as ``c``."""
    target = role["target"].partition(" <")[0]
    return f"`{target.rpartition('.')[2] if role['short'] else target}`"


def deprecation_text(match: re.Match[str]) -> str:
    """Return a deprecation directive as a paragraph, so that its text stays in the description."""
    since = f" since {match['version']}" if match["version"] else ""
    text = " ".join(match["text"].split())
    return f"Deprecated{since}: {text}" if text else f"Deprecated{since}."


def parameters_in(parsed: Docstring) -> dict[str, str]:
    """Return the descriptions of the parameters by name; ``x, y`` describes two."""
    return {
        name.lstrip("\\*"): clean(parameter.description)
        for parameter in parsed.params
        if parameter.args[0] not in _NOT_PARAMETERS
        for name in names_in(parameter.arg_name)
    }


def errors_in(parsed: Docstring) -> Iterator[RaisedError]:
    """Yield the declared exceptions; ``ValueError, TypeError`` declares two."""
    for error in parsed.raises:
        if error.args[0] not in _NOT_ERRORS:
            for name in names_in(error.type_name or ""):
                yield RaisedError(name, clean(error.description))


def result_text(returns: Any) -> str:
    """Return the description of a result, or else its type; empty for the values of a generator."""
    return "" if returns.is_generator else clean(returns.description or returns.type_name)


def names_in(text: str) -> list[str]:
    return [name for part in _NAMES.split(text) if (name := part.strip("`"))]


def clean(text: str | None) -> str:
    return (text or "").strip()
