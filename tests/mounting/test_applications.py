"""The applications that a server is mounted on, and the paths that they get."""

import threading

import flask
import pytest
from werkzeug.routing import Rule

from flaskJSONRPCServer import RegistrationError, ServerStateError, SettingsError, flaskJSONRPCServer
from tests.helpers import Request, call, call_wsgi, environ_of, get, post, result_of
from tests.mounting.servers import ECHO, make

JOIN_S = 30


@pytest.mark.parametrize("way", ["direct", "assigned", "init_app"])
def test_flask_page_beside_the_calls_works(way):
    server = make()
    application = server.flaskApp if way == "direct" else flask.Flask("theirs")
    application.add_url_rule("/page", "page", lambda: f"page {flask.request.args['a']}")
    application.add_url_rule("/api/page/deeper", "deeper", lambda: "deeper")
    if way == "assigned":
        server.flaskApp = application
    if way == "init_app":
        server.init_app(application)
    serving = application if way == "init_app" else server.getWSGI()

    assert call_wsgi(serving, get("/page?a=b")).body == b"page b"
    assert call_wsgi(serving, get("/api/page/deeper")).body == b"deeper"
    assert result_of(serving, "echo", [1]) == 1


def test_own_application_keeps_its_pages_when_it_is_mounted_elsewhere_too():
    server = make()
    theirs = flask.Flask("theirs")
    server.init_app(theirs)

    assert result_of(theirs, "echo", [1]) == 1
    assert result_of(server.getWSGI(), "echo", [1]) == 1


def test_several_applications_may_have_the_calls():
    server = make()
    applications = [flask.Flask(f"theirs{number}") for number in range(3)]
    for application in applications:
        server.init_app(application)

    assert [result_of(application, "echo", [1]) for application in applications] == [1, 1, 1]


def test_several_servers_may_be_mounted_on_one_application():
    application = flask.Flask("theirs")
    for number in range(2):
        server = flaskJSONRPCServer(None, log=False)
        server.registerFunction(lambda number=number: number, path=f"/api{number}", name="number")
        server.init_app(application)

    assert [result_of(application, "number", target=f"/api{number}") for number in range(2)] == [0, 1]


def test_two_servers_of_one_name_on_one_application_are_refused():
    application = flask.Flask("theirs")
    make(name="same").init_app(application)

    with pytest.raises(RegistrationError, match=r"has a server 'same' already"):
        make(name="same").init_app(application)


@pytest.mark.parametrize("late", [False, True])
def test_path_of_another_server_on_one_application_is_refused(late):
    application = flask.Flask("theirs")
    make(name="first").init_app(application)
    second = flaskJSONRPCServer(None, log=False, name="second")
    second.registerFunction(lambda: 2, path="/two", name="two")
    if late:
        second.init_app(application)
        with pytest.raises(RegistrationError, match=r"path '/api/' of .* belongs to another server"):
            second.registerFunction(lambda: 2, path="/api", name="two")
    else:
        second.registerFunction(lambda: 2, path="/api", name="two")
        with pytest.raises(RegistrationError, match=r"path '/api/' of .* belongs to another server"):
            second.init_app(application)

    assert result_of(application, "echo", [1]) == 1


@pytest.mark.parametrize("way", ["direct", "through_flask", "init_app"])
def test_path_registered_while_serving_is_served(way):
    server = make(flaskContext=way == "through_flask")
    application = flask.Flask("theirs")
    if way == "init_app":
        server.init_app(application)
    serving = application if way == "init_app" else server.getWSGI()
    assert result_of(serving, "echo", [1]) == 1
    assert call_wsgi(serving, post(ECHO, "/late")).code == 404

    server.registerFunction(lambda value: [value], path="/late", name="echo")
    server.registerFunction(lambda: "new", path="/api", name="new")
    assert result_of(serving, "echo", [1], target="/late") == [1]
    assert result_of(serving, "new") == "new"
    assert call_wsgi(serving, get("/late/echo?value=1")).code == 200
    assert result_of(serving, "echo", [1]) == 1


@pytest.mark.parametrize("flask_context", [False, True])
def test_registering_while_requests_run_is_safe(flask_context):
    server = make(flaskContext=flask_context)
    server.flaskApp.add_url_rule("/page", view_func=lambda: "page")
    application = server.getWSGI()
    ended = threading.Event()
    answers = []
    failures = []

    def ask():
        try:
            while not ended.is_set():
                answers.append(result_of(application, "echo", [1]))
                answers.append(call_wsgi(application, get("/page")).body)
        except BaseException as exc:  # noqa: BLE001 (told by the main thread)
            failures.append(exc)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(15):
            path = f"/late/{number}"
            server.registerFunction(lambda number=number: number, path=path, name="number")
            assert result_of(application, "number", target=path) == number
    finally:
        ended.set()
        for thread in threads:
            thread.join(JOIN_S)

    assert failures == []
    assert set(answers) <= {1, b"page"}
    assert result_of(application, "echo", [1]) == 1


@pytest.mark.parametrize("application", [None, "app", flask.Flask, len])
def test_application_other_than_flask_is_refused(application):
    with pytest.raises(SettingsError, match=r"it takes a flask\.Flask"):
        make().flaskApp = application


@pytest.mark.parametrize("application", [None, "app", flask.Flask])
def test_mounting_on_another_object_than_flask_is_refused(application):
    with pytest.raises(SettingsError, match=r"it takes a flask\.Flask"):
        make().init_app(application)


def test_application_cannot_be_assigned_while_in_use():
    server = make()
    server.getWSGI()

    with pytest.raises(ServerStateError, match="assign it before start"):
        server.flaskApp = flask.Flask("theirs")


def test_application_under_a_prefix_answers_below_it():
    application = make(flaskContext=True).getWSGI()
    environ = {"SCRIPT_NAME": "/prefix"}

    assert call_wsgi(application, post(ECHO, environ=environ)).json()["result"] == 1
    assert call_wsgi(make().getWSGI(), post(ECHO, environ=environ)).json()["result"] == 1


def test_wsgi_application_has_the_types_that_pep_3333_asks_for():
    chunks = make().getWSGI()(environ_of(post(ECHO)), lambda status, headers: None)

    assert all(type(chunk) is bytes for chunk in chunks)


def test_rules_of_the_application_are_left_as_they_are():
    app = flask.Flask("theirs")
    app.add_url_rule("/page", view_func=lambda: "page", methods=["GET"])
    app.url_map.add(Rule("/ws", endpoint="ws", websocket=True))
    server = make()
    server.flaskApp = app
    server.registerFunction(len, path="/later")

    answer = call_wsgi(app, Request("OPTIONS", "/page"))

    assert set(answer.header("Allow").split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert {rule.rule: rule.websocket for rule in app.url_map.iter_rules()}["/ws"]


def test_paths_are_mounted_without_compiling_all_others_again(monkeypatch):
    compiled = []
    compile_rule = Rule.compile
    monkeypatch.setattr(Rule, "compile", lambda rule: compiled.append(rule.rule) or compile_rule(rule))
    server = flaskJSONRPCServer(None, log=False)
    for number in range(20):
        server.registerFunction(lambda: None, path=f"/api{number}", name="m")
    assert len(compiled) == len(set(compiled))

    application = server.getWSGI()
    server.registerFunction(lambda: "late", path="/late", name="m")  # in use: a new map takes the place of the old one
    assert call(application, "m", target="/late")["result"] == "late"
    assert compiled.count("/api0") == 2
