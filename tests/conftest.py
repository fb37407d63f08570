"""Configuration of all tests: Hypothesis profiles, a small heap and a browser."""

import gc
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from flaskJSONRPCServer.runtime.garbage import _process
from tests.browser import find_chromium

_CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Wall-clock limits mean nothing if tests run in parallel: no deadline, and slow generation is no failure.
# Failing examples are kept in .hypothesis, and printed so that they can be replayed anywhere.
settings.register_profile(
    "default",
    deadline=None,
    derandomize=False,
    max_examples=50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2_000)
settings.load_profile("default")


# How many collections of young objects come before one of all objects; 10 in Python itself.
YOUNG_COLLECTIONS = 500


def pytest_configure():
    """Undo what a shell does to a command in the background, which then ignores Ctrl-C; and collect all objects seldom.

    All objects are those of thousands of tests, which take up to 0.5 s. Servers freeze and thaw them, after which
    Python soon collects all of them again.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.set_threshold(*gc.get_threshold()[:2], YOUNG_COLLECTIONS)


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(items):
    """Begin with the tests that have a longer timeout: one that began last would keep a single worker busy."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("timeout") is not None]
    short = [item for item in items if item.get_closest_marker("timeout") is None]
    share = -(-len(short) // workers)
    # xdist gives each worker an equal share of consecutive tests.
    items[:] = [
        item
        for worker in range(workers)
        for item in (*long[worker::workers], *short[worker * share : (worker + 1) * share])
    ]


@pytest.fixture
def small_heap(monkeypatch):
    """Let collections pass over all objects of before the test, which are those of the thousands of tests.

    For tests with reloads or restarts: each thaws all objects and collects them, which takes up to 0.5 s here. The
    server does not freeze objects meanwhile, so it has none to thaw, and collects all that the test makes. The objects
    stay frozen afterwards: once they are thawed, Python soon collects all of them by itself.
    """
    monkeypatch.setattr("flaskJSONRPCServer.runtime.garbage.ProcessCollection._freeze", lambda self: None)
    # A server of the module may have frozen them, and would let the next reload thaw them.
    monkeypatch.setattr(_process, "_is_frozen", False)
    gc.collect()  # garbage that is frozen is never freed, so what it holds would neither be closed nor reported
    gc.freeze()


@pytest.fixture
def frozen_heap():
    """Let collections pass over all objects of before the test, as while another server runs in the process.

    For tests with many starts of one server: each but the first collects all objects.
    """
    _process.hold(frozen_heap, again=False)
    yield
    _process.release(frozen_heap)


@pytest.fixture(scope="module")
def browser():
    """Start a headless Chromium: a `playwright.sync_api.Browser`.

    For a module only: Playwright leaves an event loop running in the thread of the tests, where coroutines then cannot
    run by `asyncio.run()`.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), headless=True, args=_CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """Open an empty page in a new profile: a `playwright.sync_api.Page`."""
    context = browser.new_context()
    yield context.new_page()
    context.close()
