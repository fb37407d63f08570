"""HTTP around the calls: paths, methods, media types, lengths, codings, limits, Host, Origin, auth, proxies."""

import gzip
from urllib.parse import quote

from tests.helpers import BrokenStream, Request, UnreadableStream, get, post
from tests.wire.case import (
    NO_STORE,
    SERVER_FAILED,
    Case,
    body_case,
    call_case,
    error,
    get_case,
    json_answer,
    not_found_answer,
    not_found_case,
    nothing_answer,
    refused_case,
    result,
    text_answer,
    text_of,
    without_body,
)

CALL = text_of("echo", "[1]").encode()
ECHOED = result("1")
GOT = result('"1"', "null")
ALLOW_POST = ("Allow", "OPTIONS, POST")
ALLOW_GET = ("Allow", "GET, HEAD, OPTIONS")


PATH_CASES = [
    body_case("path_without_slash", CALL, ECHOED, target="/api"),
    body_case("path_with_slash", CALL, ECHOED, target="/api/"),
    call_case("path_of_several_segments", "add", "[1,2]", result("3"), target="/a/b/c"),
    call_case("path_of_several_segments_with_slash", "add", "[1,2]", result("3"), target="/a/b/c/"),
    call_case("path_root", "at_root", "[1]", result("1"), target="/"),
    call_case("path_non_ascii", "echo", "[1]", result("1"), target=quote("/дом")),
    call_case("path_with_a_query", "echo", "[1]", result("1"), target="/api?a=b"),
    call_case("path_has_methods_of_its_own", "at_root", "[1]", error(-32601, "Method not found"), target="/api"),
    call_case("path_root_has_methods_of_its_own", "echo", "[1]", error(-32601, "Method not found"), target="/"),
    get_case("get_method", "/api/echo?value=1", GOT),
    get_case("get_method_with_slash", "/api/echo/?value=1", GOT),
    get_case("get_root_method", "/at_root?value=1", GOT),
    get_case("get_method_of_several_segments", "/a/b/c/add?a=1&b=2", result('"12"', "null")),
    get_case("get_non_ascii_method", quote("/api/привет") + "?value=1", GOT),
    get_case("get_non_ascii_path", quote("/дом/echo") + "?value=" + quote("ж"), result('"ж"', "null")),
    get_case("get_instance_method", "/counter/kind", result('"Counter"', "null")),
    *[
        not_found_case(f"unknown_path_{number}", post(CALL, target))
        for number, target in enumerate(
            ("/no/such", "/API/x", "/api/x/y", "/a/b", "/a/b/x", "/%ff/%ff", "/../..", "/api/../x", "/a/b/c/d/e")
        )
    ],
    *[
        not_found_case(f"unknown_get_{number}", get(target))
        for number, target in enumerate(
            (
                "/api/no_such",
                "/api/echo.bat?value=1",
                "/api/echo;/x.cmd?value=1",
                "/api/;/x.cmd",
                "/api/echo%00",
                "/api/echo/x",
                "/echo?value=1",
                "/counter/_hidden",
                "/counter/__class__",
                "/counter/secret",
                "/api/%ff",
            )
        )
    ],
]

DOUBLE_SLASHES = [
    post(CALL, "//api"),
    post(CALL, "/api//"),
    get("/api//echo?value=1"),
    get("//at_root?value=1"),
    post(CALL, "/a//b/c"),
]

METHOD_CASES = [
    Case("options_of_a_path", Request("OPTIONS", "/api"), nothing_answer(ALLOW_POST)),
    Case("options_of_a_method", Request("OPTIONS", "/api/echo"), nothing_answer(ALLOW_GET)),
    Case("head_of_a_method", Request("HEAD", "/api/echo?value=1"), without_body(json_answer(GOT, NO_STORE))),
    Case(
        "head_of_a_method_that_takes_no_get",
        Request("HEAD", "/api/b_only_post?value=1"),
        without_body(text_answer(403, "this method takes no GET; POST a JSON-RPC request")),
    ),
    Case("head_of_an_unknown_path", Request("HEAD", "/no/such/path"), without_body(not_found_answer())),
    Case(
        "head_over_the_limit_of_the_url",
        Request("HEAD", "/api/echo?value=" + "x" * 8192),
        without_body(text_answer(414, "the URL is over max_url_bytes (8192 bytes)")),
    ),
    not_found_case("put_to_an_unknown_path", Request("PUT", "/no/such/path")),
    not_found_case("options_of_an_unknown_path", Request("OPTIONS", "/no/such/path")),
]

