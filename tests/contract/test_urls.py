"""Which texts are URLs of pages, and which are URIs."""

import pytest

from flaskJSONRPCServer.contract.urls import flaw_in_uri, is_web_url


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "HTTP://EXAMPLE.com:8080/a%20b?c=d#e",
        "https://user@[::1]:8443/",
        "http://localhost",
        "https://bücher.example/ü",
    ],
)
def test_absolute_url_of_http_is_one(url):
    assert is_web_url(url)


@pytest.mark.parametrize(
    "url",
    [
        *("", "not a url", "example.com", "/login", "//example.com/login", "https:", "https:/a", "https://"),
        *(
            "https://:80/",
            "https://a b",
            "https://a\n",
            "\x00https://a",
            "https://a:x",
            "https://a:99999",
            "https://[a",
        ),
        *("javascript:alert(1)", "ftp://a", "data:,", "file:///a", None, b"https://a", 5),
    ],
    ids=repr,
)
def test_anything_else_is_none(url):
    assert not is_web_url(url)


@pytest.mark.parametrize("uri", ["a:b", "file:///a%20b", "urn:isbn:0-486", "data:text/plain,a", "x+y.1-z://[::1]/?a#b"])
def test_uri_has_no_flaw(uri):
    assert flaw_in_uri(uri) == ""


@pytest.mark.parametrize(
    ("uri", "flaw"),
    [
        ("", "it begins with no scheme"),
        ("/a", "it begins with no scheme"),
        ("1a:b", "it begins with no scheme"),
        ("a:b c", "it has a character that no URI has"),
        ("a:b\n", "it has a character that no URI has"),
        ("a:ü", "it has a character that no URI has"),
        ("a:%zz", "it has a character that no URI has"),
    ],
)
def test_text_that_is_no_uri_has_a_flaw(uri, flaw):
    assert flaw_in_uri(uri).startswith(flaw)
