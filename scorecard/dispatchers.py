"""The dispatchers and pages of the server under test."""

from __future__ import annotations

import contextlib
import contextvars
import decimal
import locale
import os
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import flask

__all__ = ["Api", "add_pages", "pooled_echo", "pooled_pid", "pooled_sleep"]

_VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

# How often the streaming page writes, in seconds, and how many bytes.
_STREAM_EVERY_S = 0.5
_STREAM_PIECE = b"x" * 1000


class Api:
    """The dispatchers, with counts of their calls.

    Attributes:
        ran: How often each dispatcher has begun. Guarded by ``_lock``.
        texts: How often ``mark`` and ``slow`` have begun with each text. Guarded by ``_lock``.
        inside: How many calls of ``slow`` run now. Guarded by ``_lock``.
        most_inside: The largest number of them that have run at once. Guarded by ``_lock``.
        streams: The streams that ``push`` sends to. Guarded by ``_lock``.
        closed: How many streams have been closed. Guarded by ``_lock``.
    """

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()
        self.texts: Counter[str] = Counter()
        self.inside = 0
        self.most_inside = 0
        self.streams: list[Any] = []
        self.closed = 0
        self._lock = threading.Lock()

    def figures(self) -> dict[str, Any]:
        """Return the counts. This is callable over HTTP too, which does no harm."""
        with self._lock:
            return {
                "ran": dict(self.ran),
                "texts": dict(self.texts),
                "inside": self.inside,
                "most_inside": self.most_inside,
                "streams": len(self.streams),
                "closed": self.closed,
            }

    def echo(self, value: Any = None) -> Any:
        self._count("echo")
        return value

    def pid(self) -> int:
        return os.getpid()

    def mark(self, text: str = "") -> str:
        self._count("mark", text)
        return text

    def slow(self, seconds: float = 0.5, text: str = "") -> str:
        self._count("slow", text)
        with self._entered():
            time.sleep(seconds)
        return text

    def big(self, size: int = 1_000_000) -> str:
        self._count("big")
        return "x" * size

    def nested(self, depth: int) -> Any:
        self._count("nested")
        value: Any = None
        for _ in range(depth):
            value = [value]
        return value

    def integer(self, digits: int) -> int:
        self._count("integer")
        return int(10 ** (digits - 1))

    def number(self, text: str) -> float:
        self._count("number")
        return float(text)

    def fail(self, text: str = "") -> None:
        self._count("fail")
        raise Exception(text)

    def header(self, name: str, value: str, _connection: Any = None) -> None:
        self._count("header")
        _connection.headersOut[name] = value

    def cookie(self, name: str, value: str, _connection: Any = None) -> None:
        self._count("cookie")
        _connection.cookiesOut.append({"name": name, "value": value})

    def whoami(self, _connection: Any = None) -> str:
        self._count("whoami")
        address: str = _connection.ip
        return address

    def set_state(self) -> dict[str, Any]:
        """Change the state of the context and of the process. Return it as :meth:`read_state` does."""
        self._count("set_state")
        _VARIABLE.set("set")
        decimal.getcontext().prec = 5
        locale.setlocale(locale.LC_NUMERIC, "C.UTF-8")
        warnings.simplefilter("ignore", FutureWarning)
        return self.read_state()

    def read_state(self) -> dict[str, Any]:
        """Return state that another call may have changed."""
        self._count("read_state")
        return {
            "variable": _VARIABLE.get(),
            "precision": decimal.getcontext().prec,
            "locale": locale.setlocale(locale.LC_NUMERIC),
            "warning filters": len(warnings.filters),
        }

    def push(self, size: int, count: int) -> int:
        """Send to the streams that were opened last. Return how many have accepted the bytes."""
        self._count("push")
        with self._lock:
            streams = self.streams[-count:]
        return sum(bool(stream.send(b"y" * size)) for stream in streams)

    def _count(self, name: str, text: str = "") -> None:
        with self._lock:
            self.ran[name] += 1
            if text:
                self.texts[text] += 1

    @contextlib.contextmanager
    def _entered(self) -> Iterator[None]:
        with self._lock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        try:
            yield
        finally:
            with self._lock:
                self.inside -= 1

    def _stream_closed(self, *_details: Any) -> None:
        with self._lock:
            self.closed += 1


def add_pages(app: flask.Flask, api: Api) -> None:
    """Add a page that streams, and one for every other path. The latter counts requests that the server accepts."""

    @app.get("/stream")
    def open_stream() -> Any:
        exchange = flask.request.environ.get("flaskJSONRPCServer.exchange")
        if exchange is None or not hasattr(exchange, "open_stream"):
            return flask.Response(pieces(), mimetype="application/octet-stream")
        headers = [("Content-Type", "application/octet-stream")]
        stream = exchange.open_stream(
            "200 OK", headers, buffer_bytes=65536, when_full="close", on_close=api._stream_closed
        )
        with api._lock:
            api.streams.append(stream)
        return ""

    @app.route("/<path:_path>", methods=["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    def page(_path: str) -> tuple[str, int]:
        try:
            flask.request.get_data()
        except OSError:  # some backends raise this for a malformed or incomplete body
            return "broken", 400
        api._count("page")
        return "page", 404


def pooled_pid() -> int:
    return os.getpid()


def pooled_sleep(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def pooled_echo(value: Any) -> list[Any]:
    return [os.getpid(), value]


def pieces() -> Iterator[bytes]:
    while True:
        yield _STREAM_PIECE
        time.sleep(_STREAM_EVERY_S)
