"""Short calls run in the manager's thread, until one of them is long."""

import contextlib
import http.client
import json
import select
import threading
import time

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.servBackend.native import leadership, request_queue, short_calls
from tests.helpers import wait_until

PATIENCE_S = 30


class Api:
    """Functions that report how they run."""

    def __init__(self):
        self.gate, self.begun = threading.Event(), threading.Semaphore(0)
        self.running, self.most_running = 0, 0
        self._counting = threading.Lock()

    def thread(self):
        return threading.current_thread().name

    def block(self):
        self.begun.release()
        assert self.gate.wait(PATIENCE_S)
        return "went on"

    def overlap(self, seconds=0):
        with self._counting:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        time.sleep(seconds)  # the work; the test counts the calls that run meanwhile
        with self._counting:
            self.running -= 1


class Served:
    def __init__(self, **options):
        self.api = Api()
        self.server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend="native", name="served", log=0, **options)
        for function in (self.api.thread, self.api.block, self.api.overlap):
            self.server.registerFunction(function, path="/api")
        self.server.start()

    def client(self, path="/api"):
        return Client(self.server.addresses[0], path)

    def wait_until_short(self):
        """Call until the calls run in the manager's thread."""
        with self.client() as client:
            wait_until(lambda: client.call("thread").partition("-follower")[0] == "served-native-connections")


class Client:
    def __init__(self, address, path):
        self._connection = http.client.HTTPConnection(*address, timeout=PATIENCE_S)
        self._path = path

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._connection.close()

    def send(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
        self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})

    def receive(self):
        answer = json.loads(self._connection.getresponse().read())
        return answer.get("result", answer)

    def call(self, method, *params):
        self.send(method, *params)
        return self.receive()

    def has_answer(self):
        return bool(select.select([self._connection.sock], [], [], 0)[0])


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Count calls as short even if a loaded machine delays them."""
    monkeypatch.setattr(short_calls, "SHORT_S", 0.02)
    monkeypatch.setattr(short_calls, "FIRST_AVERAGE_S", 0.1)
    monkeypatch.setattr(short_calls, "LONG_S", 0.5)
    monkeypatch.setattr(short_calls, "FIRST_PAUSE_S", 0.001)


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stack:

        def start(**options):
            served = Served(**options)
            stack.callback(served.server.stop, timeout=PATIENCE_S)
            stack.callback(served.api.gate.set)
            return served

        yield start


def test_short_calls_run_in_the_thread_of_the_connections(serve):
    serve().wait_until_short()


def test_call_that_blocks_delays_no_other_call(serve):
    served = serve()
    served.wait_until_short()
    with contextlib.ExitStack() as stack:
        blocked = [stack.enter_context(served.client()) for _ in range(5)]
        for client in blocked:
            client.send("block")
            assert served.api.begun.acquire(timeout=PATIENCE_S)
        with served.client() as other:
            assert other.call("thread").startswith("served-native")
        served.api.gate.set()
        assert [client.receive() for client in blocked] == ["went on"] * 5
        assert [client.call("thread")[:13] for client in blocked] == ["served-native"] * 5


def test_requests_behind_a_call_that_blocks_are_answered_before_it_ends(serve):
    served = serve()
    served.wait_until_short()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(served.client()) for _ in range(20)]
        blocked, *others = clients
        blocked.send("block")
        for client in others:  # some of these come in the same turn of the manager
            client.send("thread")
        assert all(client.receive().startswith("served-native") for client in others)
        assert not served.api.gate.is_set()
        served.api.gate.set()
        assert blocked.receive() == "went on"


@pytest.mark.parametrize("threads", [1, 2])
def test_no_more_calls_run_at_once_than_there_are_threads(serve, threads):
    served = serve(threads=threads)
    served.wait_until_short()

    def call_all():
        with served.client() as client:
            for number in range(60):
                client.call("overlap", 0.015 if number % 20 == 0 else 0)

    callers = [threading.Thread(target=call_all) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert served.api.most_running <= threads


def test_stop_waits_for_a_call_that_has_cost_the_lead(serve):
    served = serve()
    served.wait_until_short()
    with served.client() as client:
        client.send("block")
        assert served.api.begun.acquire(timeout=PATIENCE_S)
        stop = threading.Thread(target=served.server.stop, kwargs={"timeout": PATIENCE_S})
        stop.start()
        served.api.gate.set()
        assert client.receive() == "went on"
        stop.join()
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("served-native")])


def test_stop_gives_up_on_a_call_that_does_not_end(serve):
    served = serve()
    served.wait_until_short()
    with served.client() as client:
        client.send("block")
        assert served.api.begun.acquire(timeout=PATIENCE_S)
        served.server.stop(timeout=0.1)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            client.receive()
        served.api.gate.set()
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("served-native")])


def test_notifications_and_batches_are_answered_alike(serve):
    served = serve()
    served.wait_until_short()
    batch = [{"jsonrpc": "2.0", "method": "overlap", "id": number} for number in range(3)]
    with served.client() as client:
        for _ in range(3):
            client._connection.request("POST", "/api", json.dumps(batch), {"Content-Type": "application/json"})
            assert [item["id"] for item in json.loads(client._connection.getresponse().read())] == [0, 1, 2]
            notification = json.dumps({"jsonrpc": "2.0", "method": "overlap"})
            client._connection.request("POST", "/api", notification, {"Content-Type": "application/json"})
            answer = client._connection.getresponse()
            assert (answer.status, answer.read()) == (204, b"")


@contextlib.contextmanager
def next_turn(served):
    """Hold the manager's thread by a short call: the requests that are sent meanwhile come in its next turn."""
    held, release = threading.Event(), threading.Event()

    def hold(wait=True):
        if wait:
            held.set()
            assert release.wait(PATIENCE_S)

    served.server.registerFunction(hold, path="/hold")
    served.wait_until_short()
    with served.client("/hold") as holder:
        for _ in range(200):  # so that the calls of this path are short too
            holder.call("hold", False)
        holder.send("hold")
        assert held.wait(PATIENCE_S)
        yield
        release.set()
        holder.receive()


