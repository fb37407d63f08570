"""The patch of the process, and the modules and threads that came before it."""

import pytest

from tests.gevent.processes import ROOT, lines_of, run

MAKE = 'server = flaskJSONRPCServer(["127.0.0.1", 0], gevent=True)'
IMPORT = "from flaskJSONRPCServer import *"
REMEDY = "let `from gevent import monkey; monkey.patch_all()` be the first lines of the program"
PRINT_PATCHED = "from gevent import monkey; print(monkey.is_module_patched('threading'))"

BLOCKED = """
import sys

class NoGevent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "gevent":
            raise ImportError("blocked")

sys.meta_path.insert(0, NoGevent())
"""


def script(*lines):
    return "\n".join(lines)


def test_process_is_patched_without_a_warning():
    assert lines_of(script(IMPORT, MAKE, PRINT_PATCHED), prelude="") == ["True"]


def test_process_is_not_patched_without_gevent():
    loaded = "import sys; print([name for name in sys.modules if name.partition('.')[0] == 'gevent'])"
    assert lines_of(script(IMPORT, "flaskJSONRPCServer(None)", loaded), prelude="") == ["[]"]


def test_warning_names_the_module_and_the_names_that_it_holds(tmp_path):
    (tmp_path / "database.py").write_text("from threading import Condition, Lock as Mutex\nimport time\n")
    out, err = run(
        script(
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.path.insert(0, {str(tmp_path)!r})",
            "import database; from time import sleep",
            IMPORT,
            MAKE,
            PRINT_PATCHED,
        ),
        prelude="",
    )
    assert out == "True"
    assert err.count("\n") == 0
    assert err.endswith(
        "imported before the process was patched, with names that block all greenlets: "
        f"__main__ (sleep), database (Mutex); {REMEDY}"
    )
    assert " WARNING flaskJSONRPCServer." in err


def test_warning_names_threads_that_run():
    thread = (
        "import threading; e = threading.Event(); threading.Thread(target=e.wait, name='poller', daemon=True).start()"
    )
    _, err = run(script(thread, IMPORT, MAKE), prelude="")
    assert err.endswith(f"started before the process was patched, and still native: poller; {REMEDY}")


def test_patched_process_is_not_patched_again():
    early = "from time import sleep\nfrom gevent import monkey; monkey.patch_all()"
    assert lines_of(script(early, IMPORT, MAKE, PRINT_PATCHED), prelude="") == ["True"]


def test_patch_by_hand_is_done_once():
    make = "server = flaskJSONRPCServer(None)"
    by_hand = "server._patchWithGevent(); server._patchWithGevent()"
    assert lines_of(script(IMPORT, make, by_hand, PRINT_PATCHED), prelude="") == ["True"]


@pytest.mark.parametrize("options", ["gevent=True", "servBackend='pywsgi'"])
def test_missing_gevent_is_one_clear_error(options):
    attempt = f"""
try:
    flaskJSONRPCServer(["127.0.0.1", 0], {options})
except MissingExtraError as exc:
    print(exc)
print(flaskJSONRPCServer(None)._tryGevent())
"""
    message = "gevent=True needs gevent; install it: pip install 'gevent>=24.2'"
    imports = "from flaskJSONRPCServer import MissingExtraError, flaskJSONRPCServer"
    assert lines_of(script(BLOCKED, imports, attempt), prelude="") == [message, "False"]
