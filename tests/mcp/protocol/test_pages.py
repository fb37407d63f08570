"""Pages of lists."""

import pytest

from flaskJSONRPCServer.mcp.protocol.errors import InvalidParams
from flaskJSONRPCServer.mcp.protocol.pages import page_of
from flaskJSONRPCServer.mcp.protocol.requests import ClientRequest
from flaskJSONRPCServer.mcp.protocol.revisions import CURRENT

NAMES = ["a", "b", "c", "d", "ä", "\ud800"]
LONG = "x" * 255
LONG_NAMES = sorted([LONG, f"{LONG}y", *(f"{LONG}y{end}" for end in "abc"), LONG + "\U0001f600" * 9000, "y"])


def page(names, size, further=None, method="tools/list"):
    params = {"cursor": further["nextCursor"]} if further else {}
    return page_of(names, ClientRequest(1, method, params, CURRENT), size)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("names", [NAMES, LONG_NAMES], ids=["short", "long"])
def test_pages_together_are_the_list(names, size):
    shown, further = page(names, size)
    seen = list(shown)
    while further:
        assert len(further["nextCursor"]) < 1500
        shown, further = page(names, size, further)
        seen += shown
    assert seen == names


@pytest.mark.parametrize("size", [6, 7])
def test_list_that_fits_has_one_page(size):
    assert page(NAMES, size) == (NAMES, {})


def test_items_that_come_or_go_between_pages_hide_no_other():
    _, further = page(["b", "d", "f"], 2)

    assert page(["b", "f"], 2, further)[0] == ["f"]
    assert page(["a", "b", "c", "d", "e", "f"], 2, further)[0] == ["e", "f"]


def test_long_name_that_goes_between_pages_hides_no_other():
    names = [f"{LONG}y{end}" for end in "abc"]
    _, further = page(names, 2)

    assert page([names[0], names[2]], 2, further)[0] == [names[0], names[2]]


@pytest.mark.parametrize("names", [NAMES, LONG_NAMES], ids=["short", "long"])
def test_cursor_of_another_list_is_refused(names):
    _, further = page(names, 3, method="resources/list")
    with pytest.raises(InvalidParams, match="cursor"):
        page(names, 3, further)


@pytest.mark.parametrize("cursor", ["?", "", "YQ", "YQ==", "AAAA", "A" * 32, 5, [], "=", "a" * 5000, "/w==", "ä"])
def test_cursor_that_the_server_has_not_made_is_refused(cursor):
    with pytest.raises(InvalidParams, match="cursor"):
        page(NAMES, 2, {"nextCursor": cursor})
