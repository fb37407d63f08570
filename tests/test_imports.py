"""Check the imports inside the package against its layers.

An import may point down or stay within its unit. A unit is a module or a folder directly in the package. Imports inside
functions, under TYPE_CHECKING, and by a literal `import_module("...")` count like all others.
"""

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "flaskJSONRPCServer"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE

NEWER_STDLIB = {"annotationlib"}  # since Python 3.14

# From top to bottom. Units in one row do not import each other.
LAYERS = (
    {"__main__"},
    {"commands"},
    {"__init__", "testing"},
    {"server"},
    {"hangup"},
    {"documented", "lifecycle"},
    {"autoreload", "reloading", "restart_reasons"},
    {"engine"},
    {"built_in_services", "pipeline_steps"},
    {"wsgi", "console", "mcp", "telemetry"},
    {"execBackend", "servBackend", "experimental", "mounting"},
    # Below execBackend: the server's stand-in in a child process has these helpers too.
    {"message_helpers"},
    {"dispatch", "helpers"},
    {"client", "contract", "runtime", "http"},
    {"sansio_jsonrpc", "configuration"},
    {"settings", "extras", "start_refusals"},
    {"errors", "inspection", "proxies", "removed_names"},
)
HEIGHT = {unit: -depth for depth, row in enumerate(LAYERS) for unit in row}

# The units of the folder mcp/, in the same way.
MCP_LAYERS = (
    {"endpoints"},
    {"public"},
    {"http", "stdio"},
    {"__init__", "endpoint_options", "processes", "sessions"},
    {"features"},
    {"service", "tasks"},
    {"calls"},
    {"asking"},
    {"feature"},
    {"authorization", "content", "subscriptions"},
    {"audience", "older_content", "sources", "unwritable", "written_content"},
    {"content_checks"},
    {"protocol"},
)

# These import only the named units of the package, and outside the standard library only the packages in PLACES.
SELF_CONTAINED = {"sansio_jsonrpc": set(), "client": {"sansio_jsonrpc"}}

CORE_DEPENDENCIES = {"flask", "httptools", "psutil", "pydantic", "simplejson", "werkzeug"}

_CELERY = {
    f"execBackend/celery/{part}.py"
    for part in (
        *("app", "broker", "command_line", "consumer", "dead_letters", "internals", "monitor", "options", "redis"),
        *("replies", "reply_backend", "session", "tasks"),
    )
}
_PYWSGI = {
    f"servBackend/{module}.py"
    for module in (
        "pywsgi",
        "pywsgi_answers",
        "pywsgi_body",
        "pywsgi_calls",
        "pywsgi_handler",
        "pywsgi_reader",
        "pywsgi_sockets",
    )
}
_HINT_PARTS = (
    "core_schemas",
    "json_objects",
    "reading",
    "schema_checks",
    "schema_compiler",
    "schemas",
    "struct_fields",
    "struct_schemas",
    "structs",
    "types",
    "writing",
)
_HINTS = {f"contract/{part}.py" for part in _HINT_PARTS}
_TRACES = {f"telemetry/{part}.py" for part in ("call_spans", "request_spans", "tracing")}
_ENGINES = {"sansio_jsonrpc/codecs/engines.py"}

# The only modules that may import a package which is optional there.
PLACES = {
    "celery": _CELERY,
    "cloudpickle": {"execBackend/parallel/child.py", "execBackend/parallel/pickling.py"},
    "docstring_parser": {"contract/docstrings.py"},
    "gevent": {"runtime/concurrency.py", *_PYWSGI},
    "granian": {"servBackend/granian_worker.py"},
    "jsonschema": {"testing/json_schema.py"},
    "kombu": _CELERY,
    "limits": {f"dispatch/rate_limits/{part}.py" for part in ("counters", "limiter", "memory", "plan", "storages")},
    "loky": {"execBackend/parallel/backend.py"},
    "msgspec": {*_ENGINES, "contract/struct_fields.py", "contract/struct_schemas.py"},
    "opentelemetry": {"dispatch/trace_context.py", *_TRACES},
    "orjson": _ENGINES,
    # Loaded with the first hint.
    "prometheus_client": {"telemetry/exposition.py"},
    "pydantic": _HINTS,
    "pytest": {"testing/plugin.py"},
    "pydantic_core": _HINTS,
    "rapidjson": _ENGINES,
    "referencing": {"testing/json_schema.py"},
    "redis": {"execBackend/celery/internals.py"},
    "simplejson": _ENGINES,
    "typing_extensions": {"server.py"},
    "watchfiles": {"runtime/watching.py"},
}


