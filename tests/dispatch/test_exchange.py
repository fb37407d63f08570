"""The state that the calls of one request share, and the fields that a call elsewhere adds to it."""

import pytest

from flaskJSONRPCServer.http.jsonp import DEFAULT_FORMAT
from flaskJSONRPCServer.http.response import Outgoing
from tests.dispatch.parts import make_exchange, make_facts, make_route

JAVASCRIPT = "text/javascript; charset=utf-8"


def show():
    pass


def test_request_has_no_outgoing_until_something_uses_it():
    exchange = make_exchange(allow_compress=True)

    assert exchange.outgoing_if_any is None
    assert exchange.outgoing == Outgoing(allow_compress=True, jsonp=False)
    assert exchange.outgoing_if_any is exchange.outgoing


@pytest.mark.parametrize(("callback", "output_format"), [(None, False), ("show", DEFAULT_FORMAT), ("", DEFAULT_FORMAT)])
def test_output_format_is_that_of_the_route_only_with_a_callback(callback, output_format):
    exchange = make_exchange()
    exchange.use_jsonp(callback, DEFAULT_FORMAT)

    assert exchange.output_format == output_format
    assert exchange.outgoing.jsonp == output_format


def test_all_calls_share_one_copy_of_the_request_with_its_id():
    exchange, copied = make_exchange(unique_id="7"), []

    def copy(request):
        copied.append(request)
        return {"method": request.method}

    first, second = exchange.request_copy(copy), exchange.request_copy(copy)

    assert first is second
    assert first == {"method": "POST", "uniqueId": "7"}
    assert copied == [exchange]


def test_connections_of_one_request_share_the_options_of_its_answer():
    exchange, route = make_exchange(unique_id="7"), make_route(show)
    call, notification = (exchange.make_connection(route, make_facts(), notify=notify) for notify in (False, True))
    call.headersOut["X-A"] = "a"
    call.mimeType = "text/plain"

    assert (call.notify, notification.notify) == (False, True)
    assert (call.uniqueId, call.path, call.dispatcher, call.dispatcherName) == ("7", "/api/", show, "show")
    assert notification.headersOut == {"X-A": "a"}
    assert exchange.outgoing.content_type == "text/plain"


def test_headers_and_cookies_of_a_call_elsewhere_are_added():
    exchange = make_exchange()
    exchange.outgoing.headers.update({"X-A": "1", "X-B": "1"})
    exchange.outgoing.cookies.append({"name": "a", "value": "1"})
    exchange.apply_response_fields({"headersOut": {"X-B": "2"}, "cookiesOut": [{"name": "b", "value": "2"}]})

    assert exchange.outgoing.headers == {"X-A": "1", "X-B": "2"}
    assert exchange.outgoing.cookies == [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]


@pytest.mark.parametrize(
    ("fields", "applied"),
    [
        ({}, (False, False, None)),
        ({"allowCompress": False, "jsonp": False, "mimeType": "application/json"}, (False, False, None)),
        ({"allowCompress": True}, (True, False, None)),
        ({"jsonp": "%(data)s", "mimeType": JAVASCRIPT}, (False, "%(data)s", None)),
        ({"mimeType": "text/plain"}, (False, False, "text/plain")),
    ],
)
def test_only_fields_that_differ_from_their_defaults_are_applied(fields, applied):
    exchange = make_exchange()
    exchange.apply_response_fields(fields)

    outgoing = exchange.outgoing
    assert (outgoing.allow_compress, outgoing.jsonp, outgoing.mime_type) == applied


def test_default_fields_of_one_call_leave_those_that_another_has_set():
    exchange = make_exchange()
    exchange.apply_response_fields({"allowCompress": True, "mimeType": "text/plain"})
    exchange.apply_response_fields({"allowCompress": False, "mimeType": "application/json", "jsonp": False})

    assert exchange.outgoing == Outgoing(allow_compress=True, mime_type="text/plain")
