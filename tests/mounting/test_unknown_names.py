"""A GET of a name that no method has costs and reveals as much as one of a method."""

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_wsgi, get


def served(server):
    return server.getWSGI()


def observed(server):
    server.flaskApp.before_request(lambda: None)
    return server.getWSGI()


def prefixed(server):
    application = flask.Flask("theirs")
    server.init_app(application, url_prefix="/v1")
    return lambda environ, start: application({**environ, "PATH_INFO": f"/v1{environ['PATH_INFO']}"}, start)


def in_blueprint(server):
    application, blueprint = flask.Flask("theirs"), flask.Blueprint("inner", "theirs")
    server.init_app(blueprint)
    application.register_blueprint(blueprint)
    return application


MOUNTS = [served, observed, prefixed, in_blueprint]


@pytest.fixture(params=MOUNTS, ids=lambda mount: mount.__name__)
def mounted(request):
    def make(**options):
        server = flaskJSONRPCServer(None, log=False, **options)
        server.registerFunction(lambda: "pong", path="/api", name="ping")
        return request.param(server)

    return make


def codes(application, *targets):
    return [call_wsgi(application, get(target)).code for target in targets]


def test_auth_is_asked_about_unknown_names(mounted):
    asked = []

    def refuse(server, path, request, method):
        asked.append((path, method))
        return False

    application = mounted(auth=refuse)

    assert codes(application, "/api/ping", "/api/nope", "/api/nope/") == [403, 403, 403]
    assert asked == [("/api/", "ping"), ("/api/", "nope"), ("/api/", "nope")]
    known, unknown = (call_wsgi(application, get(f"/api/{name}")) for name in ("ping", "nope"))
    assert (known.body, known.headers) == (unknown.body, unknown.headers)


def test_unknown_names_take_units_of_the_rate_limit(mounted):
    application = mounted(rateLimit="3/day")

    assert codes(application, *["/api/nope"] * 4, "/api/ping") == [404, 404, 404, 429, 429]


def test_unknown_name_that_auth_allows_is_a_page_that_does_not_exist(mounted):
    allowed = mounted(auth=lambda *asked: True)
    without = mounted()

    assert call_wsgi(allowed, get("/api/nope")) == call_wsgi(without, get("/api/nope"))
    assert codes(allowed, "/api/nope", "/api/a/b", "/nope") == [404, 404, 404]


def test_foreign_host_learns_no_name(mounted):
    application = mounted(allowed_hosts=["api.test"])

    assert codes(application, "/api/ping", "/api/nope") == [421, 421]


def test_page_of_the_application_stays_with_flask():
    server = flaskJSONRPCServer(None, log=False, auth=lambda *asked: False, rateLimit="1/day")
    server.registerFunction(lambda: "pong", path="/api", name="ping")
    server.flaskApp.add_url_rule("/api/page", view_func=lambda: "page", endpoint="page")
    application = server.getWSGI()

    assert codes(application, "/api/page", "/api/page") == [200, 200]


def test_answer_has_the_cors_headers_of_a_refused_call(mounted):
    application = mounted(auth=lambda *asked: False, cors=True)
    refused = call_wsgi(application, get("/api/nope", {"Origin": "https://a.test"}))

    assert refused.code == 403
    assert refused.headers == call_wsgi(application, get("/api/ping", {"Origin": "https://a.test"})).headers


def test_unknown_names_that_are_refused_are_counted():
    server = flaskJSONRPCServer(None, log=False, auth=lambda *asked: False)
    server.registerFunction(lambda: "pong", path="/api", name="ping")
    application = server.getWSGI()
    before = server.stats()["requestCount"]

    assert codes(application, "/api/nope") == [403]
    assert server.stats()["requestCount"] == before + 1
