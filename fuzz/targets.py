"""The targets. A target is a function of bytes that raises only if the package has a fault."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

from flaskJSONRPCServer.http.body import gunzip
from flaskJSONRPCServer.http.guard import Guard
from flaskJSONRPCServer.http.refusals import BadRequest, Refusal, TooManyHeaders
from flaskJSONRPCServer.sansio_jsonrpc.codecs import make_codec
from flaskJSONRPCServer.sansio_jsonrpc.decoding import decode
from flaskJSONRPCServer.sansio_jsonrpc.exceptions import JsonRpcException
from flaskJSONRPCServer.servBackend.native.parser import ParserLimits, RequestParser
from flaskJSONRPCServer.servBackend.native.protocol import HttpConnection, Phase
from flaskJSONRPCServer.servBackend.native.timeouts import HttpTimeouts
from flaskJSONRPCServer.settings import Settings

__all__ = ["SEEDS", "TARGETS", "WORDS", "body", "connection", "head"]

_LIMITS = ParserLimits(4096, 1024, 20, 10_000, 1000, lambda head: (10_000, "max_body_bytes"))
_TIMEOUTS = HttpTimeouts(10, 10, 10, 10, 10, 10, 10, 100, 100, 1000)
_LIMIT_BYTES = 10_000
_CODECS = {name: make_codec(name) for name in ("json", "simplejson", "orjson", "msgspec", "rapidjson")}
_GUARD = Guard(Settings(allowed_origins=["https://a.test"]), ["a.test"])

_CALL = b'{"jsonrpc":"2.0","method":"echo","params":[1,-2.5e3,"\\u00e9",true,null],"id":"1"}'
_POST = b"POST /api HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\n"


def connection(data: bytes) -> None:
    """Parse bytes at once and in pieces, with the same result, and answer their requests on a connection."""
    size = data[0] % 40 + 1 if data else 1
    pieces = [data[start : start + size] for start in range(1, len(data), size)]
    whole, cut = parse([data[1:]]), parse(pieces)
    if whole != cut and not is_refused_for_either(data, whole, cut):
        raise AssertionError(f"cut into pieces of {size} bytes, {data[1:]!r} is {cut}, and else {whole}")
    answer_all(pieces)


def is_refused_for_either(data: bytes, whole: list[Any], cut: list[Any]) -> bool:
    """Return whether a malformed field comes behind too many: which of both is found first depends on the pieces.

    llhttp reports a field when the next one begins, and the beginning of that one at the end of a piece.
    """
    if data.count(b"\n") <= _LIMITS.max_header_count or whole[:-1] != cut[:-1]:
        return False
    ends = {str(results[-1]) for results in (whole, cut) if results}
    return ends == {BadRequest.status, TooManyHeaders.status}


def parse(pieces: list[bytes]) -> list[Any]:
    """Return the requests, and the status of a refusal."""
    parser = RequestParser(_LIMITS, {})
    for piece in pieces:
        parser.feed(piece)
    results = [
        message.status if isinstance(message, Refusal) else (message.head, message.body.read(), message.keeps_alive)
        for message in parser.completed
    ]
    parser.close()
    return results


def answer_all(pieces: list[bytes]) -> None:
    """Answer the requests of a connection, some of them late, and end the connection."""
    http = HttpConnection(_LIMITS, _TIMEOUTS, {}, 0.0)
    for now, piece in enumerate(pieces):
        if http.wants_to_receive:
            http.receive_data(piece, now)
        answer(http, now)
    http.receive_eof(len(pieces))
    while http.phase is not Phase.CLOSED and (http.deadline < float("inf") or http.outgoing.size):
        now = max(len(pieces), http.deadline if not http.outgoing.size else 0)
        answer(http, now)
        http.expire(now)
    http.abort()


def answer(http: HttpConnection, now: float) -> None:
    request = http.next_request(now)
    if request is not None:
        http.queue(b"answer", now)
        http.finish_answer(now, keeps_alive=request.keeps_alive)
        request.body.close()
    if http.outgoing.size:
        http.mark_sent(len(http.outgoing.first()), now)


def body(data: bytes) -> None:
    """Decompress bytes, and decode them before and after that by each JSON implementation, with the same result."""
    outcomes = {name: decode_to_text(data, codec) for name, codec in _CODECS.items()}
    if len(set(outcomes.values())) > 1:
        raise AssertionError(f"{data!r} is not the same by each implementation: {outcomes}")
    try:
        plain = gunzip(data, limit_bytes=_LIMIT_BYTES)
    except Refusal:
        return
    if len(plain) > _LIMIT_BYTES:
        raise AssertionError(f"{len(plain)} bytes passed a limit of {_LIMIT_BYTES}")
    for codec in _CODECS.values():
        decode_to_text(plain, codec)


def decode_to_text(data: bytes, codec: Any) -> str:
    """Decode a JSON text by a codec. Return the result, or the name of the exception, as a text."""
    try:
        return repr(decode(data, codec))
    except JsonRpcException as exc:
        return type(exc).__name__


def head(data: bytes) -> None:
    """Check the head of a request by the guard, once as the parser returns it, and with any values in its place."""
    text = data.decode("latin-1")
    name, _, value = text.partition("\n")
    line, _, rest = value.partition("\n")
    base = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "HTTP_HOST": "a.test"}
    environs = [{**base, "PATH_INFO": line, "QUERY_STRING": rest, "HTTP_HOST": name}]
    environs.append({**base, "CONTENT_TYPE": line, "HTTP_ORIGIN": name})
    environs.append({**base, "HTTP_SEC_FETCH_SITE": line, "HTTP_ORIGIN": rest})
    target, _, fields = data.partition(b"\n")
    parser = RequestParser(_LIMITS, {"wsgi.url_scheme": "http"})
    parser.feed(b"GET /" + target + b" HTTP/1.1\r\nHost: a.test\r\n" + fields + b"\r\n\r\n")
    environs += [message.head for message in parser.completed if not isinstance(message, Refusal)]
    parser.close()
    for environ in environs:
        for check in (_GUARD.check_head, _GUARD.check_media_type, check_get):
            run_check(check, environ)


def check_get(environ: dict[str, Any]) -> None:
    _GUARD.check_get(environ, is_shared=False)


def run_check(check: Callable[[dict[str, Any]], None], environ: dict[str, Any]) -> None:
    try:
        check(environ)
    except Refusal as refusal:
        if not str(refusal):
            raise AssertionError(f"{refusal!r} says nothing") from refusal


TARGETS: dict[str, Callable[[bytes], None]] = {"connection": connection, "body": body, "head": head}

SEEDS: dict[str, list[bytes]] = {
    "connection": [
        b"\x00" + _POST + b"Content-Length: 5\r\n\r\nabcdeGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x00"
        + _POST
        + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5;a=b\r\nabcde\r\n0\r\nT: 1\r\n\r\n",
        b"\x07" + _POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
        b"\x00GET http://a.test/b?c HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n",
        b"\x00" + _POST + (_LIMITS.max_header_count - 1) * b"a: b\r\n" + b"malformed\r\n\r\n",
    ],
    "body": [
        _CALL,
        b"[" + _CALL + b",1]",
        gzip.compress(_CALL, mtime=0),
        b"\xef\xbb\xbf{}",
        b'{"id":1e999,"id":12345678901234567890}',
    ],
    "head": [
        b"a.test:80\n/p\nq=1",
        b"https://a.test\napplication/json; charset=utf-8\n",
        b"x?y\nOrigin: null\r\nCookie: a=b",
    ],
}
"""The inputs that each target begins with."""

WORDS = [
    b"\r\n",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: a.test\r\n",
    b"HTTP/1.1",
    b"0\r\n\r\n",
    b'"jsonrpc":"2.0"',
    b'"method":',
    b'"params":',
    b'"id":',
    b"\\ud800",
    b"1e400",
    b"NaN",
    b"null",
    b"charset=",
    b"\x1f\x8b\x08\x00",
]
"""Words that random bytes would hardly ever contain."""
