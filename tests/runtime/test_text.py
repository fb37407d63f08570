"""Text between markers, digests, random text."""

import sys

import pytest

from flaskJSONRPCServer.runtime.text import between, digest, random_text, short_repr


@pytest.mark.parametrize(
    ("prefix", "suffix", "start", "expected"),
    [
        ("<b>", "</b>", 0, "one"),
        ("<b>", "</b>", 3, "two"),
        ("", "<b>", 0, "a "),
        ("", "<b>", 1, " "),
        ("two", "", 0, "</b> z"),
        ("", "", 0, "a <b>one</b> <b>two</b> z"),
        ("<b>", "<b>", 0, "one</b> "),
        ("<i>", "</b>", 0, None),
        ("<b>", "</i>", 0, None),
        ("<b>", "</b>", 99, None),
        ("", "", 99, None),
    ],
)
def test_part_between_two_markers(prefix, suffix, start, expected):
    assert between("a <b>one</b> <b>two</b> z", prefix, suffix, start, None) == expected


def test_default_is_returned_without_a_match():
    assert between("text", "(", ")", 0, "nothing") == "nothing"


class Unshowable:
    def __repr__(self):
        raise ValueError("no repr")


@pytest.mark.parametrize(
    ("value", "text"), [("a" * 9, "'aaaa"), (Unshowable(), "<Unsh")], ids=["long", "without a repr"]
)
def test_repr_for_a_message_is_short_and_fails_never(value, text):
    assert short_repr(value, 5) == text


# The digests of "abc" are those of FIPS 180-4.
@pytest.mark.parametrize("text", ["abc", b"abc", bytearray(b"abc")])
@pytest.mark.parametrize(
    ("algorithm", "wanted"),
    [
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
)
def test_digest(algorithm, text, wanted):
    assert digest(algorithm, text, None) == wanted


def test_digest_of_text_uses_utf_8():
    assert digest("sha1", "ß", None) == digest("sha1", b"\xc3\x9f", None)


@pytest.mark.parametrize("text", [None, 5, ["abc"], "\ud800"])
def test_on_error_supplies_the_result_for_invalid_input(text):
    assert digest("sha1", text, None) is None
    assert digest("sha1", text, "no digest") == "no digest"
    assert digest("sha1", text, lambda exc: type(exc).__name__) in ("TypeError", "UnicodeEncodeError")


def test_random_text_is_a_number_between_prefix_and_suffix():
    texts = {random_text(3, None, "<", ">", 0.1, None) for _ in range(200)}

    assert texts == {"<0>", "<1>", "<2>", "<3>"}


def test_default_range_is_sys_maxsize():
    assert 0 <= int(random_text(None, None, "", "", 0.1, None)) <= sys.maxsize


@pytest.mark.parametrize("taken", [["a0", "a2"], {"a0": 1, "a2": 2}, {"a0", "a2"}, "a0 a2"])
def test_taken_results_are_not_returned(taken):
    assert {random_text(2, taken, "a", "", 5, None) for _ in range(20)} == {"a1"}


def test_search_fails_if_every_result_is_taken():
    assert random_text(1, ["0", "1"], "", "", 0, None) is None


def test_callback_enlarges_the_range_or_ends_the_search():
    asked = []

    def larger(largest):
        asked.append(largest)
        return largest + 1 if largest < 2 else None

    assert random_text(0, ["0", "1", "2"], "", "", 0, larger) is None
    assert asked == [0, 1, 2]
    assert random_text(0, ["0"], "", "", 0.01, lambda largest: 10**30) != "0"


def test_negative_range_is_refused():
    with pytest.raises(ValueError, match="mult=-1 is refused"):
        random_text(-1, None, "", "", 0.1, None)
