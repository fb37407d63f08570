"""HTTP errors and responses of dispatchers, as JSON-RPC errors."""

import pytest
from werkzeug.exceptions import Forbidden, HTTPException, TooManyRequests, abort
from werkzeug.wrappers import Response

from flaskJSONRPCServer.dispatch.http_errors import HTTP_ERROR, error_of_http, error_of_response


def members(exc):
    return (exc.code, exc.message, exc.data)


class NoDescription(HTTPException):
    code = 418
    description = None


class OwnStatus(HTTPException):
    code = 799
    description = "mine"


@pytest.mark.parametrize(
    ("exc", "message", "data"),
    [
        (Forbidden("no"), "HTTP error: 403 Forbidden", {"status": 403, "name": "Forbidden", "description": "no"}),
        (
            TooManyRequests("slower"),
            "HTTP error: 429 Too Many Requests",
            {"status": 429, "name": "Too Many Requests", "description": "slower"},
        ),
        (NoDescription(), "HTTP error: 418 I'm a teapot", {"status": 418, "name": "I'm a teapot"}),
        (OwnStatus(), "HTTP error: 799 Unknown", {"status": 799, "name": "Unknown", "description": "mine"}),
    ],
)
def test_http_exception_is_an_error_with_status_and_description(exc, message, data):
    assert members(error_of_http(exc)) == (HTTP_ERROR, message, data)


def test_status_of_an_exception_with_a_response_is_that_of_the_response():
    with pytest.raises(HTTPException) as raised:
        abort(Response("gone", 410))

    assert members(error_of_http(raised.value)) == (-32008, "HTTP error: 410 Gone", {"status": 410, "name": "Gone"})


class NotANumber(HTTPException):
    code = "403"


class Failing(HTTPException):
    code = 403
    description = property(lambda self: 1 // 0, lambda self, text: None)


@pytest.mark.parametrize("exc", [ValueError("no"), KeyboardInterrupt(), NotANumber(), Failing()])
def test_any_other_exception_is_none(exc):
    assert error_of_http(exc) is None


@pytest.mark.parametrize(("status", "name"), [(300, "Multiple Choices"), (302, "Found"), (401, "Unauthorized")])
def test_response_with_a_status_of_300_or_above_is_an_error(status, name):
    exc = error_of_response(Response("text", status))

    assert members(exc) == (HTTP_ERROR, f"HTTP error: {status} {name}", {"status": status, "name": name})


@pytest.mark.parametrize("result", [Response("text"), Response(status=299), None, {"status": 403}])
def test_any_other_result_is_none(result):
    assert error_of_response(result) is None


class FailingResponse(Response):
    status_code = property(lambda self: 1 // 0, lambda self, status: None)


def test_response_whose_own_code_raises_is_none():
    assert error_of_response(FailingResponse()) is None
