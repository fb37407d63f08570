"""Which requests generated clients of JavaScript send again, how often and when; counted at a server in Node.js."""

import json
import subprocess
from pathlib import Path

import pytest

from flaskJSONRPCServer.client.generate import generate
from tests.client.generate.generating import VERSION, server_of
from tests.client.node import find_node

CHECKS = Path(__file__).with_name("generated_script_retries.mjs")

FAILURES = ("503", "429", "504", "a cut", "half an answer")
SAFE = ("idempotent option", "idempotent method", "idempotent method with a dot", "a key", "new key")
UNSAFE = ("no option", "no key", "own header", "notification of an idempotent method")
DENIED = "idempotent method, which the user denies"
NOT_A_TIME = ("", "0", "-1", "1.5", "soon", "Mon, 01 Jan 3000", "past")

DOWN = "HttpStatusError: HTTP status 503: down"
RETRY_REFUSED = "RangeError: retry: attempts begins at 1, and no other number is negative"
KEY_REFUSED = "TypeError: idempotencyKey: it takes a text that a header can have, or true for a new one for each call"

EXPECTED = {
    # The outcome, the requests, their different bodies and keys.
    **{f"safe: {kind}, {failure}": ["well", 3, 1, 1] for kind in SAFE for failure in FAILURES},
    **{
        f"unsafe: {kind}, {failure}": ["HttpStatusError" if failure.isdigit() else "TypeError", 1]
        for kind in (*UNSAFE, DENIED)
        for failure in FAILURES
    },
    # The outcome and the requests.
    "1 attempts": [DOWN, 1],
    "2 attempts": [DOWN, 2],
    "4 attempts": [DOWN, 4],
    "no retry": [DOWN, 1],
    "another status": ["HttpStatusError: HTTP status 500: down", 1],
    "chosen status": ["well", 2],
    "no failure": ["well", 1],
    "notification": ["undefined", 2],
    "batch": ["well,well", 2],
    "unsafe batch": [DOWN, 1],
    **{f"Retry-After beyond the deadline: {form}": [DOWN, 1] for form in ("seconds", "digits", "date")},
    **{f"Retry-After without a deadline: {form}": [DOWN, 1] for form in ("seconds", "digits", "date")},
    **{f"Retry-After that says nothing: {text}": ["well", 2] for text in NOT_A_TIME},
    "redirect by 302": ["HttpStatusError: HTTP status 302: down", 1],
    "redirect by 307": ["HttpStatusError: HTTP status 307: down", 1],
    "header fields in another case": ["application/json", '"k"', True],
    "aborted before a pause": ["Error: the user left", 1],
    "remaining time": True,
    # The outcome, and whether the server got a time.
    **{f"no limit: {time}": ["well", False] for time in ("undefined", "2147483648", "1e+300", "Infinity")},
    "budget": True,
    "keys": [r'"a\"b\\c"', True, 3],
    "bodies of a repeated key": [1, 1],
    **{f"refused: {kind}": RETRY_REFUSED for kind in ("no attempts", "negative pause", "negative longest pause")},
    "refused: no number": RETRY_REFUSED,
    "refused: statuses of another type": "TypeError: retry: statuses is an array of HTTP statuses",
    "refused: no time": "RangeError: timeoutMs: 0; it takes a number above 0",
    "refused: time of NaN": "RangeError: timeoutMs: NaN; it takes a number above 0",
    **{f"refused: {kind}": KEY_REFUSED for kind in ("empty key", "key of two lines", "key beyond Latin-1")},
    "aborted in a pause": ["Error: the user left", 1],
    "timeout of a safe call": ["TimeoutError", 1],
    "pauses": [0, 0, 0, 0, 100, 200, 400, 500],
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Run the checks; return their outcomes by name."""
    server = server_of(put=lambda item: item)
    for name in ("get", "deep.get"):
        server.registerFunction(lambda: None, path="/api", name=name, idempotent=True)
    module = tmp_path_factory.mktemp("script") / "api.mjs"
    module.write_text(generate(server.openrpc("/api"), "javascript", VERSION), encoding="utf-8")
    done = subprocess.run(
        [find_node(), str(CHECKS), str(module)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_requests_are_repeated_as_by_the_client_for_python(outcomes):
    assert outcomes == EXPECTED
