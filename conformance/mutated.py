"""Send mutated requests to a server for models: ``python -m conformance.mutated [--count N] [--seed N]``.

No answer is 500 or takes too long; each is a message of the protocol or a documented refusal; and a request whose
header fields and body disagree gets no result.
"""

from __future__ import annotations

import argparse
import collections
import random
import sys
from collections.abc import Iterator
from typing import Annotated, Any

from mcp_types import jsonrpc
from pydantic import Field, ValidationError

from flaskJSONRPCServer import Connection, JsonRpcApplicationError, flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Form, ask

from .mutations import mutated, seeds, session_request
from .oracle import disagrees
from .requests import Answer, HttpRequest, exchange

__all__ = ["Outcomes", "faults_of", "make_server", "run"]

REFUSALS = frozenset({400, 403, 404, 405, 406, 413, 415, 421, 431, 501})
"""The statuses of `docs/mcp.md` and `docs/security.md` for requests that are refused."""

NO_BODY = frozenset({200, 202, 204})

# A session may be ended by a mutated request, so that each one serves for so many requests.
_PER_SESSION = 100


class Outcomes:
    """What has come back.

    Attributes:
        statuses: How often each status came.
        results: How many requests got a result.
        disagreeing: How many requests had header fields that their bodies contradict.
        faults: Descriptions of wrong answers.
    """

    def __init__(self) -> None:
        self.statuses: collections.Counter[int] = collections.Counter()
        self.results = 0
        self.disagreeing = 0
        self.faults: list[str] = []


def make_server() -> flaskJSONRPCServer:
    """Return a server with a part of each kind, at a port that the system chooses."""
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=0)
    mcp = server.mcp("/mcp")
    for function in (add, place, wonder, fail):
        server.registerFunction(function, path="/api", mcp=True)
    mcp.resource("items://{item}")(item)
    mcp.prompt()(review)
    mcp.completion("review", "code")(codes)
    return server


def add(a: int, b: int, _connection: Connection) -> int:
    """Return the sum."""
    _connection.progress(1, 2)
    return a + b


def place(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "",
    count: Annotated[int, Field(json_schema_extra={"x-mcp-header": "Count"})] = 0,
) -> str:
    """Take two parameters that header fields repeat."""
    return f"{region} {count}"


def wonder() -> str:
    """Ask for a name."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    return str(ask("name", Form("Who?", schema)).content)


def fail(text: str) -> None:
    """Fail."""
    raise JsonRpcApplicationError(text)


def item(item: int) -> dict[str, int]:
    """Return an item."""
    return {"item": item}


def review(code: str) -> str:
    """Return a prompt."""
    return f"Review {code}"


def codes(value: str) -> list[str]:
    """Complete a code."""
    return [value + "1"]


def run(address: tuple[str, int], count: int, seed: int) -> Outcomes:
    """Send so many requests, the same ones for the same seed, and return what came back."""
    outcomes = Outcomes()
    chance = random.Random(seed)
    for number in range(count):
        if number % _PER_SESSION == 0:
            requests = seeds(session_of(address))
        request = mutated(chance.choice(requests), chance)
        for fault in outcome_of(address, request, outcomes):
            outcomes.faults.append(f"request {number} of seed {seed}: {fault}: {request}"[:3000])
    return outcomes


def session_of(address: tuple[str, int]) -> str:
    """Begin a session, and return its id."""
    begin = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    answer = exchange(address, session_request("initialize", begin, ""))
    return answer.session_id


def outcome_of(address: tuple[str, int], request: HttpRequest, outcomes: Outcomes) -> Iterator[str]:
    """Send a request, and yield what is wrong with its answer."""
    try:
        answer = exchange(address, request)
    except (OSError, ValueError, IndexError) as exc:
        yield f"no answer, {exc!r}"
        return
    has_result = any("result" in message for message in answer.messages if isinstance(message, dict))
    is_contradicted = request.method == "POST" and disagrees(request)
    outcomes.statuses[answer.status] += 1
    outcomes.results += has_result
    outcomes.disagreeing += is_contradicted
    if is_contradicted and answer.status < 400:
        yield f"header fields and body disagree, and the answer is {answer}"
    yield from faults_of(answer, request.method)


def faults_of(answer: Answer, method: str) -> Iterator[str]:
    """Yield what is wrong with an answer."""
    if method == "HEAD" and answer.text:
        yield f"a body in the answer to HEAD: {answer.text!r:.500}"
    for message in answer.messages:
        if not is_message(message):
            yield f"no message of the protocol: {message}"
        if isinstance(message, dict) and message.get("error", {}).get("code") == -32603:
            yield f"an internal error: {message}"
    if answer.messages:
        return
    if answer.status not in REFUSALS | NO_BODY:
        yield f"status {answer.status}: {answer.text!r:.500}"
    if answer.status in REFUSALS and not answer.text and method != "HEAD" and answer.status != 405:
        yield f"a refusal without a reason, {answer.status}"


def is_message(value: Any) -> bool:
    """Return whether a value is a message by the types of the protocol."""
    if isinstance(value, dict) and "error" in value:
        value = {"id": None, **value}  # the schema lets an unknown id out, where the types want null
    try:
        jsonrpc.jsonrpc_message_adapter.validate_python(value)
    except ValidationError:
        return False
    return True


def main() -> int:
    """Send requests, and return 0 if all answers are right."""
    parser = argparse.ArgumentParser(prog="python -m conformance.mutated", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="the number of requests (default: 10000)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="repeats the requests of a run")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    server = make_server()
    server.start()
    try:
        outcomes = run(server.addresses[0], options.count, options.seed)
    finally:
        server.stop()
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(outcomes.statuses.items()))
    print(f"{options.count} requests: {outcomes.results} results, {outcomes.disagreeing} disagree; {statuses}")
    print("\n".join(outcomes.faults[:20]) or "no faults")
    return 1 if outcomes.faults else 0


if __name__ == "__main__":
    sys.exit(main())
