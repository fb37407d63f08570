"""The tools of endpoints for models in a browser: what the page shows is what the endpoint lists."""

import json
import re
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Authorization, Grant, Tool
from tests.console.api import HOSTILE
from tests.console.conftest import opened, serving
from tests.console.test_accessibility import RULES
from tests.helpers import call_wsgi, get
from tests.mcp.judged import result_of

BEARER = {"Authorization": "Bearer right"}


def find(query: str, limit: int = 10, order: Literal["price", "name"] = "name") -> list[str]:
    """Find orders by words.

    Both words of <b>markup</b> and  double  spaces stay.

    Args:
        query: The words: 日本.
    """
    return [query]


def cancel(number: int) -> None:
    return None


def make_server(**options):
    """Return a server with two endpoints: one with pages of two tools, one with a tool of a hostile author."""
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, name="tools", **options)
    server.mcp("/mcp", expose=["/api", "/a b"], page_size=2)
    server.mcp("/other-mcp", expose=["/other"])
    server.registerFunction(find, path="/api", mcp=Tool(title="Find orders", read_only=True, open_world=False))
    server.registerFunction(cancel, path="/api", mcp=Tool(destructive=True, idempotent=False))
    for number in range(3):
        server.registerFunction(cancel, path="/a b", name=f"more{number}", mcp=True)
    hostile = Tool(name="hostile", title=HOSTILE, description=HOSTILE, meta={HOSTILE: HOSTILE})
    server.registerFunction(lambda: None, path="/other", name=HOSTILE, mcp=hostile)
    return server


@pytest.fixture(scope="module")
def server():
    return make_server()


@pytest.fixture(scope="module")
def served(server):
    with serving(server) as url:
        yield url


@pytest.fixture(scope="module")
def defined(server):
    """Return the definitions that the first endpoint lists, by name."""
    pages = [result_of(server, "tools/list")]
    while "nextCursor" in pages[-1]:
        pages.append(result_of(server, "tools/list", {"cursor": pages[-1]["nextCursor"]}))
    assert len(pages) == 3
    return {tool["name"]: tool for page in pages for tool in page["tools"]}


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def member(definition, name):
    """Return a list with a member, or without any if it is missing."""
    return [definition[name]] if name in definition else []


def card(page, name):
    return page.get_by_role("region", name=name, exact=True).and_(page.locator(".tool"))


def tools_page(console):
    """Open the page, and return it when both endpoints have answered."""
    page = console.show("#/tools")
    page.locator(".tool", has_text="hostile").wait_for()
    page.locator(".tool", has_text="more2").wait_for()
    return page


def unfolded(part, title):
    """Unfold a part of a tool, and return its text."""
    details = part.locator("details", has_text=re.compile(f"^{title}"))
    details.locator("summary").click()
    return details.locator("pre").text_content()


def endpoints(server, headers=()):
    answer = call_wsgi(server.getWSGI(), get("/console/endpoints.json", {"Host": "127.0.0.1", **dict(headers)}))
    return answer.code, answer.json() if answer.code == 200 else None


def test_all_pages_of_each_endpoint_are_shown_in_order(console, defined):
    page = tools_page(console)
    sections = page.locator("main section:has(h2)")

    assert page.locator("#nav a").all_inner_texts() == ["Methods", "Batch", "History", "Tools", "Dashboard"]
    assert page.locator("#nav a[aria-current]").inner_text() == "Tools"
    assert sections.locator("h2 code").all_inner_texts() == ["/mcp", "/other-mcp"]
    assert sections.nth(0).locator("h3").all_inner_texts() == list(defined)
    assert sections.nth(1).locator("h3").all_inner_texts() == ["hostile"]


@pytest.mark.parametrize("name", ["find", "cancel"])
def test_tool_is_shown_as_a_model_gets_it(console, defined, name):
    tool = card(tools_page(console), name)
    definition = defined[name]

    size = len(compact(definition).encode())
    assert tool.locator(".cardhead .note").inner_text() == f"{size:,} bytes"
    assert tool.locator(".lead").all_inner_texts() == member(definition, "title")
    assert tool.locator(":scope > pre").all_text_contents() == member(definition, "description")
    assert json.loads(unfolded(tool, "Input schema")) == definition["inputSchema"]
    assert json.loads(unfolded(tool, "Output schema")) == definition["outputSchema"]
    assert json.loads(unfolded(tool, "Whole definition")) == definition


def test_annotations_are_badges(console):
    page = tools_page(console)

    assert card(page, "find").locator(".badge").all_inner_texts() == ["read only", "not open world"]
    assert card(page, "cancel").locator(".badge").all_inner_texts() == ["destructive", "not idempotent"]
    assert card(page, "cancel").locator(".badge.warn").all_inner_texts() == ["destructive"]
    assert card(page, "more0").locator(".badge").count() == 0


