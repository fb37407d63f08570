import pytest

from flaskJSONRPCServer.sansio_jsonrpc.codecs.guards import exceeds_depth, has_digit_run


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
def test_depth_is_exact_whatever_stands_in_strings(text, depth):
    assert not exceeds_depth(text, depth)
    assert depth == 0 or exceeds_depth(text, depth - 1)


@pytest.mark.parametrize(("text", "found"), [(b"12a34", False), (b"x123", True), (b"", False), (b"1e99", False)])
def test_digit_runs_are_found(text, found):
    assert has_digit_run(text, b"000") is found
