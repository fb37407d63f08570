"""pjrpc: its clients on requests and on httpx, including the asynchronous one."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pjrpc.client.backend.httpx
import pjrpc.client.backend.requests
import pytest
import requests
from pjrpc.client import exceptions

# All three are used alike: `settle` takes the result of a client, and awaits it if necessary.
CLIENTS = {
    "requests": pjrpc.client.backend.requests.Client,
    "httpx": pjrpc.client.backend.httpx.Client,
}


@pytest.fixture(params=CLIENTS)
def client(request, api):
    """Return a client as its documentation makes one."""
    with CLIENTS[request.param](api.url) as client:
        yield client


def test_call_by_position(client):
    assert client.call("subtract", 42, 23) == 19


def test_call_by_name(client):
    assert client.call("subtract", subtrahend=23, minuend=42) == 19


def test_call_through_the_proxy(client):
    assert client.proxy.subtract(42) == 41
    assert client.proxy.nothing() is None


@pytest.mark.parametrize("value", ["Grüße, 世界 🎉", [1, [2, {"a": None}]], 2**60 + 1, 0.1, None])
def test_value_survives_a_round_trip(client, value):
    assert client.call("echo", value) == value


def test_notification_is_run(api, client):
    assert client.notify("subtract", 42) is None
    assert api.calls == ["subtract"]


def test_batch_keeps_the_order_of_its_calls(api, client):
    with client.batch() as batch:
        batch.call("subtract", 42, 23)
        batch.notify("echo", "nobody hears this")
        batch.proxy.subtract(minuend=5)

    assert batch.get_results() == [19, 4]
    assert api.calls == ["subtract", "echo", "subtract"]


def test_batch_of_notifications_has_no_results(api, client):
    with client.batch() as batch:
        batch.notify("echo", 1)
        batch.notify("nothing")

    assert batch.get_response() is None
    assert api.calls == ["echo", "nothing"]


def test_error_in_a_batch_leaves_the_other_results(client):
    with client.batch() as batch:
        batch.call("teapot")
        batch.call("subtract", 3)

    answers = {answer.id: answer for answer in batch.get_response()}
    first, second = (answers[sent.id] for sent in batch.requests)
    assert first.unwrap_error().code == 418
    assert second.unwrap_result() == 2


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("no_such_method", [], exceptions.MethodNotFoundError),
        ("subtract", [1, 2, 3], exceptions.InvalidParamsError),
        ("fail", [], exceptions.InternalError),
    ],
)
def test_error_of_the_protocol_has_a_class(client, method, params, error):
    with pytest.raises(error):
        client.call(method, *params)


def test_error_of_the_application_has_its_code_and_data(client):
    with pytest.raises(exceptions.JsonRpcError) as raised:
        client.call("teapot")

    assert (raised.value.code, raised.value.message) == (418, "I am a teapot")
    assert raised.value.data == {"short": True, "stout": True}


def test_refusal_by_auth_is_an_http_error(serve):
    api = serve(auth=lambda *_: False)
    with pjrpc.client.backend.requests.Client(api.url) as client:
        with pytest.raises(requests.HTTPError, match="403"):
            client.call("nothing")
    assert api.calls == []


def test_asynchronous_client(api):
    async def talk():
        async with pjrpc.client.backend.httpx.AsyncClient(api.url) as client:
            results = await asyncio.gather(*(client.call("subtract", number) for number in range(10)))
            await client.notify("echo", 1)
            async with client.batch() as batch:
                batch.call("subtract", 42, 23)
            with pytest.raises(exceptions.MethodNotFoundError):
                await client.call("no_such_method")
            return results, batch.get_results()

    # In another thread: after a browser test, Playwright's event loop runs in this one.
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(asyncio.run, talk()).result() == (list(range(-1, 9)), [19])
    assert api.calls.count("echo") == 1