# A server with these dispatchers accepts no other HTTP method at these URLs.
WRONG_METHODS = [
    ("GET", "/api", {"OPTIONS", "POST"}),
    ("HEAD", "/api/", {"OPTIONS", "POST"}),
    ("PUT", "/api", {"OPTIONS", "POST"}),
    ("POST", "/api/echo", {"GET", "HEAD", "OPTIONS"}),
    ("DELETE", "/api/echo/", {"GET", "HEAD", "OPTIONS"}),
]

TAKEN_TYPES = (
    "application/json",
    "application/json-rpc",
    "application/jsonrequest",
    "Application/JSON",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    'application/json; charset="utf-8"',
    "application/json; charset=utf8",
    "application/json; x=y",
    "application/json ;charset=utf-8",
)
REFUSED_TYPES = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; application/json",
    "text/plain;charset=application/json",
    "application/jsonx",
    "application",
    "*/*",
    "text/json",
    "application/json, text/plain",
    "application/vnd.api+json",
)
REFUSED_CHARSETS = (
    "application/json; charset=latin-1",
    "application/json; charset=utf-16",
    "application/json; charset=x",
)


def unread_post(name_of_header=None, value=None, length="10", **headers):
    """Return a POST whose body fails when it is read."""
    headers = {"Content-Type": "application/json", "Content-Length": length, **headers}
    if name_of_header:
        headers[name_of_header] = value
    return Request("POST", "/api", headers, environ={"wsgi.input": UnreadableStream()})


NO_TYPE = "the request has no Content-Type; send application/json"


def type_refused(content_type):
    return f"Content-Type {content_type!r} is not in media_types; send application/json"


MEDIA_TYPE_CASES = [
    *[
        Case(f"type_taken_{each}", post(CALL, headers={"Content-Type": each}), json_answer(ECHOED))
        for each in TAKEN_TYPES
    ],
    *[
        refused_case(f"type_refused_{each}", unread_post("Content-Type", each), 415, type_refused(each))
        for each in REFUSED_TYPES
    ],
    *[
        refused_case(
            f"charset_refused_{each}",
            unread_post("Content-Type", each),
            415,
            f"Content-Type {each!r} is refused: JSON is UTF-8 (RFC 8259)",
        )
        for each in REFUSED_CHARSETS
    ],
    refused_case("type_missing", unread_post("Content-Type", None), 415, NO_TYPE),
    refused_case("type_empty", unread_post("Content-Type", ""), 415, NO_TYPE),
    Case("type_chosen", post(CALL, headers={"Content-Type": "application/vnd.api+json"}), json_answer(ECHOED), "media"),
    refused_case(
        "type_default_is_replaced",
        post(CALL),
        415,
        type_refused("application/json"),
        configuration="media",
    ),
]

BODY_OVER_200 = "the body is over max_body_bytes (200 bytes)"
FILLER = "x" * (200 - len(text_of("echo", '[""]')))
BODY_AT_200 = text_of("echo", f'["{FILLER}"]').encode()
BODY_ENDED = "the body ended before its declared length"


def malformed(reason):
    """Return the refusal of the native front for a length that does not determine a body.

    Its parser, llhttp, stops there and does not pass the field on, so the text is llhttp's own. A serving backend that
    passes the field on leaves it to the application, whose refusal names the value.
    """
    return text_answer(400, f"malformed request: {reason}")


