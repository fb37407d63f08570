"""Younger content in older revisions."""

import json

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import ResourceLink
from flaskJSONRPCServer.mcp.older_content import older_form
from flaskJSONRPCServer.mcp.sessions.questions import question_params
from tests.mcp.session_client import CLIENT

URI = "https://example.org/a"


def link() -> ResourceLink:
    """Return a link."""
    return ResourceLink(URI, "a", description="the first")


def answers(revision, *requests):
    """Return the results of some requests in a session of a revision."""
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(link, path="/api", mcp=True)
    endpoint = server.mcp("/mcp")
    endpoint.prompt()(link)
    begin = {"protocolVersion": revision, "capabilities": {}, "clientInfo": CLIENT}
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
        for number, (method, params) in enumerate([("initialize", begin), *requests])
    ]
    written = []
    endpoint.serve_lines(lines, lambda line: written.append(json.loads(line)))
    return [message["result"] for message in sorted(written, key=lambda message: message["id"])][1:]


CALLS = [("tools/call", {"name": "link", "arguments": {}}), ("prompts/get", {"name": "link"})]


@pytest.mark.parametrize(
    ("revision", "kind"),
    [("2025-03-26", "text"), ("2025-06-18", "resource_link"), ("2025-11-25", "resource_link")],
)
def test_link_is_a_text_with_the_uri_where_the_revision_has_no_links(revision, kind):
    called, prompted = answers(revision, *CALLS)
    parts = [*called["content"], prompted["messages"][0]["content"]]

    assert [part["type"] for part in parts] == [kind, kind]
    text = {"type": "text", "text": f"a: the first: {URI}"}
    assert [part == text for part in parts] == [kind == "text"] * 2
    assert all(part.get("uri", URI) == URI for part in parts)


TITLED = {"type": "string", "title": "Size", "oneOf": [{"const": "s", "title": "Small"}, {"const": "l"}]}
FORM = {"type": "object", "properties": {"size": TITLED, "name": {"type": "string"}}, "required": ["size"]}


@pytest.mark.parametrize("revision", ["2025-11-25", "2025-06-18"])
def test_titled_choices_of_a_form_are_written_as_the_revision_has_them(revision):
    asked = question_params("elicitation/create", {"mode": "form", "message": "?", "requestedSchema": FORM}, revision)

    if revision == "2025-11-25":
        assert asked["requestedSchema"] == FORM
        return
    assert "mode" not in asked
    assert asked["requestedSchema"]["required"] == ["size"]
    assert asked["requestedSchema"]["properties"] == {
        "size": {"type": "string", "title": "Size", "enum": ["s", "l"], "enumNames": ["Small", "l"]},
        "name": {"type": "string"},
    }


@pytest.mark.parametrize("schema", [{}, {"properties": None}, {"properties": {"a": {"oneOf": [{"type": "string"}]}}}])
def test_form_without_titled_choices_stays_as_it_is(schema):
    assert older_form(schema) == schema
