"""What anybody may put on the queue of calls: it is set aside, logged once, and the worker goes on."""

import base64
import json
import signal
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.celery import CeleryBackend
from flaskJSONRPCServer.execBackend.celery.app import CALL, NOTIFY
from flaskJSONRPCServer.execBackend.celery.shapes import misfit_of_envelope, misfit_of_task
from tests.execBackend.celery.api import echo
from tests.execBackend.celery.processes import broker_running, new_queue, worker_running
from tests.helpers import call_wsgi, post, rpc, wait_until

PROPERTIES = {"delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": "q"}, "body_encoding": "base64"}


def envelope(payload, headers, content_type="application/json", **members):
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    whole = {
        "body": base64.b64encode(text).decode(),
        "headers": headers,
        "content-type": content_type,
        "content-encoding": "utf-8",
        "properties": {**PROPERTIES, "delivery_tag": f"t{len(text)}{headers}"},
    }
    return json.dumps({**whole, **members}).encode()


def task(name, body):
    return envelope(body, {"lang": "py", "task": name, "id": f"i{body}", "argsrepr": "", "kwargsrepr": ""})


HEADERS = (None, [1], {}, {"task": 5, "id": "i"}, {"task": CALL, "id": [1]})
BODIES = ([[], {}, {}], [[5], {}, {}], [[{}], {}, {}], {}, 5, None)

GARBAGE = [
    *(b"not json", b"[]", b"\xff\xfe{", b"null", b"5", b'"x"', b"", b"{}", b"[" * 100_000, b"x" * 10_000_000),
    b'{"body": "e30=", "headers": {}}',
    *(envelope([[], {}, {}], headers) for headers in HEADERS),
    envelope([[], {}, {}], {"task": "nope", "id": "i"}),
    envelope(b"\x80\x04K\x01.", {"task": CALL, "id": "p"}, "application/x-python-serialize"),
    envelope([[], {}, {}], {"task": CALL, "id": "b"}, body="!!!"),
    *(task(name, body) for name in (CALL, NOTIFY) for body in BODIES),
]


def test_garbage_is_set_aside_and_the_worker_goes_on():
    queue = new_queue()
    with broker_running() as broker, worker_running(broker, queue, "-c", "1") as worker, broker.client() as client:
        client.lpush(queue, *GARBAGE)
        server = flaskJSONRPCServer(None, log=False, dispatcherBackend=CeleryBackend(broker=broker.url, queue=queue))
        server.registerFunction(echo, path="/api")
        answer = call_wsgi(server.getWSGI(), post(rpc("echo", [1]))).json()
        wait_until(lambda: client.llen(f"{queue}.dead") == len(GARBAGE))
        wait_until(lambda: server.stats()["celery_dead"] == len(GARBAGE))
        server.stop()

        assert answer["result"] == 1
        assert client.llen(f"{queue}.taken") == 0
        assert worker.end(signal.SIGTERM) == 0
    logged = [line for line in worker.output.splitlines() if f"'{queue}.dead' now" in line]
    assert len(logged) == len(GARBAGE)
    assert "Traceback" not in worker.output


def test_worker_that_must_end_says_so_by_its_status():
    with broker_running() as broker, worker_running(broker, new_queue(), "-c", "1") as worker:
        assert worker.end(signal.SIGQUIT) not in (0, -signal.SIGQUIT)


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
    assert misfit_of_envelope(message) == misfit


WHOLE = {
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
        ({"task": "call", "id": "i"}, [[WHOLE, 1], {}, {}], "its arguments are no call"),
        ({"task": "call", "id": "i"}, [[{**WHOLE, "path": 1, "notify": None}], {}, {}], "its call lacks path, notify"),
        ({"task": "call", "id": "i"}, [[WHOLE], {}, {}], None),
        ({"task": "theirs", "id": "i"}, [[1, 2], {}, {}], None),
    ],
)
def test_misfit_of_a_task(headers, payload, misfit):
    message = SimpleNamespace(headers=headers, payload=payload)

    assert misfit_of_task(message, {"call", "theirs"}, {"call"}) == misfit
