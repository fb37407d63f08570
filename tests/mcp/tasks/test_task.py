"""One task: its statuses, its questions and its members."""

import pytest

from flaskJSONRPCServer.dispatch.call_control import CallControl
from flaskJSONRPCServer.mcp.tasks.task import Task, TaskTimes, new_task_id
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcError, make_codec

CODEC = make_codec("json")


def new_task(ttl_s=60, poll_s=0.5):
    return Task(new_task_id(), b"owner", TaskTimes(ttl_s, poll_s), lambda: CODEC)


def question(text):
    return {"method": "elicitation/create", "params": {"message": text}}


def without_times(members):
    times = {"createdAt", "lastUpdatedAt", "ttlMs", "pollIntervalMs"}
    assert times <= set(members)
    return {name: value for name, value in members.items() if name not in times}


def test_new_task_works_and_says_how_long_it_lives():
    task = new_task(ttl_s=1.5, poll_s=0.25)

    created = task.created()

    assert without_times(created) == {"taskId": task.id, "status": "working"}
    assert (created["ttlMs"], created["pollIntervalMs"]) == (1500, 250)
    assert created["createdAt"] == created["lastUpdatedAt"]
    assert created["createdAt"].endswith("Z")
    assert task.detailed() == created


def test_ids_differ_and_have_at_least_128_bits():
    ids = {new_task().id for _ in range(100)}
    assert len(ids) == 100
    assert min(map(len, ids)) >= 22


def test_completed_task_has_its_result():
    task = new_task()

    assert task.complete(b'{"result": {"content": []}}')

    assert without_times(task.detailed()) == {"taskId": task.id, "status": "completed", "result": {"content": []}}
    assert without_times(task.created()) == {"taskId": task.id, "status": "completed"}


@pytest.mark.parametrize(
    ("error", "members"),
    [
        (JsonRpcError(-32603, "gone"), {"code": -32603, "message": "gone"}),
        (JsonRpcError(-5, "gone", [1]), {"code": -5, "message": "gone", "data": [1]}),
    ],
    ids=["without data", "with data"],
)
def test_failed_task_has_its_error(error, members):
    task = new_task()

    assert task.fail(error)

    expected = {"taskId": task.id, "status": "failed", "statusMessage": "gone", "error": members}
    assert without_times(task.detailed()) == expected


ENDS = {
    "complete": lambda task: task.complete(b'{"result": {}}'),
    "fail": lambda task: task.fail(JsonRpcError(-32603, "gone")),
    "cancel": lambda task: task.cancel(),
    "give up": lambda task: task.give_up(JsonRpcError(-32603, "gone")),
}


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", [*ENDS, "ask"])
def test_ended_task_does_not_change(first, second):
    task = new_task()
    ENDS[first](task)
    before = task.detailed()

    later = {**ENDS, "ask": lambda task: task.ask({"name": question("?")})}[second]

    assert not later(task)
    assert not task.begin_run(CallControl())
    assert not task.progress(1, 2, None)
    assert task.detailed() == before


@pytest.mark.parametrize("end", ["cancel", "give up"])
def test_task_that_is_stopped_cancels_its_call(end):
    task, control = new_task(), CallControl()
    assert task.begin_run(control)

    ENDS[end](task)

    assert control.is_cancelled


def test_completed_task_does_not_cancel_its_call():
    task, control = new_task(), CallControl()
    task.begin_run(control)

    task.complete(b'{"result": {}}')
    task.cancel()

    assert not control.is_cancelled


def test_questions_are_shown_until_they_are_answered():
    task = new_task()
    assert task.ask({"a": question("A?"), "b": question("B?")})
    shown = task.detailed()["inputRequests"]
    assert shown["a"] == {"method": "elicitation/create", "params": {"message": "A?"}}
    assert (task.detailed()["status"], set(shown)) == ("input_required", {"a", "b"})

    assert not task.answer({"a": {"action": "accept"}, "c": {}})
    assert set(task.detailed()["inputRequests"]) == {"b"}
    assert task.detailed()["status"] == "input_required"

    assert task.answer({"b": {"action": "decline"}})
    assert without_times(task.detailed()) == {"taskId": task.id, "status": "working"}
    assert task.answers == {"a": {"action": "accept"}, "b": {"action": "decline"}}


def test_question_that_is_asked_again_gets_another_key():
    task, keys = new_task(), []
    for number in range(3):
        task.ask({"name": question("?")})
        (key,) = task.detailed()["inputRequests"]
        keys.append(key)
        assert task.answer({key: {"number": number}})

    assert keys == ["name", "name-2", "name-3"]
    assert task.answers == {"name": {"number": 2}}


def test_answers_that_cannot_be_used_are_counted_by_their_questions():
    task = new_task()
    counts = [task.count_unusable(["name"])]
    for key in ("name", "name-2"):
        task.ask({"name": question("?")})
        task.answer({key: {}})
        counts.append(task.count_unusable(["name", "more"]))

    assert counts == [{}, {"name": 1}, {"name": 2}]


def test_answer_to_a_question_of_an_earlier_round_is_ignored():
    task = new_task()
    task.ask({"name": question("?")})
    task.answer({"name": {"number": 1}})
    task.ask({"name": question("?")})

    assert not task.answer({"name": {"number": 2}})

    assert task.answers == {"name": {"number": 1}}


@pytest.mark.parametrize(
    ("progress", "message"),
    [((1, None, None), "1"), ((1.5, 2, None), "1.5 of 2"), ((1, 2, "half"), "half")],
    ids=["amount", "share", "message"],
)
def test_progress_is_the_message_of_a_task_that_works(progress, message):
    task = new_task()
    task.progress(*progress)
    assert task.detailed()["statusMessage"] == message


def test_progress_is_told_no_more_often_than_clients_ask():
    task = new_task(poll_s=3600)
    assert [task.progress(done, None, None) for done in range(3)] == [True, False, False]
    assert task.detailed()["statusMessage"] == "2"
