"""States are used once."""

from flaskJSONRPCServer.mcp.asking import used_states
from flaskJSONRPCServer.mcp.asking.used_states import UsedStates


def test_state_is_used_once():
    used = UsedStates(600)

    assert used.use("a")
    assert used.use("b")
    assert not used.use("a")


def test_expired_states_are_forgotten():
    now = [0.0]
    used = UsedStates(600, lambda: now[0])
    used.use("a")
    now[0] = 599.9
    assert not used.use("a")

    now[0] = 600.0
    assert used.use("a")  # the seal refuses it by then
    assert len(used._until) == 1


def test_oldest_states_are_forgotten_at_the_limit(monkeypatch):
    monkeypatch.setattr(used_states, "_MOST_KEPT", 2)
    used = UsedStates(600)
    for state in ("a", "b", "c"):
        assert used.use(state)

    assert not used.use("c")
    assert used.use("a")
