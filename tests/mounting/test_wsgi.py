"""WSGI, Flask and the pipeline: the requests that go through Flask, and those that do not."""

import dataclasses
import re
import threading

import flask
import pytest
from flask import signals
from flask.cli import FlaskGroup
from werkzeug.routing import Rule

from flaskJSONRPCServer import RegistrationError, ServerStateError, SettingsError, flaskJSONRPCServer
from tests.helpers import OneShotStream, Request, call, call_wsgi, environ_of, get, post, result_of, rpc

JOIN_S = 30
ECHO = rpc("echo", [1])


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


def make(**options):
    server = flaskJSONRPCServer(None, **{"log": False, **options})
    server.registerFunction(lambda value: value, path="/api", name="echo")
    return server


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


@pytest.mark.parametrize(
    "read",
    [
        lambda request: request.get_data(),
        lambda request: request.get_json(),
        lambda request: request.form.get("a"),
        lambda request: request.data,
        lambda request: request.values.get("a"),
    ],
    ids=["get_data", "get_json", "form", "data", "values"],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_body_that_a_hook_has_read_still_reaches_the_dispatcher(read, chunked):
    server = make()
    server.flaskApp.before_request(lambda: read(flask.request) and None)

    answer = call_wsgi(server.getWSGI(), post(ECHO, chunked=chunked))
    assert answer.json() == {"jsonrpc": "2.0", "result": 1, "id": 1}


def test_body_over_the_limit_that_a_hook_has_read_is_refused():
    server = make(max_body_bytes=60)
    server.flaskApp.before_request(lambda: flask.request.get_data() and None)
    application = server.getWSGI()

    assert call_wsgi(application, post(ECHO)).code == 200
    assert call_wsgi(application, post(rpc("echo", ["x" * 60]))).code == 413
    assert call_wsgi(application, post(rpc("echo", ["x" * 60]), chunked=True)).code == 413


@pytest.mark.parametrize("more", [1, 100, 200_000])
def test_chunked_body_over_the_limit_is_never_cut_to_it(more):
    application = make(flaskContext=True, max_body_bytes=60).getWSGI()
    body = post(ECHO).body
    request = post(body + b" " * (60 - len(body) + more), chunked=True)

    assert call_wsgi(application, request).code == 413


def test_chunked_body_over_the_limit_is_read_little_further():
    application = make(flaskContext=True, max_body_bytes=1000).getWSGI()
    stream = OneShotStream(b" " * 10_000_000, slice_bytes=4096)
    call_wsgi(application, post(b"", chunked=True, environ={"wsgi.input": stream}))

    assert stream.taken <= 1000 + 4096


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("flasks", "ours", "named"), [(10, 5000, b"MAX_CONTENT_LENGTH (10"), (5000, 20, b"max_body_bytes (20")]
)
def test_smaller_of_the_servers_limit_and_flasks_applies(chunked, flasks, ours, named):
    server = make(flaskContext=True, max_body_bytes=ours)
    server.flaskApp.config["MAX_CONTENT_LENGTH"] = flasks
    answer = call_wsgi(server.getWSGI(), post(rpc("echo", ["x" * 100]), chunked=chunked))

    assert (answer.code, answer.body) == (413, b"the body is over " + named + b" bytes)\n")


def test_limit_of_flask_that_is_not_passed_changes_nothing():
    server = make(flaskContext=True)
    server.flaskApp.config["MAX_CONTENT_LENGTH"] = 1000

    assert result_of(server.getWSGI(), "echo", ["x" * 100]) == "x" * 100


@pytest.mark.parametrize("chunked", [False, True])
def test_hook_that_reads_the_stream_is_named_in_the_log(chunked, caplog):
    server = make(flaskContext=True, log=3)
    server.flaskApp.before_request(lambda: flask.request.stream.read() and None)
    answer = call_wsgi(server.getWSGI(), post(ECHO, chunked=chunked))

    assert answer.code == 500
    assert "a hook has read request.stream" in caplog.text
    assert "request.get_data() instead" in caplog.text


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


def test_failure_is_the_same_through_flask_and_leaves_no_context(caplog):
    server = make(flaskContext=True, log=3)

    def fail():
        raise RuntimeError("/secret")

    server.registerFunction(fail, path="/api")
    error = call(server.getWSGI(), "fail")["error"]
    assert error["code"] == -32603
    assert not flask.has_request_context()
    assert len([record for record in caplog.records if record.exc_info]) == 1


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


HELP = b"POST a request such as"


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


# OpenRPC documents

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
