"""Run functions in native threads during a call: a result, an exception, a checker, many at once.

python examples/call_async.py [PORT]
curl 'http://127.0.0.1:8080/api/digest?text=tea'
curl 'http://127.0.0.1:8080/api/digest?text='
curl 'http://127.0.0.1:8080/api/digest_in_time?text=tea'
curl 'http://127.0.0.1:8080/api/digests?texts=tea,coffee,milk'
"""

import hashlib
import sys
import time

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer, rpc

ROUNDS = 50_000
PATIENCE_S = 30


TEA = {"name": "tea", "params": ["tea"], "result": "8f75906e95b3085b"}
MILK = {"name": "milk", "params": ["milk"], "result": {"milk": "35c733ad418ee507"}}


class NoText(JsonRpcApplicationError):
    """The text is empty."""

    ERROR_CODE = 1002
    ERROR_MESSAGE = "no text"


def slow_digest(text):
    """A placeholder for slow work: C code during which other threads run."""
    if not text:
        raise ValueError("no text")
    return hashlib.pbkdf2_hmac("sha256", text.encode(), b"example", ROUNDS).hex()[:16]


@rpc(examples=[TEA])
def digest(text: str, _connection) -> str:
    """Return the digest of a text.

    Raises:
        NoText: The text is empty.
    """
    # callAsync waits for the result. An exception is raised here, with the traceback of the thread.
    try:
        return _connection.server.callAsync(slow_digest, [text])
    except ValueError as error:
        raise NoText from error


@rpc(examples=[TEA])
def digest_in_time(text: str, _connection) -> str:
    """Return the digest of a text, or "not in time"."""
    # With a checker, the call can do other work meanwhile: here, enforce a timeout.
    check = _connection.server.callAsync(slow_digest, kwargs={"text": text}, returnChecker=True)
    give_up_at = time.monotonic() + PATIENCE_S
    done, result, error = check()
    while not done and time.monotonic() < give_up_at:
        _connection.call.sleep(0.01)
        done, result, error = check()
    if error is not None:
        raise error
    return result if done else "not in time"


@rpc(examples=[MILK])
def digests(texts: str, _connection) -> dict[str, str | None]:
    """Return the digests of several texts, separated by commas; None for an empty one."""
    words = texts.split(",")
    checkers = [_connection.server.callAsync(slow_digest, [word], returnChecker=True) for word in words]
    while not all(check()[0] for check in checkers):
        _connection.call.sleep(0.01)
    return {word: check()[1] for word, check in zip(words, checkers, strict=True)}


def make_server(port):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="call_async")
    for function in (digest, digest_in_time, digests):
        server.registerFunction(function, path="/api")
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port).serveForever()


if __name__ == "__main__":
    main()
