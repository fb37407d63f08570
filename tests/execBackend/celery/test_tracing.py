"""The trace of a call goes on in the worker that runs it."""

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.celery import CeleryBackend
from tests.execBackend.celery.processes import new_queue, worker_running
from tests.execBackend.celery.servers import notify
from tests.helpers import call, result_of, wait_until
from tests.telemetry import api

TRACE, REMOTE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTINUED = {"traceparent": f"00-{TRACE}-{REMOTE}-01", "tracestate": "vendor=1", "baggage": "user=7"}


@pytest.fixture(scope="module")
def app(broker):
    queue = new_queue()
    with worker_running(broker, queue, "-c", "1", api="tests.telemetry.api"):
        backend = CeleryBackend(broker=broker.url, queue=queue)
        server = flaskJSONRPCServer(
            None, log=False, name="test", tracing=True, dispatcherBackend=backend, notifBackend=backend
        )
        yield api.populate(server).getWSGI()
        server.stop(timeout=0)


@pytest.fixture(autouse=True)
def _no_spans(app):
    result_of(app, "finished")
    api.SPANS.clear()


def links(spans):
    """Return the name of each span with that of its parent; None if it is of another process."""
    names = {span["span_id"]: span["name"] for span in spans}
    return {span["name"]: names.get(span["parent_id"]) for span in spans}


def test_trace_of_a_call_goes_on_in_the_worker(app):
    trace_id, _, baggage = result_of(app, "seen", headers=CONTINUED)

    spans = [*api.finished(), *result_of(app, "finished")]
    assert links(spans) == {"POST /api": None, "seen": "POST /api", "run seen": "seen", "inner": "run seen"}
    assert {span["trace_id"] for span in spans} == {trace_id} == {TRACE}
    assert {span["state"] for span in spans} == {"vendor=1"}
    assert baggage == {"user": "7"}


def test_notification_keeps_its_parent_in_the_worker(app):
    notify(app, "seen")

    of_server = api.finished()
    of_worker = wait_until(lambda: result_of(app, "finished"))
    spans = [*of_server, *of_worker]
    assert links(spans) == {"POST /api": None, "seen": "POST /api", "run seen": "seen", "inner": "run seen"}
    assert len({span["trace_id"] for span in spans}) == 1


def test_unexpected_exception_is_recorded_in_the_worker_by_its_class_alone(app):
    call(app, "crash", ["s3cr3t"])

    of_server, of_worker = api.finished(), result_of(app, "finished")
    [run] = of_worker
    assert (run["name"], run["status"], run["attributes"]["error.type"]) == ("run crash", "ERROR", "-32603")
    assert run["events"] == [["exception", {"exception.type": "LookupError"}]]
    assert "s3cr3t" not in str([*of_server, *of_worker])
