"""Serving backends of the user."""

import pytest

from flaskJSONRPCServer import SettingsError, flaskJSONRPCServer

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections


class Recorder:
    _id = "recorder"

    def __init__(self):
        self.seen = []

    def start(self, bindAdress, wsgiApp, server, joinLoop):
        self.seen.append(("start", bindAdress, callable(wsgiApp), server.name, joinLoop))
        return "instance"

    def stop(self, serverInstance, serverIndex, server, timeout):
        self.seen.append(("stop", serverInstance, serverIndex, server.name, timeout > 0))


def as_dict(recorder):
    return {"_id": "recorder", "start": recorder.start, "stop": recorder.stop}


@pytest.mark.parametrize("form", [lambda recorder: recorder, as_dict], ids=["object", "dict"])
def test_backend_is_started_and_stopped_by_its_contract(form):
    recorder = Recorder()
    server = flaskJSONRPCServer(["127.0.0.1", 0], name="mine", log=0, servBackend=form(recorder))
    server.start()
    server.stop()
    assert recorder.seen == [
        ("start", ["127.0.0.1", 0], True, "mine", False),
        ("stop", "instance", 0, "mine", True),
    ]


def test_stop_may_be_missing():
    seen = []
    backend = {"_id": "short", "start": lambda bindAdress, wsgiApp, server, joinLoop: seen.append("start")}
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend=backend)
    server.start()
    server.stop()
    assert seen == ["start"]


def test_instance_without_address_shows_none():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend=Recorder())
    server.start()
    assert server.addresses == []
    server.stop()


def test_failed_start_leaves_the_server_stopped():
    def start(bindAdress, wsgiApp, server, joinLoop):
        raise OSError("no such luck")

    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend={"_id": "broken", "start": start})
    for _ in range(2):
        with pytest.raises(OSError, match="no such luck"):
            server.start()
    server.settings.blocking = True  # settings may change again


@pytest.mark.parametrize("backend", [{}, {"_id": "x"}, {"start": print}, {"_id": "", "start": print}, None, 5])
def test_incomplete_backend_is_refused(backend):
    with pytest.raises(SettingsError, match="a custom one has '_id' and a function 'start'"):
        flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend=backend)
