"""Every feature of the Model Context Protocol: the server that the protocol's conformance suite tests.

    python examples/mcp_everything.py 8080
    python examples/mcp_everything.py 8080 granian

The second argument is the serving backend. The suite: ``make conformance``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import Field

from flaskJSONRPCServer import Connection, JsonRpcApplicationError, RegistrationError, flaskJSONRPCServer
from flaskJSONRPCServer.mcp import (
    Audio,
    EmbeddedResource,
    Form,
    FormAnswer,
    Image,
    ListRoots,
    ProtocolError,
    Sample,
    Tool,
    ask,
    ask_all,
    begin_task,
    client_offers,
    log,
)

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SILENCE = base64.b64decode("UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=")

F = TypeVar("F", bound=Callable[..., Any])

# Another program that imports this module mounts the server, which then has no address.
arguments = sys.argv[1:] if __name__ == "__main__" else []
address = ("127.0.0.1", int(arguments[0]) if arguments else 8080) if __name__ == "__main__" else None
backend = arguments[1] if len(arguments) > 1 else "native"
server = flaskJSONRPCServer(
    address,
    servBackend=backend,
    gevent=backend == "pywsgi",
    allowed_hosts=["localhost", "127.0.0.1"],  # a mounted server would answer for any
    secret=os.environ.get("SECRET"),  # several workers need one, so that each knows the states of the others
    log=2,
)
mcp = server.mcp(
    "/mcp",
    name="everything",
    title="Everything",
    instructions="A server that shows all parts of the protocol. Its tools do nothing useful.",
)


def tool(name: str, **options: Any) -> Callable[[F], F]:
    """Make a function a tool with this name."""
    return lambda function: server.registerFunction(function, path="/api", mcp=Tool(name=name, **options))


def one_field(name: str, kind: str = "string") -> dict[str, Any]:
    """Return the schema of a form with one field."""
    return {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}


def shown(answer: FormAnswer) -> str:
    """Return what a user has done with a form, as a text."""
    return f"action={answer.action}, content={json.dumps(answer.content)}"


# Results


@tool("test_simple_text")
def simple_text() -> str:
    """Return a text."""
    return "This is a simple text response for testing."


@tool("test_image_content")
def image_content() -> Image:
    """Return an image."""
    return Image(PIXEL)


@tool("test_audio_content")
def audio_content() -> Audio:
    """Return a sound."""
    return Audio(SILENCE)


@tool("test_embedded_resource")
def embedded_resource() -> EmbeddedResource:
    """Return a resource."""
    return EmbeddedResource("test://embedded-resource", "This is an embedded resource content.")


@tool("test_multiple_content_types")
def multiple_content_types() -> list[str | Image | EmbeddedResource]:
    """Return a text, an image and a resource."""
    mixed = EmbeddedResource("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
    return ["Multiple content types test:", Image(PIXEL), mixed]


@tool("test_error_handling")
def error_handling() -> None:
    """Fail."""
    raise JsonRpcApplicationError("This tool intentionally returns an error for testing")


# While a tool runs


@tool("test_tool_with_logging")
def tool_with_logging() -> str:
    """Send messages to the client."""
    for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        log("info", text)
        time.sleep(0.05)
    return "done"


@tool("test_tool_with_progress")
def tool_with_progress(_connection: Connection) -> str:
    """Report progress."""
    for done in (0, 50, 100):
        _connection.progress(done, 100)
        time.sleep(0.05)
    return "done"


# Header fields


@tool("test_custom_headers")
def custom_headers(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    priority: int = 0,
) -> str:
    """Take a region, which clients repeat in a header field."""
    return f"{region} {priority}"


# Schemas

ADDRESS = {
    "$anchor": "addressDef",
    "type": "object",
    "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": ADDRESS},
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@tool("json_schema_2020_12_tool", input_schema=SCHEMA)
def contact(**fields: Any) -> dict[str, Any]:
    """Take arguments by a schema of its own."""
    return fields


# Questions


@tool("test_input_required_result_elicitation")
def input_required_result_elicitation() -> str:
    """Ask for a name."""
    answer = ask("user_name", Form("What is your name?", one_field("name")))
    return f"Hello, {answer.content['name']}!" if answer.is_accepted else "Hello!"


@tool("test_input_required_result_sampling")
def input_required_result_sampling() -> str:
    """Ask the model of the client."""
    message = ask("capital_question", Sample("What is the capital of France?", max_tokens=100))
    return str(message["content"]["text"])


@tool("test_input_required_result_list_roots")
def input_required_result_list_roots() -> str:
    """Ask for the folders of the client."""
    return ", ".join(root["uri"] for root in ask("client_roots", ListRoots())["roots"])


@tool("test_input_required_result_request_state")
def input_required_result_request_state() -> str:
    """Ask for a confirmation."""
    return f"state-ok: {ask('confirm', Form('Please confirm', one_field('ok', 'boolean'))).content}"


@tool("test_input_required_result_tampered_state")
def input_required_result_tampered_state() -> str:
    """Ask for a confirmation."""
    return f"state-ok: {ask('confirm', Form('Please confirm', one_field('ok', 'boolean'))).content}"


@tool("test_input_required_result_multiple_inputs")
def input_required_result_multiple_inputs() -> str:
    """Ask three questions at once."""
    answers = ask_all(
        user_name=Form("What is your name?", one_field("name")),
        greeting=Sample("Generate a greeting", max_tokens=50),
        client_roots=ListRoots(),
    )
    return f"{answers['greeting']['content']['text']} {answers['user_name'].content['name']}"


@tool("test_input_required_result_multi_round")
def input_required_result_multi_round() -> str:
    """Ask a second question after the first."""
    name = ask("step1", Form("Step 1: What is your name?", one_field("name"))).content["name"]
    color = ask("step2", Form("Step 2: What is your favorite color?", one_field("color"))).content["color"]
    return f"{name} likes {color}"


@tool("test_input_required_result_capabilities")
def input_required_result_capabilities() -> str:
    """Ask what the client can answer."""
    questions: dict[str, Any] = {}
    if "sampling" in client_offers():
        questions["greeting"] = Sample("Generate a greeting", max_tokens=50)
    if "elicitation" in client_offers():
        questions["user_name"] = Form("What is your name?", one_field("name"))
    return ", ".join(ask_all(**questions))


@tool("test_sampling")
def sampling(prompt: str) -> str:
    """Ask the model of the client what the caller says."""
    message = ask("answer", Sample(prompt, max_tokens=100))
    return f"LLM response: {message['content']['text']}"


@tool("test_elicitation")
def elicitation(message: str) -> str:
    """Ask for a name and an address."""
    fields = {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    }
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    return f"User response: {shown(ask('user', Form(message, schema)))}"


@tool("test_elicitation_sep1034_defaults")
def elicitation_defaults() -> str:
    """Ask with a form whose fields are filled."""
    fields = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    answer = ask("defaults", Form("Please check these values", {"type": "object", "properties": fields}))
    return f"Elicitation completed: {shown(answer)}"


@tool("test_elicitation_sep1330_enums")
def elicitation_enums() -> str:
    """Ask with each kind of choice."""
    plain = ["option1", "option2", "option3"]
    titled = [{"const": f"value{number}", "title": f"Choice {number}"} for number in (1, 2, 3)]
    old = {"enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]}
    fields = {
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", **old},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    answer = ask("choices", Form("Please choose", {"type": "object", "properties": fields}))
    return f"Elicitation completed: {shown(answer)}"


@tool("test_missing_capability")
def missing_capability() -> str:
    """Ask the model of the client."""
    return str(ask("question", Sample("Say something")))


@tool("test_streaming_elicitation")
def streaming_elicitation(_connection: Connection) -> str:
    """Report progress, then ask."""
    _connection.progress(1, 2)
    return str(ask("user_name", Form("What is your name?", one_field("name"))))


# Resources


@mcp.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    """A text."""
    return "This is the content of the static text resource."


@mcp.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """An image."""
    return PIXEL


@mcp.resource("test://template/{item}/data", mime_type="application/json")
def template(item: str) -> dict[str, Any]:
    """The data of an item."""
    return {"id": item, "templateTest": True, "data": f"Data for ID: {item}"}


@mcp.resource("test://watched-resource")
def watched() -> str:
    """A text to which clients subscribe."""
    return "watched"


# Prompts


@mcp.prompt()
def test_simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


@mcp.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with arguments.

    Args:
        arg1: The first argument.
        arg2: The second argument.
    """
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@mcp.completion("test_prompt_with_arguments", "arg1")
def completed_arg1(value: str) -> list[str]:
    """Complete the first argument."""
    return [word for word in ("test1", "test2", "paris") if word.startswith(value)]


