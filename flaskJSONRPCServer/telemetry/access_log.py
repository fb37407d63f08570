"""The access log: one line for each request, in the Common or Combined Log Format, with the calls of the request.

Everything that a client can choose is escaped and cut, so that no request can forge a line or fill the disk by itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..http.request import Request, RequestOptions
from ..proxies import TrustedProxies
from ..runtime.logs import ServerLog
from ..settings import Settings
from .call_records import CallRecord

__all__ = ["AccessLine", "AccessLog"]

_CALLS = '"{method}" {code} {duration_ms} {id}'
_COMMON = '{host} - {user} [{time}] "{request}" {status} {bytes}'
_FORMATS = {"common": f"{_COMMON} {_CALLS}", "combined": f'{_COMMON} "{{referer}}" "{{agent}}" {_CALLS}'}

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # in no other language

_MOST_CHARS = 500  # of a value that a client chooses; guessed
_MISSING = "-"

# The characters of a path that are logged as they are, beside letters and digits (RFC 3986, section 3.3).
_UNQUOTED = "/:@!$&'()*+,;=~%"

Fields = dict[str, Any]


class AccessLog:
    """Writes the access log of a serving backend.

    Args:
        settings: The settings of the server.
        log: Its log.
    """

    def __init__(self, settings: Settings, log: ServerLog) -> None:
        self.follow(settings, log)

    def follow(self, settings: Settings, log: ServerLog) -> None:
        """Write the next lines for a server that has replaced the first one behind the same sockets."""
        self._log = log
        self._format = _FORMATS.get(settings.accessLogFormat, settings.accessLogFormat)
        self._options = RequestOptions(TrustedProxies(settings.trusted_proxies))

    def write(
        self, head: dict[str, Any], status: str, *, body_bytes: int, duration_s: float, record: CallRecord
    ) -> None:
        """Write the line of a request that has been answered.

        Args:
            head: The head of the request, as far as it is known.
            status: The status of the answer.
            body_bytes: The size of the body of the answer.
            duration_s: The time from the request to its answer, in seconds.
            record: The calls of the request.
        """
        request = Request({"REQUEST_METHOD": "", **head}, self._options)
        fields = {
            "host": request.remote_addr or _MISSING,
            "request_method": cut(request.method),
            "target": target_of(head),
            "protocol": head.get("SERVER_PROTOCOL", ""),
            "status": int(status[:3]) if status[:3].isdecimal() else 0,
            "bytes": body_bytes,
            "referer": without_query(header(head, "HTTP_REFERER")),
            "agent": header(head, "HTTP_USER_AGENT"),
            **fields_of(record),
            "duration_ms": round(duration_s * 1000, 3),
        }
        self._log.write_access(AccessLine(self._format, fields, time.time() - duration_s), fields)


@dataclass(frozen=True, slots=True)
class AccessLine:
    """The text of a record, made only if a formatter asks for it.

    Attributes:
        format: The format of the line.
        fields: The fields.
        began: When the request came, in seconds since the epoch.
    """

    format: str
    fields: Fields
    began: float

    def __str__(self) -> str:
        fields = self.fields
        first = f"{fields['request_method']} {fields['target']} {fields['protocol']}" if fields["target"] else ""
        texts = {name: escaped(str(value)) or _MISSING for name, value in fields.items()}
        # As in Apache, no bytes are a hyphen.
        texts |= {"bytes": str(fields["bytes"] or _MISSING), "status": f"{fields['status'] or _MISSING}"}
        texts |= {"request": escaped(first) or _MISSING, "user": _MISSING, "time": clf_time(self.began)}
        return self.format.format_map(texts)


def fields_of(record: CallRecord) -> Fields:
    """Return the fields of the calls of a request: empty where it has none."""
    more = record.count - len(record.methods)
    names = [cut(name, _MOST_CHARS // len(record.methods)) for name in record.methods]
    code = ",".join(map(str, record.codes)) or ("0" if record.count else "")
    return {
        "method": ",".join([*names, f"(+{more})"] if more else names),
        "code": code,
        "id": record.request_id or "",
    }


def target_of(head: dict[str, Any]) -> str:
    """Return the path of a request, percent-encoded, and whether it has a query, which may hold secrets."""
    path = quote(cut(head.get("PATH_INFO", "")), safe=_UNQUOTED, encoding="latin-1", errors="replace")
    return f"{path}?..." if head.get("QUERY_STRING") else path


def header(head: dict[str, Any], name: str) -> str:
    """Return the value of a header: its bytes as UTF-8, as far as they are."""
    value = cut(head.get(name, ""))
    return value.encode("latin-1", "replace").decode("utf-8", "backslashreplace")


def without_query(url: str) -> str:
    """Return a URL without its query, which may hold secrets."""
    before, mark, _ = url.partition("?")
    return f"{before}?..." if mark else before


def cut(text: str, most_chars: int = _MOST_CHARS) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= most_chars else f"{text[:most_chars]}..."


def escaped(text: str) -> str:
    """Escape quotes, backslashes and everything but printable ASCII: a line is ASCII, and one line."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.encode("unicode_escape").decode("ascii").replace('"', '\\"')


def clf_time(timestamp: float) -> str:
    """Return a time as the Common Log Format has it, such as ``02/Jan/2030:03:04:05 +0000``."""
    local = time.localtime(timestamp)
    return time.strftime(f"%d/{_MONTHS[local.tm_mon - 1]}/%Y:%H:%M:%S %z", local)
