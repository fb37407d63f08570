"""What a browser or a page of another origin sees at the URLs of a mounted server."""

import dataclasses

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import Request, call_wsgi, get, post, result_of, rpc
from tests.mounting.servers import HELP


@pytest.mark.parametrize("way", ["direct", "through Flask", "mounted"])
def test_get_of_a_path_says_how_to_call_it(way):
    answer = call_wsgi(application_by(way), get("/api"))

    assert (answer.code, answer.header("Allow")) == (405, "OPTIONS, POST")
    assert HELP in answer.body
    assert b"/api/&lt;method&gt;" in answer.body


@pytest.mark.parametrize("way", ["direct", "through Flask", "mounted"])
def test_post_to_a_methods_own_url_says_where_to_post(way):
    answer = call_wsgi(application_by(way), post(rpc("echo", [1]), "/api/echo"))

    assert (answer.code, answer.header("Allow")) == (405, "GET, HEAD, OPTIONS")
    assert b"POST JSON-RPC requests to the path before it" in answer.body


def application_by(way, **options):
    server = flaskJSONRPCServer(None, log=False, flaskContext=way == "through Flask", **options)
    server.registerFunction(lambda value: value, path="/api", name="echo")
    if way != "mounted":
        server.flaskApp.add_url_rule("/page", "page", lambda: "page")
        return server.getWSGI()
    application = flask.Flask("theirs")
    application.add_url_rule("/page", "page", lambda: "page")
    server.init_app(application)
    return application


FOREIGN = {"Origin": "https://a.test"}


REFUSED = {
    "unknown method": (get("/api/nothing", FOREIGN), 404),
    "get of a path": (get("/api", FOREIGN), 405),
    "delete": (Request("DELETE", "/api", dict(FOREIGN)), 405),
    "post to a method": (post(rpc("echo"), "/api/echo", headers=FOREIGN), 405),
    "post to an unknown method": (post(rpc("echo"), "/api/nothing", headers=FOREIGN), 404),
    "media type": (post(rpc("echo"), headers={**FOREIGN, "Content-Type": "text/plain"}), 415),
    "too large": (post(b"[" + b" " * 2000, headers=FOREIGN), 413),
    "auth": (post(rpc("echo"), headers={**FOREIGN, "X-Refused": "1"}), 403),
}


@pytest.mark.parametrize("way", ["direct", "through Flask", "mounted"])
@pytest.mark.parametrize("name", REFUSED)
def test_page_of_another_origin_may_read_why_it_was_refused(way, name):
    request, code = REFUSED[name]
    application = application_by(
        way,
        cors={"origin": "https://a.test"},
        max_body_bytes=1000,
        auth=lambda server, path, request, method: "X-Refused" not in request["headers"],
    )
    answer = call_wsgi(application, request)
    foreign = call_wsgi(
        application, dataclasses.replace(request, headers={**request.headers, "Origin": "https://b.test"})
    )

    assert answer.code == foreign.code == code
    assert answer.header("Access-Control-Allow-Origin") == "https://a.test"
    assert foreign.header("Access-Control-Allow-Origin") is None
    assert answer.header("Vary") == foreign.header("Vary") == "Origin"


@pytest.mark.parametrize("way", ["direct", "through Flask", "mounted"])
def test_pages_outside_the_api_get_no_cors_headers(way):
    application = application_by(way, cors=True)

    for target, code in (("/page", 200), ("/nothing", 404), ("/api/a/b", 404)):
        answer = call_wsgi(application, get(target, FOREIGN))
        assert (answer.code, answer.header("Access-Control-Allow-Origin")) == (code, None)


def test_refusal_by_a_hook_of_the_application_can_be_read_by_other_origins():
    application = application_by("mounted", cors=True)
    application.before_request(lambda: flask.abort(401))

    answer = call_wsgi(application, post(rpc("echo", [1]), headers=FOREIGN))
    assert (answer.code, answer.header("Access-Control-Allow-Origin")) == (401, "*")


def test_page_on_the_url_of_a_path_stays_the_applications():
    server = flaskJSONRPCServer(None, log=False, cors=True)
    server.registerFunction(lambda value: value, path="/api", name="echo")
    server.flaskApp.add_url_rule("/api", "page", lambda: "page")
    application = server.getWSGI()

    page = call_wsgi(application, get("/api", FOREIGN))
    assert (page.body, page.header("Access-Control-Allow-Origin")) == (b"page", None)
    assert result_of(application, "echo", [1]) == 1
    assert call_wsgi(application, Request("PUT", "/api")).header("Allow") == "GET, HEAD, OPTIONS, POST"
