"""The command line."""

import runpy
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import flaskJSONRPCServer
from flaskJSONRPCServer import __main__ as command_line
from tests.examples.processes import running

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.parametrize("flag", ["-v", "--version"])
def test_version(flag, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main([flag])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"flaskJSONRPCServer {flaskJSONRPCServer.__version__}\n"


def test_help_names_every_flag_and_is_shown_without_arguments(capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(["-h"])
    text = capsys.readouterr().out
    command_line.main([])

    assert ended.value.code == 0
    assert capsys.readouterr().out == text
    assert text.startswith("usage: python -m flaskJSONRPCServer ")
    assert all(f"\n  {flag}" in text for flag in ("-h", "-v", "-l", "-x", "-d")), text


def test_list_has_a_line_for_each_example(capsys):
    command_line.main(["-l"])
    lines = capsys.readouterr().out.splitlines()

    assert [line.split()[0] for line in lines] == sorted(path.stem for path in EXAMPLES.glob("*.py"))
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize("name", ["auth", "auth.py"])
def test_path_of_an_example(name, capsys):
    command_line.main(["-d", name])

    assert capsys.readouterr().out == f"{EXAMPLES / 'auth.py'}\n"


def test_path_of_the_examples(capsys):
    command_line.main(["-d"])

    assert capsys.readouterr().out == f"{EXAMPLES}\n"


@pytest.mark.parametrize("flag", ["-d", "-x"])
@pytest.mark.parametrize("name", ["simpel", "../setup", "__init__", "simple.txt"])
def test_unknown_example_is_answered_with_those_that_there_are(flag, name, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main([flag, name])

    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert f"unknown example {name!r}" in message
    assert "auth" in message


@pytest.mark.parametrize("arguments", [["-l", "-d"], ["-l", "simple"], ["--unheard-of"], ["-d", "auth", "simple"]])
def test_arguments_that_do_not_fit_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)

    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "name", "arguments"),
    [
        (["-x"], "simple", []),
        (["-x", "auth"], "auth", []),
        (["-x", "auth.py", "0"], "auth", ["0"]),
        (["-x", "auth", "-l", "--flag"], "auth", ["-l", "--flag"]),
    ],
)
def test_example_runs_as_a_script_with_its_arguments(given, name, arguments, monkeypatch):
    ran = []
    monkeypatch.setattr(sys, "argv", ["before"])
    monkeypatch.setattr(sys, "path", ["before"])
    monkeypatch.setattr(runpy, "run_path", lambda path, run_name: ran.append((path, run_name)))

    command_line.main(given)

    path = str(EXAMPLES / f"{name}.py")
    assert ran == [(path, "__main__")]
    assert sys.argv == [path, *arguments]
    assert sys.path == [str(EXAMPLES), "before"]


def test_example_serves_until_it_is_told_to_end():
    with running([sys.executable, "-m", "flaskJSONRPCServer", "-x", "simple", "0"]) as program:
        with urllib.request.urlopen(f"{program.url()}/api/echo?value=hello", timeout=10) as answer:
            assert b'"result":"hello"' in answer.read()
        assert program.end(signal.SIGTERM) == 0, program.output


def test_module_runs_as_a_program():
    run = subprocess.run(
        [sys.executable, "-m", "flaskJSONRPCServer", "-v"], capture_output=True, text=True, timeout=30, check=False
    )

    assert (run.returncode, run.stdout) == (0, f"flaskJSONRPCServer {flaskJSONRPCServer.__version__}\n")
