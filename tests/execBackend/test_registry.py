"""The exec backends of one server: registered once, started, merged into the statistics, and stopped."""

import pytest

from flaskJSONRPCServer import ServerStateError, SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import execBackendMap, merge
from flaskJSONRPCServer.execBackend.threaded import ThreadedBackend
from tests.execBackend.backends import OwnBackend, as_dict
from tests.helpers import call_wsgi, post, rpc


def test_one_object_for_several_dispatchers_is_started_once():
    backend = OwnBackend()
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, dispatcherBackend=backend, notifBackend=backend)
    for path in ("/a", "/b"):
        server.registerFunction(len, path=path, dispatcherBackend=backend, notifBackend=backend)
    for _ in range(2):
        server.start()
        server.stop()

    assert backend.events == ["start", "stop"] * 2


def test_backend_starts_with_the_first_call_if_the_server_is_only_mounted():
    backend = OwnBackend()
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: 1, path="/api", name="one", dispatcherBackend=backend)
    application = server.getWSGI()
    assert backend.events == []
    for _ in range(2):
        call_wsgi(application, post(rpc("one")))
    assert backend.events == ["start"]
    server.stop()
    assert backend.events == ["start", "stop"]
    assert call_wsgi(application, post(rpc("one"))).json()["result"] == 1
    server.stop()


def test_failed_start_of_a_backend_is_a_failed_start_of_the_server():
    working = OwnBackend()
    broken = {**dict.fromkeys(("add", "check"), len), "_id": "broken", "start": lambda server: 1 / 0}
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, dispatcherBackend=working, notifBackend=broken)
    with pytest.raises(ZeroDivisionError):
        server.start()

    assert working.events == ["start", "stop"]
    assert server.addresses == []


def test_statistics_are_merged_without_replacing_those_of_the_server():
    class Talkative(OwnBackend):
        def stats(self, inMS):
            return {**super().stats(inMS), "requestCount": "mine"}

    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=Talkative())
    server.registerFunction(lambda: 1, path="/api", name="one")
    server._speedStatsAdd("theirs", 5)
    call_wsgi(server.getWSGI(), post(rpc("one")))
    stats = server.stats(inMS=True)
    server.stop()

    assert stats["own_threads"] == 1
    assert stats["requestCount"] == 1
    assert stats["speedStats"] == {"theirs_max": 5, "theirs_average": 5, "own_max": 1}


def test_backends_are_running_between_start_and_stop():
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend="threaded")
    backends = server._engine.exec_backends
    assert backends.running() == []
    backends.start()
    assert [backend._id for backend in backends.running()] == ["threaded"]
    backends.stop()
    assert backends.running() == []


def test_two_backends_with_one_id_are_refused():
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=OwnBackend())
    with pytest.raises(SettingsError, match="another exec backend has the _id 'own' already"):
        server.registerFunction(len, path="/api", dispatcherBackend=OwnBackend())


@pytest.mark.parametrize(
    ("target", "update", "merged"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}),
        ({"a": {"x": 1}}, {"a": {"x": 2, "y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": {"x": {"deep": 1}}}, {"a": {"x": {"other": 2}}}, {"a": {"x": {"deep": 1}}}),
        ({"a": 1}, {"a": {"x": 2}}, {"a": 1}),
        ({"a": {"x": 1}}, {"a": 2}, {"a": {"x": 1}}),
    ],
)
def test_merge_overwrites_nothing(target, update, merged):
    merge(target, update)

    assert target == merged


def test_merge_copies_dicts():
    update = {"a": {"x": 1}}
    target = {}
    merge(target, update)
    target["a"]["x"] = 2

    assert update == {"a": {"x": 1}}


@pytest.mark.parametrize("backend", [{"add": len}, {"_id": "mine"}, {"_id": "mine", "add": 5}, 5, None])
def test_backend_without_a_name_or_add_is_refused(backend):
    with pytest.raises(SettingsError, match="is refused: a custom one has '_id' and a function 'add'"):
        flaskJSONRPCServer(None, log=False, dispatcherBackend=backend)


@pytest.mark.parametrize(("option", "notif"), [("dispatcherBackend", False), ("notifBackend", True)])
def test_unknown_name_is_refused_with_the_option_and_the_known_ones(option, notif):
    with pytest.raises(SettingsError, match=rf"unknown exec backend for {option} 'treaded'; did you mean 'threaded'"):
        flaskJSONRPCServer(None, log=False, **{option: "treaded"})


