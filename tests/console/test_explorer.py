"""The explorer in a browser: finding a method, calling it, and what surrounds a call."""

import base64
import json
import re
import subprocess
import sys

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.console.api import HOSTILE, HOSTILE_NAMES
from tests.console.conftest import opened, serving
from tests.helpers import wait_until


def names_in_list(page):
    return page.locator(".groups li:visible a").all_inner_texts()


def test_methods_are_listed_by_path_and_by_tag(console):
    page = console.open()
    page.locator(".groups a").first.wait_for()
    paths = page.locator(".groups h2").all_inner_texts()
    page.get_by_text("Tags", exact=True).click()

    assert paths == ["/api", "/hostile", "/types"]
    assert page.locator(".groups h2").all_inner_texts() == sorted([HOSTILE, "math", "no tag"])


def test_documentation_shows_types_errors_and_deprecation(console):
    page = console.method("buy")
    assert (
        "The shop has less" in page.locator(".docs").inner_text()
        or "Fewer are left." in page.locator(".docs").inner_text()
    )
    assert page.locator(".docs .code").all_inner_texts() == ["1001"]

    page = console.method("old")
    assert page.locator(".docs .badge").all_inner_texts() == ["deprecated"]
    assert "deprecated" in page.locator(".groups a[aria-current]").inner_text()

    page = console.method("nested")
    page.locator(".docs summary", has_text="Person").first.click()
    assert "The full name." in page.locator(".docs").inner_text() or "home" in page.locator(".docs").inner_text()


def test_call_shows_answer_request_headers_time_and_size(console):
    page = console.method("add")
    page.locator(".form").get_by_label("a", exact=True).fill("2")

    assert console.call() == "result"
    facts = page.locator(".answer .facts span").all_inner_texts()
    assert facts[0] == "HTTP 200 OK"
    assert re.fullmatch(r"[\d.]+ m?s", facts[1])
    assert facts[2] == "37 B"
    answer = json.loads(page.locator(".answer pre").first.inner_text())
    assert answer["result"] == 3.0
    page.get_by_role("tab", name="Request").click()
    request = json.loads(page.locator(".answer pre:visible").inner_text())
    assert request == {"jsonrpc": "2.0", "method": "add", "params": {"a": 2}, "id": answer["id"]}
    page.get_by_role("tab", name="Headers").click()
    assert page.get_by_role("cell", name="application/json").is_visible()


def test_notification_has_no_answer(console, recorder):
    recorder.calls.clear()
    page = console.method("integer")
    page.get_by_role("button", name="Notify").click()

    assert console.outcome() == "204 no answer body"
    assert recorder.calls == [("integer", {"value": 0})]


def test_declared_error_is_shown_with_its_data(console):
    page = console.method("buy")

    assert console.call() == "error 1001"
    assert json.loads(page.locator(".answer pre").first.inner_text())["error"]["data"] == {"item": ""}


def test_example_fills_the_form(console):
    page = console.method("add")
    page.get_by_role("button", name="Try two").click()

    assert json.loads(console.params()) == {"a": 2, "b": 3}


def test_link_opens_the_filled_in_call(console):
    page = console.method("add")
    page.get_by_label("params as JSON").fill('{"a": 12345678901234567890.5, "b": 2}')
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="Copy link").click()
    link = page.evaluate("window.copied")

    page.goto("about:blank")
    page.goto(link)
    page.locator("section.try").wait_for()

    assert console.params() == '{"a": 12345678901234567890.5, "b": 2}'


@pytest.mark.parametrize("method", ["add", HOSTILE])
@pytest.mark.parametrize("language", ["curl", "Python"])
def test_copied_code_makes_the_call(console, method, language, tmp_path):
    page = console.method(method)
    if method == "add":
        page.get_by_label("params as JSON").fill('{"a": 40, "b": 2}')
    else:
        page.get_by_label("params as JSON").fill(json.dumps({"value": f"{HOSTILE} $HOME\\n\n true"}))
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name=f"Copy as {language}").click()
    copied = page.evaluate("window.copied")
    command = ["sh", "-c", copied] if language == "curl" else [sys.executable, "-c", copied]

    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    if method == "add":
        assert "42" in run.stdout, run.stderr
    else:
        assert "$HOME" in run.stdout, run.stderr


