"""Requests that are refused before the body is read."""

import pytest

from flaskJSONRPCServer import Settings
from flaskJSONRPCServer.http.guard import Guard, host_name, is_cross_site
from flaskJSONRPCServer.http.refusals import (
    BadRequest,
    Forbidden,
    Misdirected,
    TooManyHeaders,
    UnsupportedMediaType,
    UrlTooLong,
)

# Exactly the keys that PEP 3333 requires of every server.
REQUIRED = (
    "REQUEST_METHOD",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "wsgi.version",
    "wsgi.url_scheme",
    "wsgi.input",
    "wsgi.errors",
    "wsgi.multithread",
    "wsgi.multiprocess",
    "wsgi.run_once",
)


def environ(**headers):
    return {**dict.fromkeys(REQUIRED, "http"), "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "own.test", **headers}


def guard(allowed_hosts=None, **options):
    return Guard(Settings(**options), allowed_hosts)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.test", "a.test"),
        ("a.test:80", "a.test"),
        ("A.Test.", "a.test"),
        ("a.test.:80", "a.test"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::1]:80", "::1"),
        ("", ""),
        (":80", ""),
    ],
)
def test_host_name(host, name):
    assert host_name(host) == name


@pytest.mark.parametrize("count", [0, 1, 2])
def test_header_fields_up_to_the_limit_are_accepted(count):
    assert guard(max_header_count=3).check_head(environ(**{f"HTTP_X_{number}": "1" for number in range(count)})) is None


@pytest.mark.parametrize("more", [{}, {"SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": ""}])
def test_one_header_field_over_the_limit_is_refused(more):
    head = environ(CONTENT_TYPE="a", CONTENT_LENGTH="1", HTTP_X_1="1", **more)

    with pytest.raises(TooManyHeaders, match=r"^more than max_header_count \(3\) header fields$"):
        guard(max_header_count=3).check_head(head)


def test_environ_entries_of_the_server_do_not_count_as_header_fields():
    assert guard(max_header_count=3).check_head(environ(**{f"server.{number}": 1 for number in range(50)})) is None


def test_url_up_to_the_limit_is_taken():
    assert guard(max_url_bytes=10).check_head(environ(PATH_INFO="/" * 4, QUERY_STRING="x" * 6)) is None


def test_url_over_the_limit_is_refused():
    with pytest.raises(UrlTooLong, match=r"^the URL is over max_url_bytes \(10 bytes\)$"):
        guard(max_url_bytes=10).check_head(environ(PATH_INFO="/" * 5, QUERY_STRING="x" * 6))


@pytest.mark.parametrize("host", ["a.test", "A.TEST:1", "b.test."])
def test_allowed_host_is_accepted_repeatedly(host):
    checked = guard(["a.test", "B.test"])

    for _ in range(3):
        assert checked.check_head(environ(HTTP_HOST=host)) is None


@pytest.mark.parametrize("host", ["c.test", "a.test.c.test", "xa.test"])
def test_other_host_is_refused_again_and_again(host):
    checked = guard(["a.test"])

    for _ in range(3):
        with pytest.raises(Misdirected, match="is not in allowed_hosts"):
            checked.check_head(environ(HTTP_HOST=host))


@pytest.mark.parametrize("allowed", [None, ["a.test"]])
def test_missing_host_is_refused_also_after_a_request_of_http_1_0(allowed):
    checked = guard(allowed)
    old, new = environ(SERVER_PROTOCOL="HTTP/1.0"), environ()
    del old["HTTP_HOST"], new["HTTP_HOST"]

    if allowed is None:
        checked.check_head(old)
    else:
        with pytest.raises(Misdirected):
            checked.check_head(old)
    with pytest.raises(BadRequest, match="the request has no Host"):
        checked.check_head(new)


@pytest.mark.parametrize(
    "host", ["", " ", "a.test b", "a@b", "a.test:x", "[::1", "a,b", "a/b", "a\0", "a" * 100_000 + "@"]
)
def test_malformed_host_is_refused_even_if_any_host_is_accepted(host):
    with pytest.raises(BadRequest, match="is not one host name"):
        guard().check_head(environ(HTTP_HOST=host))


def test_remembered_hosts_are_bounded_and_correct():
    checked = guard(["a.test"])

    for port in range(1000):
        checked.check_head(environ(HTTP_HOST=f"a.test:{port}"))
    with pytest.raises(Misdirected):
        checked.check_head(environ(HTTP_HOST="c.test"))


@pytest.mark.parametrize(("origin", "host"), [("https://a.test", "x"), ("http://own.test:8080", "own.test:8080")])
def test_allowed_and_own_origins_are_accepted(origin, host):
    assert guard(allowed_origins=["https://a.test"]).check_head(environ(HTTP_ORIGIN=origin, HTTP_HOST=host)) is None


