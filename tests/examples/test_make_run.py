"""`make run`: the first command of a newcomer."""

import json
import os
import shutil
import signal
import sys

from tests.examples.processes import curl_commands, run_curl


def make_run(*variables):
    """Return the command for the environment that the tests run in, which is assumed to be up to date."""
    make = shutil.which("make") or "make"
    own = f"VENV={sys.prefix}", "ARGS="  # not those that `make test` may have
    return [make, f"--old-file={sys.prefix}/.installed-core", "run", *own, *variables]


def test_make_run_serves_and_ctrl_c_ends_it(launch):
    program = launch(make_run("PORT=0"))
    program.line_with("Ctrl-C")

    call, _ = curl_commands(program.output)
    assert json.loads(run_curl(call))["result"] == 5

    os.killpg(program.process.pid, signal.SIGINT)  # as a terminal does: make gets it too
    program.wait()
    assert "has stopped" in program.output
    assert "Traceback" not in program.output


def test_port_may_be_given_as_args(launch):
    program = launch(make_run("PORT=1", "ARGS=0"))

    assert not program.url().endswith(":1")
