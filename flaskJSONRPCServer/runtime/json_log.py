"""Log records as JSON: one object a line, whatever is in them."""

from __future__ import annotations

import datetime
import json
import logging
from typing import Any

__all__ = ["ACCESS", "JsonFormatter"]

ACCESS = "access"
"""The attribute of a record of the access log that has its fields, a dict."""

# So that a line stays below 16 KiB in nearly all cases, where Docker splits lines; journald does at 48 KiB.
_MOST_MESSAGE_CHARS = 4000
_MOST_TRACEBACK_CHARS = 8000


class JsonFormatter(logging.Formatter):
    """Formats each record as one line of JSON in ASCII.

    The keys are ``time`` (UTC, RFC 3339), ``level``, ``logger`` and ``message``; ``exception`` with the traceback, if
    there is one. A record of the access log has its fields instead of a message. Long values are cut.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields: dict[str, Any] = {
            "time": utc(record.created),
            "level": record.levelname,
            "logger": record.name,
        }
        access = getattr(record, ACCESS, None)
        if isinstance(access, dict):
            fields.update(access)
        else:
            fields["message"] = shortened(record.getMessage(), _MOST_MESSAGE_CHARS)
        if exception := record.exc_text or (self.formatException(record.exc_info) if record.exc_info else ""):
            fields["exception"] = shortened(exception, _MOST_TRACEBACK_CHARS)
        return json.dumps(fields, default=repr, separators=(",", ":"))


def utc(timestamp: float) -> str:
    """Return a time as RFC 3339 in UTC, with milliseconds."""
    moment = datetime.datetime.fromtimestamp(timestamp, datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shortened(text: str, most_chars: int) -> str:
    """Return a text without its middle if it is too long: a traceback ends with its exception."""
    if len(text) <= most_chars:
        return text
    half = most_chars // 2
    return f"{text[:half]} [... {len(text) - 2 * half} characters left out ...] {text[-half:]}"
