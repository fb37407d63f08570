"""Groups of exceptions, as tasks of asyncio raise them."""

import sys

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.exception_groups import json_rpc_error_in
from tests.helpers import call_wsgi, post, rpc

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="groups of exceptions came with Python 3.11")

FIRST, SECOND = JsonRpcApplicationError("first", code=1), JsonRpcApplicationError("second", code=2)


def group(*exceptions):
    return BaseExceptionGroup("group", exceptions)  # noqa: F821  from Python 3.11 on


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: FIRST, FIRST),
        (lambda: group(FIRST), FIRST),
        (lambda: group(FIRST, SECOND), FIRST),
        (lambda: group(group(group(SECOND)), FIRST), SECOND),
        (lambda: group(FIRST, ValueError()), None),
        (lambda: group(FIRST, group(ValueError())), None),
        (lambda: group(KeyboardInterrupt()), None),
        (ValueError, None),
    ],
    ids=["error", "one", "two", "nested", "mixed", "mixed_within", "interrupt", "other"],
)
def test_group_of_errors_is_its_first_one(make, error):
    assert json_rpc_error_in(make()) is error


@pytest.mark.parametrize(
    ("exceptions", "code"),
    [((FIRST,), 1), ((FIRST, ValueError("secret")), -32603), ((ValueError("secret"),), -32603)],
    ids=["error", "mixed", "other"],
)
def test_call_that_raises_a_group_gets_the_only_kind_of_error_in_it(exceptions, code, caplog):
    def fail():
        raise group(*exceptions)

    server = flaskJSONRPCServer(None, log=1)
    server.registerFunction(fail, path="/api")

    error = call_wsgi(server.getWSGI(), post(rpc("fail"))).json()["error"]

    assert error["code"] == code
    assert bool(caplog.records) is (code == -32603)
