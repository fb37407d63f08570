"""Mutated requests over real sockets: each gets an answer, and the right kind of answer."""

import random

import pytest

from conformance.mutated import faults_of, make_server, run
from conformance.mutations import mutated, seeds
from conformance.oracle import disagrees
from conformance.requests import Answer, HttpRequest


@pytest.fixture
def address():
    server = make_server()
    server.start()
    yield server.addresses[0]
    server.stop()


def test_mutated_requests_get_messages_or_refusals(address):
    seed = random.randrange(10**9)
    print(f"python -m conformance.mutated --count 1000 --seed {seed}")
    outcomes = run(address, 1000, seed)
    assert outcomes.faults == []
    assert sum(outcomes.statuses.values()) == 1000
    assert outcomes.results > 100
    assert outcomes.disagreeing > 10


def test_seeds_are_answered_with_results_and_none_disagrees(address):
    requests = [request for request in seeds("") if request.values("Mcp-Method")]
    assert [disagrees(request) for request in requests] == [False] * len(requests)
    assert run(address, 1, 1).faults == []


def test_server_that_checks_no_header_fields_is_found(address, monkeypatch):
    monkeypatch.setattr("flaskJSONRPCServer.mcp.http.endpoint.check_headers", lambda head, request: None)
    faults = run(address, 400, 5).faults
    assert faults
    assert all("disagree" in fault for fault in faults)


def test_same_seed_makes_the_same_requests():
    first, second = ([mutated(request, random.Random(3)) for request in seeds("s")] for _ in range(2))
    assert first == second


PLACE = next(request for request in seeds("") if ("Mcp-Name", "place") in request.headers)


@pytest.mark.parametrize(
    ("name", "value", "is_contradicted"),
    [
        ("Mcp-Name", "place", False),
        ("Mcp-Name", "=?base64?cGxhY2U=?=", False),
        ("Mcp-Name", "=?base64?cGxhY2U?=", True),
        ("Mcp-Name", "add", True),
        ("Mcp-Method", "tools/Call", True),
        ("MCP-Protocol-Version", "2025-11-25", True),
        ("Mcp-Param-Count", "7.0", False),
        ("Mcp-Param-Count", "8", True),
        ("Mcp-Param-Count", "seven", True),
        ("Mcp-Param-Region", "EU-WEST", True),
    ],
)
def test_oracle(name, value, is_contradicted):
    headers = [(known, value if known == name else old) for known, old in PLACE.headers]
    assert disagrees(HttpRequest(PLACE.body, headers)) is is_contradicted


@pytest.mark.parametrize("name", ["Mcp-Method", "Mcp-Name", "MCP-Protocol-Version", "Mcp-Param-Region"])
def test_oracle_finds_what_is_missing(name):
    assert disagrees(HttpRequest(PLACE.body, [pair for pair in PLACE.headers if pair[0] != name]))


INTERNAL = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": ""}}


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(200, "application/json", messages=[{"jsonrpc": "2.0", "id": 1, "result": {}}]), None),
        (Answer(400, "application/json", messages=[{"jsonrpc": "2.0", "error": {"code": 1, "message": ""}}]), None),
        (Answer(400, "application/json", messages=[{"error": {"code": 1, "message": ""}}]), "no message"),
        (Answer(200, "application/json", messages=[{"id": 1, "result": {}}]), "no message"),
        (Answer(200, "application/json", messages=[INTERNAL]), "an internal error"),
        (Answer(500, "text/html", text=b"Internal Server Error"), "status 500"),
        (Answer(400, "text/plain"), "a refusal without a reason"),
        (Answer(202, ""), None),
    ],
)
def test_faults_of_answers(answer, fault):
    found = list(faults_of(answer, "POST"))
    assert len(found) == (fault is not None)
    assert all(text.startswith(fault) for text in found)


def test_body_in_an_answer_to_head_is_a_fault():
    answer = Answer(405, "application/json", text=b"{}")
    assert [fault.partition(":")[0] for fault in faults_of(answer, "HEAD")] == ["a body in the answer to HEAD"]
