"""The target of check 40 with a few inputs, so that a change of the package cannot break it unnoticed."""

import pytest

from scorecard.fuzz_target import Target

CALL = b'{"jsonrpc":"2.0","method":"echo","params":[1],"id":1}'
HEADERS = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def target():
    return Target()


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [("POST", "api", HEADERS, CALL), ("POST", "api", HEADERS, b"\xff"), ("GET", "api/echo?value=1", {}, b"")],
)
def test_request_gets_an_expected_status(target, method, path, headers, body):
    before = target.count

    target.request(method, path, headers, body)

    assert target.count == before + 1


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
        [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n", b"\r\nabc", b"deGET / HTTP/1.1\r\nHost: a\r\n\r\n"],
        [b"nonsense\r\n\r\n", b"more"],
    ],
    ids=["nothing", "a request", "in pieces", "malformed"],
)
def test_connection_accepts_bytes(target, pieces, ends):
    before = target.count

    target.connection(pieces, ends)

    assert target.count == before + 1


def test_unexpected_status_is_found(target, monkeypatch):
    monkeypatch.setattr("scorecard.fuzz_target._EXPECTED", frozenset())

    with pytest.raises(AssertionError, match="status 200"):
        target.request("POST", "api", HEADERS, CALL)
