"""The command line of workers, ours and Celery's own: names that it finds, exit status, errors."""

import os
import signal
import sys
import textwrap
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.execBackend.celery.command_line import dotted_attribute
from tests.examples.processes import ROOT, running
from tests.execBackend.celery.processes import QUEUES, WORKER_COMMAND, broker_running, new_queue, worker_running
from tests.execBackend.celery.servers import server_for
from tests.gevent.processes import lines_of
from tests.helpers import result_of


def write_module(folder, name, source):
    (folder / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")


SERVER = """
    from flaskJSONRPCServer import flaskJSONRPCServer
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, name="test", dispatcherBackend={backend!r})
    server.registerFunction(lambda value: value, path="/api", name="echo")
"""


def run_worker(folder, target, broker):
    command = [*WORKER_COMMAND, target]
    if target.endswith("-A"):
        command = [sys.executable, "-m", "celery", "-A", target.removesuffix(" -A"), "worker"]
    environment = {"FLASKJSONRPC_CELERY_BROKER": broker.url, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    with running(command, cwd=folder, **environment) as program:
        return program.wait(), program.output


@pytest.mark.parametrize("name", ["own", "own:server.celery"])
def test_celerys_own_command_runs_calls_too(broker, tmp_path, name):
    # With the second line, Celery finds the server by the name of the module alone.
    last = "" if ":" in name else "    celery = server.celery\n"
    write_module(tmp_path, "own", SERVER.format(backend="celery") + last)
    queue = new_queue()
    command = [sys.executable, "-m", "celery", "--workdir", str(tmp_path), "-A", name, "worker"]
    with worker_running(broker, queue, "-c", "1", command=command) as program:
        with server_for(broker, queue) as server:
            server.reload({"dispatcher": lambda value: value, "name": "echo", "path": "/api"})
            assert result_of(server.getWSGI(), "echo", [1]) == 1
        assert program.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("name", ["own:nothing.celery", "own:server.nothing", "own:nothing"])
def test_name_that_celerys_own_command_cannot_find_is_an_error(broker, tmp_path, name):
    write_module(tmp_path, "own", SERVER.format(backend="celery"))
    status, output = run_worker(tmp_path, f"{name} -A", broker)

    assert status != 0
    assert "Unable to load celery application" in output


@pytest.mark.parametrize("suffix", ["", " -A"], ids=["worker", "celery"])
def test_module_that_serves_at_its_import_is_refused(broker, tmp_path, suffix):
    write_module(tmp_path, "serving", SERVER.format(backend="celery") + "    server.serveForever()\n")
    status, output = run_worker(tmp_path, f"serving{suffix}", broker)

    assert status != 0
    assert "server 'test' does not serve in a celery worker" in output
    assert 'behind  if __name__ == "__main__":' in output


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("without", "worker: error: server 'test' has no celery backend; give it dispatcherBackend='celery'"),
        ("missing", "worker: error: there is no module 'missing'"),
        ("without:nothing", "worker: error: unknown server 'nothing'; known: server"),
    ],
)
def test_worker_that_cannot_start_is_one_clear_line(broker, tmp_path, target, text):
    write_module(tmp_path, "without", SERVER.format(backend="simple"))
    status, output = run_worker(tmp_path, target, broker)

    assert status == 2
    assert text in output
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize("suffix", ["", " -A"], ids=["worker", "celery"])
def test_version_of_kombu_that_lacks_a_name_is_one_clear_error(broker, tmp_path, suffix):
    write_module(tmp_path, "sitecustomize", "import kombu.transport.redis as redis; del redis.Channel._brpop_start")
    write_module(tmp_path, "own", SERVER.format(backend="celery"))
    status, output = run_worker(tmp_path, f"own{suffix}", broker)

    assert status != 0
    assert "cannot be used here: kombu.transport.redis.Channel._brpop_start is missing; install the versions" in output
    assert suffix or len(output.splitlines()) == 1


def test_unknown_backend_is_an_error_that_lists_the_known_ones(broker):
    with running([*WORKER_COMMAND, "--backend", "slwo", QUEUES], FLASKJSONRPC_CELERY_BROKER=broker.url) as program:
        program.line_with("worker: error: unknown celery backend 'slwo'; did you mean 'slow'\\? Known: celery, slow")


def test_worker_that_is_forced_to_end_has_a_status_other_than_0():
    with broker_running() as broker, worker_running(broker, new_queue(), "-c", "1") as worker:
        assert worker.end(signal.SIGQUIT) not in (0, -signal.SIGQUIT)


@pytest.mark.parametrize(("path", "value"), [("server.name", "theirs"), ("server.settings.log", 3)])
def test_dotted_path_is_followed(path, value):
    server = SimpleNamespace(name="theirs", settings=SimpleNamespace(log=3))

    assert dotted_attribute({"__name__": "mine", "server": server}, path) == value


@pytest.mark.parametrize("path", ["server", "other.name", "other"])
def test_path_without_a_dot_or_with_an_unknown_name_is_an_attribute_error(path):
    with pytest.raises(AttributeError, match=f"module 'mine' has no attribute '{path}'"):
        dotted_attribute({"__name__": "mine", "server": 1}, path)


def test_modules_outside_of_workers_get_no_getattr(tmp_path):
    write_module(tmp_path, "own", SERVER.format(backend="celery"))
    script = f"""
        import os, sys
        sys.path.insert(0, {str(tmp_path)!r})
        os.environ["FLASKJSONRPC_CELERY_BROKER"] = "redis://127.0.0.1"
        import own
        print(hasattr(own, "__getattr__"))
    """
    assert lines_of(script, prelude="") == ["False"]
