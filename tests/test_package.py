"""The package as an installer and an importer see it."""

import ast
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import flaskJSONRPCServer
from tests.sources import copy_sources

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "flaskJSONRPCServer"
CORE = {"docstring-parser", "flask", "httptools", "psutil", "pydantic", "simplejson", "tomli", "werkzeug"}
OPTIONAL = {"celery", "gevent", "granian", "loky", "msgspec", "orjson", "pydantic", "rapidjson"}

# Each takes a millisecond or more to import.
LARGE = {
    "asyncio",
    "docstring_parser",
    "flaskJSONRPCServer.autoreload",
    "flaskJSONRPCServer.contract.compatibility",
    "flaskJSONRPCServer.contract.diff",
    "flaskJSONRPCServer.contract.docstrings",
    "flaskJSONRPCServer.contract.openrpc",
    "flaskJSONRPCServer.servBackend.native.backend",
    "flaskJSONRPCServer.servBackend.werkzeug",
    "multiprocessing",
    "psutil",
    "simplejson",
    "sysconfig",
    "tarfile",
}


def modules_after(statement):
    """Run statement in a fresh interpreter. Return the names of the modules that are loaded then."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


def test_version_is_a_literal_that_is_read_without_importing():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    literals = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and "__version__" in ast.unparse(node).partition("=")[0]
    ]
    assert literals == [flaskJSONRPCServer.__version__]


def test_version_follows_pep_440():
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?", flaskJSONRPCServer.__version__)


@pytest.mark.parametrize("module", ["flaskJSONRPCServer", "flaskJSONRPCServer.sansio_jsonrpc"])
def test_import_loads_neither_flask_nor_the_server(module):
    loaded = modules_after(f"import {module}")

    assert module in loaded
    assert not loaded & (CORE | OPTIONAL)
    assert "flaskJSONRPCServer.server" not in loaded


def test_class_is_imported_by_name_and_loads_no_optional_package():
    loaded = modules_after(
        "from flaskJSONRPCServer import flaskJSONRPCServer as server; assert isinstance(server, type)"
    )

    assert "flask" in loaded
    assert not loaded & OPTIONAL


def test_importing_the_class_loads_no_large_optional_module():
    loaded = modules_after("from flaskJSONRPCServer import flaskJSONRPCServer") - modules_after("import flask")

    assert "flaskJSONRPCServer.server" in loaded
    assert not loaded & LARGE


def test_every_public_name_exists():
    for name in flaskJSONRPCServer.__all__:
        assert getattr(flaskJSONRPCServer, name) is not None
    assert set(flaskJSONRPCServer.__all__) <= set(dir(flaskJSONRPCServer))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        flaskJSONRPCServer.no_such_name  # noqa: B018 (the access itself is what is tested)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of the sources: a build leaves files beside them."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    copy_sources(source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    run = subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        yield archive


def test_wheel_holds_every_module_and_the_marker_of_types(wheel):
    files = {name for name in wheel.namelist() if name.startswith("flaskJSONRPCServer/")}

    assert "flaskJSONRPCServer/py.typed" in files
    assert {file.relative_to(ROOT).as_posix() for file in PACKAGE.rglob("*.py")} <= files
    static = PACKAGE / "console" / "static"
    assert {file.relative_to(ROOT).as_posix() for file in static.rglob("*") if file.is_file()} <= files
    assert not [name for name in wheel.namelist() if name.startswith(("tests/", "tools/", "docs/", "benchmarks/"))]


def test_wheel_holds_the_files_of_the_console(wheel):
    files = {
        file.relative_to(ROOT).as_posix() for file in (PACKAGE / "console" / "static").rglob("*") if file.is_file()
    }

    assert "flaskJSONRPCServer/console/static/index.html" in files
    assert files <= set(wheel.namelist())


def test_wheel_declares_the_plugin_of_pytest(wheel):
    declared = next(name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    plugin = "flaskJSONRPCServer.testing.plugin"

    assert wheel.read(declared).decode().split() == ["[pytest11]", plugin, "=", plugin]
    assert f"{plugin.replace('.', '/')}.py" in wheel.namelist()


def test_wheel_declares_its_version_licence_and_core_dependencies(wheel):
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    lines = wheel.read(metadata).decode().partition("\n\n")[0].splitlines()

    assert f"Version: {flaskJSONRPCServer.__version__}" in lines
    assert "License-Expression: Apache-2.0" in lines
    assert "Requires-Python: >=3.10" in lines
    core = [line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert {re.split(r"[ ><=]+", line)[1] for line in core} == CORE


def test_command_line_of_a_wheel_lists_and_runs_the_examples(wheel, tmp_path):
    wheel.extractall(tmp_path)
    examples = {file.stem for file in (ROOT / "examples").glob("*.py")}

    def run(*arguments):
        command = [sys.executable, "-m", "flaskJSONRPCServer", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)

    listed = run("-l")
    assert {line.split()[0] for line in listed.stdout.splitlines()} == examples
    assert run("-d", "simple").stdout.strip() == str(
        tmp_path.resolve() / "flaskJSONRPCServer" / "examples" / "simple.py"
    )
    assert "ValueError: invalid literal for int() with base 10: 'no port'" in run("-x", "simple", "no port").stderr
