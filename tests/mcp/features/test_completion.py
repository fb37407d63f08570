"""Completion of the arguments of prompts and templates."""

from enum import Enum
from typing import Literal

import pytest

from flaskJSONRPCServer.errors import RegistrationError
from flaskJSONRPCServer.mcp import Completion, Form, ask
from tests.mcp.judged import error_of, make_server, result_of

PROMPT = {"type": "ref/prompt", "name": "review"}
TEMPLATE = {"type": "ref/resource", "uri": "files://{owner}/{name}"}


class Tone(Enum):
    CALM = "calm"
    LOUD = "loud"


@pytest.fixture
def made():
    """Return a server with a prompt and a template, and its endpoint."""
    server, endpoint = make_server()

    @endpoint.prompt()
    def review(text, language: Literal["Python", "Rust", "R"] = "R", tone: Tone | None = None, is_long: bool = False):
        return "text"

    @endpoint.resource("files://{owner}/{name}")
    def file(owner: Literal["ann", "bob"], name, size: bool = False):
        return "text"

    return server, endpoint


def completion(server, ref, argument, value="", **params):
    params = {"ref": ref, "argument": {"name": argument, "value": value}, **params}
    return result_of(server, "completion/complete", params)["completion"]


@pytest.mark.parametrize(
    ("ref", "argument", "value", "values"),
    [
        (PROMPT, "language", "", ["Python", "Rust", "R"]),
        (PROMPT, "language", "r", ["Rust", "R"]),
        (PROMPT, "language", "x", []),
        (PROMPT, "tone", "L", ["loud"]),
        (PROMPT, "is_long", "t", ["true"]),
        (PROMPT, "text", "t", []),
        (TEMPLATE, "owner", "b", ["bob"]),
        (TEMPLATE, "name", "", []),
    ],
)
def test_hints_complete_by_themselves(made, ref, argument, value, values):
    assert completion(made[0], ref, argument, value) == {"values": values, "total": len(values), "hasMore": False}


def test_function_takes_the_value_so_far(made):
    server, endpoint = made
    endpoint.completion("review", "text")(lambda value: [f"{value}1", f"{value}2"])

    assert completion(server, PROMPT, "text", "a") == {"values": ["a1", "a2"], "total": 2, "hasMore": False}


def test_function_takes_the_other_arguments(made):
    server, endpoint = made
    endpoint.completion(TEMPLATE["uri"], "name")(lambda value, context: [f"{value} {sorted(context.items())}"])

    with_others = completion(server, TEMPLATE, "name", "a", context={"arguments": {"owner": "ann"}})

    assert with_others["values"] == ["a [('owner', 'ann')]"]
    assert completion(server, TEMPLATE, "name", "a", context={})["values"] == ["a []"]
    assert completion(server, TEMPLATE, "name", "a")["values"] == ["a []"]


def test_function_precedes_the_hint(made):
    server, endpoint = made
    endpoint.completion("review", "language")(lambda value, _connection: [_connection.path])

    assert completion(server, PROMPT, "language")["values"] == ["/mcp/"]


@pytest.mark.parametrize(
    ("result", "sent"),
    [
        ([], {"values": [], "total": 0, "hasMore": False}),
        (("a",), {"values": ["a"], "total": 1, "hasMore": False}),
        (["a"] * 100, {"values": ["a"] * 100, "total": 100, "hasMore": False}),
        (["a"] * 101, {"values": ["a"] * 100, "total": 101, "hasMore": True}),
        (Completion(["a"]), {"values": ["a"]}),
        (Completion(["a"], total=7, has_more=True), {"values": ["a"], "total": 7, "hasMore": True}),
        (Completion(["a"], has_more=False), {"values": ["a"], "hasMore": False}),
        (Completion(["a"] * 101, has_more=False), {"values": ["a"] * 100, "hasMore": True}),
    ],
)
def test_at_most_100_values_are_sent(made, result, sent):
    server, endpoint = made
    endpoint.completion("review", "text")(lambda value: result)

    assert completion(server, PROMPT, "text") == sent


