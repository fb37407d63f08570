"""The table of hints, JSON values and outcomes: over each way to call, and on each exec backend."""

import json
import urllib.parse

import pytest

from flaskJSONRPCServer.contract.types import HintedType, TypeMismatch
from tests.contract.api import CASES, REFUSED, make, shown
from tests.execBackend.backends import maker_of
from tests.helpers import call_socket, call_wsgi, get, post, rpc

NUMBERED = list(enumerate(CASES))


def name_of(number):
    return f"{number}: {json.dumps(CASES[number][1])[:30]}"


def outcomes_of(answers):
    """Return the results of answers as texts, and REFUSED for those with an error of the parameter."""
    return [outcome_of(answer) for answer in answers]


def outcome_of(answer):
    if "result" in answer:
        return answer["result"]
    error = answer["error"]
    assert error["code"] == -32602, error
    assert all(entry["path"][0] == "value" and entry["message"] and entry["type"] for entry in error["data"]["errors"])
    return REFUSED


def expected(number):
    outcome = CASES[number][2]
    return REFUSED if outcome is REFUSED else shown(outcome)


@pytest.fixture(scope="module")
def application():
    return make("simple").getWSGI()


def test_table_is_long_enough():
    assert len(CASES) >= 120


@pytest.mark.parametrize("number", range(len(CASES)), ids=name_of)
def test_value_is_checked_as_the_hint_says(number):
    hint, value, outcome = CASES[number]
    hinted = HintedType(type(None) if hint is None else hint, "a parameter")

    if outcome is REFUSED:
        with pytest.raises(TypeMismatch):
            hinted.checked(value)
    else:
        assert shown(hinted.checked(value)) == shown(outcome)


@pytest.mark.parametrize("number", range(len(CASES)), ids=name_of)
def test_call_is_checked_by_position_by_name_and_in_a_batch(number, application):
    value = CASES[number][1]
    by_position, by_name = (rpc(f"case{number}", params) for params in ([value], {"value": value}))

    answers = [call_wsgi(application, post(by_position)).json(), call_wsgi(application, post(by_name)).json()]
    answers += call_wsgi(application, post([by_position, by_name])).json()

    assert outcomes_of(answers) == [expected(number)] * 4


def is_same_by_get(number):
    """Return whether the query has the JSON value, and not a text that the hint takes in another sense."""
    hint, value, outcome = CASES[number]
    if isinstance(value, str):
        return outcome is not REFUSED
    return hint is None or not HintedType(hint, "a parameter").accepts(json.dumps(value))


@pytest.mark.parametrize("number", [*filter(is_same_by_get, range(len(CASES)))], ids=name_of)
def test_call_by_get_is_checked_like_the_json_value(number, application):
    value = CASES[number][1]
    text = value if isinstance(value, str) else json.dumps(value)

    answer = call_wsgi(application, get(f"/api/case{number}?value={urllib.parse.quote(text)}")).json()

    assert outcome_of(answer) == expected(number)


@pytest.mark.parametrize("name", ["threaded", "threadedNative", "parallel", "own object", "celery"])
def test_calls_on_a_backend_are_checked_like_those_in_the_serving_thread(name):
    with maker_of_cases(name) as make_backend:
        server = make(make_backend(), ["127.0.0.1", 0])
        server.start()
        try:
            batch = [rpc(f"case{number}", [value], number) for number, (_, value, _) in NUMBERED]
            answers = call_socket(server.addresses[0], post(batch)).json()
        finally:
            server.stop()

    assert outcomes_of(answers) == [expected(number) for number, _ in NUMBERED]


def maker_of_cases(name):
    return maker_of(name, api="tests.contract.api")
