"""The log of one server, on top of the standard :mod:`logging`."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from .asynchronous import in_hub

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "INFO",
    "WARNING",
    "ServerLog",
    "escaped",
    "leave_console",
    "split_level",
    "traceback_of_handled",
]

CRITICAL, ERROR, WARNING, INFO, DEBUG = range(5)

_LEVELS = {
    CRITICAL: logging.CRITICAL,
    ERROR: logging.ERROR,
    WARNING: logging.WARNING,
    INFO: logging.INFO,
    DEBUG: logging.DEBUG,
}
_ROOT = "flaskJSONRPCServer"
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class StandardErrorHandler(logging.StreamHandler):  # type: ignore[type-arg]  # no subscript before Python 3.11
    """Writes to ``sys.stderr`` where no other handler gets the record.

    Both are looked up when a record comes: a redirection, or a configuration of :mod:`logging`, may be made later.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(logging.Formatter(_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        if all(handler is self for handler in handlers_of(logging.getLogger(record.name))):
            super().emit(record)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Ignore the base class's assignment."""


class TracebackEscaper(logging.Filter):
    """Gives each record with an exception the text of its traceback, which every formatter takes over."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the text; let every record pass."""
        if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
            record.exc_text = escaped_traceback(record.exc_info[1])
        return True


_console = StandardErrorHandler()
_escaper = TracebackEscaper()


class ServerLog:
    """A logger of its own for each server: ``flaskJSONRPCServer.<name>``.

    An application that configures :mod:`logging`, sooner or later, gets the records in its own handlers. As long as
    nothing is configured, they go to standard error.

    Args:
        name: The server's name.
        level: 0 (critical only) to 4 (debug); False is 0 and True is 3.
    """

    def __init__(self, name: str, level: int | bool) -> None:
        self._owner: Any = None
        self.logger = logging.getLogger(f"{_ROOT}.{name}")
        self.logger.addFilter(_escaper)
        self.set_level(level)
        logging.getLogger(_ROOT).addHandler(_console)

    def set_level(self, level: int | bool) -> None:
        """Write from now on what is at least as grave as the level."""
        self.logger.setLevel(_LEVELS[_number(level)])

    def write_through(self, owner: Any) -> None:
        """Hand every record to ``owner._logger(level, *parts)`` from now on, whatever that is by then.

        The documented method gives it back to :meth:`emit`. One that a user has put in its place need not.
        """
        self._owner = owner

    def write(self, level: int, *parts: Any, traceback: bool = False) -> None:
        """Write one record.

        Args:
            level: 0 critical, 1 error, 2 warning, 3 info, 4 debug.
            parts: The message, joined with spaces. Control characters are escaped, so that one call is one record.
            traceback: Whether the exception being handled is added.
        """
        self.write_documented(level, (*parts, TracebackText.of_handled()) if traceback else parts)

    def write_documented(self, level: Any, args: tuple[Any, ...]) -> None:
        """Write as the documented ``_logger(level, *args)`` does: without a level a message is critical."""
        if self._owner is None:
            self.emit(*split_level(level, args))
        else:
            self._owner._logger(level, *args)

    def emit(self, level: int, parts: Sequence[Any]) -> None:
        """Give one record to :mod:`logging`; arguments as for :meth:`write`."""
        if self.logger.isEnabledFor(_LEVELS[level]):
            raised = next((part.raised for part in parts if isinstance(part, TracebackText)), None)
            message = one_line([part for part in parts if not isinstance(part, TracebackText)])
            self._record(_LEVELS[level], message, raised)

    @in_hub  # handlers have locks
    def _record(self, level: int, message: str, raised: BaseException | None) -> None:
        self.logger.log(level, "%s", message, exc_info=raised)


def leave_console() -> None:
    """Write no more to standard error: another one who runs this process has set up :mod:`logging`."""
    logging.getLogger(_ROOT).removeHandler(_console)


class TracebackText(str):
    """The traceback of an exception, as a part of a message: text for whoever prints it, and the exception itself."""

    __slots__ = ("raised",)

    raised: BaseException | None

    @classmethod
    def of_handled(cls) -> TracebackText:
        """Return the traceback of the exception being handled."""
        raised = sys.exc_info()[1]
        text = cls("" if raised is None else escaped_traceback(raised))
        text.raised = raised
        return text


def traceback_of_handled() -> str:
    """Return the traceback of the exception being handled, as text; empty where there is none."""
    return "" if sys.exc_info()[1] is None else traceback.format_exc()


def escaped_traceback(exc: BaseException) -> str:
    """Return a traceback of which no line can be taken for a record, and which cannot drive a terminal.

    Every line is indented: the text of an exception, its notes and its type's name may come from a client, and have
    lines of their own.
    """
    lines = "".join(traceback.format_exception(exc)).rstrip("\n").split("\n")
    return "\n".join(f"  {escaped(line)}".rstrip() for line in lines)


def handlers_of(logger: logging.Logger | None) -> Iterator[logging.Handler]:
    """Yield the handlers that get the records of a logger."""
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _number(level: int | bool) -> int:
    if isinstance(level, bool):
        return INFO if level else CRITICAL
    return level


def split_level(level: Any, args: Iterable[Any]) -> tuple[int, list[Any]]:
    """Take the optional level off the arguments."""
    if isinstance(level, int) and not isinstance(level, bool) and level in _LEVELS:
        return level, list(args)
    return CRITICAL, [level, *args]


def one_line(parts: Sequence[Any]) -> str:
    """Join the parts and escape what could forge a record or drive a terminal."""
    return escaped(" ".join(map(str, parts)))


def escaped(text: str) -> str:
    """Escape what is not printable."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
