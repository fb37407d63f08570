"""Parts for a model: what the protocol does not allow is refused when they are made, and reaches no client."""

import re

import pytest
from mcp_types import Annotations, CallToolResult, TextContent

from flaskJSONRPCServer.mcp import Audio, EmbeddedResource, Image, ResourceLink, Text, ToolResult
from tests.mcp.judged import error_of, make_server, result_of


class Unshowable:
    def __repr__(self):
        raise ValueError("no repr")


REFUSED = {
    "text": (lambda: Text(5), "Text(text=5) is refused: it takes a string"),
    "text_without_repr": (
        lambda: Text(Unshowable()),
        "Text(text=<Unshowable without a repr()>) is refused: it takes a string",
    ),
    "image_type": (
        lambda: Image(b"x", None),
        "Image(mime_type=None) is refused: it takes a media type such as 'image/png'",
    ),
    "audio_type": (
        lambda: Audio(b"x", 5),
        "Audio(mime_type=5) is refused: it takes a media type such as 'image/png'",
    ),
    "resource_uri": (lambda: EmbeddedResource(None, "x"), "EmbeddedResource(uri=None) is refused: it takes a string"),
    "resource_contents": (
        lambda: EmbeddedResource("a:b", 5),
        "EmbeddedResource(contents=5) is refused: it takes a string, or bytes",
    ),
    "resource_type": (
        lambda: EmbeddedResource("a:b", b"x", 5),
        "EmbeddedResource(mime_type=5) is refused: it takes a media type such as 'image/png', or None",
    ),
    "link_uri": (lambda: ResourceLink(5, "x"), "ResourceLink(uri=5) is refused: it takes a string"),
    "link_name": (lambda: ResourceLink("a:b", None), "ResourceLink(name=None) is refused: it takes a string"),
    "link_title": (
        lambda: ResourceLink("a:b", "x", 5),
        "ResourceLink(title=5) is refused: it takes a string, or None",
    ),
    "annotations": (
        lambda: Text("x", annotations=5),
        "Text(annotations=5) is refused: it takes a dict, or None",
    ),
    "audience": (
        lambda: Text("x", annotations={"audience": ["all"]}),
        "Text(annotations={'audience': ['all']}) is refused: 'audience' is a list of 'user' and 'assistant'",
    ),
    "priority": (
        lambda: Image(b"x", annotations={"priority": float("nan")}),
        "Image(annotations={'priority': nan}) is refused: 'priority' is a number from 0 to 1",
    ),
    "is_error": (
        lambda: ToolResult("x", is_error=1),
        "ToolResult(is_error=1) is refused: it takes True or False",
    ),
    "meta": (lambda: ToolResult("x", meta=5), "ToolResult(meta=5) is refused: it takes a dict, or None"),
    "number_as_part": (
        lambda: ToolResult(["x", 5]),
        "content has 5, which is refused: it takes strings, and parts such as Image",
    ),
    "bogus_part": (
        lambda: ToolResult([{"type": "bogus"}]),
        "content has {'type': 'bogus'}, which is refused: it takes strings, and parts such as Image",
    ),
    "part_without_text": (
        lambda: ToolResult([{"type": "text"}]),
        "content has {'type': 'text'}, which is refused: it takes strings, and parts such as Image",
    ),
}


WRONG_VALUES = {
    "image_of_text": (
        lambda: Image(b"x", "text/plain"),
        "Image(mime_type='text/plain') is refused: it takes a media type that begins with 'image/'",
    ),
    "image_without_type": (
        lambda: Image(b"x", ""),
        "Image(mime_type='') is refused: it takes a media type that begins with 'image/'",
    ),
    "image_of_any_type": (
        lambda: Image(b"x", "image/"),
        "Image(mime_type='image/') is refused: it takes a media type that begins with 'image/'",
    ),
    "sound_of_image": (
        lambda: Audio(b"x", "image/png"),
        "Audio(mime_type='image/png') is refused: it takes a media type that begins with 'audio/'",
    ),
    "resource_uri": (
        lambda: EmbeddedResource("a.txt", "x"),
        "EmbeddedResource(uri='a.txt') is refused: it begins with no scheme, such as 'config:'",
    ),
    "link_uri": (
        lambda: ResourceLink("a:b c", "x"),
        "ResourceLink(uri='a:b c') is refused: it has a character that no URI has; percent-encode it",
    ),
}


