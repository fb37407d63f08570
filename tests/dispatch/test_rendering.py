"""Responses for JSON-RPC answers: media type, JSONP, compression, headers of dispatchers, CORS."""

import gzip

import pytest

from flaskJSONRPCServer.dispatch.rendering import Renderer, cors_headers, with_cors
from flaskJSONRPCServer.http.cors import Cors
from flaskJSONRPCServer.http.jsonp import DEFAULT_FORMAT
from flaskJSONRPCServer.http.response import HeaderError, Response, encoded
from flaskJSONRPCServer.settings import Settings
from tests.dispatch.parts import make_exchange
from tests.helpers import Request, post, rpc

REPLY = b'{"jsonrpc":"2.0","result":1,"id":1}'
JSON_TYPE = ("Content-Type", "application/json")


def compress(response):
    return encoded(response, "gzip", gzip.compress(response.body, mtime=0))


def render(reply, exchange, **options):
    return Renderer(Settings(**options), compress).render(reply, exchange)


def test_answer_without_options_is_plain_json():
    response = render(REPLY, make_exchange())

    assert (response.status, response.body) == ("200 OK", REPLY)
    assert response.headers[:2] == [JSON_TYPE, ("Content-Length", str(len(REPLY)))]


def test_empty_answer_is_204():
    response = render(b"", make_exchange())

    assert (response.status, response.headers, response.body) == ("204 No Content", [], b"")


def test_empty_answer_has_the_headers_of_dispatchers_and_no_media_type():
    exchange = make_exchange()
    exchange.outgoing.headers["X-A"] = "a"
    exchange.outgoing.mime_type = "text/plain"
    response = render(b"", exchange)

    assert (response.status, response.headers) == ("204 No Content", [("X-A", "a")])


def test_jsonp_answer_is_a_script_of_the_callback():
    exchange = make_exchange()
    exchange.use_jsonp("show", DEFAULT_FORMAT)
    exchange.outgoing.headers["X-A"] = "a"
    response = render(REPLY, exchange)

    assert response.body == b"/**/show(" + REPLY + b");"
    headers = dict(response.headers)
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert headers["Content-Length"] == str(len(response.body))
    assert headers["X-A"] == "a"


def test_cookies_of_dispatchers_are_sent():
    exchange = make_exchange()
    exchange.outgoing.cookies.append({"name": "a", "value": "b", "path": "/api"})

    assert ("Set-Cookie", "a=b; Path=/api") in render(REPLY, exchange).headers


def test_header_that_cannot_be_sent_is_an_error():
    exchange = make_exchange()
    exchange.outgoing.headers["X-A"] = "a\r\nX-B: b"

    with pytest.raises(HeaderError, match="'X-A' has a character"):
        render(REPLY, exchange)


def accepting(coding):
    return post(rpc("any"), headers={"Accept-Encoding": coding})


@pytest.mark.parametrize(
    ("size", "coding", "is_compressed", "varies"),
    [(101, "gzip", True, True), (101, "identity", False, True), (100, "gzip", False, False)],
)
def test_answer_over_the_minimum_size_is_compressed_for_clients_that_accept_it(size, coding, is_compressed, varies):
    reply = b"1" * size
    response = render(reply, make_exchange(accepting(coding)), allowCompress=True, compressMinSize=100)

    headers = dict(response.headers)
    assert (headers.get("Content-Encoding") == "gzip") is is_compressed
    assert (gzip.decompress(response.body) if is_compressed else response.body) == reply
    assert (headers.get("Vary") == "Accept-Encoding") is varies
    assert headers["Content-Length"] == str(len(response.body))


@pytest.mark.parametrize(("by_setting", "by_dispatcher"), [(True, False), (False, True)])
def test_dispatcher_decides_about_compression(by_setting, by_dispatcher):
    exchange = make_exchange(accepting("gzip"), allow_compress=by_setting)
    exchange.outgoing.allow_compress = by_dispatcher
    response = render(b"1" * 200, exchange, allowCompress=by_setting, compressMinSize=100)

    assert ("Content-Encoding" in dict(response.headers)) is by_dispatcher


def test_cors_headers_are_added_to_those_of_the_response():
    cors, exchange = Cors({"origin": "https://a.test"}), make_exchange(post(b"", headers={"Origin": "https://a.test"}))
    response = with_cors(Response("200 OK", [("X-A", "a")]), exchange, cors)

    assert response.headers[0] == ("X-A", "a")
    assert response.headers[1:] == cors.headers("https://a.test")
    assert ("Access-Control-Allow-Origin", "https://a.test") in response.headers


def test_options_gets_the_headers_of_a_preflight():
    headers = {"Origin": "https://a.test", "Access-Control-Request-Headers": "X-A"}
    exchange = make_exchange(Request("OPTIONS", "/api", headers))
    cors = Cors(True)

    assert cors_headers(exchange, cors) == cors.preflight_headers("https://a.test", "X-A")
    assert cors_headers(exchange, cors) != cors.headers("https://a.test")
