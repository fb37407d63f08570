"""Answers that a dispatcher and the settings change: headers, cookies, media type, gzip, size."""

import gzip
import json

from tests.helpers import get, post
from tests.wire.case import (
    JAVASCRIPT,
    JSON,
    NO_STORE,
    NOSNIFF,
    SERVER_FAILED,
    Answer,
    Case,
    body_case,
    call_case,
    error,
    json_answer,
    length,
    nothing_answer,
    refused_case,
    result,
    text_of,
)

TRUE = result("true")
VARY = ("Vary", "Accept-Encoding")
GZIP = ("Content-Encoding", "gzip")
ACCEPT = {"Accept-Encoding": "gzip"}


def asked(name, method, argument, *extra, content_type=JSON, configuration="plain", **options):
    """Return a case of a call that changes its own answer."""
    request = post(text_of(method, json.dumps([argument])).encode(), **options)
    return Case(name, request, json_answer(TRUE, *extra, content_type=content_type), configuration)


def failing(name, method, argument):
    request = post(text_of(method, json.dumps([argument])).encode())
    return refused_case(name, request, 500, SERVER_FAILED)


A_HEADER = '[{"X-A":"a"}]'
B_HEADER = '[{"X-B":"b"}]'
HEADER_CASES = [
    asked("headers_out", "set_headers", {"X-A": "a", "X-B": "b c"}, ("X-A", "a"), ("X-B", "b c")),
    asked("headers_out_number", "set_headers", {"X-A": 5}, ("X-A", "5")),
    asked("headers_out_latin1", "set_headers", {"X-A": "\xe9"}, ("X-A", "\xe9")),
    asked(
        "headers_out_replaces_content_type",
        "set_headers",
        {"content-type": "text/x"},
        content_type=("content-type", "text/x"),
    ),
    asked(
        "headers_out_extends_vary", "set_headers", {"Vary": "X-A"}, ("Vary", "X-A, Origin"), configuration="cors_method"
    ),
    Case(
        "headers_out_of_a_notification",
        post(text_of("set_headers", '[{"X-A":"a"}]', None).encode()),
        nothing_answer(("X-A", "a")),
    ),
    Case(
        "headers_out_of_a_batch_are_joined",
        post(f"[{text_of('set_headers', A_HEADER)},{text_of('set_headers', B_HEADER)}]".encode()),
        json_answer(f"[{TRUE},{TRUE}]", ("X-A", "a"), ("X-B", "b")),
    ),
    *[
        failing(f"headers_out_refused_{name!a}_{value!a}", "set_headers", {name: value})
        for name, value in (
            [
                *(
                    ("X-A", f"a{char}X-Evil: 1")
                    for char in ("\r\n", "\n", "\r", "\0", "\x0b", "\x7f", "\u2028", "\u0101")
                ),
                *((f"X-A{char}X-Evil", "1") for char in ("\r\n", "\n", ":", " ", "\0", "\xe9")),
                ("", "a"),
                ("Content-Length", "1"),
                ("content-length", "1"),
                ("Transfer-Encoding", "chunked"),
                ("Connection", "close"),
                ("Content-Encoding", "gzip"),
                ("Keep-Alive", "timeout=5"),
                ("Upgrade", "h2c"),
                ("Trailer", "X-A"),
                ("TE", "trailers"),
                ("Proxy-Authenticate", "Basic"),
            ]
        )
    ],
]


def cookie(name, options, line):
    return asked(f"cookie_{name}", "set_cookies", [options], ("Set-Cookie", line))


