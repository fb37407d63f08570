"""Answers, and the additions of dispatchers."""

import pytest

from flaskJSONRPCServer.http import refusals
from flaskJSONRPCServer.http.response import (
    HeaderError,
    Outgoing,
    checked_header,
    json_response,
    merged_headers,
    refusal_response,
    server_error_response,
)


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [("X-A", "b", "b"), ("x!#$%&'*+.^_`|~9", "", ""), ("X-A", 5, "5"), ("X-A", "\té", "\té"), ("X-A", True, "True")],
)
def test_header_is_accepted(name, value, sent):
    assert checked_header(name, value) == (name, sent)


@pytest.mark.parametrize("char", ["\r", "\n", "\r\n", "\0", "\x0b", "\x1b", "\x7f", "\u0100", "\u2028", "\ud800"])
def test_header_value_with_an_invalid_character_is_refused(char):
    with pytest.raises(HeaderError, match=r"^header 'X-A' has a character that no header can hold"):
        checked_header("X-A", f"a{char}b")


@pytest.mark.parametrize("name", ["", "X A", "X:A", "X\r\nA", "é", "X(A)", "X\0", None, 5, b"X-A"])
def test_header_name_that_is_not_a_token_is_refused(name):
    with pytest.raises(HeaderError, match="is not a token"):
        checked_header(name, "a")


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "content-length",
        "Content-Encoding",
        "TRANSFER-ENCODING",
        "Keep-Alive",
        "Upgrade",
        "TE",
        "Trailer",
        "Proxy-Authenticate",
        "Proxy-Authorization",
    ],
)
def test_framing_header_is_refused(name):
    with pytest.raises(HeaderError, match="is set by the server alone"):
        checked_header(name, "a")


@pytest.mark.parametrize(
    ("cookie", "line"),
    [
        ({"name": "a", "value": "b"}, "a=b; Path=/"),
        ({"name": "a", "value": 5}, "a=5; Path=/"),
        ({"name": "a", "value": "", "path": None}, "a="),
        ({"name": "a", "value": "b", "path": "/x", "secure": True}, "a=b; Secure; Path=/x"),
        ({"name": "a", "value": "b", "httponly": 1, "samesite": "lax"}, "a=b; HttpOnly; Path=/; SameSite=Lax"),
        ({"name": "a", "value": "b", "domain": "a.test"}, "a=b; Domain=a.test; Path=/"),
        ({"name": "a", "value": "b", "domain": ".m\u00fcnchen.test"}, "a=b; Domain=xn--mnchen-3ya.test; Path=/"),
        ({"name": "a", "value": "b", "expires": 0}, "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"),
        ({"name": "a", "value": "x" * 5000}, f"a={'x' * 5000}; Path=/"),
    ],
)
def test_cookie(cookie, line):
    assert Outgoing(False, cookies=[cookie]).header_lines() == [("Set-Cookie", line)]


@pytest.mark.parametrize(
    ("cookie", "message"),
    [
        ({}, "needs 'name' and 'value'"),
        ({"name": "a"}, "needs 'name' and 'value'"),
        ({"name": "a", "value": "b", "max_age": 1}, "cookie 'a' has unknown keys: max_age"),
        ({"name": "a b", "value": "b"}, "cookie name 'a b' is not a token"),
        ({"name": "a", "value": "b", "samesite": "x"}, "cookie 'a' cannot be sent"),
        ({"name": "a", "value": "b", "domain": "x; evil=1"}, "cookie 'a' has a semicolon in its domain: 'x; evil=1'"),
        ({"name": "a", "value": "b", "path": "/; secure"}, "cookie 'a' has a semicolon in its path"),
        ({"name": "a", "value": "b", "expires": "0; domain=x"}, "cookie 'a' has a semicolon in its expires"),
        ({"name": "a", "value": "b", "samesite": "Lax; x"}, "cookie 'a' has a semicolon in its samesite"),
        ({"name": "a", "value": "b", "secure": "; x"}, "cookie 'a' has a semicolon in its secure"),
        ({"name": "a", "value": "b", "domain": "x, evil=1"}, "cookie 'a' has a domain that is no host name"),
        ({"name": "a", "value": "b", "domain": "x y"}, "cookie 'a' has a domain that is no host name"),
        ({"name": "a", "value": "b", "domain": "x\uff1bevil\uff1d1"}, "cookie 'a' has a domain that is no host name"),
        ({"name": "a", "value": "b", "domain": "x\uff0cy"}, "cookie 'a' has a domain that is no host name"),
        ({"name": "a", "value": "b", "domain": "x\u3000y"}, "cookie 'a' has a domain that is no host name"),
        ({"name": "a", "value": "b", "domain": "a..b"}, "cookie 'a' has a domain that is no host name"),
        ({"name": "a", "value": "b\r\nX: 1"}, ""),
        ({"name": "a", "value": "b\0"}, ""),
        ({"name": "a", "value": "b", "path": "/\r\n"}, ""),
        ({"name": "a", "value": "b", "domain": "a\r\n"}, ""),
        ({"name": "a", "value": "b", "expires": "x\r\n"}, ""),
    ],
)
def test_invalid_cookie_is_refused(cookie, message):
    with pytest.raises(HeaderError) as raised:
        Outgoing(False, cookies=[cookie]).header_lines()

    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("outgoing", "content_type"),
    [
        (Outgoing(False), "application/json"),
        (Outgoing(False, jsonp="%s"), "text/javascript; charset=utf-8"),
        (Outgoing(False, jsonp="%s", mime_type="text/x"), "text/x"),
        (Outgoing(False, mime_type="text/x"), "text/x"),
    ],
)
def test_content_type(outgoing, content_type):
    assert outgoing.content_type == content_type