def test_copied_fetch_makes_the_call(console):
    page = console.method("add")
    page.get_by_label("params as JSON").fill('{"a": 40, "b": 2}')
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="Copy as fetch").click()
    copied = page.evaluate("window.copied").replace("console.log(", "return (")

    # The arguments of evaluate() are no part of the page, so its policy does not hold for them.
    assert page.evaluate(f"async () => {{ {copied} }}")["result"] == 42


def test_batch_collects_calls_of_several_methods(console):
    page = console.show("#/batch")
    assert page.get_by_text("It is empty.").is_visible()
    for method in ("add", "buy", "old"):
        console.method(method)
        page.get_by_role("button", name="Add to batch").click()
    page.get_by_role("link", name="Batch (3)").click()
    page.get_by_label("old: without an answer").check()
    page.get_by_role("button", name="Send 3").click()

    assert console.outcome() == "1 of 2 failed"
    answers = json.loads(page.locator(".answer pre").first.inner_text())
    assert [set(answer) & {"result", "error"} for answer in answers] == [{"result"}, {"error"}]
    page.get_by_role("button", name="Clear").click()
    assert page.get_by_role("link", name="Batch", exact=True).is_visible()


def test_history_leads_back_to_the_filled_in_call(console):
    page = console.method("add")
    page.get_by_label("params as JSON").fill('{"a": 7}')
    console.call()
    page.get_by_role("link", name="History").click()
    row = page.get_by_role("row").nth(1)
    assert "result" in row.inner_text()
    row.get_by_role("link", name="add").click()
    page.locator("section.try").wait_for()

    assert console.params() == '{"a": 7}'
    console.open("#/history")  # it survives a reload of the page
    page.get_by_role("button", name="Clear").click()
    assert page.get_by_text("No calls yet.").is_visible()


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_docs_and_results_run_no_script(console, name):
    page = console.method(name)

    assert page.locator(".docs h1").inner_text() == name
    assert page.locator(".form textarea").count() + page.get_by_label("Send value").count() > 0
    assert console.call() == "result"
    assert json.loads(page.locator(".answer pre").first.inner_text())["result"][HOSTILE] == HOSTILE
    assert page.locator("img, script:not([src='app.js'])").count() == 0
    page.get_by_role("link", name="History").click()
    assert page.get_by_role("row").nth(1).get_by_role("link").inner_text() == name


def test_hostile_header_of_an_answer_is_text(console):
    page = console.method("answer_headers")
    console.call()
    page.get_by_role("tab", name="Headers").click()

    assert page.get_by_role("cell", name=HOSTILE).is_visible()
    assert page.locator("img").count() == 0


def test_console_asks_no_other_host(console, served):
    console.open()
    console.method("add")
    console.call()

    assert console.hosts == {served.removeprefix("http://")}


def test_policy_stops_scripts_and_markup(browser, served):
    with opened(browser, f"{served}/console/") as console:
        page = console.open("#/method/add")
        page.locator("section.try").wait_for()
        failed = page.evaluate("""() => {
            const names = [];
            const script = document.createElement("script");
            try { script.text = "window.ran = true"; } catch (error) { names.push(error.name); }
            try { document.body.innerHTML = "<p>"; } catch (error) { names.push(error.name); }
            return names;
        }""")
        page.evaluate("""() => {
            const style = document.createElement("style");
            style.textContent = "body { display: none }";
            document.head.append(style);
            return fetch("http://other.test/").catch(() => {});
        }""")

        assert failed == ["TypeError", "TypeError"]
        assert {"style-src-elem", "connect-src"} <= set(console.violations())
        assert page.locator("body").is_visible()
        assert console.hosts == {served.removeprefix("http://")}