COOKIE_CASES = [
    cookie("plain", {"name": "a", "value": "b"}, "a=b; Path=/"),
    cookie(
        "full",
        {
            "name": "a",
            "value": "b",
            "domain": "a.test",
            "path": "/x",
            "secure": True,
            "httponly": True,
            "samesite": "Strict",
            "expires": 0,
        },
        "a=b; Domain=a.test; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; Path=/x; SameSite=Strict",
    ),
    cookie("value_is_quoted", {"name": "a", "value": "b; c"}, 'a="b\\073 c"; Path=/'),
    cookie("value_number", {"name": "a", "value": 5}, "a=5; Path=/"),
    asked(
        "two_cookies",
        "set_cookies",
        [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}],
        ("Set-Cookie", "a=1; Path=/"),
        ("Set-Cookie", "b=2; Path=/"),
    ),
    *[
        failing(f"cookie_refused_{changes!a}", "set_cookies", [{"name": "a", "value": "b", **changes}])
        for changes in (
            [
                {"name": "a\r\nX-Evil: 1"},
                {"name": "a=b"},
                {"name": "a b"},
                {"name": ""},
                {"name": "a\0"},
                {"value": "b\r\nX-Evil: 1"},
                {"value": "b\n"},
                {"value": "b\r"},
                {"value": "b\0"},
                {"path": "/\r\nX-Evil: 1"},
                {"path": "/\0"},
                {"domain": "a.test\r\nX-Evil: 1"},
                {"domain": "a.test\0"},
                {"expires": "now\r\nX-Evil: 1"},
                {"samesite": "Strict\r\nX-Evil: 1"},
                {"samesite": "sometimes"},
                {"unknown": 1},
            ]
        )
    ],
    failing("cookie_without_name", "set_cookies", [{"value": "b"}]),
    failing("cookie_without_value", "set_cookies", [{"name": "a"}]),
]

TYPE_CASES = [
    asked("mime_type", "set_type", "application/json-rpc", content_type=("Content-Type", "application/json-rpc")),
    asked(
        "mime_type_with_charset",
        "set_type",
        "text/html; charset=utf-8",
        content_type=("Content-Type", "text/html; charset=utf-8"),
    ),
    *[
        failing(f"mime_type_refused_{number}", "set_type", text)
        for number, text in enumerate(("a\r\nX-Evil: 1", "a\n", "a\0"))
    ],
    Case(
        "mime_type_of_a_notification_has_nothing_to_describe",
        post(text_of("set_type", '["text/x"]', None).encode()),
        nothing_answer(),
    ),
    Case(
        "mime_type_of_jsonp",
        get("/api/set_type?mime_type=text/javascript&jsonp=f"),
        json_answer(f"/**/f({result('true', 'null')});", NO_STORE, content_type=("Content-Type", "text/javascript")),
    ),
]

BLOB = result(f'"{"x" * 200}"')
SMALL = result('"x"')


def blob(size="200", method="blob", accept="gzip", **options):
    headers = {} if accept is None else {"Accept-Encoding": accept}
    return post(text_of(method, f"[{size}]").encode(), headers=headers, **options)


def zipped_answer(body, *extra, vary=VARY):
    packed = gzip.compress(body.encode(), 6, mtime=0)
    return Answer("200 OK", (JSON, length(packed), NOSNIFF, vary, GZIP, *extra), packed)


def at_size(size):
    """Return a request and its answer of ``size`` bytes."""
    count = size - len(result('""'))
    return blob(str(count)), result(f'"{"x" * count}"')


