"""Find the Chromium that the browser tests drive. `python -m tests.browser` prints its path."""

import os
import shutil
import sys
from pathlib import Path

_COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MACOS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def find_chromium():
    """Find an executable Chromium or Google Chrome.

    Looks at the environment variable CHROMIUM, then on PATH, then in the folder of Playwright.

    Raises:
        FileNotFoundError: There is none. `make test` installs one before it starts the tests.
    """
    candidates = (os.environ.get("CHROMIUM"), *map(shutil.which, _COMMANDS), *_MACOS)
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    return _find_in_playwright()


def _find_in_playwright():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    if not Path(path).exists():
        raise FileNotFoundError("no Chromium found; install chromium or set CHROMIUM to its path")
    return path


if __name__ == "__main__":
    try:
        print(find_chromium())
    except FileNotFoundError as error:
        sys.exit(str(error))
