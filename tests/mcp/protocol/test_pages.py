"""Pages of lists."""

import pytest

from flaskJSONRPCServer.mcp.protocol.errors import InvalidParams
from flaskJSONRPCServer.mcp.protocol.pages import page_of

NAMES = ["a", "b", "c", "d", "ä", "\ud800"]


def test_pages_together_are_the_list():
    seen, further = [], {}
    while True:
        page, further = page_of(NAMES, {"cursor": further.get("nextCursor")}, 2)
        seen += page
        if not further:
            break
    assert seen == NAMES


@pytest.mark.parametrize("size", [6, 7])
def test_list_that_fits_has_one_page(size):
    assert page_of(NAMES, {}, size) == (NAMES, {})


def test_items_that_come_or_go_between_pages_hide_no_other():
    _, further = page_of(["b", "d", "f"], {}, 2)
    cursor = {"cursor": further["nextCursor"]}

    assert page_of(["b", "f"], cursor, 2)[0] == ["f"]
    assert page_of(["a", "b", "c", "d", "e", "f"], cursor, 2)[0] == ["e", "f"]


@pytest.mark.parametrize("cursor", ["?", "YQ", 5, [], "=", "a" * 5000, "/w==", "ä"])
def test_cursor_that_the_server_has_not_made_is_refused(cursor):
    with pytest.raises(InvalidParams, match="cursor"):
        page_of(NAMES, {"cursor": cursor}, 2)
