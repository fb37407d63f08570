"""The adapters of niquests, in an environment of its own: it replaces urllib3, which other packages need."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENT = "niquests>=3.14"
SUITES = ["tests/client/transports/test_adapters.py", "tests/client/test_matrix.py"]


@pytest.fixture
def environ(tmp_path):
    """Install niquests into a folder. Return the environment of a process that imports it from there.

    The folder comes before the packages of this environment, so that process also has niquests' urllib3. The file
    `.pth` of that, which would write into the environment, has no effect in a folder of PYTHONPATH.
    """
    folder = tmp_path / "niquests"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-compile"]
    done = subprocess.run([*command, "--target", str(folder), REQUIREMENT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


@pytest.mark.timeout(300)
def test_adapters_of_niquests(environ):
    options = [
        "-p",
        "tests.client.transports.only_niquests",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "-q",
        "--no-header",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *SUITES, "-k", "niquests"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert re.search(r"^\d+ passed, \d+ deselected in ", done.stdout, re.M), done.stdout
