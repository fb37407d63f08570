"""HTTP errors of dispatchers: raised by ``flask.abort(403)``, or raised or returned by an extension of Flask."""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import Any, Final

from ..sansio_jsonrpc import JsonRpcError, JsonRpcException

__all__ = ["HTTP_ERROR", "error_of_http", "error_of_response"]

HTTP_ERROR: Final = -32008
"""Code of the error where a dispatcher ended with an HTTP error, which ``data`` describes. The answer itself is 200."""


def error_of_http(exc: BaseException) -> JsonRpcException | None:
    """Return the error that stands for an ``HTTPException`` of Werkzeug's; None for any other exception.

    None also where it has no status, or where its own code raises when it is asked. The error's ``data`` has ``status``
    and ``name``, and ``description`` where the exception has one.
    """
    exceptions = sys.modules.get("werkzeug.exceptions")  # where that has not been imported, nobody has raised one
    if exceptions is None or not isinstance(exc, exceptions.HTTPException):
        return None
    try:
        status = exc.get_response().status_code if exc.code is None else exc.code
        return http_error(status, exc.description)
    except BaseException:  # noqa: BLE001  a class of the user's may override what it is asked
        return None


def error_of_response(result: object) -> JsonRpcException | None:
    """Return the error that stands for a response of Werkzeug's or Flask's, by which a decorator has refused a call.

    None where it refuses nothing, and for any other result.
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
    from werkzeug.http import HTTP_STATUS_CODES

    if not isinstance(status, int):
        raise TypeError(f"{status!r} is no status")
    data: dict[str, Any] = {"status": status, "name": HTTP_STATUS_CODES.get(status, "Unknown")}
    message = f"HTTP error: {status} {data['name']}"
    if description:
        data["description"] = str(description)
    return JsonRpcException.exc_from_error(JsonRpcError(HTTP_ERROR, message, data))
