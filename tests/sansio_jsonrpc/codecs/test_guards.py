import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaskJSONRPCServer.sansio_jsonrpc.codecs.guards import exceeds_depth, has_digit_run


def counted_depth(text):
    """Count the depth of a text character by character."""
    depth = deepest = 0
    is_inside_string = is_escaped = False
    for character in text:
        if character == '"' and not is_escaped:
            is_inside_string = not is_inside_string
        elif not is_inside_string:
            depth += (character in "[{") - (character in "]}")
            deepest = max(deepest, depth)
        is_escaped = character == "\\" and not is_escaped
    return deepest


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        (b"1", 0),
        (b"[]", 1),
        (b'{"a":[]}', 2),
        (b"[[],[],[[]]]", 3),
        (b'["[[["]', 1),
        (b'["","[","",["[["]]', 2),
        (b'{"[":{"":["]"],"}":""},"":[[""]]}', 3),
        (b'["\\"[[["]', 1),
        (b'["\\\\",[["\\""]]]', 3),
        (b"[" * 7, 7),
        (b"]" * 7, 0),
        (b"]" * 7 + b"[" * 8, 1),
    ],
)
def test_depth_ignores_the_content_of_strings(text, depth):
    assert not exceeds_depth(text, depth)
    assert depth == 0 or exceeds_depth(text, depth - 1)


@given(st.text('[]{}"\\a', max_size=60), st.integers(0, 30))
def test_depth_equals_a_count_of_each_bracket(text, max_depth):
    assert exceeds_depth(text.encode(), max_depth) is (counted_depth(text) > max_depth)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 19])
@pytest.mark.parametrize("before", range(40))
def test_digit_run_is_found_at_every_position(length, before):
    text = b"x" * before
    assert has_digit_run(text + b"7" * length + b"x" * 30, b"0" * length)
    assert not has_digit_run(text + b"7" * (length - 1) + b"x" * 30 + b"7" * (length - 1), b"0" * length)


@pytest.mark.parametrize(("text", "has_run"), [(b"12a34", False), (b"x123", True), (b"", False), (b"1e99", False)])
def test_digit_runs_are_found(text, has_run):
    assert has_digit_run(text, b"000") is has_run
