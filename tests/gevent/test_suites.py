"""The same tests under gevent, in a patched process."""

import subprocess
import sys

import pytest

from tests.gevent.processes import READ_ENTRY_POINTS_ONCE, ROOT

PYTEST = f"""{READ_ENTRY_POINTS_ONCE}
from gevent import monkey; monkey.patch_all()
import pytest, sys; sys.exit(pytest.main())
"""

# Of these folders, what only computes is left out: it does not depend on gevent.
DISPATCH = (
    *("answers", "antifreeze", "connection", "coroutines", "discovery", "exception_map", "execution", "invoker"),
    *("locks", "middleware", "pipeline", "remote", "replies", "submission"),
)
# Their workers are processes of their own, without gevent: what only they do is left out too.
CELERY = ("backend", "broker", "calls", "deadlines", "replies", "session", "tracing")
# What only a child process does, or only computes, is left out.
PARALLEL = ("backend", "channel", "exceptions", "forks", "pool", "slot")
IN_PROCESS = ("-k", "not parallel and not celery")
# Calls of `simple` run where the request does; test_custom.py has the backends of a user's own.
IN_THREADS = ("-k", "not celery and not simple and not own")
TELEMETRY = ("access_log", "health", "readiness", "tracing")

SUITES = {
    "dispatch": [*(f"tests/dispatch/test_{name}.py" for name in DISPATCH), "tests/dispatch/rate_limits"],
    "backends": ["tests/execBackend/test_contract.py", "tests/execBackend/test_custom.py", *IN_THREADS],
    # The other two do not run calls in greenlets.
    "deadlines": ["tests/execBackend/test_deadlines.py", "tests/execBackend/test_call_control.py", *IN_PROCESS],
    "threads": ["tests/execBackend/test_threaded.py", "tests/runtime/test_garbage.py", "tests/runtime/test_stats.py"],
    "processes": [f"tests/execBackend/parallel/test_{name}.py" for name in PARALLEL],
    "celery": [f"tests/execBackend/celery/test_{name}.py" for name in CELERY],
    "serving": ["tests/servBackend"],
    "telemetry": [f"tests/telemetry/test_{name}.py" for name in TELEMETRY],
    "server": [
        "tests/test_autoreload.py",
        "tests/test_engine.py",
        "tests/test_experimental.py",
        "tests/test_lifecycle.py",
        "tests/test_reload.py",
        "tests/test_restart.py",
        "tests/dispatch/test_overrides.py",
        "tests/test_server.py",
        "tests/test_statistics.py",
        "tests/mounting",
        "tests/console/test_dashboard.py",
    ],
}


NOT_FOR_GEVENT = ["--ignore=tests/servBackend/native"]  # native cannot serve with gevent


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SUITES)
def test_suites_pass_under_gevent(name):
    options = ["-p", "tests.gevent.everywhere", "-p", "no:xdist", "-p", "no:cacheprovider", "-q", "--no-header"]
    done = subprocess.run(
        [sys.executable, "-c", PYTEST, *options, *SUITES[name], *NOT_FOR_GEVENT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert " passed" in done.stdout
