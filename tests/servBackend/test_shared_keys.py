"""Idempotency keys over the processes of one machine, which keep their answers in one file."""

import contextlib
import functools
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flaskJSONRPCServer import SettingsError, flaskJSONRPCServer
from tests.helpers import call_socket, call_wsgi, post, rpc, wait_until

THREADS = 100

METHODS = """
import os, time
from pathlib import Path
from flaskJSONRPCServer import flaskJSONRPCServer

folder = Path(__file__).parent

def run(seconds):
    "Count the runs of all processes, and return the number of this one."
    with (folder / "runs").open("a") as runs:
        runs.write("x\\n")
    time.sleep(seconds)
    return (folder / "runs").read_text().count("x")

def hold():
    (folder / f"begun {os.getpid()}").touch()
    while not (folder / "may end").exists():
        time.sleep(0.01)
    return os.getpid()

def make(address):
    server = flaskJSONRPCServer(address, idempotency={"store": str(folder / "keys")}, log=1, idempotency_timeout_s=60)
    for function in (run, hold, os.getpid):
        server.registerFunction(function, path="/api")
    return server
"""

WORKER = """
from methods import make
server = make(["127.0.0.1", 0])
server.start()
print(server.addresses[0][1], flush=True)
server.serveForever()
"""


class Worker:
    """A process that serves on a port of its own."""

    def __init__(self, folder):
        command = [sys.executable, "worker.py"]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)

    @functools.cached_property
    def address(self):
        return ("127.0.0.1", int(self.process.stdout.readline()))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "methods.py").write_text(METHODS)
    (tmp_path / "worker.py").write_text(WORKER)
    return tmp_path


@pytest.fixture
def start(folder):
    """Start a worker, which is killed after the test. Its address is there when it serves."""
    with contextlib.ExitStack() as ends:

        def start():
            worker = Worker(folder)
            ends.callback(worker.kill)
            return worker

        yield start


def keyed(method, params=None, key="k", **headers):
    return post(rpc(method, params), headers={"Idempotency-Key": key, **headers})


def with_key(method, params=None, key="k"):
    return post([{**rpc(method, params), "idempotencyKey": key}])


FORMS = pytest.mark.parametrize("form", [keyed, with_key], ids=["header", "member of a batch"])


def together(requests):
    """Send requests to addresses at the same time, and return the answers."""
    answers, barrier = [], threading.Barrier(len(requests))

    def call(address, request):
        barrier.wait(60)
        answers.append(call_socket(address, request))

    threads = [threading.Thread(target=call, args=each) for each in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return answers


@FORMS
def test_hundred_threads_over_two_processes_run_the_function_once(start, folder, form):
    workers = [start(), start()]
    answers = together([(workers[number % 2].address, form("run", [0.2])) for number in range(THREADS)])

    assert len(answers) == THREADS
    assert {answer.body for answer in answers} == {answers[0].body}
    assert b'"result":1' in answers[0].body
    assert (folder / "runs").read_text() == "x\n"


def test_gunicorn_with_two_workers_runs_the_function_once(folder):
    (folder / "app.py").write_text("from methods import make\napplication = make(None).getWSGI()\n")
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        bind = ["-w", "2", "--preload", "--threads", "8", "-b", f"fd://{listening.fileno()}", "--log-level", "error"]
        gunicorn = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *bind, "app"], cwd=folder, pass_fds=[listening.fileno()]
        )
        address = listening.getsockname()
    try:
        wait_until(lambda: len({call_socket(address, post(rpc("getpid"))).body for _ in range(8)}) == 2)
        answers = together([(address, keyed("run", [0.2]))] * THREADS)
        assert len(answers) == THREADS
        assert len({answer.body for answer in answers}) == 1
        assert (folder / "runs").read_text() == "x\n"
    finally:
        gunicorn.terminate()
        assert gunicorn.wait(60) == 0


@FORMS
def test_claim_of_a_killed_process_is_taken_over(start, folder, form):
    first, second = start(), start()
    lost = threading.Thread(target=pytest.raises, args=(Exception, call_socket, first.address, form("hold")))
    lost.start()
    wait_until((folder / f"begun {first.process.pid}").exists)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(call_socket(second.address, form("hold"))))
    waiting.start()
    first.kill()
    lost.join(60)
    wait_until((folder / f"begun {second.process.pid}").exists)
    (folder / "may end").touch()
    waiting.join(60)

    assert f'"result":{second.process.pid}' in answers[0].body.decode()


def test_claim_of_a_process_that_lives_is_waited_for(start, folder):
    first, second = start(), start()
    answers = []

    def call(worker, request):
        thread = threading.Thread(target=lambda: answers.append(call_socket(worker.address, request)))
        thread.start()
        return thread

    calling = call(first, keyed("hold"))
    wait_until((folder / f"begun {first.process.pid}").exists)
    other = call_socket(second.address, post(rpc("hold", [1]), headers={"Idempotency-Key": "k"}))
    early = call_socket(second.address, keyed("hold", **{"Request-Timeout": "0.05"}))
    waiting = call(second, keyed("hold"))
    (folder / "may end").touch()
    calling.join(60)
    waiting.join(60)

    assert (other.code, early.code) == (422, 409)
    assert [answer.json()["result"] for answer in answers] == [first.process.pid] * 2
    assert not (folder / f"begun {second.process.pid}").exists()