@pytest.mark.parametrize("case", WRONG_VALUES)
def test_value_of_the_right_type_is_refused_too(case):
    make, message = WRONG_VALUES[case]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize(("kind", "mime_type"), [(Image, "IMAGE/svg+xml; charset=utf-8"), (Audio, "audio/ogg")])
def test_media_type_may_have_parameters_and_capitals(kind, mime_type):
    assert kind(b"x", mime_type).members()["mimeType"] == mime_type


@pytest.mark.parametrize("case", REFUSED)
def test_value_that_the_protocol_does_not_allow_is_refused_when_the_part_is_made(case):
    make, message = REFUSED[case]
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "x", "annotations": {"audience": ["user"]}, "_meta": {"a": 1}},
        {"type": "resource", "resource": {"uri": "a:b", "blob": "eA=="}},
        {"type": "resource_link", "uri": "a:b", "name": "b", "title": "B", "size": 3, "icons": [{"src": "a:c"}]},
    ],
    ids=["text", "resource", "link"],
)
def test_dict_with_the_members_of_a_part_is_one(part):
    members = ToolResult([part]).members()
    CallToolResult.model_validate(members)
    assert members == {"content": [part]}


def test_parts_may_be_dumped_by_models_with_what_is_none():
    part = TextContent(type="text", text="x", annotations=Annotations(priority=1)).model_dump(by_alias=True)
    server, _ = make_server()
    server.registerFunction(lambda: ToolResult([part]), path="/api", name="result", mcp=True)
    server.registerFunction(returning(part), path="/api", name="hinted", mcp=True)

    assert part["_meta"] is None
    for name in ("result", "hinted"):
        (sent,) = result_of(server, "tools/call", {"name": name})["content"]
        assert sent == {"type": "text", "text": "x", "annotations": {"priority": 1.0}}


def returning(part):
    def hinted() -> ToolResult:
        return {"content": [part]}

    return hinted


@pytest.mark.parametrize(
    "resource", [{}, {"uri": "a:b"}, {"uri": "a:b", "text": 5}, {"uri": 5, "blob": "eA=="}], ids=str
)
def test_dict_without_the_contents_of_its_resource_is_no_part(resource):
    with pytest.raises(TypeError, match="which is refused"):
        ToolResult([{"type": "resource", "resource": resource}])


@pytest.mark.parametrize("hint", [None, Image, dict | ToolResult], ids=["none", "part", "result"])
def test_tool_whose_part_is_refused_has_failed(hint, caplog):
    def picture():
        return Image(b"x", None)

    if hint is not None:
        picture.__annotations__["return"] = hint
    server, _ = make_server(log=1)
    server.registerFunction(picture, path="/api", mcp=True)

    result = result_of(server, "tools/call", {"name": "picture"})

    assert result["isError"] is True
    assert "Image(mime_type=None) is refused" in caplog.text


def test_prompt_and_resource_with_a_part_that_is_refused_fail(caplog):
    server, endpoint = make_server(log=1)
    endpoint.prompt(name="sketch")(lambda: [Image(b"x", None)])
    endpoint.resource("a:b", name="file")(lambda: EmbeddedResource("a:b", b"x", 5))

    assert error_of(server, "prompts/get", {"name": "sketch"})["code"] == -32603
    assert error_of(server, "resources/read", {"uri": "a:b"})["code"] == -32603
    assert "Image(mime_type=None) is refused" in caplog.text
    assert "EmbeddedResource(mime_type=5) is refused" in caplog.text


@pytest.mark.parametrize(
    "returned",
    [{"content": [{"type": "text"}]}, {"content": [], "isError": 1}, {"content": [], "_meta": 5}],
    ids=["part", "is_error", "meta"],
)
def test_dict_like_a_result_that_the_protocol_does_not_allow_is_a_value(returned):
    def order() -> dict | ToolResult:
        return returned

    server, _ = make_server()
    server.registerFunction(order, path="/api", mcp=True)
    assert result_of(server, "tools/call", {"name": "order"})["structuredContent"] == returned
