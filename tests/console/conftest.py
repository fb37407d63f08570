"""One served console for the tests of a module, and pages that note whatever a browser complains of."""

import contextlib
import re
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest

from tests.console.api import Recorder, make_server

# Runs before the page's own code.
_NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""

_GO = """target => new Promise((resolve) => {
  addEventListener("hashchange", resolve, {once: true});
  location.hash = target;
})"""


@dataclass
class Console:
    """A console open in a browser.

    Attributes:
        page: The page of Playwright.
        url: The URL of the console, with a slash at its end.
        complaints: Errors of scripts, failed requests, dialogs, and messages in the browser's console.
        hosts: The hosts that the page has sent requests to.
    """

    page: object
    url: str
    complaints: list = field(default_factory=list)
    hosts: set = field(default_factory=set)

    def open(self, fragment=""):
        """Load the console anew."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}{fragment}")
        return self.page

    def show(self, fragment):
        """Show a page of the console anew, without loading it again if it is loaded."""
        if not self.page.url.startswith(self.url):
            return self.open(fragment)
        for target in ("#/none", fragment):  # the page acts on a change of the fragment only
            self.page.evaluate(_GO, target)
        return self.page

    def method(self, name, query=""):
        """Open a method, and return the page when its form is there."""
        page = self.show(f"#/method/{quote(name, safe='')}{query}")
        page.locator("h1", has_text=re.compile(f"^{re.escape(name)}$")).wait_for()
        return page

    def call(self):
        """Press the button Call, and return the words for the outcome."""
        self.page.get_by_role("button", name="Call", exact=True).click()
        return self.outcome()

    def outcome(self):
        facts = self.page.locator(".answer .facts strong")
        facts.wait_for()
        return facts.inner_text()

    def params(self):
        return self.page.get_by_label("params as JSON").input_value()

    def violations(self):
        return self.page.evaluate("window.violations")


@pytest.fixture(scope="module")
def recorder():
    return Recorder()


@pytest.fixture(scope="module")
def served(recorder):
    """Serve the API of the tests; return the URL of its root."""
    with serving(make_server(recorder)) as url:
        yield url


@pytest.fixture(scope="module")
def console(browser, served):
    with opened(browser, f"{served}/console/") as console:
        yield console
        assert console.complaints == []
        assert console.violations() == []


@contextlib.contextmanager
def serving(server):
    server.start()
    try:
        host, port = server.addresses[0]
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextlib.contextmanager
def opened(browser, url, **options):
    """Open a console in a new profile, in which every other host is blocked."""
    context = browser.new_context(**options)
    context.add_init_script(_NOTE_VIOLATIONS)
    console = Console(context.new_page(), url)
    origin = url.split("/console/")[0]

    def on_route(route):
        console.hosts.add(route.request.url.split("/")[2])
        if route.request.url.startswith(origin):
            route.continue_()
        else:
            console.complaints.append(f"asked {route.request.url}")
            route.abort()

    context.route("**/*", on_route)
    console.page.on("console", lambda message: console.complaints.append(message.text))
    console.page.on("pageerror", lambda error: console.complaints.append(str(error)))
    console.page.on("dialog", lambda dialog: (console.complaints.append(dialog.message), dialog.dismiss()))
    console.page.set_default_timeout(40_000)
    yield console
    context.close()
