"""The functions whose calls the tests trace. Child processes and workers import this module too.

It sets an SDK that keeps the spans in the memory of the process.
"""

import asyncio
import threading

from opentelemetry import baggage, metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcApplicationError


class FaultyProcessor(SpanProcessor):
    """Fails on request."""

    fails = False

    def on_start(self, span, parent_context=None):
        if self.fails == "start":
            raise LookupError("a processor of the user's")

    def on_end(self, span):
        if self.fails == "end":
            raise LookupError("a processor of the user's")


FAULTY = FaultyProcessor()
SPANS = InMemorySpanExporter()
METRICS = InMemoryMetricReader()

if not isinstance(trace.get_tracer_provider(), TracerProvider):  # a process has one, and others may have set it
    trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(SPANS))
trace.get_tracer_provider().add_span_processor(FAULTY)
metrics.set_meter_provider(MeterProvider([METRICS]))

GATE = threading.Event()


def add(a, b=1):
    return a + b


def seen():
    """Return the ids of the current span and its baggage, in a span of the function's own."""
    current = trace.get_current_span()
    with trace.get_tracer("api").start_as_current_span("inner"):
        context = current.get_span_context()
        return [f"{context.trace_id:032x}", f"{context.span_id:016x}", dict(baggage.get_all())]


async def seen_by_coroutine():
    await asyncio.sleep(0)
    return seen()


def finished():
    """Return the spans that have ended in this process, as plain values, and forget them; not those of this call."""
    spans = [plain(span) for span in SPANS.get_finished_spans() if span.name != "run finished"]
    SPANS.clear()
    return spans


def plain(span):
    parent = span.parent and f"{span.parent.span_id:016x}"
    return {
        "name": span.name,
        "kind": span.kind.name,
        "trace_id": f"{span.context.trace_id:032x}",
        "span_id": f"{span.context.span_id:016x}",
        "parent_id": parent,
        "attributes": dict(span.attributes),
        "status": span.status.status_code.name,
        "text": span.status.description,
        "events": [[event.name, dict(event.attributes)] for event in span.events],
        "state": span.context.trace_state.to_header(),
    }


def crash(secret):
    raise LookupError(secret)


def refuse(secret):
    raise JsonRpcApplicationError(f"no: {secret}", code=5, data=secret)


def unwritable():
    return object()


def wait():
    GATE.wait(30)


FUNCTIONS = (add, seen, seen_by_coroutine, finished, crash, refuse, unwritable, wait)


def populate(server):
    for function in FUNCTIONS:
        server.registerFunction(function, path="/api")
    return server


def make_server():
    """Return the server of a worker. The environment names its broker."""
    return populate(
        flaskJSONRPCServer(
            None, log=False, name="test", tracing=True, dispatcherBackend="celery", notifBackend="celery"
        )
    )
