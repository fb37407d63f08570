"""States are used once."""

import tempfile

import pytest

from flaskJSONRPCServer.mcp.asking import used_states
from flaskJSONRPCServer.mcp.asking.used_states import SharedUsedStates, UsedStates
from flaskJSONRPCServer.runtime.logs import ServerLog
from tests.mcp.judged import answer_to, make_server, result_of
from tests.mcp.session_tools import greet

SECRET = "u" * 32


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """Return the folder of the system for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def log():
    return ServerLog("used", 2)


@pytest.fixture(params=["memory", "folder"])
def make(request, tmp_path, log):
    return UsedStates if request.param == "memory" else lambda: SharedUsedStates(tmp_path / "used", log)


def test_state_is_used_once(make):
    used = make()

    assert used.use("a", 600)
    assert used.use("b", 600)
    assert not used.use("a", 600)


def test_expired_states_are_forgotten():
    now = [0.0]
    used = UsedStates(lambda: now[0])
    used.use("a", 600)
    now[0] = 599.9
    assert not used.use("a", 600)

    now[0] = 600.0
    assert used.use("a", 600)  # the seal refuses it by then
    assert len(used._until) == 1


def test_oldest_states_are_forgotten_at_the_limit(monkeypatch):
    monkeypatch.setattr(used_states, "_MOST_KEPT", 2)
    used = UsedStates()
    for state in ("a", "b", "c"):
        assert used.use(state, 600)

    assert not used.use("c", 600)
    assert used.use("a", 600)


def test_processes_with_one_folder_share_what_they_have_used(tmp_path, log):
    one, other = (SharedUsedStates(tmp_path / "used", log) for _ in range(2))

    assert [one.use("a", 600), other.use("a", 600), other.use("b", 600), one.use("b", 600)] == [
        True,
        False,
        True,
        False,
    ]
    assert (tmp_path / "used").stat().st_mode & 0o777 == 0o700
    assert not SharedUsedStates(tmp_path / "used", log).use("a", 600)  # one that starts later


def test_files_of_expired_states_are_removed(tmp_path, log):
    now = [10_000.0]
    used = SharedUsedStates(tmp_path / "used", log, lambda: now[0])
    used.use("a", 600)
    now[0] += 300
    used.use("b", 600)
    now[0] += 361
    used.use("c", 600)

    assert {path.name for path in (tmp_path / "used").iterdir()} == {"b", "c"}


def test_oldest_files_are_removed_at_the_limit(tmp_path, log, monkeypatch):
    monkeypatch.setattr(used_states, "_MOST_KEPT", 2)
    now = [10_000.0]
    used = SharedUsedStates(tmp_path / "used", log, lambda: now[0])
    for state in ("a", "b", "c"):
        now[0] += 1
        used.use(state, 600)
    now[0] += 60
    used.use("d", 600)

    assert {path.name for path in (tmp_path / "used").iterdir()} == {"c", "d"}


def test_folder_of_another_user_is_not_used(tmp_path, log, caplog):
    (tmp_path / "used").mkdir(0o755)
    used = SharedUsedStates(tmp_path / "used", log)

    assert [used.use("a", 600), used.use("a", 600), used.use("b", 600)] == [True, False, True]
    assert list((tmp_path / "used").iterdir()) == []
    (text,) = caplog.messages
    assert "is not a folder of this user alone" in text
    assert "set TMPDIR" in text


def server_with(**options):
    server, _ = make_server(**options)
    server.registerFunction(greet, path="/api", mcp=True)
    return server


def ask_and_answer(server):
    """Return the parameters of a request that brings the answer to a question."""
    params = {"name": "greet", "arguments": {}}
    asked = result_of(server, "tools/call", params, capabilities={"elicitation": {}})
    (key,) = asked["inputRequests"]
    answers = {key: {"action": "accept", "content": {"name": "Ann"}}}
    return {**params, "requestState": asked["requestState"], "inputResponses": answers}


def outcome(server, params):
    _, answer = answer_to(server, "tools/call", params, capabilities={"elicitation": {}})
    return answer["error"]["message"] if "error" in answer else answer["result"]["content"][0]["text"]


def test_state_is_taken_by_one_of_the_servers_with_one_secret(temporary):
    asking, other = server_with(secret=SECRET), server_with(secret=SECRET)
    params = ask_and_answer(asking)

    assert outcome(other, params) == "accept Ann"
    assert "it was used before" in outcome(asking, params)
    assert "it was used before" in outcome(server_with(secret=SECRET), params)  # one that starts later
    (folder,) = temporary.iterdir()
    assert folder.name.startswith("flaskJSONRPCServer-")
    assert SECRET not in folder.name


def test_server_of_another_name_refuses_the_state(temporary):
    params = ask_and_answer(server_with(secret=SECRET, name="one"))

    assert "belongs to another caller or another call" in outcome(server_with(secret=SECRET, name="other"), params)
    assert outcome(server_with(secret=SECRET, name="one"), params) == "accept Ann"


def test_server_without_a_secret_writes_no_files(temporary):
    server = server_with()
    params = ask_and_answer(server)

    assert outcome(server, params) == "accept Ann"
    assert list(temporary.iterdir()) == []
