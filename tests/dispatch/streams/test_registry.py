import pytest

from flaskJSONRPCServer.dispatch.streams import StreamedBody, StreamRegistry, has_one_thread
from flaskJSONRPCServer.dispatch.streams.registry import FOREIGN_STREAMS
from flaskJSONRPCServer.http.event_streams import StreamedResponse
from flaskJSONRPCServer.http.refusals import ServiceUnavailable
from flaskJSONRPCServer.runtime.concurrency import is_patched
from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.servBackend.stream_limits import FOREIGN, SERVED, WRAPPED, stream_limits
from flaskJSONRPCServer.settings import Settings
from tests.helpers import wait_until

GET = {"REQUEST_METHOD": "GET"}


def make_registry(**settings):
    return StreamRegistry(
        "streams", Settings(**settings), ServerLog("streams", 0), lambda head: head.get("kind", FOREIGN)
    )


def make_answer(run=lambda stream: None, **options):
    return StreamedResponse("200 OK", [], run, **options)


@pytest.mark.parametrize(("max_streams", "most"), [(None, FOREIGN_STREAMS), (2, 2)])
def test_room_ends_with_the_limit_and_comes_back(max_streams, most):
    registry = make_registry(max_streams=max_streams)
    streams = [registry.admit(make_answer(), GET).stream for _ in range(most)]

    assert registry.count() == most
    with pytest.raises(ServiceUnavailable, match=rf"max_streams \({most}\) streams are open already") as refusal:
        registry.admit(make_answer(), GET)
    assert refusal.value.retry_after_s > 0
    streams[0].close()
    registry.admit(make_answer(), GET)


def test_stream_that_ends_with_its_function_takes_no_room():
    registry = make_registry(max_streams=1)
    brief = [registry.admit(make_answer(ends_with_run=True), GET).stream for _ in range(3)]
    registry.admit(make_answer(), GET)

    registry.admit(make_answer(ends_with_run=True), GET).stream.close()
    brief[0].close()
    with pytest.raises(ServiceUnavailable):
        registry.admit(make_answer(), GET)
    registry.close_all()
    assert registry.count() == 0
    assert brief[1].is_closed


@pytest.mark.parametrize(
    ("head", "has_one"),
    [({}, False), ({"wsgi.multithread": True}, False), ({"wsgi.multithread": False}, not is_patched())],
    ids=["of a serving backend", "threads", "one thread, perhaps with greenlets"],
)
def test_program_has_one_thread_if_it_says_so_and_has_no_greenlets(head, has_one):
    assert has_one_thread(head) is has_one


@pytest.mark.skipif(is_patched(), reason="greenlets are several in one thread")
def test_one_thread_has_room_for_no_stream_but_one_that_ends_with_its_function():
    registry = make_registry()
    head = {**GET, "wsgi.multithread": False}

    with pytest.raises(ServiceUnavailable, match="answers one request at a time") as refusal:
        registry.admit(make_answer(), head)
    assert refusal.value.retry_after_s is None
    assert registry.count() == 0
    registry.admit(make_answer(ends_with_run=True), head)
    registry.close_all()


def test_first_refusal_is_logged(caplog):
    registry = StreamRegistry("streams", Settings(max_streams=1), ServerLog("streams", 3), lambda head: FOREIGN)
    registry.admit(make_answer(), GET)
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            registry.admit(make_answer(), GET)

    assert caplog.messages == [
        "a stream is refused: max_streams (1) streams are open already. Raise max_streams; see docs/serving.md"
    ]


def test_kinds_are_counted_apart():
    registry = make_registry()
    registry.limits = {SERVED: 1}
    registry.admit(make_answer(), {**GET, "kind": SERVED})
    registry.admit(make_answer(), GET)
    with pytest.raises(ServiceUnavailable):
        registry.admit(make_answer(), {**GET, "kind": SERVED})


def test_head_takes_no_room():
    registry = make_registry(max_streams=1)
    assert registry.admit(make_answer(), {"REQUEST_METHOD": "HEAD"}).stream is None
    registry.admit(make_answer(), GET)


def test_body_that_is_never_sent_gives_its_room_back():
    registry = make_registry()
    body = StreamedBody(registry.admit(make_answer(), GET).stream, {})
    assert registry.count() == 1
    del body
    assert registry.count() == 0


def test_iterable_begins_with_the_head_and_ends_with_the_stream():
    def run(stream):
        stream.send(b"a")
        stream.close()

    registry, closed = make_registry(), []
    stream = registry.admit(make_answer(run), GET).stream
    stream.on_close(lambda: closed.append(True))
    body = StreamedBody(stream, {})

    assert next(body) == b""
    assert b"".join(body) == b"a"
    body.close()
    assert closed == [True]
    assert registry.count() == 0


def test_callback_that_raises_does_not_keep_others_from_being_called():
    registry, called = make_registry(), []
    stream = registry.admit(make_answer(), GET).stream
    stream.on_close(lambda: 1 / 0)
    stream.on_close(lambda: called.append(True))
    stream.close()
    stream.on_close(lambda: called.append(True))
    assert called == [True, True]


def test_end_closes_streams_whose_functions_have_returned_and_new_ones_as_they_return():
    registry = make_registry()
    idle, begun = (registry.admit(make_answer(), GET).stream for _ in range(2))
    idle.run()
    registry.end_period()
    assert [idle.is_closed, begun.is_closed] == [True, False]
    begun.run()
    assert begun.is_closed
    registry.begin_period()
    later = registry.admit(make_answer(), GET).stream
    later.run()
    assert not later.is_closed
    registry.close_all()
    assert later.is_closed


def test_drain_waits_for_functions():
    registry = make_registry()
    counts = []
    stream = registry.admit(make_answer(lambda _: counts.append(registry.drain(0))), GET).stream
    stream.run()
    assert counts == [1]
    assert registry.drain(0) == 0


def test_closed_stream_does_not_run():
    ran = []
    stream = make_registry().admit(make_answer(lambda _: ran.append(True)), GET).stream
    stream.close()
    stream.run()
    assert ran == []


@pytest.mark.parametrize(
    ("backend", "settings", "served", "wrapped"),
    [
        ("native", {}, 1000, 32),
        ("native", {"max_connections": 100}, 50, 32),
        ("native", {"max_streams": 5000, "threads": 8}, 5000, 4),
        ("pywsgi", {"max_streams": 3}, 3, 3),
        ("granian", {}, 32, 32),
        ("granian", {"threads": 1}, 1, 1),
        ("granian", {"max_streams": 5000, "threads": 9}, 4, 4),
        ("werkzeug", {"max_streams": 3}, 3, 3),
        ("mine", {}, FOREIGN_STREAMS, FOREIGN_STREAMS),
        ("mine", {"max_streams": 9}, 9, 9),
    ],
)
def test_limits_of_backends(backend, settings, served, wrapped):
    assert stream_limits(backend, Settings(**settings)) == {SERVED: served, WRAPPED: wrapped}


def test_heartbeat_of_an_iterable():
    registry = make_registry()
    body = StreamedBody(registry.admit(make_answer(heartbeat=b":", heartbeat_s=0.01), GET).stream, {})
    assert next(body) == b""
    assert [next(body), next(body)] == [b":", b":"]
    body.close()
    wait_until(lambda: registry.count() == 0)
