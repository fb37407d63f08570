"""Parsing request targets that do not begin with a slash."""

import pytest

from flaskJSONRPCServer.http.refusals import BadRequest
from flaskJSONRPCServer.servBackend.targets import origin_form


@pytest.mark.parametrize(
    ("target", "host", "path"),
    [
        ("*", "a", "*"),
        ("http://a/api?b=1", "a", "/api?b=1"),
        ("http://a/api?b=http://c/?d", "a", "/api?b=http://c/?d"),
        ("http://a/%C3%A9", "a", "/%C3%A9"),
        ("http://a", "A:80", "/"),
        ("http://a:80", "a", "/"),
        ("http://a:8080/", "a:8080", "/"),
        ("http://a?b", "a", "/?b"),
        ("http://a/b#c", "a", "/b"),
        ("HTTPS://[::1]/api", "[::1]:443", "/api"),
        ("http://a:8080/api", None, "/api"),
    ],
)
def test_target_becomes_a_path(target, host, path):
    assert origin_form(target, host) == path


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("http://a/", "b"),
        ("http://a/", ""),
        ("http://a/", "a/"),
        ("http://a/", "a?b"),
        ("http://a/", "u@a"),
        ("http://a/", "a, a"),
        ("http://a/", "\xe9"),
        ("http://a:81/", "a"),
        ("http://a:0/", "a"),
        ("http://a:443/", "a"),
        ("http://a:99999/", "a:99999"),
        ("http://[::1]/", "[::2]"),
        ("http://b@a/", "a"),
        ("http://", "a"),
        ("http:///api", "a"),
        ("ftp://a/", "a"),
        ("a:443", "a:443"),
        ("api", "a"),
        ("?a", "a"),
    ],
)
def test_target_that_disagrees_with_the_host_or_is_no_url_is_refused(target, host):
    with pytest.raises(BadRequest):
        origin_form(target, host)
