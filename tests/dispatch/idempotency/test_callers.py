"""Callers: whose keys are the same, and whose never are."""

import pytest

from flaskJSONRPCServer import SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.idempotency.callers import Callers, digest
from flaskJSONRPCServer.http.refusals import BadRequest, Refusal, ServiceUnavailable
from flaskJSONRPCServer.http.request import Request
from flaskJSONRPCServer.runtime.logs import ServerLog
from tests.helpers import environ_of, post, rpc


def request(headers=None, **environ):
    return Request(environ_of(post(rpc("add"), headers=headers or {}, environ=environ)))


def callers(identity=None, *, has_auth=False, **options):
    return Callers(identity, lambda copied: copied, ServerLog("callers", 0), has_auth=has_auth, **options)


APART = {
    "address": request(),
    "other address": request(REMOTE_ADDR="127.0.0.2"),
    "other address of the network": request(REMOTE_ADDR="2001:db8::1"),
    "and its neighbour": request(REMOTE_ADDR="2001:db8::2"),
    "no address": request(REMOTE_ADDR=""),
    "Basic": request({"Authorization": "Basic YTpi"}),
    "other password": request({"Authorization": "Basic YTpj"}),
    "Bearer": request({"Authorization": "Bearer YTpi"}),
    "cookie": request({"Cookie": "s=1"}),
    "other cookie": request({"Cookie": "s=2"}),
    "key": request({"X-Api-Key": "s=1"}),
    "both": request({"Authorization": "Basic YTpi", "Cookie": "s=1"}),
    "user": request(REMOTE_USER="s=1"),
    "certificate": request(SSL_CLIENT_CERT="s=1"),
}


def test_callers_are_told_apart():
    names = [callers().caller_of(each) for each in APART.values()]

    assert len(set(names)) == len(APART)


def test_caller_with_credentials_may_change_its_address():
    headers = {"Authorization": "Basic YTpi"}

    assert callers().caller_of(request(headers)) == callers().caller_of(request(headers, REMOTE_ADDR="10.0.0.1"))


@pytest.mark.parametrize("cookies", ["alone", "never"])
def test_cookie_beside_other_credentials_need_not_count(cookies):
    known = callers(cookies=cookies)

    assert known.caller_of(APART["both"]) == known.caller_of(APART["Basic"])


@pytest.mark.parametrize(("cookies", "callers_found"), [("counts", 3), ("alone", 3), ("never", 1)])
def test_cookie_without_other_credentials_need_not_count(cookies, callers_found):
    known = callers(cookies=cookies)

    assert len({known.caller_of(APART[name]) for name in ("address", "cookie", "other cookie")}) == callers_found


def test_name_replaces_credentials_and_address():
    named = callers(lambda copied: "ann")

    assert len({named.caller_of(each) for each in APART.values()}) == 1


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_a_name_the_credentials_count(nothing):
    unnamed = callers(lambda copied: nothing)

    assert len({unnamed.caller_of(each) for each in APART.values()}) == len(APART)


def test_name_is_no_address():
    assert callers(lambda copied: "127.0.0.1").caller_of(request()) != callers().caller_of(request())


def test_auth_by_something_else_refuses_keys():
    with pytest.raises(BadRequest, match="its setting idempotency takes an 'identity'"):
        callers(has_auth=True).caller_of(request())
    assert callers(has_auth=True).caller_of(APART["Basic"]) == callers().caller_of(APART["Basic"])
    assert callers(lambda copied: None, has_auth=True).caller_of(request()) == callers().caller_of(request())


def fail(copied):
    raise ValueError("a secret")


@pytest.mark.parametrize("identity", [fail, lambda copied: 1, lambda copied: b"ann"])
def test_failing_identity_refuses_the_request(identity):
    with pytest.raises(ServiceUnavailable) as caught:
        callers(identity).caller_of(request())
    assert "secret" not in str(caught.value)


def test_refusal_of_identity_is_the_answer():
    def refuse(copied):
        raise BadRequest("no")

    with pytest.raises(Refusal, match=r"^no$"):
        callers(refuse).caller_of(request())


def test_parts_do_not_run_together():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") != digest("a", "")
    assert digest("\ud800") != digest("\ud801")


INVALID = {
    "a name": {"idempotency": "yes"},
    "an unknown key": {"idempotency": {"identify": len}},
    "no function": {"idempotency": {"identity": "ann"}},
    "two parameters": {"idempotency": {"identity": lambda one, two: ""}},
}


@pytest.mark.parametrize("options", INVALID.values(), ids=INVALID)
def test_invalid_option_is_refused_when_the_server_is_made(options):
    with pytest.raises(SettingsError, match="idempotency"):
        flaskJSONRPCServer(None, log=0, **options)