@pytest.mark.parametrize("origin", ["null", "https://own.test", "http://own.test.evil.test", "https://a.test:1", ""])
def test_other_origin_is_refused(origin):
    with pytest.raises(Forbidden, match="is not in allowed_origins"):
        guard(allowed_origins=["https://a.test"]).check_head(environ(HTTP_ORIGIN=origin, HTTP_HOST="own.test"))


def test_missing_origin_is_accepted():
    assert guard(allowed_origins=[]).check_head(environ()) is None


@pytest.mark.parametrize(
    "content_type", ["application/json", "APPLICATION/JSON", "application/json;charset=UTF-8", "application/json-rpc"]
)
def test_media_type_is_accepted_repeatedly(content_type):
    checked = guard()

    for _ in range(3):
        assert checked.check_media_type({"CONTENT_TYPE": content_type}) is None


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "text/plain; application/json", "application/json;charset=latin-1"]
)
def test_other_media_type_is_refused_again_and_again(content_type):
    checked = guard()

    for _ in range(3):
        with pytest.raises(UnsupportedMediaType):
            checked.check_media_type({"CONTENT_TYPE": content_type} if content_type is not None else {})


def test_media_types_of_the_settings_replace_the_default_ones():
    checked = guard(media_types=("Text/JSON",))

    checked.check_media_type({"CONTENT_TYPE": "text/json"})
    with pytest.raises(UnsupportedMediaType):
        checked.check_media_type({"CONTENT_TYPE": "application/json"})


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"SEC_FETCH_SITE": "none"}, False),
        ({"SEC_FETCH_SITE": "same-origin"}, False),
        ({"SEC_FETCH_SITE": "same-site"}, True),
        ({"SEC_FETCH_SITE": "cross-site"}, True),
        ({"SEC_FETCH_SITE": "anything"}, True),
        ({"SEC_FETCH_SITE": "same-origin", "ORIGIN": "https://evil.test"}, False),
        ({"ORIGIN": "http://own.test"}, False),
        ({"ORIGIN": "http://evil.test"}, True),
        ({"ORIGIN": "null"}, True),
        ({"REFERER": "http://own.test/page?x"}, False),
        ({"REFERER": "http://own.test.evil.test/"}, True),
        ({"REFERER": "http://own.test@evil.test/"}, True),
        ({"REFERER": "http://["}, True),
        ({"REFERER": "nonsense"}, True),
        ({"ORIGIN": "http://evil.test", "REFERER": "http://own.test/"}, True),
    ],
)
def test_cross_site(headers, foreign):
    head = {"HTTP_HOST": "own.test", **{f"HTTP_{name}": value for name, value in headers.items()}}

    assert is_cross_site(head) is foreign


@pytest.mark.parametrize(
    ("options", "is_local_only", "is_shared", "headers", "reason"),
    [
        ({}, True, False, {}, "loopback address"),
        ({}, True, False, {"HTTP_COOKIE": "a=b"}, "loopback address"),
        ({}, True, True, {"HTTP_COOKIE": "a=b"}, None),
        ({}, False, False, {}, None),
        ({}, False, False, {"HTTP_COOKIE": "a=b"}, "with cookies"),
        ({}, False, False, {"HTTP_COOKIE": "a=b", "HTTP_AUTHORIZATION": "Bearer x"}, None),
    ],
)
def test_get_of_another_origin_is_refused(options, is_local_only, is_shared, headers, reason):
    checks = Guard(Settings(**options), None, is_local_only=is_local_only)
    head = environ(HTTP_SEC_FETCH_SITE="cross-site", **headers)

    if reason is None:
        assert checks.check_get(head, is_shared=is_shared) is None
    else:
        with pytest.raises(Forbidden, match=reason):
            checks.check_get(head, is_shared=is_shared)


def test_get_of_another_origin_is_allowed_if_fallback_was_passed():
    settings = Settings()
    settings.fallback = True

    assert (
        Guard(settings, None, is_local_only=True).check_get(environ(HTTP_SEC_FETCH_SITE="cross-site"), is_shared=False)
        is None
    )


@pytest.mark.parametrize("query", ["a=\xff", "a=\xc3", "\xa0"])
def test_query_with_invalid_utf_8_is_refused(query):
    with pytest.raises(BadRequest, match="the query is not UTF-8; percent-encode it"):
        guard().check_head(environ(QUERY_STRING=query))


def test_query_of_raw_utf_8_passes():
    guard().check_head(environ(QUERY_STRING="a=\xc3\xa9"))
