"""Arguments that no command takes, and outputs that nobody reads to the end."""

import json
import os
import subprocess
import sys

import pytest

from flaskJSONRPCServer import __main__ as command_line
from flaskJSONRPCServer.testing import served

URL = "http://127.0.0.1:9/api"


def refused(arguments, capsys):
    """Run the command line, which refuses its arguments. Return what it prints to standard error."""
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)

    assert ended.value.code == 2
    output, errors = capsys.readouterr()
    assert output == ""
    return errors


@pytest.mark.parametrize(
    ("arguments", "command", "reason"),
    [
        (["call", URL, "add", "--bathc", "x"], "call", "--bathc x; did you mean --batch?"),
        (["call", "--bathc=x", URL], "call", "--bathc=x; did you mean --batch?"),
        (["call", URL, "add", "--unheard-of"], "call", "--unheard-of"),
        (["call", URL, "add", "-x"], "call", "-x"),
        (["client", URL, "--langage", "python"], "client", "--langage python; did you mean --language?"),
        (["client", URL, "api.py"], "client", "api.py"),
        (["serve", "my_server", "--bnid", "x"], "serve", "--bnid x; did you mean --bind?"),
        (["openrpc-diff", "a", "b", "--jsno"], "openrpc-diff", "--jsno; did you mean --json?"),
    ],
)
def test_unknown_argument_is_refused_with_the_usage_of_the_command(arguments, command, reason, capsys):
    errors = refused(arguments, capsys)

    assert errors.startswith(f"usage: python -m flaskJSONRPCServer {command} ")
    assert errors.endswith(f"python -m flaskJSONRPCServer {command}: error: unrecognized arguments: {reason}\n")


@pytest.mark.parametrize("source", ["127.0.0.1:8091/api", "localhost:8091", "shop.example.com/api", "./document"])
def test_source_of_a_client_that_is_no_module_is_refused_with_a_hint_at_the_scheme(source, capsys):
    errors = refused(["client", source], capsys)

    assert f"{source!r} is no URL, which begins with http:// or https://, no file" in errors


# Python writes its output in blocks, as it does by default.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("arguments", [["-l"], ["completion", "bash"], ["client", "document.json"]])
def test_closed_output_ends_a_command_without_a_traceback(arguments, tmp_path):
    method = {"name": "add", "params": [], "result": {"name": "result", "schema": True}}
    document = {"openrpc": "1.4.1", "info": {"title": "API", "version": "1"}, "methods": [method]}
    (tmp_path / "document.json").write_text(json.dumps(document))
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "flaskJSONRPCServer", *arguments]
    try:
        done = subprocess.run(
            command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False, env=BUFFERED, cwd=tmp_path
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (1, b"")


def test_output_that_is_closed_halfway_ends_a_call_without_a_traceback():
    def register(server):
        server.registerFunction(lambda: ["x" * 1000] * 1000, "/api", name="much")

    with served(register) as running:
        command = [sys.executable, "-m", "flaskJSONRPCServer", "call", running.url, "much"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=BUFFERED) as process:
            assert process.stdout.read(1) == b"["
            process.stdout.close()
            errors = process.stderr.read()

    assert (process.returncode, errors) == (1, b"")
