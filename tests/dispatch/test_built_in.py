"""Built-in URLs that are added at run time."""

import flask
import pytest
from werkzeug.routing import Rule

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.built_in import BuiltInUrl
from flaskJSONRPCServer.errors import RegistrationError
from flaskJSONRPCServer.http.response import text_response
from tests.helpers import Request, call_wsgi, get


def hello(exchange, rest):
    return text_response("200 OK", f"{exchange.method} {rest}")


def echo(exchange, rest):
    return text_response("200 OK", str(len(exchange.body(10))))


def make_server(**options):
    server = flaskJSONRPCServer(None, log=0, **options)
    server.registerFunction(lambda: "pong", path="/api", name="ping")
    return server


def urls_of(server):
    return server._engine.services.urls


@pytest.mark.parametrize("is_early", [True, False], ids=["before mounting", "after the first request"])
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_added_url_is_on_all_mounts(is_early, prefix):
    server, app, other = make_server(), flask.Flask("app"), flask.Flask("other")
    if is_early:
        urls_of(server).add(BuiltInUrl("extra", hello))
    server.init_app(app, url_prefix=prefix)
    blueprint = flask.Blueprint("blueprint", "blueprint")
    server.init_app(blueprint, url_prefix=prefix)
    other.register_blueprint(blueprint, url_prefix="/b")
    wsgi = server.getWSGI()
    mounted = ((wsgi, ""), (app, prefix), (other, f"/b{prefix}"))
    if not is_early:
        for application, before in mounted:
            assert call_wsgi(application, get(f"{before}/api/ping")).code == 200
            assert application is wsgi or call_wsgi_code(application, f"{before}/extra") == 404
        urls_of(server).add(BuiltInUrl("extra", hello))
    for application, before in mounted:
        assert call_wsgi(application, get(f"{before}/extra")).body == b"GET \n"
        assert call_wsgi(application, get(f"{before}/api/ping")).code == 200


def call_wsgi_code(application, target):
    return call_wsgi(application, get(target)).code


def test_added_url_needs_no_methods():
    server = flaskJSONRPCServer(None, log=0)
    urls_of(server).add(BuiltInUrl("extra", hello, has_children=True))

    for target, rest in (("/extra", ""), ("/extra/", "/"), ("/extra/a/b", "/a/b")):
        assert call_wsgi(server.getWSGI(), get(target)).body == f"GET {rest}\n".encode()


@pytest.mark.parametrize("segment", ["", "a/b", "..", "a b", "é", "healthz", "api"])
def test_segment_that_is_invalid_or_taken_is_refused(segment):
    server = make_server(health=True)
    before = list(urls_of(server))
    with pytest.raises(RegistrationError):
        urls_of(server).add(BuiltInUrl(segment, hello))
    assert list(urls_of(server)) == before
    assert call_wsgi(server.getWSGI(), get("/api/ping")).code == 200


@pytest.mark.parametrize("has_children", [False, True])
def test_url_with_children_and_paths_below_it_exclude_each_other(has_children):
    server = make_server()
    server.registerFunction(lambda: 1, path="/deep/path", name="one")
    url = BuiltInUrl("deep", hello, has_children=has_children)
    if has_children:
        with pytest.raises(RegistrationError, match="/deep/path/ cannot have methods"):
            urls_of(server).add(url)
    else:
        urls_of(server).add(url)
    assert call_wsgi(server.getWSGI(), get("/deep/path/one")).code == 200


def test_methods_cannot_be_registered_at_an_added_url():
    server = make_server()
    urls_of(server).add(BuiltInUrl("extra", hello))
    with pytest.raises(RegistrationError, match="/extra/ cannot have methods"):
        server.registerFunction(lambda: 1, path="/extra", name="one")
    assert call_wsgi(server.getWSGI(), get("/extra")).code == 200
    server.registerFunction(lambda: 1, path="/extra2", name="one")


