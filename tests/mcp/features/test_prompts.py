"""Prompts, as clients list and get them."""

from enum import Enum

import pytest

from flaskJSONRPCServer.errors import RegistrationError
from flaskJSONRPCServer.mcp import Audio, EmbeddedResource, Form, Image, Message, ResourceLink, Text, ask
from tests.mcp.judged import error_of, make_server, result_of

TEXT = {"type": "text", "text": "text"}


class Tone(Enum):
    CALM = "calm"
    LOUD = "loud"


def messages_of(value):
    server, endpoint = make_server()
    endpoint.prompt(name="prompt")(lambda: value)
    return result_of(server, "prompts/get", {"name": "prompt"})["messages"]


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ("text", [("user", TEXT)]),
        (Text("text"), [("user", TEXT)]),
        (Message("assistant", "text"), [("assistant", TEXT)]),
        ([], []),
        (("text", Message("assistant", Text("text"))), [("user", TEXT), ("assistant", TEXT)]),
        ([Image(b"\x00")], [("user", {"type": "image", "data": "AA==", "mimeType": "image/png"})]),
        ([Message("user", Audio(b"\x00"))], [("user", {"type": "audio", "data": "AA==", "mimeType": "audio/wav"})]),
        (
            [EmbeddedResource("a:b", "c")],
            [("user", {"type": "resource", "resource": {"uri": "a:b", "mimeType": "text/plain", "text": "c"}})],
        ),
        ([ResourceLink("a:b", "c")], [("user", {"type": "resource_link", "uri": "a:b", "name": "c"})]),
    ],
)
def test_messages_of_a_prompt(value, messages):
    assert messages_of(value) == [{"role": role, "content": content} for role, content in messages]


@pytest.mark.parametrize("value", [None, 7, {"role": "user"}, ["text", 7], [["text"]]])
def test_unusable_value_shows_the_client_a_correlation_id_only(value):
    server, endpoint = make_server()
    endpoint.prompt(name="prompt")(lambda: value)

    error = error_of(server, "prompts/get", {"name": "prompt"})

    assert (error["code"], error["message"], list(error["data"])) == (-32603, "Internal error", ["correlationId"])


@pytest.mark.parametrize(
    ("role", "content", "error"), [("system", "text", ValueError), ("user", 7, TypeError), ("user", None, TypeError)]
)
def test_invalid_message_is_refused(role, content, error):
    with pytest.raises(error):
        Message(role, content)


def test_list_shows_all_that_is_known():
    server, endpoint = make_server()
    icon = {"src": "https://example.com/i.svg"}

    @endpoint.prompt(title="Code review", icons=[icon])
    def review(code: str, language: str = "python", *, _connection=None):
        """Review code.

        Args:
            code: The code to review.
            language: Its language.
        """

    assert result_of(server, "prompts/list")["prompts"] == [
        {
            "name": "review",
            "title": "Code review",
            "description": "Review code.",
            "arguments": [
                {"name": "code", "description": "The code to review.", "required": True},
                {"name": "language", "description": "Its language.", "required": False},
            ],
            "icons": [icon],
        }
    ]


def test_prompt_without_arguments_and_text_shows_its_name_only():
    server, endpoint = make_server()
    endpoint.prompt(name="Say hello!")(lambda: "hello")

    assert result_of(server, "prompts/list")["prompts"] == [{"name": "Say hello!"}]
    assert "description" not in result_of(server, "prompts/get", {"name": "Say hello!"})


def test_description_of_the_option_comes_with_the_prompt():
    server, endpoint = make_server()
    endpoint.prompt(name="hello", description="A greeting.")(lambda: "hello")

    assert result_of(server, "prompts/get", {"name": "hello"})["description"] == "A greeting."


def test_list_has_pages():
    server, _ = make_server()
    endpoint = server.mcp("/paged", page_size=2)
    for name in "edcba":
        endpoint.prompt(name=name)(lambda: "text")
    seen, params = [], {}
    while params is not None:
        result = result_of(server, "prompts/list", params, target="/paged")
        seen.append([prompt["name"] for prompt in result["prompts"]])
        params = {"cursor": result["nextCursor"]} if "nextCursor" in result else None

    assert seen == [["a", "b"], ["c", "d"], ["e"]]


def test_arguments_are_converted_by_the_hints():
    server, endpoint = make_server()

    @endpoint.prompt()
    def show(count: int, tone: Tone, is_long: bool, text: str, other, rest: int = 7):
        return repr((count, tone, is_long, text, other, rest))

    arguments = {"count": "3", "tone": "calm", "is_long": "true", "text": "7", "other": "8"}
    messages = result_of(server, "prompts/get", {"name": "show", "arguments": arguments})["messages"]

    assert messages[0]["content"]["text"] == repr((3, Tone.CALM, True, "7", "8", 7))


