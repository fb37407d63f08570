"""HTTP errors of dispatchers: raised by ``flask.abort(403)``, or raised or returned by a Flask extension."""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import Any, Final

from ..sansio_jsonrpc import JsonRpcError, JsonRpcException

__all__ = ["HTTP_ERROR", "error_of_http", "error_of_response", "http_exception_class"]

HTTP_ERROR: Final = -32008
"""Error code of a dispatcher that ended with an HTTP error, which ``data`` describes. The answer itself is 200."""


def error_of_http(exc: BaseException) -> JsonRpcException | None:
    """Return the JSON-RPC error for a Werkzeug ``HTTPException``; None for any other exception.

    Return None too if the exception has no status, or if its own code raises here. The ``data`` of the error has
    ``status`` and ``name``, and the ``description`` of the exception, if any.
    """
    http_exception: Any = http_exception_class()
    if http_exception is None or not isinstance(exc, http_exception):
        return None
    try:
        status = exc.get_response().status_code if exc.code is None else exc.code
        return http_error(status, exc.description)
    except BaseException:  # noqa: BLE001  a subclass of the user's may override both
        return None


def http_exception_class() -> type[BaseException] | None:
    """Return Werkzeug's ``HTTPException``; None if it has not been imported, so that nothing can have raised one."""
    exceptions = sys.modules.get("werkzeug.exceptions")
    return None if exceptions is None else exceptions.HTTPException


def error_of_response(result: object) -> JsonRpcException | None:
    """Return the JSON-RPC error for a Werkzeug or Flask response, with which a decorator has refused a call.

    Return None for a response with a status below 300, and for any other result.
    """
    wrappers = sys.modules.get("werkzeug.wrappers")
    if wrappers is None or not isinstance(result, wrappers.Response):
        return None
    try:
        status = result.status_code
        return http_error(status, None) if status >= HTTPStatus.MULTIPLE_CHOICES else None
    except BaseException:  # noqa: BLE001  as above
        return None


def http_error(status: int, description: str | None) -> JsonRpcException:
    """Return the JSON-RPC error for a status.

    Raises:
        TypeError: The status is no number.
    """
    from werkzeug.http import HTTP_STATUS_CODES

    if not isinstance(status, int):
        raise TypeError(f"{status!r} is no status")
    data: dict[str, Any] = {"status": status, "name": HTTP_STATUS_CODES.get(status, "Unknown")}
    message = f"HTTP error: {status} {data['name']}"
    if description:
        data["description"] = str(description)
    return JsonRpcException.exc_from_error(JsonRpcError(HTTP_ERROR, message, data))