class Arrow(NamedTuple):
    """One import: its file, its line and the absolute name."""

    file: str
    line: int
    target: str


def read_arrows(root, folder="."):
    """Yield the arrows of all modules under root, the package's folder, or those of one folder in it."""
    for path in sorted((root / folder).rglob("*.py")):
        file = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            for target in _targets(node, [PACKAGE, *path.relative_to(root).parent.parts]):
                yield Arrow(file, node.lineno, target)


def _targets(node, folder):
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            base = [*folder[: len(folder) - level + 1], *filter(None, [module])] if level else [module]
            return [".".join([*base, alias.name]) for alias in names]
        case ast.Call(
            func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            return [_absolute(name, folder)]
    return []


def _absolute(name, folder):
    level = len(name) - len(name.lstrip("."))
    return ".".join([*folder[: len(folder) - level + 1], name[level:]]) if level else name


def find_faults(root):
    """Return a sentence for each forbidden import under root."""
    return [f"{arrow.file}:{arrow.line}: {fault}" for arrow in read_arrows(root) if (fault := _fault(root, arrow))]


def _fault(root, arrow):
    unit = _unit(arrow.file)
    if unit not in HEIGHT:
        return f"{unit} has no place in the layers of {Path(__file__).name}"
    name, _, inside = arrow.target.partition(".")
    if name == PACKAGE:
        return _fault_inside(unit, _target_unit(root, inside))
    return _fault_outside(unit, arrow.file, name)


def _unit(file):
    return Path(file).parts[0].removesuffix(".py")


def _target_unit(root, inside):
    """Name the unit that `flaskJSONRPCServer.<inside>` is in: a name that is no module belongs to __init__."""
    name = inside.partition(".")[0]
    return name if (name and (root / name).is_dir()) or (root / f"{name}.py").is_file() else "__init__"


def _fault_inside(unit, target):
    if target == unit:
        return None
    if unit in SELF_CONTAINED and target not in SELF_CONTAINED[unit]:
        allowed = " and ".join(SELF_CONTAINED[unit]) or "nothing"
        return f"{unit} imports {target}, and should import {allowed} of the package"
    if target not in HEIGHT:
        return f"{unit} imports {target}, which has no place in the layers of {Path(__file__).name}"
    if HEIGHT[target] >= HEIGHT[unit]:
        return f"{unit} imports {target}, which is not below it"
    return None


def _fault_outside(unit, file, name):
    if name in sys.stdlib_module_names or name in NEWER_STDLIB:
        return None
    if file in PLACES.get(name, ()):
        return None
    if unit in SELF_CONTAINED:
        return f"{unit} imports {name}, and should import the standard library only"
    if name in CORE_DEPENDENCIES:
        return None
    if name in PLACES:
        return f"{name} is imported outside {', '.join(sorted(PLACES[name]))}"
    return f"{name} is neither a core dependency nor an optional one"


def test_imports_of_the_package_point_down():
    assert any(read_arrows(ROOT)), f"no import was read under {ROOT}"
    assert find_faults(ROOT) == []


def find_faults_in_mcp(root):
    """Return a sentence for each import among the units of mcp/ that does not point down."""
    height = {unit: -depth for depth, row in enumerate(MCP_LAYERS) for unit in row}
    prefix = f"{PACKAGE}.mcp."
    faults = []
    for arrow in read_arrows(root, "mcp"):
        if arrow.target.startswith(prefix):
            unit = _unit(arrow.file.removeprefix("mcp/"))
            target = _target_unit(root / "mcp", arrow.target.removeprefix(prefix))
            if unit != target and height[target] >= height[unit]:
                faults.append(f"{arrow.file}:{arrow.line}: {unit} imports {target}, which is not below it")
    return faults


def test_imports_of_mcp_point_down():
    assert find_faults_in_mcp(ROOT) == []


def test_arrow_that_does_not_point_down_in_mcp_is_reported(tmp_path):
    files = {"mcp/asking/ask.py": "from ..calls import leaving", "mcp/calls/leaving.py": "from ..asking import ask"}

    assert find_faults_in_mcp(lay_tree(tmp_path, files)) == [
        "mcp/asking/ask.py:1: asking imports calls, which is not below it"
    ]


def layers_of_page():
    """Return the rows of parts that the page on the architecture lists, from top to bottom."""
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    layers = []
    for number, parts in re.findall(r"^\| (\d*) ?\| (`[^|]+) \| [^|]+ \|$", page, re.MULTILINE):
        if number:
            layers.append(set())
        layers[-1] |= {name.removesuffix("/").removesuffix(".py") for name in re.findall(r"`([^`]+)`", parts)}
    return layers


def test_page_on_the_architecture_lists_the_same_layers():
    assert layers_of_page() == list(LAYERS)


def lay_tree(root, files):
    """Write files, a dict of sources by their paths, under root, with an empty module for each unit of the layers."""
    units = {f"{unit}.py": "" for unit in HEIGHT if not any(file.startswith(f"{unit}/") for file in files)}
    for file, source in (units | files).items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("file", "source", "arrow"),
    [
        ("settings.py", "import flaskJSONRPCServer", "settings imports __init__"),
        ("settings.py", "import flaskJSONRPCServer.server", "settings imports server"),
        ("settings.py", "from flaskJSONRPCServer import server", "settings imports server"),
        ("settings.py", "from flaskJSONRPCServer import *", "settings imports __init__"),
        ("settings.py", "from flaskJSONRPCServer.server import x", "settings imports server"),
        ("settings.py", "from . import server", "settings imports server"),
        ("settings.py", "from . import __version__", "settings imports __init__"),
        ("errors.py", "from . import settings", "errors imports settings"),
        ("settings.py", "from .server import x", "settings imports server"),
        ("settings.py", "from .dispatch.routes import x", "settings imports dispatch"),
        ("http/request.py", "from .. import wsgi", "http imports wsgi"),
        ("http/request.py", "from ..runtime import x", "http imports runtime"),
        ("http/deep/request.py", "from ...dispatch import x", "http imports dispatch"),
        ("http/__init__.py", "from ..dispatch import x", "http imports dispatch"),
        ("execBackend/simple.py", "from .. import servBackend", "execBackend imports servBackend"),
        ("wsgi.py", "import importlib\nimportlib.import_module('.server', __package__)", "wsgi imports server"),
        ("wsgi.py", "__import__('flaskJSONRPCServer.server')", "wsgi imports server"),
        ("wsgi.py", "def f():\n    from .server import x", "wsgi imports server"),
        ("wsgi.py", "from typing import TYPE_CHECKING as T\nif T:\n    from .server import x", "wsgi imports server"),
    ],
)
def test_arrow_that_does_not_point_down_is_reported(tmp_path, file, source, arrow):
    line = len(source.splitlines())

    assert find_faults(lay_tree(tmp_path, {file: source})) == [f"{file}:{line}: {arrow}, which is not below it"]