def test_arguments_by_position_only():
    server, endpoint = make_server()
    endpoint.prompt(name="prompt")(lambda first, second="b", /: first + second)

    messages = result_of(server, "prompts/get", {"name": "prompt", "arguments": {"first": "a"}})["messages"]

    assert messages[0]["content"]["text"] == "ab"


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({}, "count"),
        (None, "count"),
        ({"count": "1", "other": "2"}, "other"),
        ({"count": "many"}, "count"),
    ],
)
def test_wrong_arguments_are_named(arguments, path):
    server, endpoint = make_server()

    @endpoint.prompt()
    def show(count: int):
        return str(count)

    error = error_of(server, "prompts/get", {"name": "show", "arguments": arguments})

    assert error["code"] == -32602
    assert [entry["path"] for entry in error["data"]["errors"]] == [[path]]


@pytest.mark.parametrize("arguments", [[], "a", {"count": 1}, {"count": None}])
def test_arguments_are_strings(arguments):
    server, endpoint = make_server()
    endpoint.prompt(name="show")(lambda count: "text")

    error = error_of(server, "prompts/get", {"name": "show", "arguments": arguments})

    assert (error["code"], error["message"]) == (-32602, "Invalid params: arguments is not an object of strings")


def test_unknown_prompt():
    server, endpoint = make_server()
    endpoint.prompt(name="show")(lambda: "text")

    error = error_of(server, "prompts/get", {"name": "Show"})

    assert error == {"code": -32602, "message": "Unknown prompt: 'Show'"}


@pytest.mark.parametrize("params", [{}, {"name": 7}])
def test_name_is_a_string(params):
    server, endpoint = make_server()
    endpoint.prompt(name="show")(lambda: "text")

    assert error_of(server, "prompts/get", params, status=400)["code"] == -32602


def test_prompts_do_not_exist_without_any():
    server, endpoint = make_server()

    assert "prompts" not in result_of(server, "server/discover")["capabilities"]
    assert error_of(server, "prompts/list", status=404)["code"] == -32601

    endpoint.prompt(name="show")(lambda: "text")

    assert result_of(server, "server/discover")["capabilities"]["prompts"] == {"listChanged": True}


def test_prompt_may_ask_its_client():
    server, endpoint = make_server()
    form = Form("Which one?", {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]})

    @endpoint.prompt()
    def choose(first):
        return f"{first} {ask('which', form).content['name']}"

    offers, params = {"elicitation": {}}, {"name": "choose", "arguments": {"first": "a"}}
    question = result_of(server, "prompts/get", params, capabilities=offers)
    assert question["resultType"] == "input_required"

    further = {
        "inputResponses": {"which": {"action": "accept", "content": {"name": "b"}}},
        "requestState": question["requestState"],
    }
    result = result_of(server, "prompts/get", {**params, **further}, capabilities=offers)
    assert result["messages"][0]["content"]["text"] == "a b"

    changed = {**params, **further, "arguments": {"first": "c"}}
    assert error_of(server, "prompts/get", changed, capabilities=offers)["code"] == -32602


@pytest.mark.parametrize(
    ("function", "options", "why"),
    [
        (lambda *names: "", {}, "no \\* or"),
        (lambda **names: "", {}, "no \\* or"),
        (lambda a, /, *, b: "", {}, "by position only"),
        ("text", {}, "cannot be called"),
        (lambda: "", {"name": ""}, "name"),
        (lambda: "", {"title": 7}, "title"),
        (lambda: "", {"description": 7}, "description"),
        (lambda: "", {"icons": "a"}, "icons"),
    ],
)
def test_invalid_prompt_is_refused(function, options, why):
    _, endpoint = make_server()

    with pytest.raises(RegistrationError, match=why):
        endpoint.prompt(**{"name": "prompt", **options})(function)


def test_lambda_needs_a_name():
    _, endpoint = make_server()

    with pytest.raises(RegistrationError, match="no name of its own"):
        endpoint.prompt()(lambda: "text")


def test_name_is_taken_once():
    _, endpoint = make_server()
    endpoint.prompt(name="prompt")(lambda: "text")

    with pytest.raises(RegistrationError, match="already"):
        endpoint.prompt(name="prompt")(lambda: "text")


def test_decorator_returns_the_function():
    _, endpoint = make_server()

    @endpoint.prompt()
    def hello():
        return "hello"

    assert hello() == "hello"
