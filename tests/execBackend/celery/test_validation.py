"""Checks of the messages on the queue of calls."""

from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.execBackend.celery.validation import envelope_misfit, task_misfit


@pytest.mark.parametrize(
    ("message", "misfit"),
    [
        ([], "it is a list and not an object"),
        ({}, "it has no headers"),
        ({"headers": {}}, "it has no properties"),
        ({"headers": {}, "properties": {"delivery_info": {}}}, "it has no delivery tag"),
        ({"headers": {}, "properties": {"delivery_info": {}, "delivery_tag": "t"}}, "it has no body"),
        ({"headers": {}, "properties": {"delivery_info": {}, "delivery_tag": "t"}, "body": ""}, None),
    ],
)
def test_misfit_of_an_envelope(message, misfit):
    assert envelope_misfit(message) == misfit


MESSAGE = {
    "uniqueId": "u",
    "path": "/api/",
    "method": "echo",
    "params": "[1]",
    "id": 1,
    "notify": False,
    "jsonp": False,
    "request": {},
    "servedBy": [False, None, None],
    "signature": "(a)",
    "fingerprint": "f",
}


@pytest.mark.parametrize(
    ("headers", "payload", "misfit"),
    [
        (None, None, "its headers name no task"),
        ({"task": "other", "id": "i"}, None, "there is no task 'other'"),
        ({"task": "call"}, None, "its headers have no id"),
        ({"task": "call", "id": "i"}, {}, "its body is not [args, kwargs, embed]"),
        ({"task": "call", "id": "i"}, [[MESSAGE, 1], {}, {}], "its arguments are no call"),
        (
            {"task": "call", "id": "i"},
            [[{**MESSAGE, "path": 1, "notify": None}], {}, {}],
            "its call lacks path, notify",
        ),
        ({"task": "call", "id": "i"}, [[MESSAGE], {}, {}], None),
        ({"task": "theirs", "id": "i"}, [[1, 2], {}, {}], None),
    ],
)
def test_misfit_of_a_task(headers, payload, misfit):
    message = SimpleNamespace(headers=headers, payload=payload)

    assert task_misfit(message, {"call", "theirs"}, {"call"}) == misfit
