"""The dead letter queue: messages that cannot be run, and notifications that kill their workers."""

import base64
import json
import re
import signal

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.celery import CeleryBackend
from flaskJSONRPCServer.execBackend.celery.app import CALL, NOTIFY
from tests.execBackend.celery import api
from tests.execBackend.celery.processes import broker_running, new_queue, worker_running
from tests.execBackend.celery.servers import notify, server_for
from tests.helpers import call_wsgi, post, result_of, rpc, wait_until

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


def test_garbage_goes_to_the_dead_letter_queue_and_the_worker_goes_on():
    queue = new_queue()
    with broker_running() as broker, worker_running(broker, queue, "-c", "1") as worker, broker.client() as client:
        client.lpush(queue, *GARBAGE)
        server = flaskJSONRPCServer(None, log=False, dispatcherBackend=CeleryBackend(broker=broker.url, queue=queue))
        server.registerFunction(api.echo, path="/api")
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


def test_notification_that_kills_its_workers_becomes_a_dead_letter(broker, caplog):
    queue = new_queue()
    with worker_running(broker, queue, "-c", "1", make="make_impatient") as program:
        with server_for(broker, queue, {"log": 3}, tries=3) as server:
            app = server.getWSGI()
            notify(app, "die")
            program.line_with(r"notification /api/die \[\w+\] was begun 3 times and never finished; it is in the queue")
            wait_until(lambda: server.stats()["celery_dead"] == 1)
            assert result_of(app, "echo", [1]) == 1
            stats = server.stats()
    (letter,) = broker.client().lrange(f"{queue}.dead", 0, -1)

    assert (stats["celery_retried"], stats["celery_failed"], stats["celery_queue"]) == (3, 1, 0)
    assert len(re.findall(r"exited with .signal 9", program.output)) == 3
    assert json.loads(base64.b64decode(json.loads(letter)["body"]))["method"] == "die"
    assert "notification /api/die was begun 3 times" in caplog.text


def test_notification_for_which_a_worker_has_other_functions_becomes_a_dead_letter(broker):
    queue = new_queue()
    with worker_running(broker, queue, "-c", "1", make="make_other") as program, server_for(broker, queue) as server:
        notify(server.getWSGI(), "pid")
        program.line_with(
            r"notification /api/pid \[\w+\] was not run: Worker differs: .*; it is in the queue '\w+.dead' now"
        )
        wait_until(lambda: server.stats()["celery_dead"] == 1)
