"""Extensions of Flask around and inside dispatchers, used as in their documentation."""

import base64
import subprocess
import sys

import flask
import flask_cors
import flask_httpauth
import flask_limiter
import flask_login
import flask_wtf
import pytest
from flask_limiter.util import get_remote_address

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call, call_wsgi, post, result_of, rpc

HTTP_ERROR = -32008


def served(*dispatchers, backend="simple", **options):
    """Return a Flask application with the dispatchers below /api, and the server."""
    application = flask.Flask("theirs")
    application.secret_key = "for this test only"
    server = flaskJSONRPCServer(None, name="calls", log=4, dispatcherBackend=backend, **options)
    for dispatcher in dispatchers:
        server.registerFunction(dispatcher, path="/api")
    server.init_app(application)
    return application, server


def http_error(application, method, params=None, **options):
    error = call(application, method, params, **options)["error"]
    assert error["code"] == HTTP_ERROR
    return error["message"], error["data"]


def test_login_is_required_by_a_decorator_and_kept_in_the_session(caplog):
    class User(flask_login.UserMixin):
        id = "ada"

    def log_in():
        return flask_login.login_user(User())

    @flask_login.login_required
    def whoami(greeting):
        return f"{greeting}, {flask_login.current_user.id}"

    application, _ = served(log_in, whoami)
    manager = flask_login.LoginManager(application)
    manager.user_loader(lambda user_id: User() if user_id == "ada" else None)
    client = application.test_client()

    refused = client.post("/api", json=rpc("whoami", ["hello"])).json
    assert refused["error"]["data"]["status"] == 401
    assert client.post("/api", json=rpc("log_in")).json["result"] is True
    assert client.post("/api", json=rpc("whoami", ["hello"])).json["result"] == "hello, ada"
    assert client.post("/api", json=rpc("whoami")).json["error"]["message"] == "Invalid params: missing 'greeting'"
    assert "Traceback" not in caplog.text


def test_csrf_protection_refuses_calls_until_the_endpoint_is_exempt():
    application, _ = served(lambda_named("add", lambda a, b: a + b))
    csrf = flask_wtf.CSRFProtect(application)

    assert call_wsgi(application, post(rpc("add", [1, 2]))).code == 400
    csrf.exempt(application.view_functions["calls.rpc"])
    assert result_of(application, "add", [1, 2]) == 3


def lambda_named(name, function):
    function.__name__ = name
    return function


def test_limiter_bounds_a_dispatcher_and_all_calls():
    limiter = flask_limiter.Limiter(get_remote_address, storage_uri="memory://")

    @limiter.limit("2/hour")
    def rare():
        return "done"

    application, _ = served(rare, lambda_named("often", lambda: "done"))
    limiter.init_app(application)
    application.view_functions["calls.rpc"] = limiter.limit("5/hour")(application.view_functions["calls.rpc"])

    answers = [call(application, "rare") for _ in range(3)]
    assert [answer.get("result") for answer in answers] == ["done", "done", None]
    assert (answers[2]["error"]["code"], answers[2]["error"]["data"]["status"]) == (HTTP_ERROR, 429)
    assert [call_wsgi(application, post(rpc("often"))).code for _ in range(3)] == [200, 200, 429]


def test_basic_authentication_of_a_dispatcher():
    auth = flask_httpauth.HTTPBasicAuth()
    auth.verify_password(lambda name, password: name if (name, password) == ("ada", "secret") else None)

    @auth.login_required
    def whoami():
        return auth.current_user()

    application, _ = served(whoami)
    right = {"Authorization": "Basic " + base64.b64encode(b"ada:secret").decode()}

    assert result_of(application, "whoami", headers=right) == "ada"
    message, data = http_error(application, "whoami")
    assert (message, data["status"]) == ("HTTP error: 401 Unauthorized", 401)


def test_cors_of_the_extension_applies_if_the_server_has_none():
    application, _ = served(lambda_named("one", lambda: 1))
    flask_cors.CORS(application, origins=["https://a.test"])

    answer = call_wsgi(application, post(rpc("one"), headers={"Origin": "https://a.test"}))
    assert answer.header("Access-Control-Allow-Origin") == "https://a.test"


