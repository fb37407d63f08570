"""GETs that pages of other origins make: refused on loopback addresses unless `fallback=True` was passed."""

import contextlib
import dataclasses

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_socket, call_wsgi, get, post, rpc

LOOPBACK = ["127.0.0.1", 0]
FOREIGN = {"Sec-Fetch-Site": "cross-site"}
REFUSED = (
    "a page of another origin may not call this method by GET on a loopback address; "
    "pass fallback=True to the server, or register the method with fallback=True"
)


class Noting:
    """A server whose method `note` records whether it has run.

    Attributes:
        ran: The values that it was called with.
        server: The server.
    """

    def __init__(self, *args, registered=None, **options):
        self.ran = []
        self.server = flaskJSONRPCServer(*args, controlGC=False, tweakDescriptors=False, **options)
        self.server.registerFunction(self.note, path="/api", fallback=registered)

    def note(self, value):
        self.ran.append(value)
        return value


def answer_to(noting, headers=FOREIGN, target="/api/note?value=1&jsonp=f"):
    return call_wsgi(noting.server.getWSGI(), get(target, headers))


def is_refused(noting, **asked):
    answer = answer_to(noting, **asked)
    assert (answer.code == 403) is (noting.ran == [])
    return answer.code == 403


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),  # another port of this machine: another program
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "https://evil.test"}, True),
        ({"Origin": "null"}, True),
        ({"Referer": "http://evil.localhost/"}, True),
        ({"Referer": "http://127.0.0.1:8080/page"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Authorization": "Basic eDp5"}, True),  # which a browser may add by itself
        ({}, False),
    ],
)
@pytest.mark.parametrize("target", ["/api/note?value=1&jsonp=f", "/api/note?value=1"])
def test_page_of_another_origin_is_refused_and_nothing_runs(headers, refused, target):
    assert is_refused(Noting(LOOPBACK), headers=headers, target=target) is refused


def test_refusal_tells_the_remedy():
    assert answer_to(Noting(LOOPBACK)).body.decode() == f"{REFUSED}\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_every_loopback_address_is_guarded(host):
    assert is_refused(Noting([host, 0]), headers={**FOREIGN, "Host": "localhost"})


def test_unix_socket_is_guarded_like_loopback(tmp_path):
    assert is_refused(Noting(str(tmp_path / "api.sock")), headers={**FOREIGN, "Host": "localhost"})


@pytest.mark.parametrize(
    ("address", "more"),
    [(["0.0.0.0", 0], {}), (None, {}), ([LOOPBACK, ["10.0.0.1", 0]], {"multipleAdress": True})],
)
def test_elsewhere_only_requests_with_cookies_are_refused(address, more):
    noting = Noting(address, **more)

    assert not is_refused(noting)
    assert "cookies" in answer_to(noting, {**FOREIGN, "Cookie": "a=b"}).body.decode()


def test_allowed_hosts_change_nothing_about_the_address():
    assert is_refused(Noting(LOOPBACK, allowed_hosts=["a.test"]), headers={**FOREIGN, "Host": "a.test"})


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ((LOOPBACK,), {"fallback": True}),
        ((LOOPBACK, False, False, False, False, False, 0, True), {}),
        ((LOOPBACK,), {"registered": True}),
        ((LOOPBACK,), {"registered": "%(callback)s(%(data)s)"}),
    ],
)
def test_fallback_that_was_passed_lets_every_page_in(args, options):
    assert not is_refused(Noting(*args, **options))


def test_fallback_of_the_server_does_not_share_what_cookies_open():
    answer = answer_to(Noting(LOOPBACK, fallback=True), {**FOREIGN, "Cookie": "a=b"})

    assert answer.code == 403
    assert "with cookies" in answer.body.decode()


def test_fallback_that_is_assigned_counts_as_passed():
    noting = Noting(LOOPBACK)
    noting.server.settings.fallback = True

    assert not is_refused(noting)


def test_subclass_that_passes_fallback_has_passed_it():
    class Shared(flaskJSONRPCServer):
        def __init__(self, *args, **options):
            super().__init__(*args, fallback=True, **options)

    assert Shared(LOOPBACK, log=0).settings.fallback_is_explicit is True
    assert flaskJSONRPCServer(LOOPBACK, log=0).settings.fallback_is_explicit is False


@pytest.mark.parametrize("registered", [None, True])
def test_reload_keeps_whether_it_was_passed(registered):
    noting = Noting(LOOPBACK, registered=registered)

    assert noting.server.reload({"dispatcher": noting.note, "name": "note", "path": "/api"})

    assert is_refused(noting) is (registered is None)


def test_post_is_unaffected():
    noting = Noting(LOOPBACK)

    assert call_wsgi(noting.server.getWSGI(), post(rpc("note", [1]), headers=FOREIGN)).json()["result"] == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_only_calls_that_would_run_are_refused(method):
    request = get("/api/note?value=1", {**FOREIGN, "Origin": "https://evil.test"})
    answer = call_wsgi(Noting(LOOPBACK, cors=True).server.getWSGI(), dataclasses.replace(request, method=method))

    assert answer.code == (204 if method == "OPTIONS" else 403)


@pytest.mark.parametrize(("options", "code"), [({}, 403), ({"fallback": True}, 200)])
def test_clients_see_the_settings_of_a_running_server(options, code):
    with contextlib.ExitStack() as stack:
        noting = Noting(LOOPBACK, **options)
        stack.callback(noting.server.stop)
        noting.server.start()
        [address] = noting.server.addresses
        for _ in range(2):
            assert call_socket(address, get("/api/note?value=1", FOREIGN)).code == code
            assert call_socket(address, get("/api/note?value=1")).code == 200
            noting.server.restart()
