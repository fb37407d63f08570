"""The main program: its globals, its script, its process."""

import math
import os
import subprocess
import sys
import textwrap
from types import ModuleType

import pytest

from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.runtime.parent import find_parent_module

GLOBALS = {
    "number": 1,
    "ratio": 1.5,
    "text": "a",
    "raw": b"a",
    "nothing": None,
    "yes": True,
    "table": {"a": 1},
    "row": [1],
    "pair": (1, 2),
    "maths": math,
    "shout": lambda text: text.upper(),
    "thing": object(),
    "kind": int,
    "built_in": len,
}
PLAIN = set(GLOBALS) - {"thing", "kind", "built_in"}

FILTERS = [
    ({}, set(GLOBALS)),
    ({"typeOf": None}, set(GLOBALS)),
    ({"typeOf": True}, PLAIN),
    ({"typeOf": [int]}, {"number", "yes"}),
    ({"typeOf": (float, None)}, {"ratio", "nothing"}),
    ({"typeOf": [ModuleType, str]}, {"maths", "text"}),
    ({"typeOf": []}, set()),
    ({"typeOf": dict}, {"table"}),
    ({"typeOf": lambda name, value: name.startswith("r") or value == 1}, {"ratio", "raw", "row", "number", "yes"}),
    ({"filterByName": ["text", "row", "missing"]}, {"text", "row"}),
    ({"filterByName": "text"}, {"text"}),
    ({"filterByName": []}, set()),
    ({"filterByName": ["text", "row"], "typeOf": [list]}, {"row"}),
    ({"filterByName": PLAIN, "filterByNameReversed": True}, set(GLOBALS) - PLAIN),
    ({"filterByNameReversed": True}, set(GLOBALS)),
    ({"filterByName": ["text"], "filterByNameReversed": True, "typeOf": [str]}, set()),
]


@pytest.fixture
def server():
    server = flaskJSONRPCServer(None, log=False)
    server._parentModule = ModuleType("program", "The main program.")
    return server


@pytest.mark.parametrize(("filters", "names"), FILTERS)
def test_globals_are_imported_according_to_the_filters(filters, names, server):
    vars(server._parentModule).update(GLOBALS)
    scope = {"mine": 5, "text": "old"}

    assert server._importGlobalsFromParent(**filters) == {name: GLOBALS[name] for name in names}
    assert server._importGlobalsFromParent(scope, **filters) is scope
    assert scope == {"mine": 5, "text": "old", **{name: GLOBALS[name] for name in names}}


@pytest.mark.parametrize(("filters", "names"), FILTERS)
def test_scope_is_merged_according_to_the_filters(filters, names, server):
    before = dict(vars(server._parentModule))

    server._mergeGlobalsToParent(GLOBALS, **filters)

    assert vars(server._parentModule) == {**before, **{name: GLOBALS[name] for name in names}}


def test_names_that_describe_a_module_are_selected_only_if_listed(server):
    assert server._importGlobalsFromParent() == {}
    assert server._importGlobalsFromParent(filterByName=["__name__"]) == {"__name__": "program"}

    server._mergeGlobalsToParent({"__name__": "other", "_private": 1})

    assert server._parentModule.__name__ == "program"
    assert server._parentModule._private == 1


@pytest.mark.parametrize("type_of", [5, "int", ["int"], [1], object()])
def test_invalid_filter_is_refused(type_of, server):
    with pytest.raises(TypeError, match="it takes None, True, a callback"):
        server._importGlobalsFromParent(typeOf=type_of)


def test_parent_module_is_that_of_the_main_program(server):
    assert flaskJSONRPCServer(None, log=False)._parentModule is sys.modules["__main__"]

    server._findParentModule()

    assert server._parentModule is sys.modules["__main__"]


def test_spawned_process_has_its_parents_program(monkeypatch):
    program = ModuleType("__mp_main__")
    monkeypatch.setitem(sys.modules, "__mp_main__", program)

    assert find_parent_module() is program


def test_path_and_name_of_the_script(server, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "program.tool.py").touch()
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "program.tool.py")
    server._parentModule.__file__ = str(tmp_path / "link.py")
    real = tmp_path.resolve() / "real"

    assert server._getScriptPath() == str(real)
    assert server._getScriptPath(full=True) == str(real / "program.tool.py")
    assert server._getScriptPath(real=False) == str(tmp_path)
    assert server._getScriptPath(True, False) == str(tmp_path / "link.py")
    assert server._getScriptName() == "program.tool"
    assert server._getScriptName(withExt=True) == "program.tool.py"


@pytest.mark.parametrize("file", [None, ""])
def test_session_without_a_script(file, server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    server._parentModule.__file__ = file

    assert server._getScriptPath() == server._getScriptPath(full=True) == str(tmp_path)
    assert server._getScriptName(withExt=True) == ""


CHANGES = {
    "start": (),
    "serveForever": (),
    "stop": (),
    "stats": (),
    "lock": (),
    "unlock": (),
    "wait": (),
    "registerFunction": (len,),
    "registerInstance": (object(),),
    "mapException": (ValueError,),
    "use": (len,),
    "openrpc": (),
    "checkExamples": (),
    "_registerServerUrl": ({},),
    "_mergeGlobalsToParent": ({},),
    "restart": (),
    "callAsync": (len,),
    "_registerExecBackend": ("simple", False),
    "_startExecBackends": (),
    "_stopExecBackends": (),
    "_waitProcessingDispatchers": (),
    "_controlGC": (),
}


@pytest.mark.parametrize(("method", "args"), CHANGES.items())
def test_methods_that_change_the_server_fail_in_a_forked_child(method, args, server):
    server._inChild = lambda: True

    with pytest.raises(ServerStateError, match=rf"{method}\(\) is called in a forked child"):
        getattr(server, method)(*args)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_child_is_distinguished_from_its_parent():
    # In a separate interpreter: a process that has threads should not fork.
    program = """
        import os, sys
        from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer

        server = flaskJSONRPCServer(None, log=False)
        child = os.fork()
        if child == 0:
            try:
                server.lock()
            except ServerStateError:
                helpers_work = len(server._sha1("a")) == 40
                own = flaskJSONRPCServer(None, log=False)
                own.lock()
                os._exit(7 if server._inChild() and helpers_work and not own._inChild() else 1)
            os._exit(2)
        server.lock()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.exit(0 if code == 7 and not server._inChild() else code or 3)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=30, check=False
    )

    assert run.returncode == 0, (run.returncode, run.stderr)