@pytest.mark.parametrize(
    "result",
    [
        None,
        "abc",
        {"a": 1},
        [1],
        Completion([None]),
        Completion([], total="1"),
        Completion([], total=-1),
        Completion([], has_more=1),
    ],
)
def test_unusable_value_shows_the_client_a_correlation_id_only(made, result):
    server, endpoint = made
    endpoint.completion("review", "text")(lambda value: result)

    error = error_of(server, "completion/complete", {"ref": PROMPT, "argument": {"name": "text", "value": ""}})

    assert (error["code"], list(error["data"])) == (-32603, ["correlationId"])


def test_completion_cannot_ask(made):
    server, endpoint = made
    endpoint.completion("review", "text")(lambda value: ask("which", Form("Which?", {"type": "object"})))

    params = {"ref": PROMPT, "argument": {"name": "text", "value": ""}}
    error = error_of(server, "completion/complete", params, capabilities={"elicitation": {}})

    assert error["code"] == -31999


@pytest.mark.parametrize(
    ("ref", "argument", "message"),
    [
        ({"type": "ref/prompt", "name": "other"}, "text", "Unknown prompt: 'other'"),
        ({"type": "ref/resource", "uri": "a:b"}, "text", "Unknown resource: 'a:b'"),
        ({"type": "ref/prompt", "name": TEMPLATE["uri"]}, "owner", f"Unknown prompt: {TEMPLATE['uri']!r}"),
        (PROMPT, "other", "Unknown argument: 'other'"),
        (TEMPLATE, "size", "Unknown argument: 'size'"),
    ],
)
def test_unknown_target(made, ref, argument, message):
    params = {"ref": ref, "argument": {"name": argument, "value": ""}}

    assert error_of(made[0], "completion/complete", params) == {"code": -32602, "message": message}


@pytest.mark.parametrize(
    "changed",
    [
        {"ref": None},
        {"ref": "review"},
        {"ref": {"type": "ref/tool", "name": "review"}},
        {"ref": {"type": ["ref/prompt"], "name": "review"}},
        {"ref": {"type": "ref/prompt", "uri": "review"}},
        {"argument": None},
        {"argument": {"name": "text"}},
        {"argument": {"name": 7, "value": ""}},
        {"argument": {"name": "text", "value": 7}},
        {"context": []},
    ],
)
def test_malformed_request(made, changed):
    params = {"ref": PROMPT, "argument": {"name": "text", "value": ""}, **changed}

    assert error_of(made[0], "completion/complete", params, status=400)["code"] == -32602


@pytest.mark.parametrize("arguments", [[], {"owner": 7}])
def test_context_has_strings(made, arguments):
    params = {"ref": PROMPT, "argument": {"name": "text", "value": ""}, "context": {"arguments": arguments}}

    assert error_of(made[0], "completion/complete", params)["code"] == -32602


def test_completion_does_not_exist_without_any():
    server, endpoint = make_server()
    endpoint.prompt(name="review")(lambda text: "text")
    params = {"ref": PROMPT, "argument": {"name": "text", "value": ""}}

    assert "completions" not in result_of(server, "server/discover")["capabilities"]
    assert error_of(server, "completion/complete", params, status=404)["code"] == -32601

    endpoint.completion("review", "text")(lambda value: [])

    assert result_of(server, "server/discover")["capabilities"]["completions"] == {}
    assert completion(server, PROMPT, "text")["values"] == []


def test_hint_alone_makes_completion_exist(made):
    assert result_of(made[0], "server/discover")["capabilities"]["completions"] == {}


@pytest.mark.parametrize(
    ("target", "argument", "function", "why"),
    [
        ("other", "text", lambda value: [], "unknown prompt or template 'other'"),
        ("files://ann/x", "name", lambda value: [], "unknown prompt or template"),
        ("review", "other", lambda value: [], "unknown argument 'other'"),
        (TEMPLATE["uri"], "size", lambda value: [], "unknown argument 'size'"),
        ("review", "text", lambda: [], "takes the value"),
        ("review", "text", lambda a, b, c: [], "takes the value"),
        ("review", "text", lambda *values: [], "takes the value"),
        ("review", "text", lambda *, value: [], "takes the value"),
        ("review", "text", 7, "cannot be called"),
    ],
)
def test_invalid_completion_is_refused(made, target, argument, function, why):
    with pytest.raises(RegistrationError, match=why):
        made[1].completion(target, argument)(function)


def test_argument_has_one_function(made):
    made[1].completion("review", "text")(lambda value: [])

    with pytest.raises(RegistrationError, match="already"):
        made[1].completion("review", "text")(lambda value: [])
