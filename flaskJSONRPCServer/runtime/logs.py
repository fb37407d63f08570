"""The log of one server, on top of the standard :mod:`logging`.

All records of the server go through its documented ``_logger``, so that a replacement gets every record.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, TextIO

from .asynchronous import in_hub
from .interrupts import is_interrupt
from .json_log import ACCESS, JsonFormatter
from .tracebacks import frames_of, traceback_lines

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "INFO",
    "WARNING",
    "ServerLog",
    "TracebackText",
    "escaped",
    "remove_console_handler",
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
_IS_JSON = "flaskJSONRPCServer_is_json"
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class StandardErrorHandler(logging.StreamHandler):  # type: ignore[type-arg]  # no subscript before Python 3.11
    """Writes to ``sys.stderr`` if no other handler gets the record.

    The stream and the handlers are looked up for each record: a program may redirect the stream or configure
    :mod:`logging` later.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(logging.Formatter(_FORMAT))

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record: JSON with that ``logFormat``, and the bare line of an access log."""
        if getattr(record, _IS_JSON, False):
            return _json.format(record)
        return record.getMessage() if hasattr(record, ACCESS) else super().format(record)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record to standard error."""
        if all(handler is self for handler in handlers_of(logging.getLogger(record.name))):
            super().emit(record)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Ignore the base class's assignment."""


class TracebackEscaper(logging.Filter):
    """Adds the escaped traceback to each record with an exception. Every formatter uses this text."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the traceback and accept the record."""
        if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
            record.exc_text = escaped_traceback(record.exc_info[1])
        return True


class JsonMarker(logging.Filter):
    """Marks each record of a server whose ``logFormat`` is ``json``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mark the record and accept it."""
        setattr(record, _IS_JSON, True)
        return True


_console = StandardErrorHandler()
_escaper = TracebackEscaper()
_marker = JsonMarker()
_json = JsonFormatter()


class LogOwner(Protocol):
    """An object with the documented method ``_logger``."""

    def _logger(self, level: Any, *args: Any) -> None:
        """Write a record."""


