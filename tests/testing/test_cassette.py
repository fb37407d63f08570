"""Cassettes: what is recorded, what is replayed, and what is said about a call that is not there."""

import base64
import json
import threading
import urllib.error
import urllib.request

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer
from flaskJSONRPCServer.client import Client, HttpStatusError
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcMethodNotFoundError
from flaskJSONRPCServer.testing import Cassette, served
from flaskJSONRPCServer.testing.cassette import CassetteError
from flaskJSONRPCServer.testing.recording import RecordedServer

NOWHERE = "http://127.0.0.1:9/"  # discard: nothing listens there


@pytest.fixture(scope="module")
def server():
    def is_admitted(server, path, request, method):
        return request.headers.get("X-Key") != "wrong"

    server = flaskJSONRPCServer(None, log=0, auth=is_admitted)
    numbers = iter(range(1000))

    @server.method("/api")
    def add(a, b=1):
        return a + b

    @server.method("/api")
    def next_number():
        return next(numbers)

    @server.method("/api")
    def fail(data=None):
        raise JsonRpcApplicationError("failed", code=5, data=data)

    @server.method("/api")
    def log(text): ...

    @server.method("/api")
    def echo(**values):
        return values

    @server.method("/api")
    def login(user, password):
        return {"user": user, "token": "secret-token"}

    with served(server) as running:
        yield running


@pytest.fixture
def file(tmp_path):
    return tmp_path / "deep" / "calls.json"


def record(server, file, calls, mode="once", **options):
    """Call `calls` with a client that records, and write the cassette."""
    recorded = RecordedServer(server.url, Cassette(file, mode, options.pop("hide", ())), **options)
    try:
        return calls(recorded.client)
    finally:
        recorded.passed()
        recorded.close()


def replay(file, calls, mode="none", **options):
    """Call `calls` with a client that has no server."""
    return record(type("Nothing", (), {"url": NOWHERE}), file, calls, mode, **options)


def all_kinds(client):
    with client.batch() as batch:
        pending = [batch.add(1, 2), batch.fail([1]), batch.add(b=2, a=1)]
        batch.notify.log("in a batch")
    client.notify.log("alone")
    with pytest.raises(JsonRpcApplicationError) as failed:
        client.fail()
    with pytest.raises(JsonRpcMethodNotFoundError):
        client.missing()
    outcomes = [call.exception() or call.result() for call in pending]
    return [*map(str, outcomes), str(failed.value), client.add("ä", "b"), outcomes[1].data, failed.value.data]


def test_replay_gives_the_same_answers_as_the_server(server, file):
    first = record(server, file, all_kinds)

    assert first == ["3", "failed", "3", "failed", "äb", [1], None]
    assert replay(file, all_kinds) == first
    assert replay(file, all_kinds, "once") == first


def test_cassette_is_readable_json(server, file):
    record(server, file, lambda client: (client.echo(text="ä", more=[1]), client.notify.log("x"), client.add(1)))

    assert json.loads(file.read_text(encoding="utf-8")) == {
        "cassette": 1,
        "calls": [
            {"method": "echo", "params": {"text": "ä", "more": [1]}, "result": {"text": "ä", "more": [1]}},
            {"method": "log", "params": ["x"], "notification": True},
            {"method": "add", "params": [1], "result": 2},
        ],
    }
    assert "ä" in file.read_text(encoding="utf-8")


def test_calls_are_replayed_once_each_in_their_order(server, file):
    first = record(server, file, lambda client: [client.next_number() for _ in range(3)])

    def once_more(client):
        assert [client.next_number() for _ in range(3)] == first
        client.next_number()

    with pytest.raises(CassetteError, match=r"next_number\(\) has been replayed as often as it was recorded in .*once"):
        replay(file, once_more)


@pytest.mark.parametrize("mode", ["none", "once"])
def test_call_that_is_not_recorded_is_an_error_with_the_remedy(server, file, mode):
    record(server, file, lambda client: (client.add(1, 2), client.add(3)))

    with pytest.raises(CassetteError) as caught:
        replay(file, lambda client: client.add(1, 3), mode)
    assert str(caught.value) == (
        f"add(1, 3) is not recorded in {file}, which has add(1, 2), add(3); "
        'record it with --jsonrpc-record-mode=new_episodes, or all calls anew with "all"'
    )


def test_without_a_file_nothing_is_replayed(file):
    with pytest.raises(
        CassetteError, match=r"add\(1\) is not recorded since there is no .*calls.json; record it with .*=once$"
    ):
        replay(file, lambda client: client.add(1))
    assert not file.exists()