def test_definition_is_copied_with_all_its_bytes(console, defined):
    page = tools_page(console)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the definition of find").click()
    page.get_by_text("Copied").wait_for()

    assert page.evaluate("navigator.clipboard.readText()") == compact(defined["find"])


@pytest.mark.parametrize(
    ("tool", "method"),
    [("find", "find"), ("more1", "more1"), ("hostile", HOSTILE)],
    ids=["same name", "path with a space", "other name"],
)
def test_tool_leads_to_its_method_in_the_explorer(console, tool, method):
    page = tools_page(console)
    page.get_by_role("link", name=f"Open {tool} in the explorer").click()
    page.locator("section.try").wait_for()

    assert page.locator("h1").text_content() == method


def test_texts_of_a_hostile_author_stay_texts(console):
    tool = card(tools_page(console), "hostile")

    assert tool.locator(":scope > pre").text_content() == HOSTILE
    assert tool.locator(".lead").text_content() == HOSTILE
    assert json.loads(unfolded(tool, "Whole definition"))["_meta"] == {HOSTILE: HOSTILE}
    assert tool.locator("img, script").count() == 0


def test_axe_finds_nothing_and_no_screen_is_too_narrow(browser, served):
    with opened(browser, f"{served}/console/", bypass_csp=True) as console:
        page = tools_page(console)
        unfolded(card(page, "find"), "Whole definition")
        reports, widths = [], [320, 390, 1000, 2200]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            result = Axe().run(page, options=RULES)
            reports += [result.generate_report()] if result.violations_count else []
        needed = []
        for width in widths:
            page.set_viewport_size({"width": width, "height": 800})
            needed.append(page.evaluate("document.documentElement.scrollWidth"))

        assert reports == []
        assert needed == widths


def test_server_without_endpoints_has_no_tab(browser):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False)
    server.registerFunction(find, path="/api")

    assert endpoints(server) == (200, {"mcp": []})
    with serving(server) as url, opened(browser, f"{url}/console/") as console:
        page = console.open("#/tools")
        page.get_by_text("This server has no tools for models.").wait_for()
        assert page.locator("#nav a:visible").all_inner_texts() == ["Methods", "Batch", "History", "Dashboard"]
        assert page.get_by_role("link", name="Tools").count() == 0
        assert console.complaints == []


def test_token_of_an_endpoint_is_asked_for(browser):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False)
    tokens = Authorization(
        ["https://auth.test"],
        lambda token, _: Grant("ann") if token == "right" else None,
        resource="https://api.test/mcp",
    )
    server.mcp("/mcp", authorization=tokens)
    server.registerFunction(find, path="/api", mcp=True)

    assert endpoints(server) == (200, {"mcp": [{"path": "/mcp", "methods": {}}]})
    assert endpoints(server, BEARER) == (200, {"mcp": [{"path": "/mcp", "methods": {"find": ["/api", "find"]}}]})
    with serving(server) as url, opened(browser, f"{url}/console/") as console:
        page = console.open()
        page.get_by_role("link", name="Tools").click()
        page.get_by_text("The server refused the request for /mcp with 401.").wait_for()
        assert page.get_by_label("Kind").input_value() == "bearer"
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text(re.compile("The tools could not be listed: 401 a token is needed")).wait_for()
        page.get_by_role("button", name="Authorise").click()
        page.get_by_label("Kind").select_option(label="Bearer token")
        page.get_by_label("Token").fill("right")
        page.get_by_role("button", name="Use it").click()
        page.get_by_role("link", name="Open find in the explorer").wait_for()
        assert page.locator(".tool h3").all_inner_texts() == ["find"]


def test_endpoints_are_for_those_whom_auth_allows():
    asked = []

    def auth(server, path, request, method):
        asked.append((path, method))
        return request.headers.get("Authorization") == BEARER["Authorization"]

    server = make_server(auth=auth)

    assert endpoints(server) == (403, None)
    assert asked == [("/console/", None)]
    code, answer = endpoints(server, BEARER)
    assert (code, [endpoint["path"] for endpoint in answer["mcp"]]) == (200, ["/mcp", "/other-mcp"])
    assert endpoints(server, {**BEARER, "Sec-Fetch-Site": "cross-site"}) == (403, None)


def test_endpoints_name_no_method_that_the_caller_may_not_see():
    server = flaskJSONRPCServer(
        ["127.0.0.1", 0], log=False, auth=lambda server, path, request, method: path != "/private/"
    )
    server.registerFunction(find, path="/api", mcp=True)
    server.registerFunction(find, path="/api", name="hidden", mcp=True, visible=lambda request: False)
    server.registerFunction(find, path="/private", name="private", mcp=True)

    assert endpoints(server) == (200, {"mcp": [{"path": "/mcp", "methods": {"find": ["/api", "find"]}}]})
