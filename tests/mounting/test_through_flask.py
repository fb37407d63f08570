"""The requests that go through Flask, and those that do not."""

import flask
import pytest
from flask import signals

from tests.helpers import call, call_wsgi, get, post, result_of, rpc
from tests.mounting.servers import ECHO, make


class CountingFlask(flask.Flask):
    """Counts the requests that go through Flask."""

    dispatched = 0

    def full_dispatch_request(self, *args, **kwargs):
        self.dispatched += 1
        return super().full_dispatch_request(*args, **kwargs)


@pytest.fixture
def dispatched(monkeypatch):
    """A list that grows by one with each request that goes through Flask."""
    calls = []
    original = flask.Flask.full_dispatch_request

    def full_dispatch_request(self, *args, **kwargs):
        calls.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(flask.Flask, "full_dispatch_request", full_dispatch_request)
    return calls


def no_observer(server, seen):
    pass


def before_request(server, seen):
    server.flaskApp.before_request(lambda: seen.append(flask.request.path))


def after_request(server, seen):
    @server.flaskApp.after_request
    def after(response):
        seen.append(response.status_code)
        response.headers["X-After"] = "yes"
        return response


def teardown_request(server, seen):
    server.flaskApp.teardown_request(seen.append)


def teardown_appcontext(server, seen):
    server.flaskApp.teardown_appcontext(seen.append)


def url_value_preprocessor(server, seen):
    server.flaskApp.url_value_preprocessor(lambda endpoint, values: seen.append(endpoint))


def wrapped_wsgi_app(server, seen):
    original = server.flaskApp.wsgi_app

    def wsgi_app(environ, start_response):
        seen.append(environ["PATH_INFO"])
        return original(environ, start_response)

    server.flaskApp.wsgi_app = wsgi_app


HOOKS = [
    before_request,
    after_request,
    teardown_request,
    teardown_appcontext,
    url_value_preprocessor,
    wrapped_wsgi_app,
]


def test_without_observers_no_call_goes_through_flask(dispatched):
    application = make().getWSGI()

    assert result_of(application, "echo", [1]) == 1
    assert call_wsgi(application, get("/api/echo?value=1")).code == 200
    assert call_wsgi(application, post(b"[")).code == 200
    assert dispatched == []


def test_pages_outside_the_api_are_answered_by_flask(dispatched):
    server = make()
    server.flaskApp.add_url_rule("/page", view_func=lambda: "page")
    application = server.getWSGI()

    assert call_wsgi(application, get("/page")).body == b"page"
    assert call_wsgi(application, get("/no")).code == 404
    assert dispatched == [server.flaskApp] * 2


@pytest.mark.parametrize("observe", HOOKS, ids=lambda hook: hook.__name__)
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_observer_makes_calls_go_through_flask_and_sees_them(observe, late, dispatched):
    server = make()
    seen = []
    application = server.getWSGI() if late else None
    observe(server, seen)
    application = application or server.getWSGI()

    assert result_of(application, "echo", [1]) == 1
    assert len(dispatched) == 1
    assert len(seen) == 1


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_error_handler_makes_calls_go_through_flask(late, dispatched):
    server = make()
    application = server.getWSGI() if late else None
    server.flaskApp.register_error_handler(404, lambda error: ("mine", 404))
    application = application or server.getWSGI()

    assert result_of(application, "echo", [1]) == 1
    assert len(dispatched) == 1
    assert call_wsgi(application, get("/api/no_such")).body == b"mine"


@pytest.mark.parametrize(
    "signal",
    [
        signals.request_started,
        signals.request_finished,
        signals.request_tearing_down,
        signals.appcontext_pushed,
        signals.appcontext_popped,
        signals.appcontext_tearing_down,
    ],
    ids=lambda signal: signal.name,
)
def test_connected_signal_makes_calls_go_through_flask_and_is_sent(signal, dispatched):
    server = make()
    application = server.getWSGI()
    seen = []

    def receive(sender, **extra):
        seen.append(sender)

    with signal.connected_to(receive, server.flaskApp):
        assert result_of(application, "echo", [1]) == 1
    assert seen == [server.flaskApp]
    assert result_of(application, "echo", [2]) == 2
    assert len(dispatched) == 1


def test_assigned_application_makes_calls_go_through_flask():
    server = make()
    server.flaskApp = application = CountingFlask("theirs")

    assert server.flaskApp is application
    assert result_of(server.getWSGI(), "echo", [1]) == 1
    assert application.dispatched == 1


def test_flask_context_makes_calls_go_through_flask(dispatched):
    assert result_of(make(flaskContext=True).getWSGI(), "echo", [1]) == 1
    assert len(dispatched) == 1


def test_hook_of_flask_may_change_the_answer():
    server = make()
    after_request(server, [])

    assert call_wsgi(server.getWSGI(), post(ECHO)).header("X-After") == "yes"


def test_hook_may_answer_instead():
    server = make()
    ran = []
    server.registerFunction(lambda: ran.append(1), path="/api", name="run")
    server.flaskApp.before_request(lambda: ("not now", 503))

    answer = call_wsgi(server.getWSGI(), post(rpc("run")))
    assert (answer.code, answer.body, ran) == (503, b"not now", [])


@pytest.mark.parametrize("way", ["flaskContext", "assigned", "init_app"])
def test_flask_request_g_and_session_work_inside_a_dispatcher(way):
    server = make(flaskContext=way == "flaskContext")
    application = server.flaskApp if way == "flaskContext" else flask.Flask("theirs")
    application.secret_key = "secret"

    def inside():
        flask.g.count = flask.g.get("count", 0) + 1
        flask.session["visits"] = flask.session.get("visits", 0) + 1
        return [
            flask.request.path,
            flask.request.method,
            flask.current_app.name,
            flask.g.count,
            flask.session["visits"],
        ]

    server.registerFunction(inside, path="/api")
    if way == "assigned":
        server.flaskApp = application
    if way == "init_app":
        server.init_app(application)
    serving = application if way == "init_app" else server.getWSGI()

    first = call_wsgi(serving, post(rpc("inside")))
    assert first.json()["result"] == ["/api", "POST", application.name, 1, 1]
    cookie = first.header("Set-Cookie").partition(";")[0]
    second = call_wsgi(serving, post(rpc("inside"), headers={"Cookie": cookie}))
    assert second.json()["result"] == ["/api", "POST", application.name, 1, 2]


def test_flask_request_inside_a_dispatcher_has_the_body():
    server = make(flaskContext=True)
    server.registerFunction(lambda: flask.request.get_json()["method"], path="/api", name="inside")

    assert result_of(server.getWSGI(), "inside") == "inside"


def test_failure_is_the_same_through_flask_and_leaves_no_context(caplog):
    server = make(flaskContext=True, log=3)

    def fail():
        raise RuntimeError("/secret")

    server.registerFunction(fail, path="/api")
    error = call(server.getWSGI(), "fail")["error"]
    assert error["code"] == -32603
    assert not flask.has_request_context()
    assert len([record for record in caplog.records if record.exc_info]) == 1