def test_new_episodes_are_added(server, file):
    (number,) = record(server, file, lambda client: [client.next_number()])
    numbers = record(server, file, lambda client: [client.next_number(), client.next_number()], "new_episodes")

    assert numbers[0] == number
    assert replay(file, lambda client: [client.next_number(), client.next_number()]) == numbers


def test_all_calls_are_recorded_anew(server, file):
    first = record(server, file, lambda client: [client.next_number(), client.add(1)])
    second = record(server, file, lambda client: [client.next_number()], "all")

    assert first[0] != second[0]
    assert [call["result"] for call in json.loads(file.read_text())["calls"]] == second


def test_file_is_not_written_without_new_records(server, file):
    record(server, file, lambda client: client.add(1))
    file.write_text(file.read_text().replace("\n", ""))
    before = file.read_bytes()
    replay(file, lambda client: client.add(1), "new_episodes")

    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    "options",
    [
        {"auth": ("user", "sesame")},
        {"auth": "sesame"},
        {"headers": {"Cookie": "session=sesame", "X-Key": "sesame", "Authorization": "sesame"}},
    ],
)
def test_credentials_are_never_written(server, file, options):
    record(server, file, lambda client: client.add(1), **options)
    text = file.read_text()

    assert "sesame" not in text
    assert base64.b64encode(b"user:sesame").decode() not in text
    assert "127.0.0.1" not in text
    assert "Cookie" not in text


def test_members_that_are_hidden_are_not_written(server, file):
    def login(password):
        return lambda client: client.login(user="eve", password=password)

    record(server, file, login("sesame"), hide=["password", "token"])

    assert "sesame" not in file.read_text()
    assert "secret-token" not in file.read_text()
    # They are hidden in the calls that are compared too.
    assert replay(file, login("another"), hide=["password", "token"]) == {"user": "eve", "token": "(hidden)"}


def test_answer_that_is_not_json_rpc_is_not_recorded(server, file):
    with pytest.raises(HttpStatusError):
        record(server, file, lambda client: client.add(1), headers={"X-Key": "wrong"})

    assert not file.exists()


def test_clients_of_any_kind_are_recorded_and_replayed(server, file):
    def call(url):
        body = b'{"jsonrpc": "2.0", "method": "add", "params": [1, 2], "id": "x"}'
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", "Authorization": "sesame"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    for mode, url in (("once", server.url), ("none", NOWHERE)):
        recorded = RecordedServer(url, Cassette(file, mode))
        assert call(recorded.url) == {"jsonrpc": "2.0", "result": 3, "id": "x"}
        assert recorded.problems() == []
        recorded.passed()
        recorded.close()
    assert "sesame" not in file.read_text()


@pytest.mark.parametrize("mode", ["none", "new_episodes", "all"])
@pytest.mark.parametrize("body", [b"{", b"[]", b'{"jsonrpc": "2.0"}'])
def test_request_that_is_no_json_rpc_is_answered_and_not_recorded(server, file, mode, body):
    recorded = RecordedServer(server.url, Cassette(file, mode))
    request = urllib.request.Request(recorded.url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    recorded.passed()
    recorded.close()

    assert answer["error"]["code"] in (-32700, -32600)
    assert recorded.problems() == []
    assert not file.exists()


def test_call_of_another_client_that_is_not_recorded_is_reported(file):
    recorded = RecordedServer(NOWHERE, Cassette(file))
    with Client(recorded.url) as client, pytest.raises(HttpStatusError, match=r"500: add\(1\) is not recorded"):
        client.add(1)
    recorded.close()

    (problem,) = recorded.problems()
    assert problem.startswith("add(1) is not recorded since there is no ")


def test_threads_replay_a_call_once_each(server, file):
    count = 20
    record(server, file, lambda client: [client.next_number() for _ in range(count)])
    numbers = []

    def all_at_once(client):
        threads = [threading.Thread(target=lambda: numbers.append(client.next_number())) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    replay(file, all_at_once)
    assert len(set(numbers)) == count


@pytest.mark.parametrize("text", ["{", "[]", '{"cassette": 2, "calls": []}', '{"cassette": 1, "calls": [3]}', "\udcff"])
def test_file_that_is_no_cassette_is_an_error_with_the_remedy(tmp_path, text):
    file = tmp_path / "calls.json"
    file.write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(CassetteError, match=r"calls.json .*; delete it, and record it again"):
        Cassette(file)


def test_unknown_mode_is_an_error():
    with pytest.raises(ValueError, match="unknown record mode 'sometimes'; known: none, once, new_episodes, all"):
        Cassette("calls.json", "sometimes")
