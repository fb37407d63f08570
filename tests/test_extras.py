"""Each extra in its own environment: it is installed and imported, and serves a call."""

import contextlib
import fcntl
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from flaskJSONRPCServer.extras import REQUIREMENTS, install_command, missing_extra
from tests.execBackend.celery.processes import broker_running
from tests.sources import copy_sources

ROOT = Path(__file__).resolve().parents[1]

API = """
import os
from flaskJSONRPCServer import flaskJSONRPCServer


def where():
    return os.getpid()


server = flaskJSONRPCServer(["127.0.0.1", 0], name="api", log=2, {options})
server.registerFunction(where, path="/api")
{use}

if __name__ == "__main__":
    server.serveForever(on_start=lambda server: print(server.addresses[0][1], flush=True))
"""

OPTIONS = {
    "": "",
    "fast": "servBackend='granian', jsonBackend='orjson'",
    "gevent": "gevent=True",
    "parallel": "dispatcherBackend='parallel'",
    "celery": "dispatcherBackend='celery'",
    "msgspec": "jsonBackend='msgspec'",
    "reload": "reloadOnChange=True",
    "limits": "rateLimit='1/minute'",
    "otel": "tracing=True",
    "metrics": "metrics=True",
    "testing": "",
}

# Code for the extras that no option of a server needs.
USES = {
    "": """
from werkzeug.test import Client
from flaskJSONRPCServer.mcp import Tool

server.mcp("/mcp", expose=["/api"])
meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
params = {"name": "where", "arguments": {}, "_meta": meta}
headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "where"}
body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
answer = Client(server.getWSGI()).post("/mcp", json=body, headers=headers).json
assert answer["result"]["content"] == [{"type": "text", "text": str(os.getpid())}], answer
""",
    "testing": """
from flaskJSONRPCServer.testing import MockServer

with MockServer(server) as mock:
    mock.on("where").returns(1)
    assert mock.client.where() == 1
""",
}


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def bare_environ(home):
    return {"PATH": os.environ["PATH"], "HOME": str(home)}


def build_wheel_and_environment(folder):
    """Build a wheel, and an environment with nothing but the wheel and what it requires, which pip finds."""
    copy_sources(folder / "source")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source"))
    [wheel] = folder.glob("*.whl")
    python = folder / "environment" / "bin" / "python"
    venv.create(folder / "environment")
    pip("--python", str(python), "install", "--no-compile", str(wheel))
    # Compile what a server imports, once for all copies.
    serve_nothing = "from flaskJSONRPCServer import flaskJSONRPCServer; flaskJSONRPCServer(None)"
    subprocess.run([python, "-c", serve_nothing], env=bare_environ(folder), check=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the folder with the wheel and the environment. The first worker of pytest-xdist builds them for all."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / "extras"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            build_wheel_and_environment(folder)
            (folder / "complete").touch()
    return folder


def make_environment(folder, built, extra):
    """Return the Python of an environment with the package, an extra and what they require."""
    shutil.copytree(built / "environment", folder, symlinks=True, copy_function=os.link)
    python = str(folder / "bin" / "python")
    if extra:
        [wheel] = built.glob("*.whl")
        pip("--python", python, "install", "--no-compile", f"{wheel}[{extra}]")
    return python


@contextlib.contextmanager
def serving(python, folder, environ):
    command = [python, "-W", "error", "api.py"]
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()
            assert server.wait(60) == 0


@contextlib.contextmanager
def needed_by(extra, python, folder, environ):
    """Run the broker and the worker that Celery needs."""
    if extra != "celery":
        yield environ
        return
    with broker_running() as broker:
        with_broker = {**environ, "CELERY_BROKER_URL": broker.url}
        command = [python, "-m", "flaskJSONRPCServer", "worker", "api:server", "--", "-c", "1", "-P", "solo"]
        with subprocess.Popen(command, cwd=folder, env=with_broker) as worker:
            try:
                yield with_broker
            finally:
                worker.terminate()


def call(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        body = json.dumps({"jsonrpc": "2.0", "method": "where", "id": 1})
        connection.request("POST", "/api", body, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("extra", OPTIONS)
def test_extra_works_if_nothing_else_is_installed(extra, built, tmp_path):
    python = make_environment(tmp_path / "environment", built, extra)
    (tmp_path / "api.py").write_text(API.format(options=OPTIONS[extra], use=USES.get(extra, "")), encoding="utf-8")

    with (
        needed_by(extra, python, tmp_path, bare_environ(tmp_path)) as environ,
        serving(python, tmp_path, environ) as port,
    ):
        answer = call(port)
    assert isinstance(answer.get("result"), int), answer


def test_requirements_are_those_of_the_project():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    declared = {
        name: tuple(re.findall(r'"([^"]+)"', value)) for name, value in re.findall(r"^(\w+) = \[(.*)\]$", section, re.M)
    }
    declared.pop("all")

    assert declared == REQUIREMENTS
    assert set(OPTIONS) == {"", *REQUIREMENTS}


def test_missing_package_of_an_extra_is_installed_by_its_name():
    error = missing_extra("gevent=True", "gevent", ImportError("no", name="gevent.monkey"))

    assert str(error) == "gevent=True needs gevent; install it: pip install 'gevent>=24.2'"
    assert install_command("fast", "granian") == "pip install 'granian>=2.8.0,<2.9'"


def test_missing_package_that_another_one_needs_is_named_itself():
    error = missing_extra("exec backend 'celery'", "celery", ImportError("no", name="vine.promises"))

    assert str(error) == "exec backend 'celery' needs the module 'vine', which is missing: pip install vine"
