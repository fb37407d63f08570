"""The forms of an answer that a client accepts."""

import pytest

from flaskJSONRPCServer.mcp.http.accepting import accepted_by


@pytest.mark.parametrize(
    ("accept", "json", "events"),
    [
        ("", True, False),
        ("application/json, text/event-stream", True, True),
        ("text/event-stream", False, True),
        ("*/*", True, True),
        ("application/*;q=0.5", True, False),
        ("application/json;charset=utf-8, text/event-stream; q=0", True, False),
        ('application/json; version="1;2"', True, False),
        ("text/html", False, False),
    ],
)
def test_media_types_are_accepted_with_any_parameters(accept, json, events):
    accepted = accepted_by(accept)
    assert (accepted.json, accepted.events) == (json, events)
