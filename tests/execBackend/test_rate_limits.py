"""Rate limits apply before a call goes to an exec backend, on every backend."""

import pytest

from tests.execBackend.api import make
from tests.execBackend.backends import KINDS, maker_of
from tests.helpers import call_socket, get, post, rpc


@pytest.fixture(params=KINDS)
def backend(request):
    with maker_of(request.param) as make_backend:
        yield make_backend()


def test_members_beyond_the_limit_are_not_submitted(backend):
    server = make(backend, ["127.0.0.1", 0], rateLimit={"methods": {"add": "3/day"}})
    server.start()
    try:
        address = server.addresses[0]
        batch = [rpc("add", [1, number], number) for number in range(3)]
        assert [reply.get("result") for reply in call_socket(address, post(batch)).json()] == [1, 2, 3]
        replies = call_socket(address, post([rpc("add", [1, 1]), rpc("missing"), rpc("plus", [1, 1])])).json()
        assert [reply["error"]["code"] for reply in replies] == [429, -32601, 429]
        assert call_socket(address, get("/api/add?a=1&b=1")).code == 429
        assert server.stats()["dispatchers"]["/api/add"]["calls"] == 3
        assert server.stats()["rateLimitedCount"] == 3
    finally:
        server.stop()