def test_stop_returns_lost_notifications_of_an_object_and_of_a_dict(caplog):
    class Losing(OwnBackend):
        def stop(self, server, timeout, processingDispatcherCountMax):
            return 2

    backends = [Losing(), {**as_dict(Losing()), "_id": "dict"}]
    server = flaskJSONRPCServer(None, log=3)
    for number, backend in enumerate(backends):
        server.registerFunction(len, path=f"/{number}", dispatcherBackend=backend)
    server._startExecBackends()
    server.stop()

    assert server.stats()["notificationLostCount"] == 4
    assert "exec backend 'dict' stopped with 2 notifications not finished" in caplog.text


@pytest.mark.parametrize(("exc", "stops"), [(KeyboardInterrupt, ["stop", "stop"]), (RuntimeError, ["stop"])])
def test_next_stop_finishes_an_interrupted_one_and_no_failed_one(exc, stops):
    class Failing(OwnBackend):
        def stop(self, server, timeout, processingDispatcherCountMax):
            if super().stop(server, timeout, processingDispatcherCountMax) or self.events.count("stop") == 1:
                raise exc("in the first stop")

    failing, later = Failing(), {**as_dict(last := OwnBackend()), "_id": "later"}
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=failing, notifBackend=later)
    server._startExecBackends()
    with pytest.raises(exc, match="in the first stop"):
        server._stopExecBackends()
    assert last.events == ["start", "stop"]
    for _ in range(2):
        server._stopExecBackends()

    assert failing.events == ["start", *stops]
    assert last.events == ["start", "stop"]


def test_name_of_the_original_server_is_the_factory_of_the_backend():
    from flaskJSONRPCServer import execBackend

    assert execBackend.execBackend_threaded is execBackendMap["threaded"] is ThreadedBackend
    with pytest.raises(AttributeError, match="execBackend_treaded: unknown exec backend 'treaded'"):
        _ = execBackend.execBackend_treaded
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = execBackend.nothing


def test_first_backend_with_an_application_is_asked_for_it():
    class WithApplication(OwnBackend):
        def __init__(self, name):
            super().__init__()
            self._id = name

        def celery_app(self, context):
            return f"{self._id} of {context.name}"

    server = flaskJSONRPCServer(None, log=False, name="theirs", dispatcherBackend=WithApplication("one"))
    server.registerFunction(len, path="/two", dispatcherBackend=WithApplication("two"))
    backends = server._engine.exec_backends

    assert (server.celery, backends.celery_app("two")) == ("one of theirs", "two of theirs")
    with pytest.raises(ServerStateError, match="unknown celery backend 'three'"):
        backends.celery_app("three")


def test_backend_whose_stop_raises_does_not_keep_the_others_running():
    first, last = OwnBackend(), OwnBackend()
    last._id = "last"
    broken = {**dict.fromkeys(("add", "check"), len), "_id": "broken", "stop": lambda *arguments: 1 / 0}
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, dispatcherBackend=first, notifBackend=broken)
    server.registerFunction(len, path="/api", dispatcherBackend=last)
    server.start()
    with pytest.raises(ZeroDivisionError):
        server.stop()

    assert (first.events, last.events) == (["start", "stop"], ["start", "stop"])
    assert server.addresses == []


@pytest.mark.parametrize("backend", [ThreadedBackend, OwnBackend])
def test_class_in_the_place_of_an_object_is_refused(backend):
    with pytest.raises(SettingsError, match=rf"is a class; give it {backend.__name__}\(\)"):
        flaskJSONRPCServer(None, dispatcherBackend=backend)


@pytest.mark.parametrize("name", ["start", "stop", "stats"])
def test_member_that_is_no_function_is_refused(name):
    backend = {**dict.fromkeys(("add", "check"), len), "_id": "odd", name: 5}
    with pytest.raises(SettingsError, match=f"its '{name}' is 5, which is no function"):
        flaskJSONRPCServer(None, dispatcherBackend=backend)


def test_statistics_that_are_no_dict_are_an_error_with_the_backend():
    backend = {**dict.fromkeys(("add", "check"), len), "_id": "odd", "stats": lambda in_ms: [1]}
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, dispatcherBackend=backend)
    server.start()
    try:
        with pytest.raises(TypeError, match=r"stats\(\) of the exec backend 'odd' returned \[1\]"):
            server.stats()
    finally:
        server.stop()