TRACKED = """
import sys
import flask, sentry_sdk
from sentry_sdk.integrations.flask import FlaskIntegration
from sentry_sdk.transport import Transport
from flaskJSONRPCServer import flaskJSONRPCServer

class Printed(Transport):
    def capture_envelope(self, envelope):
        for item in envelope.items:
            if item.type == "event":
                print(item.payload.json["exception"]["values"][-1]["type"])

options = {"integrations": [FlaskIntegration()], "default_integrations": False}
sentry_sdk.init("https://key@sentry.invalid/1", transport=Printed(), **options)
application = flask.Flask("theirs")
server = flaskJSONRPCServer(None, log=False, dispatcherBackend=sys.argv[1])
server.registerFunction(lambda a, b: a / b, path="/api", name="divide")
server.registerFunction(lambda: flask.abort(403), path="/api", name="forbid")
server.init_app(application)
client = application.test_client()
for method, params in [("divide", [1, 0]), ("forbid", []), ("divide", [1])]:
    client.post("/api", json={"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
server.stop()
"""


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_error_tracker_gets_only_unexpected_exceptions(backend):
    # In a separate process: the integration hooks into all Flask applications permanently.
    done = subprocess.run([sys.executable, "-c", TRACKED, backend], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["ZeroDivisionError"], done.stderr


FORBIDDEN = {"status": 403, "name": "Forbidden"}


def forbid(description=None):
    flask.abort(403, description)


def redirect():
    flask.abort(flask.redirect("/login"))


def teapot():
    flask.abort(flask.Response("no", 418))


@pytest.mark.parametrize(
    ("function", "params", "message", "data"),
    [
        (
            forbid,
            ["not yours"],
            "HTTP error: 403 Forbidden",
            {"status": 403, "name": "Forbidden", "description": "not yours"},
        ),
        (redirect, None, "HTTP error: 302 Found", {"status": 302, "name": "Found"}),
        (teapot, None, "HTTP error: 418 I'm a teapot", {"status": 418, "name": "I'm a teapot"}),
    ],
)
@pytest.mark.parametrize("backend", ["simple", "threaded", "parallel"])
def test_http_error_of_a_dispatcher_is_an_error_of_its_own(function, params, message, data, backend, caplog):
    application, server = served(function, backend=backend)
    answer = http_error(application, function.__name__, params)
    server.stop()

    assert answer == (message, data)
    assert "Traceback" not in caplog.text


def test_http_error_fails_its_member_of_a_batch_alone():
    application, _ = served(forbid, lambda_named("one", lambda: 1))
    batch = [rpc("one", None, 1), rpc("forbid", None, 2), {"jsonrpc": "2.0", "method": "forbid"}]

    answers = call_wsgi(application, post(batch)).json()
    assert [answer.get("result") for answer in answers] == [1, None]
    assert call_wsgi(application, post({"jsonrpc": "2.0", "method": "forbid"})).code == 204


def divide(a, b):
    return a / b


@pytest.mark.parametrize("backend", ["simple", "threaded"])
@pytest.mark.parametrize("option", ["TESTING", "DEBUG", "PROPAGATE_EXCEPTIONS"])
def test_unexpected_exception_propagates_if_flask_propagates_its_own(option, backend):
    application, server = served(divide, forbid, backend=backend)
    application.config[option] = True
    client = application.test_client()

    with pytest.raises(ZeroDivisionError):
        client.post("/api", json=rpc("divide", [1, 0]))
    with pytest.raises(ZeroDivisionError):
        client.post("/api", json=[rpc("divide", [1, 0])])
    assert client.post("/api", json=rpc("divide", [1])).json["error"]["code"] == -32602
    assert client.post("/api", json=rpc("forbid")).json["error"]["code"] == HTTP_ERROR
    assert client.post("/api", json=rpc("divide", [4, 2])).json["result"] == 2
    server.stop()
    stats = server.stats()
    assert (stats["processingRequestCount"], stats["processingDispatcherCount"]) == (0, 0)


def test_unexpected_exception_is_an_error_if_propagation_is_off():
    application, _ = served(divide)
    application.config.update(TESTING=True, PROPAGATE_EXCEPTIONS=False)

    assert call(application, "divide", [1, 0])["error"]["code"] == -32603


def test_every_receiver_gets_an_unexpected_exception_once():
    application, _ = served(divide)
    heard = []

    def receive(sender, exception):
        heard.append((sender, type(exception)))

    with flask.got_request_exception.connected_to(receive, application):
        call_wsgi(application, post([rpc("divide", [1, 0]), {"jsonrpc": "2.0", "method": "divide", "params": [2, 0]}]))

    assert heard == [(application, ZeroDivisionError)] * 2


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_failing_receiver_does_not_affect_other_calls(backend, caplog):
    application, server = served(divide, backend=backend)

    def receive(sender, exception):
        raise ConnectionError("no tracker")

    calls = [rpc("divide", [4, 2]), rpc("divide", [1, 0]), rpc("divide", [6, 2])]
    with flask.got_request_exception.connected_to(receive, application):
        answers = call_wsgi(application, post(calls)).json()
    server.stop()

    assert [answer.get("result") for answer in answers] == [2, None, 3]
    assert answers[1]["error"]["code"] == -32603
    assert "no tracker" in caplog.text
    assert answers[1]["error"]["data"]["correlationId"] in caplog.text


def test_returned_response_is_named_in_the_log(caplog):
    application, _ = served(lambda_named("page", lambda: flask.Response("a page")))

    assert call(application, "page")["error"]["code"] == -32603
    assert "Response" in caplog.text