LENGTH_CASES = [
    *[
        refused_case(
            f"length_{each!r}",
            unread_post(length=each),
            400,
            f"Content-Length {each!r} is not a decimal number".encode("ascii", "backslashreplace").decode(),
            over_native=malformed("Invalid character in Content-Length"),
        )
        for each in ("+5", "1_0", "-5", "5, 5", "5 ", "0x5", "5.0", "five", "\u00b2", "\u00a05")
    ],
    refused_case(
        "length_beside_transfer_encoding",
        unread_post("Transfer-Encoding", "chunked"),
        400,
        "Content-Length and Transfer-Encoding exclude each other",
        over_native=malformed("Transfer-Encoding can't be present with Content-Length"),
    ),
    refused_case("length_over_the_limit", unread_post(length="201"), 413, BODY_OVER_200, configuration="limits"),
    refused_case(
        "length_over_the_default_limit",
        unread_post(length=str(5 * 2**20 + 1)),
        413,
        "the body is over max_body_bytes (5242880 bytes)",
    ),
    refused_case(
        "length_of_5000_digits",
        unread_post(length="9" * 5000),
        413,
        BODY_OVER_200,
        configuration="limits",
        over_native=malformed("Content-Length overflow"),
    ),
    body_case("length_at_the_limit", BODY_AT_200, result(f'"{FILLER}"'), "limits"),
    body_case("length_with_zeros_before_it", CALL, ECHOED, headers={"Content-Length": f"000{len(CALL)}"}),
    body_case(
        "length_missing_is_no_body", CALL, error(-32700, "Parse error", "null"), headers={"Content-Length": None}
    ),
    body_case("length_shorter_than_the_stream", CALL + b"[[", ECHOED, headers={"Content-Length": str(len(CALL))}),
    body_case("chunked", CALL, ECHOED, chunked=True),
    body_case("chunked_at_the_limit", BODY_AT_200, result(f'"{FILLER}"'), "limits", chunked=True),
    refused_case(
        "chunked_over_the_limit", post(BODY_AT_200 + b" ", chunked=True), 413, BODY_OVER_200, configuration="limits"
    ),
    refused_case(
        "body_shorter_than_declared",
        post(CALL, headers={"Content-Length": str(len(CALL) + 1)}),
        400,
        BODY_ENDED,
    ),
    refused_case("body_missing", post(b"", headers={"Content-Length": "5"}), 400, BODY_ENDED),
]

BROKEN_CASES = [
    refused_case(
        f"{framing}_body_that_breaks_off_with_{failure.__name__}",
        post(CALL, chunked=framing == "chunked", environ={"wsgi.input": BrokenStream(failure)}),
        code,
        text,
        configuration="impatient",
    )
    for framing in ("declared", "chunked")
    for failure, code, text in (
        (TimeoutError, 408, "the client stopped sending in the middle of the body"),
        (ConnectionResetError, 400, BODY_ENDED),
        (OSError, 400, BODY_ENDED),
    )
]
LENGTH_CASES += [
    *BROKEN_CASES,
    refused_case(
        "chunked_where_the_end_is_not_known",
        post(CALL, headers={"Content-Length": None, "Transfer-Encoding": "chunked"}),
        411,
        "a chunked body cannot be read here; send Content-Length",
    ),
]

ZIPPED = gzip.compress(CALL, mtime=0)


def coded(coding, body=ZIPPED, **options):
    return post(body, headers={"Content-Encoding": coding}, **options)


CODING_CASES = [
    *[Case(f"coding_{each}", coded(each), json_answer(ECHOED)) for each in ("gzip", "GZIP", " gzip ", "x-gzip")],
    *[Case(f"coding_{each or 'empty'}", coded(each, CALL), json_answer(ECHOED)) for each in ("identity", "")],
    *[
        refused_case(
            f"coding_{each}_refused",
            coded(each),
            415,
            f"Content-Encoding {each!r} is not taken; send gzip or none",
        )
        for each in ("deflate", "br", "gzip, gzip", "gzip,identity", "zstd", "*")
    ],
    Case("coding_gzip_chunked", coded("gzip", chunked=True), json_answer(ECHOED)),
    refused_case("coding_gzip_truncated", coded("gzip", ZIPPED[:-1]), 400, "the gzip body is truncated"),
    refused_case("coding_gzip_of_nothing", coded("gzip", b""), 400, "the gzip body is truncated"),
    refused_case("coding_gzip_trailing_bytes", coded("gzip", ZIPPED + b"x"), 400, "bytes follow the gzip body"),
    refused_case("coding_gzip_two_members", coded("gzip", ZIPPED * 2), 400, "bytes follow the gzip body"),
    refused_case("coding_not_gzip", coded("gzip", CALL), 400, "the body is not valid gzip"),
    refused_case("coding_gzip_corrupt", coded("gzip", ZIPPED[:-8] + b"\0" * 8), 400, "the body is not valid gzip"),
    refused_case("coding_gzip_twice", coded("gzip", gzip.compress(ZIPPED, mtime=0)), 400, "the body is gzipped twice"),
    refused_case(
        "coding_gzip_bomb",
        coded("gzip", gzip.compress(b"\0" * 6 * 2**20, mtime=0)),
        413,
        "the body is over max_body_bytes (5242880 bytes)",
    ),
    refused_case(
        "coding_gzip_one_byte_over",
        coded("gzip", gzip.compress(BODY_AT_200 + b" ")),
        413,
        BODY_OVER_200,
        configuration="limits",
    ),
    Case(
        "coding_gzip_at_the_limit",
        coded("gzip", gzip.compress(BODY_AT_200)),
        json_answer(result(f'"{FILLER}"')),
        "limits",
    ),
]