def test_answers_outlive_the_process(start):
    first = start()
    before = call_socket(first.address, keyed("getpid"))
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(60) == 0
    second = start()

    assert call_socket(second.address, keyed("getpid")) == before
    assert call_socket(second.address, keyed("getpid", key="other")) != before


def make(option, **options):
    server = flaskJSONRPCServer(None, idempotency=option, log=options.pop("log", 0), **options)
    server.registerFunction(os.getpid, path="/api")
    return server


def test_file_is_readable_for_its_owner_only(tmp_path):
    server = make({"store": tmp_path / "keys"})
    assert list(tmp_path.iterdir()) == []
    call_wsgi(server.getWSGI(), keyed("getpid"))

    assert {"keys", "keys-owners"} <= {path.name for path in tmp_path.iterdir()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert server.stats()["idempotencyKeyCount"] == 1


def test_forked_process_has_an_answer_of_its_own_in_the_same_file(tmp_path):
    application = make({"store": str(tmp_path / "keys")}).getWSGI()
    before = call_wsgi(application, keyed("getpid"))
    reading, writing = os.pipe()
    child = os.fork()
    if not child:  # pragma: no cover  the child has no coverage
        bodies = [call_wsgi(application, keyed("getpid", key=key)).body for key in ("k", "child")]
        os.write(writing, b"\n".join(bodies))
        os._exit(0)
    os.waitpid(child, 0)
    os.fdopen(writing, "wb").close()  # at once, where os.close of gevent closes later
    with os.fdopen(reading, "rb") as answers:
        same, other = answers.read().splitlines()

    assert same == before.body
    assert f'"result":{child}'.encode() in other
    assert call_wsgi(application, keyed("getpid", key="child")).body == other


def test_two_servers_of_one_process_share_a_file(tmp_path):
    first, second = (make({"store": str(tmp_path / "keys")}) for _ in range(2))
    first.registerFunction(lambda: call_wsgi(second.getWSGI(), keyed("nested")).code, path="/api", name="nested")
    second.registerFunction(lambda: 1, path="/api", name="nested")
    second.settings.idempotency_timeout_s = 0

    assert call_wsgi(first.getWSGI(), keyed("nested")).json()["result"] == 409
    assert call_wsgi(second.getWSGI(), keyed("nested")).json()["result"] == 409  # as it is stored


class Broken:
    def use(self, bounds):
        self.bounds = bounds

    def claim(self, key, payload, caller):
        raise OSError("no space")

    finish = release = claim

    def count(self):
        raise OSError("no space")


def test_store_that_fails_refuses_the_request_and_says_why_in_the_log(caplog):
    server = make({"store": Broken()}, log=1, max_idempotency_keys=7)
    application = server.getWSGI()
    refused = call_wsgi(application, keyed("getpid"))
    error = call_wsgi(application, with_key("getpid")).json()[0]["error"]

    why = "Not run: the store of idempotency keys failed; the log of the server says why"
    assert (refused.code, refused.body.decode().strip()) == (503, why)
    assert error == {"code": 503, "message": why}
    assert "OSError: no space" in caplog.text
    assert "idempotencyKeyCount" not in server.stats()
    assert call_wsgi(application, post(rpc("getpid"))).json()["result"] == os.getpid()


def test_log_says_what_claim_of_a_store_returns(caplog):
    class Eager(Broken):
        def claim(self, key, payload, caller):
            return True

    assert call_wsgi(make({"store": Eager()}, log=1).getWSGI(), keyed("getpid")).code == 503
    assert "claim() of the store returned bool; it returns None for a new key, or a StoredCall" in caplog.text


def test_store_that_cannot_keep_an_answer_does_not_lose_it(caplog):
    class Full(Broken):
        def claim(self, key, payload, caller):
            return None

        def finish(self, key, answer):
            raise OSError("no space")

    assert call_wsgi(make({"store": Full()}, log=1).getWSGI(), keyed("getpid")).json()["result"] == os.getpid()
    assert "OSError: no space" in caplog.text


def test_damaged_file_is_503(tmp_path):
    (tmp_path / "keys").write_bytes(b"no database" * 1000)

    assert call_wsgi(make({"store": str(tmp_path / "keys")}).getWSGI(), keyed("getpid")).code == 503


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ({"store": "/nowhere/at/all/keys"}, "it takes the path of a file in a folder that exists"),
        ({"store": str(Path(__file__).parent)}, "it takes the path of a file in a folder that exists"),
        ({"store": ":memory:"}, "it takes the path of a file in a folder that exists"),
        ({"store": "file:keys?mode=memory"}, "it takes the path of a file in a folder that exists"),
        ({"store": ""}, "it takes the path of a file in a folder that exists"),
        ({"store": 5}, "or an object with the methods of IdempotencyStore: use, claim, finish, release, count"),
        ({"store": Broken}, "or an object with the methods of IdempotencyStore"),
        ({"stores": 5}, "'stores'"),
    ],
    ids=["no folder", "folder", "memory", "URI", "empty", "number", "class", "misspelt"],
)
def test_invalid_store_is_refused(option, why):
    with pytest.raises(SettingsError, match=why):
        flaskJSONRPCServer(None, idempotency=option)
