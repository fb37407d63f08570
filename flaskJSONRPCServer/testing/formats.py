"""The formats of texts in JSON Schemas that are checked: those that our documents have."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["FORMATS"]

# The offset is optional, other than in RFC 3339: a date without a time zone is written so.
_TIME: Final = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?"
_DATE_TIME: Final = re.compile(rf"(\d{{4}}-\d\d-\d\d)[Tt ]{_TIME}", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DURATION: Final = re.compile(
    r"[+-]?P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+(\.\d+)?D)?(T(?=.)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?", re.ASCII
)
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


def is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and bool(datetime.date.fromisoformat(text))
    except ValueError:
        return False


def is_date_time(text: str) -> bool:
    match = _DATE_TIME.fullmatch(text)
    return match is not None and is_date(match[1])


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date": is_date,
    "date-time": is_date_time,
    "time": lambda text: re.fullmatch(_TIME, text, re.ASCII) is not None,
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
}
