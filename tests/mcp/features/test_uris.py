"""URIs of resources, and the values that templates find in them."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaskJSONRPCServer.errors import RegistrationError
from flaskJSONRPCServer.mcp.features.uris import UriTemplate, checked_uri, is_template


@pytest.mark.parametrize(
    ("template", "uri", "values"),
    [
        ("users://{id}", "users://7", {"id": "7"}),
        ("users://{id}", "users://J%C3%B6rg%2F%3F", {"id": "Jörg/?"}),
        ("users://{id}", "users://bob@example.com", {"id": "bob@example.com"}),
        ("users://{id}", "users://a+b", {"id": "a+b"}),
        ("users://{id}/photo", "users://7/photo", {"id": "7"}),
        ("a:/{x}/{y}.txt", "a:/1/2.txt", {"x": "1", "y": "2"}),
        ("a:{x}-{y}", "a:1-2-3", {"x": "1", "y": "2-3"}),
        ("a:?x={x}&y={y}", "a:?x=1&y=2", {"x": "1", "y": "2"}),
        ("a:{x}a", "a:aa", {"x": "a"}),
    ],
)
def test_template_finds_values(template, uri, values):
    assert UriTemplate(template).match(uri) == values


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("users://{id}", "users://"),
        ("users://{id}", "users:/7"),
        ("users://{id}", "users://7/8"),
        ("users://{id}", "users://7?a"),
        ("users://{id}", "users://7#a"),
        ("users://{id}", "users://a b"),
        ("users://{id}", "users://a\n"),
        ("users://{id}", "users://%"),
        ("users://{id}", "users://%4"),
        ("users://{id}", "users://%zz"),
        ("users://{id}", "users://%FF"),
        ("users://{id}/photo", "users://7/photos"),
        ("users://{id}/photo", "users:///photo"),
        ("a:/{x}/{y}", "a:/1"),
        ("a:/{x}/{y}", "a://2"),
        ("aba:{x}ba:", "aba:"),
    ],
)
def test_other_uris_do_not_match(template, uri):
    assert UriTemplate(template).match(uri) is None


@given(st.text(min_size=1), st.text(min_size=1))
def test_encoded_values_are_found_again(first, second):
    uri = f"a:/{quote(first, safe='')}/b/{quote(second, safe='')}"

    assert UriTemplate("a:/{x}/b/{y}").match(uri) == {"x": first, "y": second}


def test_match_of_many_names_takes_a_time_proportional_to_the_uri():
    template = UriTemplate("a:" + "-".join(f"{{x{number}}}" for number in range(50)))

    assert template.match("a:" + "-" * 100_000) is None


def test_names_keep_their_order():
    template = UriTemplate("a:{second}/{first}")

    assert (template.names, template.text) == (("second", "first"), "a:{second}/{first}")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{a}:b", "scheme"),
        ("users/{id}", "scheme"),
        ("users://{}", "not the name of a parameter"),
        ("users://{id*}", "not the name of a parameter"),
        ("users://{?id}", "not the name of a parameter"),
        ("users://{a,b}", "not the name of a parameter"),
        ("users://{ä}", "not the name of a parameter"),
        ("users://{a}/{a}", "twice"),
        ("users://{a}{b}", "nothing between"),
        ("users://{a", "character"),
        ("users://a}", "character"),
        ("users:// {a}", "character"),
        ("users://ü/{a}", "character"),
        ("users://%/{a}", "character"),
    ],
)
def test_invalid_template_is_refused(template, why):
    assert is_template(template)
    with pytest.raises(RegistrationError, match=why):
        UriTemplate(template)


@pytest.mark.parametrize("uri", ["config://app", "a:", "urn:isbn:0451450523", "file:///a/%C3%A4?b=c#d"])
def test_uri_is_accepted(uri):
    assert not is_template(uri)
    assert checked_uri(uri) == uri


@pytest.mark.parametrize("uri", ["", "app", "/app", "1a:b", "a b:c", "a:b c", "a:ä", "a:%", "a:<b>", None, 7, b"a:b"])
def test_invalid_uri_is_refused(uri):
    with pytest.raises(RegistrationError, match="uri="):
        checked_uri(uri)
