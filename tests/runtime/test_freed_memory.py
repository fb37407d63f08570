"""Memory that was freed goes back to the system."""

import subprocess
import sys
import textwrap

import pytest

from flaskJSONRPCServer.runtime import freed_memory

FREED_MB = 98

# Blocks of 10 kB are glibc's, and not of Python's own allocator. One in fifty stays, and
# the last one is among them, so the end of the heap is in use.
FRAGMENT = """
    import psutil

    def resident_mb():
        return psutil.Process().memory_info().rss / 1e6

    blocks = [bytes(10_000) for _ in range(10_000)]
    blocks[:] = blocks[::-50]
    before_mb = resident_mb()
"""


def run(program):
    """Run a program in an interpreter of its own: the heap of this one has a history. Return the number it prints."""
    program = textwrap.dedent(FRAGMENT) + textwrap.dedent(program)
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


needs_glibc = pytest.mark.skipif(freed_memory.trim_function() is None, reason="this C library cannot trim its heap")


@needs_glibc
def test_freed_memory_is_returned():
    returned_mb = run("""
        from flaskJSONRPCServer.runtime.freed_memory import return_freed_memory
        return_freed_memory()
        print(before_mb - resident_mb())
    """)

    # Whole pages alone are returned: parts of the first and the last page of each gap stay.
    assert returned_mb > FREED_MB / 2


@needs_glibc
@pytest.mark.parametrize(("force", "is_returned"), [(True, True), (False, False)])
def test_collection_returns_it_if_it_is_full(force, is_returned):
    returned_mb = run(f"""
        from flaskJSONRPCServer.runtime.garbage import GarbageControl
        from flaskJSONRPCServer.settings import Settings
        requests = iter([0, 10**6])
        control = GarbageControl(lambda: (next(requests), 0), Settings())
        assert control.collect(force={force})
        print(before_mb - resident_mb())
    """)

    assert (returned_mb > FREED_MB / 2) is is_returned


@pytest.fixture
def unknown_function():
    freed_memory.trim_function.cache_clear()
    yield
    freed_memory.trim_function.cache_clear()


def test_another_c_library_keeps_it(unknown_function, monkeypatch):
    monkeypatch.setattr(freed_memory, "c_library", object)
    freed_memory.return_freed_memory()

    assert freed_memory.trim_function() is None


def test_interpreter_without_ctypes_keeps_it(unknown_function, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctypes", None)
    freed_memory.return_freed_memory()

    assert freed_memory.trim_function() is None
