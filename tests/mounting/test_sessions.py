"""The session of Flask in calls: it is saved with an answer of one message, and not with a stream."""

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mounting.sessions import warning_of_lost_changes
from flaskJSONRPCServer.runtime.logs import ServerLog
from tests.helpers import wait_until
from tests.mcp.judged import request_of

STREAM = {"accept": "application/json, text/event-stream", "meta": {"progressToken": 1}}
LOST = "flask.session was changed in a call whose answer is a stream"


def login() -> str:
    flask.session["user"] = "ann"
    return "welcome"


def whoami() -> str:
    return flask.session.get("user", "nobody")


@pytest.fixture
def application():
    """A Flask application with a mounted server, whose hook changes the session of each request."""
    app = flask.Flask("app")
    app.secret_key = "secret"

    @app.before_request
    def count():
        flask.session["requests"] = flask.session.get("requests", 0) + 1

    server = flaskJSONRPCServer(None, log=2, fallback=False, allowed_hosts=["localhost"])
    server.init_app(app)
    for function in (login, whoami):
        server.registerFunction(function, path="/api", mcp=True)
    return app


def text_of(client, name, **options):
    """Return the whole answer to a call of a tool."""
    request = request_of("tools/call", {"name": name}, **options)
    with client.post("/mcp", data=request.body, headers=dict(request.headers)) as answer:
        assert answer.status_code == 200
        return answer.get_data(as_text=True)


def test_change_in_a_call_whose_answer_is_one_message_is_saved(application, caplog):
    client = application.test_client()
    text_of(client, "login")
    assert "ann" in text_of(client, "whoami")
    assert caplog.records == []


def test_change_in_a_call_whose_answer_is_a_stream_is_lost_with_a_warning(application, caplog):
    client = application.test_client()
    assert "welcome" in text_of(client, "login", **STREAM)
    wait_until(lambda: caplog.records)  # written when the function of the answer has returned
    [record] = caplog.records
    assert (record.levelname, LOST in record.message) == ("WARNING", True)
    assert "nobody" in text_of(client, "whoami")


@pytest.mark.parametrize("changes", [False, True], ids=["unchanged", "changed"])
def test_only_a_change_after_the_head_has_a_warning(application, changes):
    written = []
    log = ServerLog("sessions", 2)
    log.write = lambda *parts: written.append(parts)
    with application.test_request_context():
        flask.session["before"] = True
        with warning_of_lost_changes(log):
            assert flask.session["before"]
            if changes:
                flask.session["after"] = True

    assert [LOST in message for _, message in written] == [True] * changes