# Host, Content-Type and Content-Length are three more.
HEADERS_AT_LIMIT = {"X-A": "1", "X-B": "2", "X-C": "3"}
URL_START = "/api/echo?value="
VALUE_AT_LIMIT = "x" * (60 - len(URL_START) + 1)  # the question mark does not count
HEAD_CASES = [
    Case("headers_at_the_limit", post(CALL, headers=HEADERS_AT_LIMIT), json_answer(ECHOED), "limits"),
    refused_case(
        "headers_over_the_limit",
        post(CALL, headers={**HEADERS_AT_LIMIT, "X-D": "4"}),
        431,
        "more than max_header_count (6) header fields",
        configuration="limits",
    ),
    refused_case(
        "headers_over_the_default_limit",
        post(CALL, headers={f"X-{number}": "1" for number in range(98)}),
        431,
        "more than max_header_count (100) header fields",
    ),
    get_case(
        "url_at_the_limit", URL_START + VALUE_AT_LIMIT, result(f'"{VALUE_AT_LIMIT}"', "null"), configuration="limits"
    ),
    refused_case(
        "url_over_the_limit",
        get(URL_START + VALUE_AT_LIMIT + "x"),
        414,
        "the URL is over max_url_bytes (60 bytes)",
        configuration="limits",
    ),
    refused_case(
        "url_over_the_default_limit",
        get("/api/echo?value=" + "x" * 8192),
        414,
        "the URL is over max_url_bytes (8192 bytes)",
    ),
]


def host_refused(host):
    return f"Host {host!r} is not in allowed_hosts"


HOST_CASES = [
    *[
        Case(f"host_{host}_taken", post(CALL, headers={"Host": host}), json_answer(ECHOED), "hosts")
        for host in ("api.test", "api.test:8080", "API.test", "api.test.", "api.test.:80")
    ],
    *[
        refused_case(f"host_{host}_refused", unread_post("Host", host), 421, host_refused(host), configuration="hosts")
        for host in (
            "evil.test",
            "api.test.evil.test",
            "xapi.test",
            "127.0.0.1",
            "[::1]:80",
        )
    ],
    *[
        Case(f"loopback_host_{host}_taken", post(CALL, headers={"Host": host}), json_answer(ECHOED), "loopback")
        for host in ("127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080")
    ],
    *[
        refused_case(
            f"loopback_host_{host}_refused",
            unread_post("Host", host),
            421,
            host_refused(host),
            configuration="loopback",
        )
        for host in ("evil.test", "127.0.0.1.evil.test", "0.0.0.0")
    ],
    *[
        refused_case(f"host_malformed_{host!a}", unread_post("Host", host), 400, f"Host {host!r} is not one host name")
        for host in ("", "api.test@evil.test", "a.test, b.test", "a.test:x", "a test", "[::1", "a.test/x")
    ],
    refused_case("host_missing", unread_post("Host", None), 400, "the request has no Host"),
    Case(
        "host_missing_in_http_1_0",
        post(CALL, headers={"Host": None}, environ={"SERVER_PROTOCOL": "HTTP/1.0"}),
        json_answer(ECHOED),
    ),
    refused_case(
        "host_refused_to_a_get",
        get("/api/echo?value=1", {"Host": "evil.test"}),
        421,
        host_refused("evil.test"),
        configuration="hosts",
    ),
    refused_case(
        "host_refused_to_a_preflight",
        Request("OPTIONS", "/api", {"Host": "evil.test"}),
        421,
        host_refused("evil.test"),
        configuration="hosts",
    ),
    Case("any_host_where_not_restricted", post(CALL, headers={"Host": "evil.test"}), json_answer(ECHOED)),
]

ORIGIN_CASES = [
    *[
        Case(f"origin_{origin}_taken", post(CALL, headers={"Origin": origin}), json_answer(ECHOED), "origins")
        for origin in ("https://a.test", "http://127.0.0.1:8080", None)
    ],
    *[
        refused_case(
            f"origin_{origin}_refused",
            unread_post("Origin", origin),
            403,
            f"Origin {origin!r} is not in allowed_origins",
            configuration="origins",
        )
        for origin in (
            "https://evil.test",
            "null",
            "https://a.test.evil.test",
            "http://a.test",
            "https://a.test:444",
            "https://xa.test",
            "",
        )
    ],
]

