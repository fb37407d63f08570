"""The dashboard in a real browser, inside a page with the strict policy of the console."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.console.host import make_server, url_of
from tests.helpers import call_socket, get, post, rpc, wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

HOSTILE = '</th><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>${window.hacked=1}'
PATIENCE_MS = 30_000


def echo(value):
    return value


def fail():
    raise ValueError("never")


def hostile(value):
    return value


def is_admin(server, path, request, method):
    return method != "restart"


@pytest.fixture(scope="module")
def server():
    """Serve some methods that have been called: echo 30 times, fail 3 times, and one with a hostile name."""
    server = make_server(consoleActions=True, auth=is_admin, name="Shop", dispatcherBackend="threaded")
    for name in ("echo", *(f"method{number}" for number in range(120))):
        server.registerFunction(echo, path="/api", name=name)
    server.registerFunction(hostile, path="/api", name=HOSTILE)
    server.registerFunction(fail, path="/api")
    server.start()
    calls = [rpc("echo", [1])] * 30 + [rpc("fail")] * 3 + [rpc(HOSTILE, [1])]
    assert call_socket(server.addresses[0], post(calls)).code == 200
    yield server
    server.stop()


@pytest.fixture(scope="module")
def context(browser):
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme="light")
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield context
    context.close()
    expect.set_options(timeout=5000)


@pytest.fixture(scope="module")
def shared(context, server):
    """Return a page that all tests of this module use, and a list of everything that went wrong in it."""
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => console.error('policy', event.violatedDirective))"
    )

    def refuse_others(route):
        if not route.request.url.startswith(url_of(server, "/")):
            faults.append(route.request.url)
            return route.abort()
        return route.fulfill(status=204) if route.request.url.endswith("/favicon.ico") else route.continue_()

    page.route("**", refuse_others)
    return page, faults


@pytest.fixture
def dashboard(shared, server):
    """Open the dashboard anew, and check afterwards that nothing went wrong in it."""
    page, faults = shared
    faults.clear()
    page.goto(url_of(server, "/host/"))
    expect(page.locator(".d-status")).to_have_text("Live")
    yield page
    for function in (None, echo, hostile, fail):
        server.unlock(function)
    assert faults == []
    assert page.evaluate("window.hacked") is None


def row(page, name):
    return page.get_by_role("region", name="Table: Methods").get_by_role("row").filter(has_text=name).first


def names(page):
    return page.locator(".d-name").all_inner_texts()


def totals(page):
    card = page.locator(".d-card").last
    return dict(zip(card.locator("dt").all_inner_texts(), card.locator("dd").all_inner_texts(), strict=True))


def test_figures_equal_the_statistics(dashboard, server):
    stats = server.stats()
    figures = stats["dispatchers"]["/api/fail"]
    cells = row(dashboard, "/api/fail").locator("td").all_inner_texts()

    assert (cells[0], cells[2], cells[3]) == (str(figures["calls"]), str(figures["errors"]), "0") == ("3", "3", "0")
    wait_until(
        lambda: (
            totals(dashboard)
            == {
                "Requests": str(stats["requestCount"]),
                "Calls": str(stats["dispatcherCount"]),
                "Errors": "3",
                "Running": "0",
                "Lost notifications": "0",
                "Abandoned calls": "0",
            }
        )
    )


def test_page_follows_the_server(dashboard, server):
    cell = row(dashboard, "/api/echo").locator("td").first
    before = int(cell.inner_text())
    call_socket(server.addresses[0], get("/api/echo?value=1"))

    expect(cell).to_have_text(str(before + 1))


def test_hostile_name_is_text(dashboard):
    expect(row(dashboard, "onerror").locator(".d-name")).to_have_text(f"/api/{HOSTILE}")
    row(dashboard, "onerror").locator(".d-name").click()
    expect(dashboard.locator(".d-card .d-note").first).to_contain_text(HOSTILE)
    row(dashboard, "onerror").get_by_role("button", name="Lock").click()
    expect(dashboard.locator(".d-notice")).to_contain_text(HOSTILE)
    assert dashboard.locator(".dash img, .dash script").count() == 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 390)])
def test_page_is_accessible_and_fits(dashboard, server, scheme, width):
    dashboard.emulate_media(color_scheme=scheme)
    dashboard.set_viewport_size({"width": width, "height": 900})
    server.lock(fail)
    row(dashboard, "/api/echo").locator(".d-name").click()
    expect(dashboard.get_by_role("region", name="Table: Locks")).to_be_visible()
    dashboard.evaluate("new Promise(requestAnimationFrame)")
    violations = Axe().run(dashboard).response["violations"]

    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in violations] == []
    assert dashboard.evaluate("document.scrollingElement.scrollWidth") <= width
    dashboard.set_viewport_size({"width": 1200, "height": 900})


def test_plots_are_drawn_in_the_colours_of_the_page(dashboard):
    plots = dashboard.locator(".d-canvas canvas")
    expect(plots).to_have_count(4)
    is_drawn = """(canvas, accent) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        for (let i = 0; i < data.length; i += 4) if (accent.every((value, k) => value === data[i + k])) return true;
        return false;
    }"""
    dashboard.emulate_media(color_scheme="light")
    wait_until(lambda: plots.nth(2).evaluate(is_drawn, [31, 95, 191]))
    dashboard.emulate_media(color_scheme="dark")
    wait_until(lambda: plots.nth(2).evaluate(is_drawn, [127, 176, 255]))
    dashboard.emulate_media(color_scheme="light")


def test_plots_have_text_alternatives(dashboard):
    memory = dashboard.get_by_role("img", name=re.compile(r"^Memory in the last 5 minutes\. Resident: now [\d.]+ MiB"))
    expect(memory).to_be_visible()
    dashboard.get_by_role("button", name="1 hour").click()

    expect(dashboard.get_by_role("img", name=re.compile("^Duration of calls in the last hour"))).to_be_visible()


def test_history_survives_a_reload_of_the_page(dashboard):
    read = """async () => (await (await fetch("/console/live.json")).json()).history[0].time"""
    before = wait_until(lambda: (times := dashboard.evaluate(read)) and times)
    dashboard.reload()
    expect(dashboard.locator(".d-status")).to_have_text("Live")

    assert dashboard.evaluate(read)[: len(before)] == before
    assert dashboard.evaluate("asked[0]") == "live.json?since=0"


def test_later_requests_ask_for_what_is_new(dashboard):
    asked = wait_until(lambda: len(urls := dashboard.evaluate("asked")) > 1 and urls)

    assert [int(url.partition("=")[2]) > 0 for url in asked] == [False] + [True] * (len(asked) - 1)


def test_table_is_sorted_by_any_column_from_the_keyboard(dashboard):
    expect(dashboard.locator(".d-name").first).to_have_text("/api/echo")
    header = dashboard.get_by_role("columnheader", name="Errors")
    header.get_by_role("button").focus()
    dashboard.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert names(dashboard)[0] == "/api/fail"
    dashboard.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    assert names(dashboard)[0] != "/api/fail"
    dashboard.get_by_role("columnheader", name="Method").get_by_role("button").click()
    assert names(dashboard) == sorted(names(dashboard))


def test_filter_shows_what_matches(dashboard):
    dashboard.get_by_role("searchbox", name="Filter methods").fill("FAIL")
    assert names(dashboard) == ["/api/fail"]
    dashboard.get_by_role("searchbox").fill("nothing")
    expect(dashboard.get_by_text("No method matches the filter.")).to_be_visible()


def test_table_shows_a_hundred_of_many_methods(dashboard, server):
    calls = [rpc(f"method{number}", [1]) for number in range(120)]
    call_socket(server.addresses[0], post(calls))
    more = dashboard.locator(".d-note").filter(has_text="more: filter them.")

    expect(more).to_be_visible()
    assert len(names(dashboard)) == 100
    dashboard.get_by_role("searchbox").fill("method1")
    assert set(names(dashboard)) == {f"/api/method{number}" for number in (1, *range(10, 20), *range(100, 120))}


def test_method_is_plotted_alone_while_its_button_is_pressed(dashboard):
    button = row(dashboard, "/api/echo").locator(".d-name")
    requests = dashboard.locator(".d-legend li", has_text="Requests")
    button.focus()
    dashboard.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(requests).to_be_hidden()
    wait_until(lambda: any("method=%2Fapi%2Fecho" in url for url in dashboard.evaluate("asked")))
    dashboard.keyboard.press("Enter")
    expect(requests).to_be_visible()


def test_dispatcher_is_locked_and_unlocked_by_a_button(dashboard, server):
    row(dashboard, "/api/fail").get_by_role("button", name="Lock /api/fail").click()
    locks = dashboard.get_by_role("region", name="Table: Locks")
    expect(locks).to_contain_text("console, 127.0.0.1")
    assert server.wait(fail, returnStatus=True)
    locks.get_by_role("button", name="Unlock /api/fail").click()
    expect(dashboard.get_by_text("No lock is held.")).to_be_visible()
    assert not server.wait(fail, returnStatus=True)


def test_server_is_locked_by_two_clicks(dashboard, server):
    button = dashboard.get_by_role("group", name="Actions").get_by_role("button").first
    expect(button).to_have_text("Lock server")
    button.click()
    expect(button).to_have_text("Lock server: sure?")
    assert not server.wait(returnStatus=True)
    button.click()
    expect(button).to_have_text("Unlock server")
    assert server.wait(returnStatus=True)
    button.click()
    expect(button).to_have_text("Lock server")


def test_action_that_auth_refuses_says_so(shared, dashboard):
    button = dashboard.get_by_role("button", name="Restart")
    button.click()
    button.click()
    notice = dashboard.locator(".d-notice")

    expect(notice).to_have_text("not authorised")
    expect(notice).to_have_class(re.compile("d-bad"))
    shared[1].clear()  # the browser reports the status 403


def test_page_comes_back_after_the_server_was_away(shared, dashboard, server):
    status = dashboard.locator(".d-status")
    dashboard.route("**/live.json*", lambda route: route.abort())
    expect(status).to_contain_text("The server cannot be reached; next try in 2 s")
    dashboard.unroute("**/live.json*")
    server.restart()

    expect(status).to_have_text("Live")
    assert all("ERR_FAILED" in fault for fault in shared[1])
    shared[1].clear()


def test_hidden_page_asks_rarely_and_at_once_when_it_is_seen(context, server):
    page = context.new_page()
    page.clock.install()
    page.goto(url_of(server, "/host/"))
    expect(page.locator(".d-status")).to_have_text("Live")
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    count = "asked.length"
    page.clock.run_for(1100)  # the poll that was due already; it sees that the page is hidden
    wait_until(lambda: page.evaluate(count) >= 2)
    page.wait_for_load_state("networkidle")
    before = page.evaluate(count)
    page.clock.run_for(10_000)
    assert page.evaluate(count) == before
    page.evaluate("Object.defineProperty(document, 'hidden', { value: false })")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert page.evaluate(count) == before + 1
    page.close()


def test_unmounted_dashboard_leaves_nothing(dashboard):
    dashboard.evaluate("window.dashboard.unmount()")
    count = dashboard.evaluate("asked.length")

    assert dashboard.locator("#view > *").count() == 0
    dashboard.evaluate("window.dispatchEvent(new Event('resize'))")
    dashboard.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert dashboard.evaluate("asked.length") == count