class ServerLog:
    """The logger of one server: ``flaskJSONRPCServer.<name>``.

    Once the application configures :mod:`logging`, its handlers get the records. Until then they go to standard error.

    Args:
        name: The server's name.
        level: 0 (critical only) to 4 (debug); False is 0 and True is 3.
        log_format: ``text``, or ``json`` for one object a line on standard error.

    Attributes:
        logger: The logger.
        access: Its child ``flaskJSONRPCServer.<name>.access``, which writes whatever the level is.
    """

    def __init__(self, name: str, level: int | bool, log_format: str = "text") -> None:
        self._owner: LogOwner | None = None
        self.logger = logging.getLogger(f"{_ROOT}.{name}")
        self.access = self.logger.getChild("access")
        self.access.setLevel(logging.INFO)
        self.logger.addFilter(_escaper)
        for logger in (self.logger, self.access):  # another server of this name may have had the other format
            logger.removeFilter(_marker)
            if log_format == "json":
                logger.addFilter(_marker)
        self.set_level(level)
        logging.getLogger(_ROOT).addHandler(_console)

    def set_level(self, level: int | bool) -> None:
        """Set the least severe level that is written."""
        self.logger.setLevel(_LEVELS[numeric_level(level)])

    def is_enabled(self, level: int) -> bool:
        """Return whether records of this level are written."""
        return self.logger.isEnabledFor(_LEVELS[level])

    def write_through(self, owner: LogOwner) -> None:
        """Pass every later record to ``owner._logger(level, *parts)``, looked up for each record.

        The documented method returns it to :meth:`emit`. A user's replacement need not.
        """
        self._owner = owner

    def write(self, level: int, *parts: Any, traceback: bool = False) -> None:
        """Write one record. If the user's ``_logger`` or a handler raises, the server goes on.

        Args:
            level: 0 critical, 1 error, 2 warning, 3 info, 4 debug.
            parts: The message, joined by spaces. Control characters are escaped, so that one call writes one record.
            traceback: Whether to add the traceback of the exception being handled.
        """
        if traceback:
            parts = (*parts, TracebackText.from_current_exception())
        try:
            self.write_documented(level, parts)
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            with contextlib.suppress(Exception):  # of a handler, which may be what has failed
                self.emit(level, parts)
                self.emit(ERROR, ["_logger failed", TracebackText.from_current_exception()])

    def write_documented(self, level: Any, args: tuple[Any, ...]) -> None:
        """Write a record as the documented ``_logger(level, *args)`` does: critical if it has no level."""
        if self._owner is None:
            self.emit(*split_level(level, args))
        else:
            self._owner._logger(level, *args)

    def emit(self, level: int, parts: Sequence[Any]) -> None:
        """Pass one record to :mod:`logging`. The arguments are those of :meth:`write`."""
        if self.logger.isEnabledFor(_LEVELS[level]):
            raised = next((part.raised for part in parts if isinstance(part, TracebackText)), None)
            message = one_line([part for part in parts if not isinstance(part, TracebackText)])
            self._record(_LEVELS[level], message, raised)

    @in_hub
    def write_access(self, line: object, fields: dict[str, Any]) -> None:
        """Write a record to the access log.

        Args:
            line: Its text, made by ``str()`` only if a formatter asks for it.
            fields: Its fields, for :class:`.json_log.JsonFormatter` and other formatters: ``record.access``.
        """
        self.access.info(line, extra={ACCESS: fields})

    @in_hub  # handlers have locks
    def _record(self, level: int, message: str, raised: BaseException | None) -> None:
        # A tuple, since logging would ask the exception for its traceback.
        exc_info = None if raised is None else (type(raised), raised, frames_of(raised))
        self.logger.log(level, "%s", message, exc_info=exc_info)


def remove_console_handler() -> None:
    """Stop writing to standard error, in a process whose own program has configured :mod:`logging`."""
    logging.getLogger(_ROOT).removeHandler(_console)


class TracebackText(str):
    """A traceback as a part of a message: the text, and the exception itself in ``raised``."""

    __slots__ = ("raised",)

    raised: BaseException | None

    @classmethod
    def from_current_exception(cls) -> TracebackText:
        """Return the traceback of the exception being handled."""
        raised = sys.exc_info()[1]
        text = cls("" if raised is None else escaped_traceback(raised))
        text.raised = raised
        return text


def traceback_of_handled() -> str:
    """Return the traceback of the exception being handled as text; empty if there is none."""
    raised = sys.exc_info()[1]
    return "" if raised is None else "".join(traceback_lines(raised))


def escaped_traceback(exc: BaseException) -> str:
    """Return a traceback that can neither forge a record nor send control sequences to a terminal.

    Every line is indented: the text of an exception, its notes and the name of its type may come from a client and
    contain line breaks.
    """
    lines = "".join(traceback_lines(exc)).rstrip("\n").split("\n")
    return "\n".join(f"  {escaped(line)}".rstrip() for line in lines)


def handlers_of(logger: logging.Logger | None) -> Iterator[logging.Handler]:
    """Yield the handlers that receive the records of a logger."""
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def numeric_level(level: int | bool) -> int:
    if isinstance(level, bool):
        return INFO if level else CRITICAL
    return level


def split_level(level: Any, args: Iterable[Any]) -> tuple[int, list[Any]]:
    """Split the optional level from the arguments."""
    if isinstance(level, int) and not isinstance(level, bool) and level in _LEVELS:
        return level, list(args)
    return CRITICAL, [level, *args]


def one_line(parts: Sequence[Any]) -> str:
    """Join the parts by spaces and escape control characters."""
    return escaped(" ".join(map(str, parts)))


def escaped(text: str) -> str:
    """Escape the characters that are not printable: they could forge a record or control a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
