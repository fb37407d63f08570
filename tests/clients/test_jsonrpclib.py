"""jsonrpclib-pelix: a proxy in the manner of xmlrpc.client."""

import contextlib
import gc
import warnings

import jsonrpclib
import pytest
from jsonrpclib.jsonrpc import AppError, ProtocolError, Transport, TransportError


@pytest.fixture
def proxy(api):
    """Return a ServerProxy as its documentation makes one."""
    proxy = jsonrpclib.ServerProxy(api.url)
    yield proxy
    proxy("close")()


@pytest.fixture
def connections_left_open():
    """Collect the connections that the client leaves open after any status but 200: they would warn in a later test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class SilenceIsGold(Transport):
    """A transport that accepts 204 as an empty answer."""

    def single_request(self, *args, **kwargs):
        try:
            return super().single_request(*args, **kwargs)
        except TransportError as error:
            if error.errcode == 204:
                return ""
            raise


@pytest.fixture
def patient(api):
    """Return a ServerProxy that awaits no answer to notifications."""
    proxy = jsonrpclib.ServerProxy(api.url, transport=SilenceIsGold(jsonrpclib.config.DEFAULT))
    yield proxy
    proxy("close")()


def test_positional_parameters(proxy):
    assert proxy.subtract(42, 23) == 19


def test_named_parameters(proxy):
    assert proxy.subtract(subtrahend=23, minuend=42) == 19


def test_call_without_parameters_whose_result_is_null(proxy):
    assert proxy.nothing() is None


@pytest.mark.parametrize("value", [0, "Grüße, 世界 🎉", [1, [2, {"a": None}]], {"key": True}, 2**60 + 1, 0.1])
def test_value_survives_a_round_trip(proxy, value):
    assert proxy.echo([value]) == [value]


def test_many_calls_over_one_proxy(proxy):
    assert [proxy.subtract(number) for number in range(20)] == list(range(-1, 19))


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        (lambda proxy: proxy.no_such_method(), -32601, "Method not found"),
        (lambda proxy: proxy.subtract(1, 2, 3), -32602, "Invalid params"),
        (lambda proxy: proxy.subtract(nonsense=1), -32602, "Invalid params"),
        (lambda proxy: proxy.fail(), -32603, "Internal error"),
    ],
    ids=["unknown method", "too many parameters", "unknown parameter", "exception"],
)
def test_error_of_the_protocol_is_raised(proxy, call, code, message):
    with pytest.raises(ProtocolError) as raised:
        call(proxy)

    assert not isinstance(raised.value, AppError)
    assert raised.value.args[0][0] == code
    assert raised.value.args[0][1].startswith(message)


def test_error_of_the_application_is_raised_with_its_data(proxy):
    with pytest.raises(AppError) as raised:
        proxy.teapot()

    assert raised.value.args[0] == (418, "I am a teapot", {"short": True, "stout": True})


def test_batch(proxy):
    batch = jsonrpclib.MultiCall(proxy)
    batch.subtract(42, 23)
    batch._notify.echo("nobody hears this")
    batch.subtract(minuend=5)
    batch.teapot()

    results = batch()

    assert len(results) == 3
    assert (results[0], results[1]) == (19, 4)
    with pytest.raises(AppError):
        results[2]


def test_notification_is_run(api, patient):
    assert patient._notify.subtract(1, 2) is None
    assert api.calls == ["subtract"]


def test_batch_of_notifications_is_run(api, patient):
    batch = jsonrpclib.MultiCall(patient)
    batch._notify.echo(1)
    batch._notify.subtract(2)

    assert len(batch()) == 0
    assert api.calls == ["echo", "subtract"]


@pytest.mark.usefixtures("connections_left_open")
def test_notification_is_run_even_if_the_client_treats_204_as_a_failure(serve):
    api = serve(servBackend="werkzeug")  # after that, the library cannot use a connection that is kept alive
    proxy = jsonrpclib.ServerProxy(api.url)
    with contextlib.suppress(TransportError):  # the transport that the library comes with knows no status but 200
        proxy._notify.subtract(1, 2)

    assert api.calls == ["subtract"]
    assert proxy.subtract(3) == 2
    proxy("close")()


def test_compressed_answer_is_read(serve):
    api = serve(allowCompress=True, compressMinSize=0)
    proxy = jsonrpclib.ServerProxy(api.url)
    try:
        assert proxy.large() == "x" * 50_000
    finally:
        proxy("close")()


@pytest.mark.usefixtures("connections_left_open")
def test_refusal_by_auth_is_a_transport_error(serve):
    api = serve(auth=lambda server, path, request, method: request.headers.get("Authorization") == "Bearer sesame")
    proxy = jsonrpclib.ServerProxy(api.url)
    try:
        with pytest.raises(TransportError) as raised:
            proxy.nothing()
        assert raised.value.errcode == 403
        with proxy._additional_headers({"Authorization": "Bearer sesame"}) as insider:
            assert insider.subtract(3) == 2
        assert api.calls == ["subtract"]
    finally:
        proxy("close")()
