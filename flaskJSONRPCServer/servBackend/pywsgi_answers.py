"""Checks of an application's answer that pywsgi leaves out. Without them, its end may be read as the next answer."""

from __future__ import annotations

from typing import Any

from gevent.pywsgi import WSGIHandler

from .wsgi import DeclaredBody, content_length, has_no_body

__all__ = ["CheckedAnswers"]


class CheckedAnswers(WSGIHandler):
    """Sends as many bytes as an answer declares, and none where it has no body; else it ends the connection."""

    _declared: DeclaredBody | None = None

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Begin an answer.

        Raises:
            ValueError: The status is that of an interim answer, or the declared length is no plain number.
        """
        # The server alone frames the body.
        headers = [header for header in headers if header[0].lower() != "transfer-encoding"]
        write = super().start_response(status, headers, exc_info)
        if status.startswith("1"):
            self.status = None
            raise ValueError(f"the application answered {status!r}, after which the client waits for another answer")
        length = content_length(headers)
        self._declared = None if length is None or has_no_body(status) else DeclaredBody(length)
        return write

    def _write_with_headers(self, data: Any) -> None:
        if self._declared is not None and isinstance(self.result, (list, tuple)) and self.command != "HEAD":
            size, declared = sum(map(len, self.result)), self._declared.left_bytes
            if size != declared:  # before anything is sent, the client can still be told by a status
                raise ValueError(f"the application declared Content-Length {declared} and returned {size} bytes")
        super()._write_with_headers(data)  # type: ignore[misc]  # not in the stubs

    def _write(self, data: Any) -> None:
        if not data or self.command == "HEAD":
            return
        if isinstance(data, memoryview):  # whose length may not be in bytes
            data = data.tobytes()
        if self._declared is not None:
            self._declared(data)
        super()._write(data)  # type: ignore[misc]  # not in the stubs

    def process_result(self) -> None:
        """Send the answer of the application.

        Raises:
            ValueError: It is shorter than declared: the client would wait for the rest.
        """
        super().process_result()
        if self._declared is not None and self._declared.left_bytes and self.command != "HEAD":
            missing = self._declared.left_bytes
            raise ValueError(f"the application returned {missing} bytes less than its Content-Length")
