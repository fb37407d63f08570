"""The counts of exec backends, as metrics and the console read them."""

import logging

import pytest

from flaskJSONRPCServer.execBackend.counts import CountReader
from flaskJSONRPCServer.runtime.logs import ServerLog


class Backend:
    _id = "mine"

    def __init__(self, *outcomes):
        self._outcomes = list(outcomes)

    def stats(self, inMS):
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


@pytest.fixture
def reader():
    return CountReader(ServerLog("counts", 1))


def test_numbers_are_read_by_their_names_without_that_of_the_backend(reader):
    stats = {"mine_done": 1, "cost": 0.5, "mine_up": True, "note": "x", 5: 6, "none": None, "huge": 10**400}

    assert reader.read(Backend(stats)) == {"done": 1, "cost": 0.5, "5": 6}


def test_failures_in_a_row_are_one_record(reader, caplog):
    backend = Backend(ValueError(), SystemExit(), {"mine_done": 1}, None, ValueError())
    with caplog.at_level(logging.ERROR):
        read = [reader.read(backend) for _ in range(5)]

    assert read == [None, None, {"done": 1}, None, None]
    assert [record.message for record in caplog.records] == ["stats() of exec backend 'mine' raised"] * 2