def test_everything_works_by_keyboard_alone(console):
    page = console.open()
    page.locator(".groups a").first.wait_for()
    press = page.keyboard.press
    press("/")
    page.keyboard.type("math ad")
    assert names_in_list(page) == ["add"]
    press("ArrowDown")
    press("Enter")
    page.locator("section.try").wait_for()
    assert page.evaluate("document.activeElement.tagName") == "H1"

    for _ in range(30):  # to the form, whatever is before it
        press("Tab")
        if page.evaluate("document.activeElement.matches('.form textarea, .form input[type=text]')"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press("Control+A")
    page.keyboard.type("20")
    press("Tab")
    press("Space")  # sends b
    press("Tab")
    press("Control+A")
    page.keyboard.type("22")
    press("Control+Enter")

    assert console.outcome() == "result"
    assert json.loads(page.locator(".answer pre").first.inner_text())["result"] == 42
    page.get_by_role("tab", name="Answer").focus()
    press("ArrowRight")
    assert page.get_by_role("tab", name="Request").get_attribute("aria-selected") == "true"
    press("Escape")
    press("/")
    press("Escape")
    assert len(names_in_list(page)) > 20


_COUNT_CONTROLS = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
    .filter((node) => node.checkVisibility() && node.tabIndex >= 0 && (node.type !== "radio" || node.checked)).length"""

# The number of the focused element, its tag, and whether it or its label shows the focus.
_FOCUSED = """() => {
    const node = document.activeElement;
    window.order ??= new Map();
    if (!window.order.has(node)) window.order.set(node, window.order.size);
    const shown = [node, node.closest("label:has(:focus-visible)") ?? node];
    const isShown = shown.some((element) => getComputedStyle(element).outlineStyle !== "none");
    return [window.order.get(node), node.tagName, isShown].join();
}"""


def test_tab_reaches_every_control_and_focus_is_visible(console):
    page = console.method("nested")
    controls = page.evaluate(_COUNT_CONTROLS)
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(controls + 20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(_FOCUSED))

    tags = [entry.split(",") for entry in reached]
    assert sum(tag in ("A", "BUTTON", "INPUT", "SELECT", "TEXTAREA", "SUMMARY") for _, tag, _ in tags) >= controls
    assert all(visible == "true" for _, tag, visible in tags if tag not in ("BODY", "HTML", "PRE", "DIV"))


def test_theme_is_chosen_and_kept(console):
    page = console.open()
    button = page.get_by_role("button", name="Colours")
    backgrounds = []
    for _ in range(3):
        backgrounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        button.click()
    button.click()
    console.open()

    assert len(set(backgrounds)) == 2
    assert page.get_by_role("button", name="Colours: light").is_visible()
    page.evaluate("localStorage.clear()")


SECRETS = [
    (
        "Basic",
        {"User": "ann", "Password": "s:é"},
        ("Authorization", "Basic " + base64.b64encode("ann:s:é".encode()).decode()),
    ),
    ("Bearer token", {"Token": "secret"}, ("Authorization", "Bearer secret")),
    ("Header of your own", {"Name": "X-Key", "Value": "secret"}, ("X-Key", "secret")),
    ("Cookie", {"Name": "session", "Value": "secret"}, ("Cookie", "session=secret")),
]


@pytest.fixture(scope="module")
def guarded():
    """Serve a method behind an `auth` that accepts each of the secrets; yield its URL and what `auth` was asked."""
    asked = []

    def auth(server, path, request, method):
        allowed = any(request.headers.get(name) == value for _, _, (name, value) in SECRETS)
        asked.append((path, method, allowed))
        return allowed

    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, auth=auth)
    server.registerFunction(lambda: "secret result", path="/api", name="hidden")
    with serving(server) as url:
        yield url, asked


@pytest.mark.parametrize(
    ("kind", "fields", "header"), SECRETS, ids=lambda part: part if isinstance(part, str) else None
)
def test_authorisation_is_asked_for_and_kept_in_the_tab(browser, guarded, kind, fields, header):
    url, asked = guarded
    asked.clear()
    with opened(browser, f"{url}/console/") as console:
        page = console.open("#/method/hidden")
        page.get_by_text("The server refused the request for /openrpc.json with 403.").wait_for()
        assert asked == [("/api/", "rpc.discover", False)]
        page.get_by_label("Kind").select_option(label=kind)
        for label, value in fields.items():
            page.get_by_label(label, exact=True).fill(value)
        page.get_by_role("button", name="Use it").click()
        page.locator("section.try").wait_for()
        assert console.call() == "result"
        assert "secret" not in console.page.evaluate("document.cookie")

        page.reload()  # kept for the tab
        page.locator("section.try").wait_for()
        assert console.call() == "result"
        assert page.evaluate("JSON.stringify(localStorage)") == "{}"
        other = page.context.new_page()  # and for no other
        other.goto(f"{url}/console/")
        other.get_by_text("The server refused the request for /openrpc.json with 403.").wait_for()
        assert all(allowed for _, _, allowed in asked[1:-1])


def test_authorisation_is_asked_again_for_a_refused_call(browser, guarded):
    url, _ = guarded
    with opened(browser, f"{url}/console/") as console:
        page = console.open("#/method/hidden")
        page.get_by_label("Kind").select_option(label="Bearer token")
        page.get_by_label("Token").fill("secret")
        page.get_by_role("button", name="Use it").click()
        page.locator("section.try").wait_for()
        page.get_by_role("button", name="Authorise").click()
        page.get_by_label("Token").fill("expired")
        page.get_by_role("button", name="Use it").click()
        page.get_by_role("button", name="Call", exact=True).click()
        page.get_by_label("Token").fill("secret")
        page.get_by_role("button", name="Use it").click()
        assert console.outcome() == "result"

        page.get_by_role("button", name="Authorise").click()
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Use it").click()
        page.get_by_role("button", name="Call", exact=True).click()
        page.get_by_role("button", name="Cancel").click()
        assert console.outcome() == "403 Forbidden"


def test_document_of_another_server_is_opened_from_a_text(console):
    document = {
        "openrpc": "1.4.1",
        "info": {"title": f"Other {HOSTILE}", "version": "1"},
        "servers": [{"url": "https://other.test/rpc"}],
        "methods": [
            {"name": "ping", "params": [{"name": "n", "schema": {"$ref": "#/components/schemas/N"}}], "result": {}}
        ],
        "components": {"schemas": {"N": {"type": "integer", "minimum": 3}}},
    }
    page = console.open()
    page.get_by_role("button", name="Open …").click()
    page.get_by_label("Text").fill("{")
    page.get_by_role("button", name="Open", exact=True).click()
    page.locator("dialog .problem").wait_for()
    page.get_by_label("Text").fill(json.dumps(document))
    page.get_by_role("button", name="Open", exact=True).click()

    page.get_by_role("heading", name="Other <img").wait_for()
    assert names_in_list(page) == ["ping"]
    page.locator(".groups a").click()
    page.get_by_label("Send n").check()
    assert json.loads(console.params()) == {"n": 3}
    page.get_by_role("button", name="Open …").click()
    page.get_by_role("button", name="This server").click()
    page.locator(".groups a").nth(5).wait_for()


def test_server_that_describes_nothing_says_so(browser):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, discover=False)
    server.registerFunction(len, name="len", path="/api")
    with serving(server) as url, opened(browser, f"{url}/console/") as console:
        console.open().get_by_text("discover=False").wait_for()


MANY = 1000


@pytest.fixture(scope="module")
def many(browser):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False)
    for number in range(MANY):
        server.registerFunction(lambda value=1: value, path=f"/api/{number % 10}", name=f"method_{number:04}")
    with serving(server) as url, opened(browser, f"{url}/console/") as console:
        yield console


def test_thousand_methods_are_filtered_without_new_elements(many):
    page = many.open()
    page.get_by_text("1000 methods", exact=True).first.wait_for()
    page.evaluate("""() => {
        window.changes = {added: 0, attributes: 0};
        new MutationObserver((records) => {
            for (const record of records) {
                window.changes.added += record.addedNodes.length;
                window.changes.attributes += record.type === "attributes" ? 1 : 0;
            }
        }).observe(document.querySelector(".groups"), {subtree: true, childList: true, attributes: true});
    }""")
    page.get_by_label("Search methods").press_sequentially("0042")

    wait_until(lambda: names_in_list(page) == ["method_0042"])  # the list follows in the next frame
    changes = page.evaluate("window.changes")
    assert changes["added"] == 0
    # Each is hidden once: a further letter changes only what it excludes.
    assert changes["attributes"] <= MANY + 10
    page.get_by_label("Search methods").fill("")
    assert page.get_by_text("1000 methods", exact=True).first.is_visible()
