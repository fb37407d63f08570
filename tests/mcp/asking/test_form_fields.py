"""Answers to forms are checked against the schema."""

import pytest

from flaskJSONRPCServer.mcp import Form

TITLED = [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}]


def answered(rules, value):
    form = Form("Which?", {"type": "object", "properties": {"x": rules}})
    return form.answer({"action": "accept", "content": {"x": value}}).content["x"]


@pytest.mark.parametrize(
    ("rules", "good", "bad"),
    [
        ({"type": "string"}, "a", 1),
        ({"type": "integer"}, 2.0, 2.5),
        ({"type": "integer"}, 2, True),
        ({"type": "integer"}, 2, float("inf")),
        ({"type": "number"}, 2.5, "2.5"),
        ({"type": "boolean"}, False, 0),
        ({"type": "string"}, "", None),
        ({"type": "integer", "minimum": 1}, 1, 0),
        ({"type": "number", "maximum": 3}, 3, 3.1),
        ({"type": "string", "minLength": 2}, "ab", "a"),
        ({"type": "string", "maxLength": 2}, "ab", "abc"),
        ({"type": "string", "enum": ["a", "b"]}, "b", "c"),
        ({"type": "string", "oneOf": TITLED}, "b", "c"),
        ({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}, ["b"], ["c"]),
        ({"type": "array", "items": {"anyOf": TITLED}, "maxItems": 2}, ["a", "b"], ["a", "b", "a"]),
        ({"type": "array", "minItems": 1, "items": {"anyOf": TITLED}}, ["a"], []),
        ({"type": "string", "format": "email"}, "ann@a.test", "ann"),
        ({"type": "string", "format": "uri"}, "https://a.test/x", "a.test x"),
        ({"type": "string", "format": "date"}, "2026-02-28", "2026-02-30"),
        ({"type": "string", "format": "date"}, "2026-02-28", "2026-W01-1"),
        ({"type": "string", "format": "date-time"}, "2026-02-28T10:00:00.5Z", "2026-02-28T25:00:00Z"),
        ({"type": "string", "format": "date-time"}, "2026-02-28T10:00:00+23:59", "2026-02-28T10:00:00+99:99"),
        ({"type": "string", "format": "date-time"}, "2026-02-28T10:00:00-00:30", "٢٠٢٦-02-28T10:00:00Z"),
        ({"enum": [0, 1]}, 1, True),
        ({"enum": [True, "a"]}, True, 1),
        ({"type": ["string", "null"]}, None, {}),
        ({"type": ["string", "null"], "minLength": 2}, "ab", "a"),
    ],
)
def test_field_is_checked_by_its_rules(rules, good, bad):
    assert answered(rules, good) == good
    with pytest.raises(ValueError, match=r"^x must be"):
        answered(rules, bad)


def test_fields_that_the_form_does_not_have_are_dropped():
    form = Form("Which?", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    assert form.answer({"action": "accept", "content": {"n": 1, "z": [1]}}).content == {"n": 1}


@pytest.mark.parametrize("content", [[], "", 0, False], ids=repr)
def test_content_that_is_no_object_is_no_answer(content):
    form = Form("Which?", {"type": "object", "properties": {"n": {"type": "integer"}}})
    with pytest.raises(ValueError, match="it is not an answer to a form"):
        form.answer({"action": "accept", "content": content})
