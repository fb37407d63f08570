"""Calls, notifications and batches, over our server."""

import datetime
import decimal
import threading

import pytest

from flaskJSONRPCServer.client import AsyncClient, Client, ClientError, HttpStatusError
from flaskJSONRPCServer.sansio_jsonrpc import (
    JsonRpcApplicationError,
    JsonRpcInternalError,
    JsonRpcInvalidParamsError,
    JsonRpcMethodNotFoundError,
)
from tests.client.raw_server import answered
from tests.clients.api import Teapot


def test_arguments_by_position_and_by_name(connect, api):
    face = connect(api.url)

    assert face.call("subtract", 42, 23) == 19
    assert face.call("subtract", subtrahend=23, minuend=42) == 19
    assert face.call("nothing") is None


def test_methods_are_attributes(connect, api):
    face = connect(api.url)

    assert face.run(lambda client: client.subtract(5, subtrahend=3)) == 2
    assert face.run(lambda client: client.notify.nothing()) is None


def test_both_kinds_of_arguments_take_the_names_from_the_server_once(connect, raw):
    document = {"methods": [{"name": "power", "params": [{"name": "base"}, {"name": "exponent"}]}]}

    def handle(connection):
        while True:
            message = connection.read()
            del message
            last = connection.server.messages()[-1]
            connection.send(answered(document if last["method"] == "rpc.discover" else last["params"], last["id"]))

    server = raw(handle)
    face = connect(server.url)

    assert face.call("power", 2, exponent=3) == {"base": 2, "exponent": 3}
    assert face.call("power", 4, exponent=5) == {"base": 4, "exponent": 5}
    assert [message["method"] for message in server.messages()] == ["rpc.discover", "power", "power"]


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((1,), {"minuend": 2}, "two values for minuend"),
        ((1, 2, 3), {"more": 4}, "takes 2 arguments by position"),
    ],
)
def test_both_kinds_of_arguments_that_do_not_fit(connect, api, args, kwargs, text):
    with pytest.raises(TypeError, match=text):
        connect(api.url).call("subtract", *args, **kwargs)


def test_both_kinds_of_arguments_without_a_document(serve, connect):
    api = serve(discover=False)
    with pytest.raises(TypeError, match=r"client\.typed"):
        connect(api.url).call("subtract", 2, subtrahend=1)
    assert api.calls == []


@pytest.mark.parametrize("value", ["Grüße, 世界 🎉", [1, [2, {"a": None}]], 2**60 + 1, 0.1, None, "x" * 300_000])
def test_value_survives_a_round_trip(connect, api, value):
    assert connect(api.url).call("echo", value) == value


def test_parameters_have_the_forms_of_the_server(connect, api):
    face = connect(api.url)

    assert face.call("echo", [datetime.date(2030, 1, 2), decimal.Decimal("1.10"), {3, 1}, b"\xff"]) == [
        "2030-01-02",
        "1.10",
        [1, 3],
        "/w==",
    ]


def test_parameter_without_a_json_form(connect, api):
    with pytest.raises(TypeError, match="echo have no JSON form: object has no JSON form"):
        connect(api.url).call("echo", object())


@pytest.mark.parametrize(
    ("method", "args", "error"),
    [
        ("no_such_method", [], JsonRpcMethodNotFoundError),
        ("subtract", [1, 2, 3], JsonRpcInvalidParamsError),
        ("fail", [], JsonRpcInternalError),
    ],
)
def test_error_of_the_protocol_has_a_class(connect, api, method, args, error):
    with pytest.raises(error) as raised:
        connect(api.url).call(method, *args)

    assert isinstance(raised.value.request_id, int)


def test_error_of_the_application_is_its_declared_exception(connect, api):
    with pytest.raises(Teapot) as raised:
        connect(api.url).call("teapot")

    assert (raised.value.code, raised.value.message) == (418, "I am a teapot")
    assert raised.value.data == {"short": True, "stout": True}


def test_errors_of_a_view_come_before_those_of_the_program(connect, api):
    class OtherTeapot(JsonRpcApplicationError):
        """An error of another API, without a code of its own."""

    face = connect(api.url)
    with pytest.raises(OtherTeapot) as raised:
        face.call("teapot", options={"errors": {418: OtherTeapot}})

    assert raised.value.code == 418
    assert raised.value.data == {"short": True, "stout": True}


