"""Patterns that are checked mean the same to JavaScript, Python and the engine of pydantic."""

import json
import re
import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flaskJSONRPCServer.contract.reading import BASE64, DECIMAL, INTEGER
from flaskJSONRPCServer.contract.schema_checks import check_of
from flaskJSONRPCServer.contract.schema_patterns import is_portable
from tests.client.node import find_node

PORTABLE = [
    *("", "^$", "^a", "b$", "a|b", "^(?:a|b)+?$", "^(a(b)?)*$", "^()$", "(|a)b"),
    *(r"^\d{4}-\d{2}-\d{2}$", "^a{2,}$", "^a{1,3}?b$", "#[0-9a-f]{6}", "^[a-z0-9_.-]+@[a-z]+[.]com$", "^[-+]?[0-9]$"),
    *(r"^\.\*\/\$$", r"^[\]\-\\\^]$", "^[a|b&~c]$", "^a#b c<>&&~~--$", BASE64, DECIMAL, INTEGER),
]

OTHERS = [
    *(r"^\<[a-z]+\>$", "^[[a]]$", "^[a&&b]+$", "^[a~~z]$", "^[A-Z--[B]]$", "^[[:alpha:]]$", "^[+--9]+$", "^[a||b]$"),
    *(r"\bfoo", r"^[^\w]+$", r"^[^\d]+$", "^[^a]$", "^.$", r"^\s+$", r"^\w$", r"^[\w-.]+$", r"^[a-\d]$", r"^\D$"),
    *(r"^\A$", r"^\z$", r"^\a$", r"^\v$", r"^\pL$", r"^\p{L}$", r"^\x{41}$", r"^\U0001F600$", r"^\u0041$", r"^\1$"),
    *(
        "^a++$",
        "^a{2}{3}$",
        "^x{,3}$",
        "^*",
        "^[]a]$",
        "^[^]$",
        "(?i)a",
        "(?=a)",
        "(?P<a>b)",
        "(?<a>b)",
        "a]",
        "é",
        "]",
    ),
]

TEXTS = st.text(st.sampled_from("ab01.-]^\\&~|<> é٣😀"), max_size=4)
# Pieces of both kinds, so that what is taken is a choice of the code.
PIECES = st.sampled_from(
    [
        r"a",
        r"b",
        r"0",
        r".",
        r"-",
        r"é",
        r"<",
        r"&",
        r"~",
        r"^",
        r"$",
        r"|",
        r"(",
        r"(?:",
        r")",
        r"[",
        r"[^",
        r"]",
        r"a-b",
        r"&&",
        r"--",
        r"~~",
        r"*",
        r"+",
        r"?",
        r"{1}",
        r"{,2}",
        r"{1,2}",
        r"{",
        r"}",
        r"\d",
        r"\w",
        r"\b",
        r"\.",
        r"\-",
        r"\<",
        r"\\",
        r"\A",
        r"\z",
    ]
)
WHOLE = st.recursive(
    st.sampled_from(["a", "0", r"\d", r"\.", "[ab]", "[a-b]", "[-&a]", "[a|~]", "b{1,2}", "a*?", "^", "$", "<"]),
    lambda inner: (
        st.lists(inner, max_size=3).map("".join)
        | st.tuples(inner, inner).map("|".join)
        | st.tuples(inner, st.sampled_from(["", "*", "+?", "{2}"])).map(lambda pair: f"({pair[0]}){pair[1]}")
    ),
    max_leaves=6,
)


def is_taken(pattern, text):
    check = check_of({"type": "string", "pattern": pattern})
    return check is None or check.mismatch(text, text) is None


@pytest.mark.parametrize("pattern", PORTABLE, ids=range(len(PORTABLE)))
def test_portable_pattern_is_checked(pattern):
    assert is_portable(pattern)
    assert check_of({"type": "string", "pattern": pattern}) is not None
    assert re.compile(pattern)


@pytest.mark.parametrize("pattern", OTHERS, ids=range(len(OTHERS)))
def test_other_pattern_is_not_checked(pattern):
    assert not is_portable(pattern)
    assert check_of({"type": "string", "pattern": pattern}) is None


@given(WHOLE | st.lists(PIECES, max_size=8).map("".join), st.lists(TEXTS, min_size=5, max_size=10))
@settings(deadline=None)
@pytest.mark.filterwarnings("ignore:Possible:FutureWarning")
def test_text_that_jsonschema_takes_is_taken(pattern, texts):
    is_valid = Draft202012Validator({"type": "string", "pattern": pattern}).is_valid
    try:
        re.compile(pattern)
    except re.error:
        assume(False)
    for text in texts:
        assert is_taken(pattern, text) or not is_valid(text), (pattern, text)


@given(WHOLE, st.lists(TEXTS, min_size=5, max_size=10))
@settings(deadline=None)
def test_portable_pattern_means_the_same_to_python(pattern, texts):
    assert is_portable(pattern)
    is_checked = check_of({"type": "string", "pattern": pattern}) is not None
    for text in texts:
        assert is_taken(pattern, text) is (not is_checked or bool(re.search(pattern, text))), (pattern, text)


def test_many_classes_take_linear_time():
    assert not is_portable("[a-" + "a-" * 100_000)
    assert not is_portable("[a" * 100_000)


IN_JAVASCRIPT = """
const [patterns, texts] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const found = patterns.map((p) => ["", "u"].map((flag) => texts.map((text) => new RegExp(p, flag).test(text))));
console.log(JSON.stringify(found));
"""


def test_portable_patterns_mean_the_same_to_javascript():
    texts = [
        "",
        "a",
        "b",
        "ab",
        "aab",
        "1",
        "-1",
        "+5",
        "[",
        "]",
        "|",
        "&",
        "~",
        "^",
        "\\",
        ".*/$",
        "\u0663",
        "\U0001f600",
    ]
    texts += ["2024-02-29", "#00ff9a", "x.y@example.com", "a#b c<>&&~~--", "YQ==", "1e5"]
    run = subprocess.run(
        [find_node(), "-e", IN_JAVASCRIPT],
        input=json.dumps([PORTABLE, texts]),
        capture_output=True,
        text=True,
        check=True,
    )

    for pattern, found in zip(PORTABLE, json.loads(run.stdout), strict=True):
        ours = [is_taken(pattern, text) for text in texts]
        assert found == [ours, ours], pattern
