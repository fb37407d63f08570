"""URLs below a prefix, and in a blueprint."""

import re

import flask
import pytest
from flask.cli import FlaskGroup

from flaskJSONRPCServer import ServerStateError, SettingsError, flaskJSONRPCServer
from tests.helpers import Request, call_wsgi, get, result_of
from tests.mounting.servers import HELP


def mounted_server(**options):
    server = flaskJSONRPCServer(None, log=False, **options)
    server.registerFunction(lambda value: [value, flask.request.path], path="/api", name="echo")
    server.registerFunction(lambda: "root", name="at_root")
    return server


@pytest.mark.parametrize("prefix", ["/v1", "/v1/", "/a/b"])
def test_urls_are_mounted_below_a_prefix(prefix):
    server, application = mounted_server(), flask.Flask("theirs")
    server.init_app(application, url_prefix=prefix)
    server.registerFunction(lambda: 2, path="/late", name="two")
    base = prefix.rstrip("/")

    assert result_of(application, "echo", [1], target=f"{base}/api") == [1, f"{base}/api"]
    assert call_wsgi(application, get(f"{base}/api/echo?value=1")).json()["result"] == ["1", f"{base}/api/echo"]
    assert result_of(application, "at_root", target=f"{base}/") == "root"
    assert call_wsgi(application, get(f"{base}/at_root")).json()["result"] == "root"
    assert result_of(application, "two", target=f"{base}/late") == 2
    assert call_wsgi(application, get("/api/echo?value=1")).code == 404
    assert HELP in call_wsgi(application, get(f"{base}/api")).body


def test_blueprint_mounts_the_urls_with_its_prefix_and_hooks():
    server, application = mounted_server(name="calls"), flask.Flask("theirs")
    inner, outer = flask.Blueprint("inner", "theirs"), flask.Blueprint("outer", "theirs", url_prefix="/outer")
    seen = []
    inner.before_request(lambda: seen.append(flask.request.endpoint))
    server.init_app(inner, url_prefix="/rpc")
    outer.register_blueprint(inner, url_prefix="/inner")
    application.register_blueprint(outer)
    application.register_blueprint(inner, name="again", url_prefix="/again")
    server.registerFunction(lambda: 2, path="/late", name="two")

    assert result_of(application, "echo", [1], target="/outer/inner/rpc/api") == [1, "/outer/inner/rpc/api"]
    assert result_of(application, "two", target="/again/rpc/late") == 2
    assert seen == ["outer.inner.rpc", "again.rpc"]


def test_blueprint_that_is_registered_already_is_refused():
    blueprint = flask.Blueprint("late", "theirs")
    flask.Flask("theirs").register_blueprint(blueprint)

    with pytest.raises(ServerStateError, match="registered already; call init_app"):
        mounted_server().init_app(blueprint)


def test_prefix_with_a_variable():
    server, application = mounted_server(), flask.Flask("theirs")
    server.init_app(application, url_prefix="/<tenant>")

    assert result_of(application, "echo", [1], target="/acme/api") == [1, "/acme/api"]
    assert call_wsgi(application, get("/acme/api/echo?value=1")).json()["result"] == ["1", "/acme/api/echo"]


@pytest.mark.parametrize("prefix", ["v1", None, 1])
def test_invalid_prefix_is_refused(prefix):
    with pytest.raises(SettingsError, match=r"url_prefix=.* is refused"):
        mounted_server().init_app(flask.Flask("theirs"), url_prefix=prefix)


def test_same_path_below_two_prefixes_belongs_to_two_servers():
    application = flask.Flask("theirs")
    for number in (1, 2):
        server = flaskJSONRPCServer(None, log=False)
        server.registerFunction(lambda number=number: number, path="/api", name="number")
        server.init_app(application, url_prefix=f"/v{number}")

    assert [result_of(application, "number", target=f"/v{number}/api") for number in (1, 2)] == [1, 2]


def test_flask_lists_the_urls_with_their_methods(monkeypatch):
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "false")  # the command sets it for good
    application = flask.Flask("theirs")
    mounted_server(name="calls").init_app(application)

    command = FlaskGroup(create_app=lambda: application)
    listed = application.test_cli_runner().invoke(command, ["routes", "--all-methods"]).output
    assert re.search(r"calls\.rpc +OPTIONS, POST +/api\b", listed)
    assert re.search(r"calls\.rpc +GET, HEAD, OPTIONS +/api/<method>", listed)


def test_page_that_redirects_to_add_a_slash_does_not_accept_a_wrong_method():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda value: value, path="/api", name="echo")
    server.flaskApp.add_url_rule("/api/", "page", lambda: "page", strict_slashes=True)

    answer = call_wsgi(server.getWSGI(), Request("PUT", "/api"))
    assert (answer.code, HELP in answer.body) == (405, True)
