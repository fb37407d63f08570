"""The time that one batch may keep other requests waiting."""

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.antifreeze import BatchLimiter, batch_limiter_for
from flaskJSONRPCServer.settings import Settings
from tests.helpers import call_wsgi, post, rpc


def test_batch_within_its_time_continues_without_a_pause():
    paused = []
    limiter = BatchLimiter(60_000, lambda: paused.append(1))

    assert [limiter.may_continue() for _ in range(3)] == [True] * 3
    assert paused == []


def test_batch_beyond_its_time_pauses():
    paused = []
    limiter = BatchLimiter(-1, lambda: paused.append(1))

    assert [limiter.may_continue() for _ in range(3)] == [True] * 3
    assert paused == [1, 1, 1]


def test_batch_beyond_its_time_ends_without_a_pause():
    assert not BatchLimiter(-1, None).may_continue()


def test_batches_have_no_limit_by_default():
    assert batch_limiter_for(Settings()) is None


def batch_of(backend, **options):
    server = flaskJSONRPCServer(None, log=False, antifreeze_batchBreak=True, **options)
    ran = []
    server.registerFunction(ran.append, path="/api", name="note", dispatcherBackend=backend)
    batch = [rpc("note", [1], 1), {"jsonrpc": "2.0", "method": "note", "params": [2]}, rpc("note", [3], "c")]
    answer = call_wsgi(server.getWSGI(), post(batch))
    server.stop()
    return ran, answer


def test_ended_batch_answers_each_call_that_was_not_run():
    for backend in ("simple", "threaded"):
        ran, answer = batch_of(backend, antifreeze_batchMaxTime=0)
        error = {"code": -32004, "message": "Not run: the batch took over antifreeze_batchMaxTime (0 ms)"}

        assert ran == []
        assert answer.json() == [
            {"jsonrpc": "2.0", "error": error, "id": 1},
            {"jsonrpc": "2.0", "error": error, "id": "c"},
        ]


def test_batch_within_its_time_is_run():
    ran, answer = batch_of("simple", antifreeze_batchMaxTime=60_000)

    assert ran == [1, 2, 3]
    assert [reply["result"] for reply in answer.json()] == [None, None]
