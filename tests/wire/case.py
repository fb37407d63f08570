"""A case of the wire table: a request, the configuration of the server that gets it, and the exact answer."""

import json
from dataclasses import dataclass

from werkzeug.exceptions import NotFound

from tests.helpers import Answer, Request, get, post

JSON = ("Content-Type", "application/json")
JAVASCRIPT = ("Content-Type", "text/javascript; charset=utf-8")
TEXT = ("Content-Type", "text/plain; charset=utf-8")
NOSNIFF = ("X-Content-Type-Options", "nosniff")
NO_STORE = ("Cache-Control", "no-store")
SERVER_FAILED = "the server failed to answer; its log says why [<id>]"

REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
}


@dataclass(frozen=True)
class Case:
    """One case. The headers of the answer are compared as a set of lines: their order is not promised.

    Attributes:
        name: The name of the case.
        request: The request.
        answer: The expected answer.
        configuration: The name of the configuration of the server.
        over_native: The expected answer of the native front, if it differs. Few cases have it, and say why.
    """

    name: str
    request: Request
    answer: Answer
    configuration: str = "plain"
    over_native: Answer | None = None


def length(body):
    return "Content-Length", str(len(body))


def bytes_of(body):
    return body if isinstance(body, bytes) else body.encode()


def json_answer(body, *extra, content_type=JSON):
    body = bytes_of(body)
    return Answer("200 OK", (content_type, length(body), NOSNIFF, *extra), body)


def without_body(answer):
    """Return the answer to the same request by HEAD."""
    return Answer(answer.status, answer.headers, b"")


def nothing_answer(*extra):
    return Answer("204 No Content", tuple(extra), b"")


def text_answer(code, text, *extra):
    body = f"{text}\n".encode()
    return Answer(f"{code} {REASONS[code]}", (TEXT, length(body), NOSNIFF, *extra), body)


def not_found_answer():
    body = bytes_of(NotFound().get_body())
    return Answer("404 NOT FOUND", (("Content-Type", "text/html; charset=utf-8"), length(body)), body)


def result(value, request_id="1"):
    """Return a response; value and id are JSON texts."""
    return f'{{"jsonrpc":"2.0","result":{value},"id":{request_id}}}'


def error(code, message, request_id="1", data=None):
    """Return an error response; id and data are JSON texts."""
    data = "" if data is None else f',"data":{data}'
    return f'{{"jsonrpc":"2.0","error":{{"code":{code},"message":{json.dumps(message)}{data}}},"id":{request_id}}}'


def internal_error(request_id="1"):
    return error(-32603, "Internal error", request_id, '{"correlationId":"<id>"}')


def text_of(method, params=None, request_id="1"):
    """Return a call as JSON text. Params and id are JSON texts; an id of None makes a notification."""
    params = "" if params is None else f',"params":{params}'
    request_id = "" if request_id is None else f',"id":{request_id}'
    return f'{{"jsonrpc":"2.0","method":{json.dumps(method, ensure_ascii=False)}{params}{request_id}}}'


def call_case(name, method, params, answer, configuration="plain", **options):
    """Return a case of a call by POST whose answer is a JSON text."""
    return Case(name, post(text_of(method, params).encode(), **options), json_answer(answer), configuration)


def body_case(name, body, answer, configuration="plain", **options):
    """Return a case of a POST of any text whose answer is a JSON text, or empty."""
    expected = json_answer(answer) if answer else nothing_answer()
    return Case(name, post(bytes_of(body), **options), expected, configuration)


def get_case(name, target, answer, *extra, configuration="plain", headers=(), content_type=JSON, **options):
    request = get(target, dict(headers), **options)
    return Case(name, request, json_answer(answer, NO_STORE, *extra, content_type=content_type), configuration)


def refused_case(name, request, code, text, *extra, configuration="plain", over_native=None):
    return Case(name, request, text_answer(code, text, *extra), configuration, over_native)


def not_found_case(name, request, configuration="plain"):
    return Case(name, request, not_found_answer(), configuration)