def test_refusal_has_the_status_and_the_text(serve, connect):
    api = serve(auth=lambda *_: False)
    with pytest.raises(HttpStatusError, match="HTTP status 403: ") as raised:
        connect(api.url).call("nothing")
    assert api.calls == []

    assert raised.value.status == 403
    assert raised.value.text
    assert raised.value.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no such path\nmore", "HTTP status 404: no such path"),
        ("<!doctype html>\n<title>404 Not Found</title>\n<p>...", "HTTP status 404: Not Found"),
        ("<Error>\n<Code>", "HTTP status 404: <Error>"),
        ("", "HTTP status 404"),
    ],
)
def test_refusal_shows_its_first_line_or_the_title_of_its_page(text, message):
    assert str(HttpStatusError(404, text, {})) == message


def test_batch_keeps_the_order_of_its_calls(serve, connect):
    api = serve()
    items = []

    def fill(batch):
        items.append(batch.subtract(42, 23))
        batch.notify.echo("nobody hears this")
        items.append(batch.call("subtract", 5, subtrahend=1))
        items.append(batch.teapot())

    batch, raised = connect(api.url).batch(fill)

    assert raised is None
    assert [items[0].result(), items[1].result()] == [19, 4]
    assert isinstance(items[2].exception(), Teapot)
    assert batch.results(return_exceptions=True)[:2] == [19, 4]
    with pytest.raises(Teapot):
        batch.results()
    assert api.calls == ["subtract", "echo", "subtract", "teapot"]


def test_batch_of_notifications_has_no_results(connect, api):
    batch, raised = connect(api.url).batch(lambda batch: (batch.notify.nothing(), batch.notify("nothing")))

    assert raised is None
    assert batch.results() == []


def test_batch_that_raises_is_not_sent(serve, connect):
    api = serve()

    def fill(batch):
        batch.nothing()
        raise KeyError("of the test")

    batch, raised = connect(api.url).batch(fill)

    assert isinstance(raised, KeyError)
    with pytest.raises(ClientError, match="has not been sent"):
        batch.results()
    assert api.calls == []


def test_empty_batch_is_not_sent(connect, raw):
    server = raw(lambda connection: connection.read())
    batch, raised = connect(server.url).batch(lambda batch: None)

    assert (raised, batch.results(), server.requests) == (None, [], [])


def test_batch_takes_no_calls_after_its_end(connect, api):
    batch, _ = connect(api.url).batch(lambda batch: batch.nothing())

    with pytest.raises(ClientError, match="has been sent"):
        batch.nothing()


def test_batch_that_is_refused_fails_as_a_whole(serve, connect):
    api = serve(max_batch_length=2)
    items = []
    _, raised = connect(api.url).batch(lambda batch: items.extend(batch.nothing() for _ in range(3)))

    assert "at most 2" in str(raised)
    assert {item.exception() for item in items} == {raised}
    assert api.calls == []


def test_closed_client_refuses_calls(connect, api):
    face = connect(api.url)
    face.call("nothing")
    face.run(lambda client: client.close())

    assert face.idle == 0
    with pytest.raises(ClientError, match="closed"):
        face.call("nothing")


def test_private_attributes_are_no_methods(connect, api):
    face = connect(api.url)

    with pytest.raises(AttributeError, match="_secret"):
        _ = face.client._secret
    with pytest.raises(AttributeError):
        _ = face.client.math.__wrapped__


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"connect_timeout": -1}, "connect_timeout=-1"),
        ({"headers": {"X": "a\r\nY: b"}}, "X cannot have the value"),
        ({"headers": {"X Y": "a"}}, "'X Y' is not the name"),
        ({"tls": object()}, "which is not https"),
    ],
)
def test_wrong_argument_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        Client("http://127.0.0.1:1/api", **options)


@pytest.mark.parametrize(
    "url", ["", "ftp://host/", "http://", "http://host/a b", "http://hóst/", "http://host:0/", "127.0.0.1:80/api"]
)
def test_wrong_url_is_refused(url):
    with pytest.raises(ValueError, match="URL"):
        Client(url)


def test_threads_share_a_client(api):
    results = []

    def work(client, number):
        results.extend(client.subtract(number * 100 + step, 0) for step in range(20))

    with Client(api.url) as client:
        threads = [threading.Thread(target=work, args=[client, number]) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 0 < len(client._transport._pool) <= 10

    assert sorted(results) == [number * 100 + step for number in range(10) for step in range(20)]


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection"])
def test_header_field_of_the_client_itself_is_refused(name):
    with pytest.raises(ValueError, match=f"the client sets the header field {name} itself"):
        Client("http://127.0.0.1/api", headers={name: "1"})


@pytest.mark.parametrize("make", [Client, AsyncClient])
def test_discover_takes_a_flag_only(make):
    with pytest.raises(ValueError, match=r"^discover='x'; it takes True or False$"):
        make("http://127.0.0.1:1/api", discover="x")
