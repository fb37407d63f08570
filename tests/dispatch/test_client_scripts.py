"""The clients for JavaScript that a server generates: `GET <path>/client.js`."""

import gzip
import re

import flask
import pytest

from flaskJSONRPCServer import SettingsError, flaskJSONRPCServer
from tests.helpers import call_wsgi, get, result_of


def make(**options):
    server = flaskJSONRPCServer(**{"bindAdress": None, "log": False, "client_js": True, **options})
    server.registerFunction(lambda a: a, path="/api", name="echo")
    server.registerFunction(lambda: 1, path="/api/deep", name="one")
    return server


def script_of(application, target, headers=None):
    answer = call_wsgi(application, get(target, headers or {}))
    assert answer.code == 200, answer
    assert answer.header("Content-Type") == "text/javascript; charset=utf-8"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    return answer.body.decode()


def urls_in(script):
    return re.findall(r'new URL\("([^"]*)", import\.meta\.url\)', script)


def mounted(server):
    app = flask.Flask("app")
    server.init_app(app)
    return app


@pytest.mark.parametrize(
    ("target", "urls"),
    [
        ("/api/client.js", ["../api"]),
        ("/api/client.js/", ["../../api"]),
        ("/api/deep/client.js", ["../../api/deep"]),
        ("/api/deep/client.js/", ["../../../api/deep"]),
        ("/client.js", ["./api", "./api/deep", "."]),
    ],
)
def test_client_finds_its_methods_relative_to_its_own_url(target, urls):
    assert urls_in(script_of(make().getWSGI(), target)) == urls


def test_client_of_the_root():
    server = flaskJSONRPCServer(None, log=False, client_js=True)
    server.registerFunction(lambda: 1, path="/", name="one")

    assert urls_in(script_of(server.getWSGI(), "/client.js")) == ["./"]


@pytest.mark.parametrize("mount", [lambda server: server.getWSGI(), mounted], ids=["alone", "in Flask"])
@pytest.mark.parametrize(("target", "code"), [("/api/{}/", 200), ("/{}/", 404)])
def test_slash_at_the_end_is_answered_as_that_of_a_document(mount, target, code):
    application = mount(make())
    codes = [call_wsgi(application, get(target.format(name))).code for name in ("client.js", "openrpc.json")]

    assert codes == [code, code]


def test_there_is_none_without_the_setting():
    application = make(client_js=False).getWSGI()

    assert [call_wsgi(application, get(target)).code for target in ("/client.js", "/api/client.js")] == [404, 404]


@pytest.mark.parametrize("target", ["/api/client.js", "/client.js"])
def test_client_is_sent_once_to_those_who_keep_it(target):
    application = make().getWSGI()
    tag = call_wsgi(application, get(target)).header("ETag")
    again = call_wsgi(application, get(target, {"If-None-Match": tag}))

    assert (again.code, again.body, again.header("ETag")) == (304, b"", tag)
    assert call_wsgi(make().getWSGI(), get(target)).header("ETag") == tag


def test_registration_changes_the_client():
    server = make()
    application = server.getWSGI()
    before = script_of(application, "/api/client.js")
    server.registerFunction(lambda: 2, path="/api", name="two")

    assert "two()" not in before
    assert "two()" in script_of(application, "/api/client.js")


def test_auth_is_asked_as_for_the_document():
    asked = []

    def auth(server, path, request, method):
        asked.append((path, method))
        return path != "/api/"

    application = make(auth=auth).getWSGI()

    assert call_wsgi(application, get("/api/client.js")).code == 403
    assert urls_in(script_of(application, "/client.js")) == ["./api/deep"]
    assert asked == [("/api/", "rpc.discover"), ("/api/", "rpc.discover"), ("/api/deep/", "rpc.discover")]


def test_caller_gets_the_methods_that_it_sees():
    server = make()
    server.registerFunction(
        lambda: 1, path="/api", name="secret", visible=lambda request: request.headers.get("X-Role") == "admin"
    )
    server.registerFunction(lambda: 1, path="/hidden", name="hidden", visible=False)
    application = server.getWSGI()

    assert "secret()" not in script_of(application, "/api/client.js")
    assert "secret()" in script_of(application, "/api/client.js", {"X-Role": "admin"})
    assert "secret()" not in script_of(application, "/api/client.js")
    assert call_wsgi(application, get("/hidden/client.js")).code == 404


def test_client_is_compressed_as_documents_are():
    application = make(allowCompress=True, compressMinSize=100).getWSGI()
    answer = call_wsgi(application, get("/api/client.js", {"Accept-Encoding": "gzip"}))

    assert gzip.decompress(answer.body).decode() == script_of(application, "/api/client.js")


def test_method_of_the_same_name_takes_precedence():
    server = make()
    server.registerFunction(lambda: "mine", path="/api", name="client.js")
    application = server.getWSGI()

    assert call_wsgi(application, get("/api/client.js")).json()["result"] == "mine"
    assert result_of(application, "client.js") == "mine"


def test_client_below_a_prefix_of_a_flask_application():
    app = flask.Flask("app")
    make().init_app(app, url_prefix="/v1")

    assert urls_in(script_of(app, "/v1/api/client.js")) == ["../api"]
    assert urls_in(script_of(app, "/v1/client.js")) == ["./api", "./api/deep", "."]
    assert call_wsgi(app, get("/client.js")).code == 404


@pytest.mark.parametrize(
    ("options", "reason"), [({"discover": False}, "pass discover=True"), ({"discover_url": "client.js"}, "has its URL")]
)
def test_setting_that_cannot_work_is_refused(options, reason):
    with pytest.raises(SettingsError, match=f"client_js=True is refused.*{reason}"):
        make(**options)