@mcp.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list[str | EmbeddedResource]:  # noqa: N803
    """A prompt with a resource.

    Args:
        resourceUri: The URI of the resource.
    """
    resource = EmbeddedResource(resourceUri, "Embedded resource content for testing.")
    return [resource, "Please process the embedded resource above."]


@mcp.prompt()
def test_prompt_with_image() -> list[str | Image]:
    """A prompt with an image."""
    return [Image(PIXEL), "Please analyze the image above."]


@mcp.prompt()
def test_input_required_result_prompt() -> str:
    """A prompt that asks its user first."""
    answer = ask("user_context", Form("What context should the prompt use?", one_field("context")))
    return f"Use {answer.content.get('context')}"


# Tasks


@tool("greet")
def greet_somebody(name: str) -> str:
    """Greet somebody, at once."""
    return f"Hello, {name}!"


@tool("slow_compute", task=True)
def slow_compute(seconds: float, _connection: Connection, label: str = "") -> str:
    """Take some seconds, and report the progress."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at and not _connection.cancelled:
        time.sleep(0.05)
        _connection.progress(seconds - max(0, ends_at - time.monotonic()), seconds)
    return f"{label or 'computed'} after {seconds:g} s"


@tool("failing_job", task="required")
def failing_job() -> None:
    """Fail after a second, so that the model learns it."""
    time.sleep(1)
    raise JsonRpcApplicationError("This job always fails")


@tool("protocol_error_job", task=True)
def protocol_error_job() -> None:
    """Fail so that the request has an error."""
    raise ProtocolError("This job has no result")


@tool("confirm_delete", task=True)
def confirm_delete(filename: str) -> str:
    """Ask whether a file is to be deleted."""
    answer = ask("confirm", Form(f"Delete {filename}?", one_field("confirm", "boolean")))
    return f"{'Deleted' if answer.is_accepted and answer.content['confirm'] else 'Kept'} {filename}"


@tool("multi_input", task=True)
def multi_input() -> str:
    """Ask two questions at once."""
    answers = ask_all(
        name=Form("What is your name?", one_field("name")), confirm=Form("Go on?", one_field("confirm", "boolean"))
    )
    return f"{answers['name'].content}, {answers['confirm'].content}"


@tool("test_tool_with_task")
def tool_with_task() -> str:
    """Ask for a name, then go on as a task."""
    name = ask("user_name", Form("What is your name?", one_field("name"))).content["name"]
    begin_task()
    return f"Hello, {name}!"


# Changes


@tool("test_trigger_tool_change")
def trigger_tool_change() -> str:
    """Change the list of tools."""
    mcp.tools_changed()
    return "changed"


def added_prompt() -> str:
    """A prompt that is added while the server runs."""
    return "This prompt was added."


@tool("test_trigger_prompt_change")
def trigger_prompt_change() -> str:
    """Add a prompt, unless it is there."""
    with contextlib.suppress(RegistrationError):
        mcp.prompt(name="test_added_prompt")(added_prompt)
    return "changed"


@tool("test_logging_tool")
def logging_tool() -> str:
    """Send a message to the client, if it wants any."""
    log("info", "logged")
    return "logged"


def greet(server: Any) -> None:
    """Say where the endpoint is."""
    host, port = server.addresses[0]
    print(f"Add http://{host}:{port}/mcp to a client. Ctrl-C ends it.", flush=True)


if __name__ == "__main__":
    server.serveForever(on_start=greet)
