"""OpenRPC documents of a mounted server."""

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import Request, call, call_wsgi, get, post, result_of, rpc
from tests.mounting.servers import make

DOCUMENT = "/openrpc.json"


def names_at(application, target=DOCUMENT, **options):
    answer = call_wsgi(application, get(target, **options))
    assert answer.code == 200, answer
    return [method["name"] for method in answer.json()["methods"]]


@pytest.mark.parametrize("target", [DOCUMENT, "/api/openrpc.json"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_documents_are_the_same_bytes_through_flask(target, method):
    options = {"name": "same", "cors": True, "allowCompress": True, "compressMinSize": 100}
    mounted = flask.Flask("theirs")
    make(**options).init_app(mounted)
    applications = [make(**options).getWSGI(), make(**options, flaskContext=True).getWSGI(), mounted]
    request = Request(method, target, {"Origin": "http://a.test", "Accept-Encoding": "gzip"})
    answers = {call_wsgi(application, request) for application in applications}

    assert len(answers) == 1
    assert answers.pop().code == 200


def test_documents_of_the_root_are_the_same_through_flask():
    answers = set()
    for options in ({}, {"flaskContext": True}):
        server = make(name="same", **options)
        server.registerFunction(lambda: None, path="/", name="rooted")
        answers.add(call_wsgi(server.getWSGI(), get(DOCUMENT)))

    (answer,) = answers
    assert [method["name"] for method in answer.json()["methods"]] == ["echo", "rooted"]


def test_documents_below_a_prefix_have_its_urls():
    application = flask.Flask("theirs")
    make().init_app(application, url_prefix="/v1")

    answer = call_wsgi(application, get("/v1/openrpc.json"))
    assert answer.json()["servers"] == [{"url": "http://127.0.0.1:8080/v1/"}]
    assert answer.json()["methods"][0]["servers"] == [{"url": "http://127.0.0.1:8080/v1/api"}]
    path = call_wsgi(application, get("/v1/api/openrpc.json"))
    assert path.json()["servers"] == [{"url": "http://127.0.0.1:8080/v1/api"}]
    assert call_wsgi(application, get(DOCUMENT)).code == 404
    by_call = result_of(application, "rpc.discover", target="/v1/api")
    assert by_call == path.json()


def test_documents_of_a_blueprint_have_its_urls_and_hooks():
    application, seen = flask.Flask("theirs"), []
    blueprint = flask.Blueprint("theirs", "theirs", url_prefix="/b")
    blueprint.before_request(lambda: seen.append(flask.request.path))
    make().init_app(blueprint, url_prefix="/v1")
    application.register_blueprint(blueprint)

    answer = call_wsgi(application, get("/b/v1/openrpc.json"))
    assert answer.json()["methods"][0]["servers"] == [{"url": "http://127.0.0.1:8080/b/v1/api"}]
    assert names_at(application, "/b/v1/api/openrpc.json") == ["echo"]
    assert seen == ["/b/v1/openrpc.json", "/b/v1/api/openrpc.json"]


def test_document_below_a_script_name_has_it():
    application = flask.Flask("theirs")
    make().init_app(application, url_prefix="/v1")
    environ = {"SCRIPT_NAME": "/outer"}

    answer = call_wsgi(application, get("/v1/openrpc.json", environ=environ))
    assert answer.json()["servers"] == [{"url": "http://127.0.0.1:8080/outer/v1/"}]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("way", ["direct", "assigned", "init_app"])
def test_own_page_at_the_url_of_the_document_wins(way, when):
    server = flaskJSONRPCServer(None, log=False)
    application = server.flaskApp if way == "direct" else flask.Flask("theirs")

    def add_page():
        application.add_url_rule(DOCUMENT, "own", lambda: "my own page")

    if when == "before":
        add_page()
    server.registerFunction(lambda value: value, path="/api", name="echo")
    if way == "assigned":
        server.flaskApp = application
    if way == "init_app":
        server.init_app(application)
    if when == "after":
        add_page()
    server.registerFunction(lambda value: value, path="/later", name="echo")
    serving = application if way == "init_app" else server.getWSGI()

    assert call_wsgi(serving, get(DOCUMENT)).body == b"my own page"
    assert names_at(serving, "/api/openrpc.json") == ["echo"]


@pytest.mark.parametrize("way", ["direct", "through_flask", "init_app"])
def test_without_discovery_the_application_has_no_document(way):
    server = make(discover=False, flaskContext=way == "through_flask")
    application = server.getWSGI()
    if way == "init_app":
        application = flask.Flask("theirs")
        server.init_app(application)

    assert call_wsgi(application, get(DOCUMENT)).code == 404
    assert call_wsgi(application, get("/api/openrpc.json")).code == 404
    assert call(application, "rpc.discover")["error"]["code"] == -32601
    assert not [rule for rule in server.flaskApp.url_map.iter_rules() if "openrpc" in rule.rule]


def test_document_takes_no_other_method():
    answer = call_wsgi(make().getWSGI(), post(rpc("rpc.discover"), DOCUMENT))

    assert answer.code == 405
    assert sorted(answer.header("Allow").split(", ")) == ["GET", "HEAD"]


def test_first_of_two_mounted_servers_has_the_document_of_the_application():
    application = flask.Flask("theirs")
    for number in range(2):
        server = flaskJSONRPCServer(None, log=False)
        server.registerFunction(lambda: None, path=f"/api{number}", name=f"m{number}")
        server.init_app(application)

    assert names_at(application) == ["m0"]
    assert [names_at(application, f"/api{number}/openrpc.json") for number in range(2)] == [["m0"], ["m1"]]