def test_answers_to_the_short_calls_of_a_turn_are_sent_together(serve, monkeypatch):
    monkeypatch.setattr(leadership, "CHECK_INTERVAL_S", PATIENCE_S)
    monkeypatch.setattr(request_queue, "SHORT_CALLS_S", PATIENCE_S)
    served = serve()
    noted = []

    def look():
        return [len(noted), first.has_answer()]

    served.server.registerFunction(noted.append, name="note", path="/api")
    served.server.registerFunction(look, path="/api")
    with served.client() as first, served.client() as second:
        with next_turn(served):
            first.send("note", 1)
            second.send("look")
        assert second.receive() == [1, False]
        assert first.receive() is None


def test_answers_before_a_call_that_blocks_are_sent_before_it_ends(serve, monkeypatch):
    monkeypatch.setattr(leadership, "CHECK_INTERVAL_S", 0.2)
    monkeypatch.setattr(request_queue, "SHORT_CALLS_S", PATIENCE_S)
    served = serve()
    with contextlib.ExitStack() as stack:
        *others, blocked = [stack.enter_context(served.client()) for _ in range(5)]
        with next_turn(served):
            for client in others:
                client.send("thread")
            blocked.send("block")
        assert served.api.begun.acquire(timeout=PATIENCE_S)
        assert all(client.receive().startswith("served-native") for client in others)
        assert not served.api.gate.is_set()
        served.api.gate.set()
        assert blocked.receive() == "went on"


def test_requests_queued_behind_a_call_that_blocks_cost_the_lead_no_second_time(serve, monkeypatch):
    long_paths, mark_long = [], short_calls.ShortCalls.mark_long

    def recording_mark_long(self, path, now):
        long_paths.append(path)
        mark_long(self, path, now)

    monkeypatch.setattr(short_calls.ShortCalls, "mark_long", recording_mark_long)
    monkeypatch.setattr(leadership, "CHECK_INTERVAL_S", 0.2)
    served = serve()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(served.client()) for _ in range(30)]
        with next_turn(served):
            for client in clients:
                client.send("block")
        for _ in clients:
            assert served.api.begun.acquire(timeout=PATIENCE_S)
        served.api.gate.set()
        assert [client.receive() for client in clients] == ["went on"] * 30
    assert long_paths.count("/api") == 1
