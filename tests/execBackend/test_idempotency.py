"""Idempotency keys over sockets: a call with a key runs once, whichever exec backend runs it."""

import threading

import pytest

from tests.execBackend.api import PATIENCE_S, make
from tests.execBackend.backends import maker_of
from tests.helpers import call_socket, post, rpc, wait_until

CLIENTS = 100

BACKENDS = ("simple", "threaded", "threadedNative", "parallel", "celery", "own object")


@pytest.fixture(params=BACKENDS, scope="module")
def address(request):
    with maker_of(request.param) as make_backend:
        backend = make_backend()
        options = {} if request.param.startswith("own") else {"notifBackend": backend}
        server = make(backend, ["127.0.0.1", 0], **options)
        server.start()
        try:
            yield server.addresses[0]
        finally:
            server.stop()


def together(address, requests):
    """Send requests at the same time, each over a connection of its own; return the answers."""
    answers, barrier = [], threading.Barrier(len(requests))

    def call(request):
        barrier.wait(PATIENCE_S)
        answers.append(call_socket(address, request))

    threads = [threading.Thread(target=call, args=[request]) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE_S)
    return answers


def keyed(payload, key):
    return post(payload, headers={"Idempotency-Key": key, "X-Asked": "yes"})


def with_key(call, key):
    return {**call, "idempotencyKey": key}


FORMS = {
    "header": keyed,
    "header of a batch": lambda call, key: keyed([call], key),
    "member": lambda call, key: post(with_key(call, key)),
    "member of a batch": lambda call, key: post([with_key(call, key)]),
}


@pytest.fixture
def name(request):
    """A key that no other test has."""
    return request.node.name.replace(" ", "_")


@pytest.fixture(params=FORMS)
def form(request, name):
    """Make requests with keys, in each form."""
    return lambda call, key="": FORMS[request.param](call, f"{name}{key}")


@pytest.fixture(params=["header", "member of a batch"])
def some_form(request, name):
    """Make requests with keys, in two forms that differ most."""
    return lambda call, key="": FORMS[request.param](call, f"{name}{key}")


def append_and_count(tmp_path):
    """Return a call that appends to a file and returns its length, on any backend."""
    return rpc("append", [str(tmp_path / "runs")])


def runs(tmp_path):
    return (tmp_path / "runs").read_text().count("\n")


def test_call_of_a_caller_that_has_left_does_not_begin(address, name, tmp_path):
    call = append_and_count(tmp_path)
    late = post(call, headers={"Request-Timeout": "0.000000001", "Idempotency-Key": name})

    assert call_socket(address, late).json()["error"]["data"] == {"work": "not started"}
    assert call_socket(address, keyed(call, name)).json()["result"] == 1


def test_hundred_clients_with_one_key_run_the_call_once(address, form, tmp_path):
    answers = together(address, [form(append_and_count(tmp_path))] * CLIENTS)

    assert len(answers) == CLIENTS
    assert len(set(answers)) == 1
    assert b'"result":1' in answers[0].body
    assert runs(tmp_path) == 1


def test_clients_with_keys_of_their_own_run_their_calls(address, some_form, tmp_path):
    requests = [some_form(append_and_count(tmp_path), str(number % 4)) for number in range(8)]

    assert {answer.code for answer in together(address, requests)} == {200}
    assert runs(tmp_path) == 4


@pytest.mark.parametrize(
    "call", [rpc("fail"), rpc("leave"), rpc("chosen"), rpc("fail_later")], ids=lambda c: c["method"]
)
def test_error_of_a_call_that_ran_is_stored(address, some_form, call):
    first = call_socket(address, some_form(call))

    assert b'"error"' in first.body
    assert call_socket(address, some_form(call)) == first  # the correlation id of an unexpected exception too


def test_refusal_of_the_parameters_is_not_stored(address, some_form, tmp_path):
    refused = some_form(rpc("append", [1, 2, 3]))

    assert b"-32602" in call_socket(address, refused).body
    assert b'"result":1' in call_socket(address, some_form(append_and_count(tmp_path))).body


def test_response_fields_are_stored_with_the_request(address, name):
    first = call_socket(address, keyed(rpc("describe", [7]), name))

    assert first.header("X-Value") == "7"
    assert first.header("Content-Type") == "text/plain"
    assert call_socket(address, keyed(rpc("describe", [7]), name)) == first


def test_notification_with_a_key_runs_once(address, some_form, tmp_path):
    call = {name: value for name, value in append_and_count(tmp_path).items() if name != "id"}

    assert {answer.code for answer in together(address, [some_form(call)] * 10)} == {204}
    wait_until((tmp_path / "runs").exists)
    assert call_socket(address, post(append_and_count(tmp_path))).json()["result"] == 2


def test_batches_with_the_same_keys_in_other_orders_do_not_wait_for_each_other(address, name, tmp_path):
    calls = [with_key(append_and_count(tmp_path) | {"id": n}, f"{name}{n}") for n in range(6)]
    orders = [calls, calls[::-1], calls[3:] + calls[:3]] * 3

    answers = together(address, [post(order) for order in orders])
    replies = [{reply["id"]: reply["result"] for reply in answer.json()} for answer in answers]
    assert all(each == replies[0] for each in replies)
    assert set(replies[0]) == set(range(6))
    assert runs(tmp_path) == 6