NOT_AUTHORISED = "not authorised"
AUTH_CASES = [
    Case("auth_true", post(CALL, headers={"X-Auth": "yes"}), json_answer(ECHOED), "auth"),
    *[
        refused_case(f"auth_{token}", unread_post("X-Auth", token), 403, NOT_AUTHORISED, configuration="auth")
        for token in ("one", "text", "none", "no", "raise", "unknown")
    ],
    *[
        refused_case(
            f"auth_{token}_on_a_get",
            get("/api/echo?value=1", {"X-Auth": token}),
            403,
            NOT_AUTHORISED,
            configuration="auth",
        )
        for token in ("one", "none", "raise")
    ],
    Case("auth_may_read_the_body", post(CALL, headers={"X-Auth": "body"}), json_answer(ECHOED), "auth"),
    refused_case(
        "auth_that_reads_a_short_body",
        post(CALL, headers={"X-Auth": "body", "Content-Length": str(len(CALL) + 2)}),
        400,
        BODY_ENDED,
        configuration="auth",
    ),
    Case("auth_is_told_about_a_post", post(CALL, headers={"X-Auth": "arguments"}), json_answer(ECHOED), "auth"),
    get_case(
        "auth_is_told_about_a_get", "/api/echo?value=1", GOT, configuration="auth", headers={"X-Auth": "arguments"}
    ),
    refused_case(
        "auth_comes_after_the_media_type",
        unread_post("Content-Type", "text/plain"),
        415,
        type_refused("text/plain"),
        configuration="auth",
    ),
    refused_case("auth_of_a_batch_of_unknown_methods", unread_post(), 403, NOT_AUTHORISED, configuration="auth"),
    not_found_case("auth_is_not_asked_about_unknown_paths", post(CALL, "/no/such/path"), "auth"),
]


def proxied(name, peer, forwarded, client, configuration="proxies", header="X-Forwarded-For"):
    request = post(text_of("ip").encode(), headers={header: forwarded}, environ={"REMOTE_ADDR": peer})
    return Case(name, request, json_answer(result(f'"{client}"')), configuration)


PROXY_CASES = [
    proxied("forwarded_by_nobody", "127.0.0.2", None, "127.0.0.2"),
    proxied("forwarded_by_a_stranger", "127.0.0.9", "1.2.3.4", "127.0.0.9"),
    proxied("forwarded_by_default", "127.0.0.2", "1.2.3.4", "127.0.0.2", "plain"),
    proxied("forwarded_by_a_trusted_proxy", "127.0.0.2", "1.2.3.4", "1.2.3.4"),
    proxied("forwarded_with_a_forged_part", "127.0.0.2", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
    proxied("forwarded_through_two_proxies", "127.0.0.2", "6.6.6.6, 1.2.3.4, 127.0.0.3", "1.2.3.4"),
    proxied("forwarded_by_proxies_only", "127.0.0.2", "127.0.0.3", "127.0.0.2"),
    proxied("real_ip_is_ignored", "127.0.0.2", "1.2.3.4", "127.0.0.2", header="X-Real-IP"),
    proxied("forwarded_is_ignored", "127.0.0.2", "for=1.2.3.4", "127.0.0.2", header="Forwarded"),
]

CONTEXT_CASES = [
    call_case("connection_of_a_post", "about", None, result('["/api/","about",false,false,"application/json"]')),
    call_case(
        "connection_reads_headers_and_cookies",
        "read_request",
        None,
        result('["some",{"a":"1","b":"2"}]'),
        headers={"X-Some": "some", "Cookie": "a=1; b=2"},
    ),
    refused_case(
        "dispatcher_misses_a_header", post(text_of("set_headers", '[{"X A":"b"}]').encode()), 500, SERVER_FAILED
    ),
]

CASES = [
    *PATH_CASES,
    *METHOD_CASES,
    *MEDIA_TYPE_CASES,
    *LENGTH_CASES,
    *CODING_CASES,
    *HEAD_CASES,
    *HOST_CASES,
    *ORIGIN_CASES,
    *AUTH_CASES,
    *PROXY_CASES,
    *CONTEXT_CASES,
]
