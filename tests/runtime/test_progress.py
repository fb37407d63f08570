"""Progress on a terminal."""

import contextlib
import io

import pytest

from flaskJSONRPCServer.runtime import progress as module
from flaskJSONRPCServer.runtime.progress import progress
from tests.helpers import wait_until


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(module, "_AFTER_S", 0.001)
    monkeypatch.setattr(module, "_EVERY_S", 0.001)


@pytest.mark.usefixtures("soon")
def test_line_is_renewed_and_erased():
    terminal, counts = Terminal(), iter(range(1_000_000))
    with progress(lambda: f"step {next(counts)}", terminal):
        wait_until(lambda: "step 2 ... 0 s" in terminal.getvalue())
    shown = terminal.getvalue()

    assert shown.startswith("\r\x1b[Kstep 0 ... 0 s\r\x1b[Kstep 1 ... 0 s")
    assert shown.endswith("\r\x1b[K")
    assert "\n" not in shown


@pytest.mark.usefixtures("soon")
def test_line_is_erased_after_an_exception():
    terminal = Terminal()
    with contextlib.suppress(ZeroDivisionError), progress("work", terminal):
        wait_until(lambda: "work" in terminal.getvalue())
        _ = 1 / 0
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_short_work_shows_nothing():
    terminal = Terminal()
    with progress("work", terminal):
        pass
    assert terminal.getvalue() == ""


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("closed", [False, True])
def test_file_gets_nothing(closed, monkeypatch):
    described, stream = [], io.StringIO()
    if closed:
        stream.close()
    monkeypatch.setattr("sys.stderr", stream)
    with progress(lambda: described.append(1)):
        pass

    assert not described
    assert closed or stream.getvalue() == ""


def test_no_stream_at_all(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    with progress("work"):
        pass


@pytest.mark.usefixtures("soon")
def test_terminal_that_goes_ends_nothing():
    class Gone(Terminal):
        def write(self, text):
            raise OSError(5, "Input/output error")

    written = []
    with progress(lambda: written.append(1), Gone()):
        wait_until(lambda: written)
