"""The tests of the page on testing pass, and those that it lets fail print what it says."""

import pytest

import flaskJSONRPCServer.testing.recording
import flaskJSONRPCServer.testing.servers  # noqa: F401  a run inside the process forgets what it has loaded
from tests.docs.pages import ROOT, blocks

pytest_plugins = ["pytester"]


@pytest.fixture
def page_blocks():
    return blocks(ROOT / "docs" / "testing.md")


def test_tests_of_the_page_behave_as_it_says(pytester, monkeypatch, page_blocks):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    texts = [block.text for block in page_blocks if block.language == "text"]
    (cassette,) = [text for text in texts if text.startswith("{")]
    messages = [text.strip() for text in texts if text != cassette]
    file = pytester.path / "cassettes" / "test_page" / "test_left.json"
    file.parent.mkdir(parents=True)
    file.write_text(cassette, encoding="utf-8")
    source = "\n".join(block.text for block in page_blocks if block.language == "python")
    pytester.makepyfile(test_page=source.replace("def jsonrpc_contract", "def contract_of_all"))

    # Outside of a worker, the run that this file is part of has loaded the plugin already.
    warnings = ("-W", "error", "-W", "ignore:Module already imported")
    done = pytester.runpytest_inprocess("-p", "flaskJSONRPCServer.testing.plugin", *warnings)

    tests = source.count("\ndef test_")
    done.assert_outcomes(passed=tests - len(messages), failed=len(messages))
    output = done.stdout.str()
    assert all(message in output for message in messages), output
