"""What axe-core finds, and how the pages fit a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.console.conftest import opened

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


@pytest.fixture(scope="module")
def examined(browser, served):
    # axe-core makes elements from texts, which the policy of the page forbids.
    with opened(browser, f"{served}/console/", bypass_csp=True) as console:
        console.method("add")
        console.call()
        console.page.get_by_role("button", name="Add to batch").click()
        yield console


def overview(console):
    console.show("#/")


def method(console):
    console.method("add")
    console.call()


def refused(console):
    page = console.method("nested")
    page.get_by_label("params as JSON").fill('{"value": {"name": 1, "home": {}}}')
    page.get_by_role("button", name="Call", exact=True).click()


def types(console):
    page = console.method("file")
    page = console.method("union")
    page.get_by_label("value: type").select_option(label="array of integer")
    page.get_by_role("button", name="Add item").click()


def deprecated(console):
    console.method("old").get_by_label("Search methods").fill("old")


def batch(console):
    console.show("#/batch").get_by_role("button", name="Send").click()
    console.outcome()


def history(console):
    console.show("#/history")


def authorisation(console):
    console.show("#/").get_by_role("button", name="Authorise").click()
    console.page.get_by_label("Kind").select_option(label="Basic")


def opening(console):
    console.page.keyboard.press("Escape")
    console.show("#/").get_by_role("button", name="Open …").click()


@pytest.mark.parametrize(
    "reach",
    [overview, method, refused, types, deprecated, batch, history, authorisation, opening],
    ids=lambda f: f.__name__,
)
def test_axe_finds_nothing_in_light_and_dark(examined, reach):
    reach(examined)
    reports = []
    for scheme in ("light", "dark"):
        examined.page.emulate_media(color_scheme=scheme)
        result = Axe().run(examined.page, options=RULES)
        reports += [result.generate_report()] if result.violations_count else []
    examined.page.keyboard.press("Escape")

    assert reports == []


@pytest.mark.parametrize("fragment", ["#/", "#/method/nested", "#/method/add", "#/batch", "#/history"])
def test_page_is_never_wider_than_the_screen(console, fragment):
    console.show(fragment).locator("h1").wait_for()
    widths = [320, 390, 1000, 2200]
    needed = []
    for width in widths:
        console.page.set_viewport_size({"width": width, "height": 800})
        needed.append(console.page.evaluate("document.documentElement.scrollWidth"))

    assert needed == widths