AT_100, ANSWER_100 = at_size(100)
AT_101, ANSWER_101 = at_size(101)
COMPRESS_CASES = [
    *[
        Case(f"compressed_for_{accept}", blob(accept=accept), zipped_answer(BLOB), "compress")
        for accept in (
            "gzip",
            "GZIP",
            "deflate, gzip;q=0.5",
            "*",
            "*;q=0.1",
            "gzip;q=0.001",
            "br, *",
            "identity;q=0.5, gzip",
            "gzip, identity",
            "identity;q=0, gzip",
        )
    ],
    *[
        Case(f"not_compressed_for_{accept}", blob(accept=accept), json_answer(BLOB, VARY), "compress")
        for accept in (
            None,
            "",
            "identity",
            "deflate",
            "br",
            "gzip;q=0",
            "gzip;q=0.0, *",
            "*;q=0",
            "identity, gzip;q=0.5",
            "xgzip",
            "gzip;q=x",
        )
    ],
    Case("not_compressed_at_the_minimum", AT_100, json_answer(ANSWER_100), "compress"),
    Case("compressed_over_the_minimum", AT_101, zipped_answer(ANSWER_101), "compress"),
    Case("not_compressed_where_off", blob(), json_answer(BLOB), "compress_off"),
    Case("compressed_by_the_call", blob(method="blob_compressed"), zipped_answer(BLOB), "compress_off"),
    Case("not_compressed_by_the_call", blob(method="blob_plain"), json_answer(BLOB), "compress"),
    Case(
        "compressed_by_the_call_only_over_the_minimum", blob("1", "blob_compressed"), json_answer(SMALL), "compress_off"
    ),
    Case("not_compressed_by_default", blob(), json_answer(BLOB)),
    Case(
        "compressed_jsonp",
        get("/api/blob?size=200&jsonp=f", ACCEPT),
        Answer(
            "200 OK",
            (
                JAVASCRIPT,
                length(gzip.compress(f"/**/f({result(chr(34) + 'x' * 200 + chr(34), 'null')});".encode(), 6, mtime=0)),
                NOSNIFF,
                NO_STORE,
                VARY,
                GZIP,
            ),
            gzip.compress(f"/**/f({result(chr(34) + 'x' * 200 + chr(34), 'null')});".encode(), 6, mtime=0),
        ),
        "compress",
    ),
    Case(
        "compressed_with_cors",
        post(text_of("blob", "[200]").encode(), headers={**ACCEPT, "Origin": "https://a.test"}),
        zipped_answer(
            BLOB,
            ("Access-Control-Allow-Origin", "https://a.test"),
            ("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate"),
            vary=("Vary", "Accept-Encoding, Origin"),
        ),
        "cors_compress",
    ),
    Case(
        "compressed_batch",
        post(f"[{text_of('blob', '[200]')}]".encode(), headers=ACCEPT),
        zipped_answer(f"[{BLOB}]"),
        "compress",
    ),
]

TOO_LARGE = "Response over max_response_bytes (300 bytes)"
ANSWER_AT_300 = str(300 - len(result('""')))


def too_large(request_id="1"):
    return error(-32001, TOO_LARGE, request_id)


SIZE_CASES = [
    call_case("answer_at_the_limit", "blob", f"[{ANSWER_AT_300}]", result(f'"{"x" * int(ANSWER_AT_300)}"'), "limits"),
    call_case("answer_over_the_limit", "blob", f"[{int(ANSWER_AT_300) + 1}]", too_large(), "limits"),
    body_case("answer_over_the_limit_of_a_notification", text_of("blob", "[1000]", None), "", "limits"),
    body_case(
        "answer_over_the_limit_in_a_batch_ends_it",
        f"[{text_of('blob', '[400]', '1')},{text_of('echo', '[2]', '2')}]",
        f"[{too_large('1')},{too_large('2')}]",
        "limits",
    ),
    body_case(
        "answers_over_the_limit_together_end_the_batch",
        f"[{text_of('blob', '[160]', '1')},{text_of('blob', '[160]', '2')}]",
        f"[{result(chr(34) + 'x' * 160 + chr(34), '1')},{too_large('2')}]",
        "limits",
    ),
    body_case(
        "a_notification_after_the_limit_stays_silent",
        f"[{text_of('blob', '[400]', '1')},{text_of('echo', '[2]', None)}]",
        f"[{too_large('1')}]",
        "limits",
    ),
    body_case("nesting_at_the_limit", text_of("echo", "[[[[3]]]]"), result("[[[3]]]"), "limits"),
    body_case(
        "nesting_over_the_limit",
        text_of("echo", "[[[[[4]]]]]"),
        error(-32700, "Parse error: nested deeper than 5", "null"),
        "limits",
    ),
    body_case("brackets_in_strings_do_not_nest", text_of("echo", '["[[[[[[[[[["]'), result('"[[[[[[[[[["'), "limits"),
    call_case("digits_at_the_limit", "echo", f"[{'9' * 20}]", result("9" * 20), "limits"),
    call_case(
        "digits_over_the_limit",
        "echo",
        f"[{'9' * 21}]",
        error(-32602, "Invalid params: an integer of more than 20 digits"),
        "limits",
    ),
]

CASES = [*HEADER_CASES, *COOKIE_CASES, *TYPE_CASES, *COMPRESS_CASES, *SIZE_CASES]