@pytest.mark.parametrize(
    ("headers", "extra", "merged"),
    [
        ([("A", "1")], [("B", "2")], [("A", "1"), ("B", "2")]),
        ([("A", "1"), ("B", "2")], [("a", "3")], [("B", "2"), ("a", "3")]),
        ([("Vary", "A")], [("vary", "B")], [("vary", "A, B")]),
        ([("Vary", "A, B")], [("Vary", "A, B")], [("Vary", "A, B")]),
        ([("Vary", "Origin")], [("Vary", "Origin")], [("Vary", "Origin")]),
        ([("Vary", "A, Origin")], [("Vary", "Origin")], [("Vary", "A, Origin")]),
        ([("Vary", "origin")], [("Vary", "Origin")], [("Vary", "origin")]),
        (
            [("Access-Control-Expose-Headers", "X-A")],
            [("Access-Control-Expose-Headers", "Retry-After")],
            [("Access-Control-Expose-Headers", "X-A, Retry-After")],
        ),
        (
            [("Set-Cookie", "a")],
            [("Set-Cookie", "b"), ("Set-Cookie", "a")],
            [("Set-Cookie", "a"), ("Set-Cookie", "b"), ("Set-Cookie", "a")],
        ),
    ],
)
def test_merged_headers(headers, extra, merged):
    before = list(headers)

    assert merged_headers(headers, extra) == merged
    assert headers == before


def test_json_response():
    response = json_response(b"{}")

    assert response.status == "200 OK"
    assert dict(response.headers) == {
        "Content-Type": "application/json",
        "Content-Length": "2",
        "X-Content-Type-Options": "nosniff",
    }
    assert response.body == b"{}"


def test_empty_json_response_has_neither_body_nor_headers():
    response = json_response(b"")

    assert (response.status, response.headers, response.body) == ("204 No Content", [], b"")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("BadRequest", "400 Bad Request"),
        ("BadEncoding", "400 Bad Request"),
        ("Forbidden", "403 Forbidden"),
        ("RequestTimeout", "408 Request Timeout"),
        ("LengthRequired", "411 Length Required"),
        ("BodyTooLarge", "413 Content Too Large"),
        ("UrlTooLong", "414 URI Too Long"),
        ("UnsupportedMediaType", "415 Unsupported Media Type"),
        ("Misdirected", "421 Misdirected Request"),
        ("TooManyHeaders", "431 Request Header Fields Too Large"),
    ],
)
def test_refusal_is_its_status_and_one_sentence(name, status):
    response = refusal_response(getattr(refusals, name)("a sentence"))

    assert response.status == status
    assert response.body == b"a sentence\n"
    assert dict(response.headers) == {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": "11",
        "X-Content-Type-Options": "nosniff",
    }


def test_refusal_says_when_to_try_again():
    response = refusal_response(refusals.TooManyRequests("a sentence", retry_after_s=12))

    assert response.status == "429 Too Many Requests"
    assert response.headers[-1] == ("Retry-After", "12")


def test_refusal_escapes_what_is_not_ascii():
    assert refusal_response(refusals.BadRequest("a\u2028ж")).body == b"a\\u2028\\u0436\n"


def test_server_error_reveals_nothing():
    response = server_error_response("an id")

    assert response.status == "500 Internal Server Error"
    assert response.body == b"the server failed to answer; its log says why [an id]\n"