@pytest.mark.parametrize("is_observed", [False, True])
def test_page_of_the_application_wins_also_if_it_comes_later(is_observed):
    server = make_server()
    urls_of(server).add(BuiltInUrl("extra", hello))
    if is_observed:
        server.flaskApp.after_request(lambda response: response)
    application = server.getWSGI()
    assert call_wsgi(application, get("/extra")).body == b"GET \n"
    if is_observed:  # Flask takes no further pages
        return
    server.flaskApp.add_url_rule("/extra", "page", lambda: "page")
    assert call_wsgi(application, get("/extra")).body == b"page"


def test_page_wins_that_an_own_application_gets_later():
    server = make_server()
    server.flaskApp = app = flask.Flask("app")
    urls_of(server).add(BuiltInUrl("extra", hello, is_immediate=True))
    application = server.getWSGI()
    assert call_wsgi(application, get("/extra")).body == b"GET \n"
    app.view_functions["page"] = lambda: "page"
    app.url_map.add(Rule("/extra", endpoint="page"))  # Flask's own methods take no further pages
    assert call_wsgi(application, get("/extra")).body == b"page"


@pytest.mark.parametrize("is_observed", [False, True])
def test_body_of_a_post_is_limited_and_other_methods_are_not_allowed(is_observed):
    server = make_server(max_body_bytes=100)
    urls_of(server).add(BuiltInUrl("extra", echo, ("POST", "OPTIONS")))
    if is_observed:
        server.flaskApp.after_request(lambda response: response)
    application = server.getWSGI()
    assert call_wsgi(application, Request("POST", "/extra", {}, b"12345")).body == b"5\n"
    assert call_wsgi(application, Request("POST", "/extra", {}, b"x" * 11)).code == 413
    answer = call_wsgi(application, Request("OPTIONS", "/extra"))
    assert (answer.code, answer.header("Allow")) == (204, "POST, OPTIONS")
    assert call_wsgi(application, Request("PUT", "/extra")).code == 405
    assert call_wsgi(application, get("/extra")).code == 405


def test_serving_backend_knows_the_limit_of_the_body():
    server = make_server(max_body_bytes=100)
    urls_of(server).add(BuiltInUrl("extra", echo, ("POST",)))
    application = server.getWSGI()
    assert application.body_limit_bytes({"PATH_INFO": "/extra"}) == 100
    assert application.body_limit_bytes({"PATH_INFO": "/page"}) is None


@pytest.mark.parametrize(
    ("cors", "allowed"),
    [
        (True, "POST, DELETE, OPTIONS"),
        ({"methods": ["POST", "PATCH"]}, "POST, PATCH"),
        ({"method": "DELETE"}, "DELETE"),
    ],
)
def test_preflight_has_the_methods_of_the_url_or_those_of_cors(cors, allowed):
    server = make_server(cors=cors)
    urls_of(server).add(BuiltInUrl("extra", echo, ("POST", "DELETE", "OPTIONS")))
    answer = call_wsgi(server.getWSGI(), Request("OPTIONS", "/extra", {"Origin": "https://a.test"}))
    assert answer.header("Access-Control-Allow-Methods") == allowed
    rpc = call_wsgi(server.getWSGI(), Request("OPTIONS", "/api", {"Origin": "https://a.test"}))
    assert rpc.header("Access-Control-Allow-Methods") == ("GET, OPTIONS, POST" if cors is True else allowed)


def test_flask_is_asked_once_for_each_map(monkeypatch):
    server = make_server()
    urls_of(server).add(BuiltInUrl("extra", hello))
    application, asked = server.getWSGI(), []
    bind = server.flaskApp.url_map.bind_to_environ
    monkeypatch.setattr(server.flaskApp.url_map, "bind_to_environ", lambda *args: asked.append(True) or bind(*args))
    for _ in range(5):
        assert call_wsgi(application, get("/extra")).code == 200
    assert len(asked) == 1
