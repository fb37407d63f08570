"""JSONP: names of callbacks, and the script with the answer."""

import pytest

from flaskJSONRPCServer.http.jsonp import DEFAULT_FORMAT, check_callback, is_output_format, wrap
from flaskJSONRPCServer.http.refusals import BadRequest


@pytest.mark.parametrize("name", ["a", "$", "_", "a1", "a.b.c", "a[0]", "a[0][12].b", "jQuery_123", "x" * 128])
def test_callback_is_accepted(name):
    assert check_callback(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "1",
        "a.",
        ".a",
        "a..b",
        "a.1",
        "a[]",
        "a[b]",
        "a[0",
        "a[1234567890]",
        "a[٣]",
        "a b",
        "a\n",
        "a\u2028",
        "alert(1)//",
        "%s%n",
        "é",
        "x" * 129,
        "x" * 100_000,
        "a." * 100_000,
    ],
)
def test_callback_is_refused(name):
    with pytest.raises(BadRequest, match="must be a JavaScript name of at most 128 ASCII characters"):
        check_callback(name)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (DEFAULT_FORMAT, True),
        ("%(data)s", True),
        ("%s", True),
        ("", False),
        ("%(callback)s()", False),
        ("data", False),
        ("% s", False),
    ],
)
def test_output_format(text, answer):
    assert is_output_format(text) is answer


@pytest.mark.parametrize(
    ("json", "output_format", "script"),
    [
        (b"1", DEFAULT_FORMAT, b"/**/f(1);"),
        (b"1", "%s", b"/**/1"),
        (b"1", "%(callback)s || %(callback)s(%(data)s)", b"/**/f || f(1)"),
        (b'"%(data)s"', DEFAULT_FORMAT, b'/**/f("%(data)s");'),
        (b'"%(callback)s"', DEFAULT_FORMAT, b'/**/f("%(callback)s");'),
        (b'"%s"', "%(data)s", b'/**/"%s"'),
        (b'"</script>"', DEFAULT_FORMAT, b'/**/f("<\\/script>");'),
        ('"\u2028\u2029"'.encode(), DEFAULT_FORMAT, b'/**/f("\\u2028\\u2029");'),
        ('"ж"'.encode(), "'é' + %s", "/**/'é' + \"ж\"".encode()),
    ],
)
def test_script(json, output_format, script):
    assert wrap(json, "f", output_format) == script
