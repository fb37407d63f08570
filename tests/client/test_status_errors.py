"""The exception for an HTTP status in place of an answer."""

import pickle

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.client import Client, HttpStatusError
from tests.client.raw_server import http


def refuse(connection):
    while True:
        connection.read()
        connection.send(http(b"", "503 Service Unavailable"))


@pytest.mark.parametrize("userinfo", ["", "eve:sesame@"])
@pytest.mark.parametrize("query", ["", "?token=sesame"])
def test_url_is_named_without_its_secrets(connect, raw, userinfo, query):
    server = raw(refuse)
    face = connect(server.url.replace("//", f"//{userinfo}") + query, retry=None)

    with pytest.raises(HttpStatusError) as raised:
        face.call("add", 1)

    assert server.requests[0]["line"] == f"POST /api{query} HTTP/1.1"
    assert raised.value.url == server.url
    assert str(raised.value) == f"HTTP status 503 ({server.url})"


def test_url_is_named_for_notifications_and_batches_too(raw):
    server = raw(refuse)
    with Client(server.url, retry=None) as client:
        with pytest.raises(HttpStatusError) as of_notification:
            client.notify.log("x")
        with pytest.raises(HttpStatusError) as of_batch, client.batch() as batch:
            batch.add(1)

    assert of_notification.value.url == of_batch.value.url == server.url


def test_server_in_this_process_has_no_url():
    server = flaskJSONRPCServer(None, log=0)
    with Client(server, path="/missing") as client, pytest.raises(HttpStatusError) as raised:
        client.add(1)

    assert raised.value.url == ""
    assert "http://" not in str(raised.value)


def test_exception_survives_pickling():
    error = HttpStatusError(404, "no", {"a": "b"}, "http://127.0.0.1/api")

    copy = pickle.loads(pickle.dumps(error))

    assert (copy.status, copy.text, copy.headers, copy.url) == (404, "no", {"a": "b"}, "http://127.0.0.1/api")


def test_message_has_no_control_characters_of_the_server():
    error = HttpStatusError(503, "\x1b]0;owned\x07do\twn\x9b2J\u202e\r\nmore", {})

    assert str(error).replace(" ", "") == "HTTPstatus503:]0;owneddown2J"
    assert error.text.startswith("\x1b")