@pytest.mark.parametrize(
    ("file", "source", "fault"),
    [
        ("sansio_jsonrpc/peer.py", "from .. import errors", "should import nothing of the package"),
        ("client/client.py", "from ..errors import x", "should import sansio_jsonrpc of the package"),
        ("client/client.py", "import httptools", "should import the standard library only"),
        ("sansio_jsonrpc/peer.py", "import simplejson", "should import the standard library only"),
        ("runtime/stats.py", "import gevent.event", "outside runtime/concurrency.py, servBackend/pywsgi.py"),
        ("contract/types.py", "import docstring_parser", "docstring_parser is imported outside contract/docstrings.py"),
        ("runtime/stats.py", "from loky import x", "loky is imported outside execBackend/parallel/backend.py"),
        ("server.py", "import requests", "requests is neither a core dependency nor an optional one"),
        ("unheard_of.py", "import sys", "unheard_of has no place in the layers"),
    ],
)
def test_other_forbidden_import_is_reported(tmp_path, file, source, fault):
    (reported,) = find_faults(lay_tree(tmp_path, {file: source}))

    assert reported.startswith(f"{file}:1: ")
    assert fault in reported


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("__main__.py", "from . import __version__"),
        ("__init__.py", "from .server import flaskJSONRPCServer"),
        ("server.py", "from . import settings, wsgi\nfrom .http.request import Request"),
        ("http/request.py", "from http import HTTPStatus\nfrom .cors import x\nfrom ..errors import y"),
        ("settings.py", "from .errors import x"),
        ("client/client.py", "from ..sansio_jsonrpc import x"),
        ("http/deep/request.py", "from .. import cors\nfrom ... import errors"),
        ("sansio_jsonrpc/__init__.py", "from ._messages import x\nimport json"),
        ("servBackend/pywsgi.py", "from gevent import pywsgi"),
        ("servBackend/granian_worker.py", "import granian"),
        ("contract/docstrings.py", "def f():\n    import docstring_parser"),
        ("runtime/resources.py", "import psutil"),
        ("sansio_jsonrpc/codecs/engines.py", "def f():\n    import simplejson, orjson"),
        ("runtime/concurrency.py", "import importlib\nimportlib.import_module('gevent.monkey')"),
    ],
)
def test_allowed_import_is_not_reported(tmp_path, file, source):
    assert find_faults(lay_tree(tmp_path, {file: source})) == []
