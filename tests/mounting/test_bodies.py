"""Bodies of requests that go through Flask."""

import flask
import pytest

from tests.helpers import OneShotStream, call_wsgi, post, result_of, rpc
from tests.mounting.servers import ECHO, make


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
