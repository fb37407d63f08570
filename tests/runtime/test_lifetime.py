"""Starts, restarts and reloads of a server."""

import pytest

from flaskJSONRPCServer.runtime.lifetime import Lifetime


@pytest.fixture
def clock(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("flaskJSONRPCServer.runtime.lifetime.time.time", lambda: clock[0])
    return clock


def test_server_that_was_not_started_lives_since_it_was_made(clock):
    lifetime = Lifetime()
    clock[0] = 150.0
    assert lifetime.started_at_s == 100
    lifetime.note_start()
    assert lifetime.started_at_s == 150


def test_time_of_the_last_reload_is_kept(clock):
    lifetime = Lifetime()
    assert lifetime.reloaded_at_s is None
    lifetime.note_reload()
    clock[0] = 200.0
    lifetime.note_restart()

    assert (lifetime.reloaded_at_s, lifetime.restarts) == (100, 1)
