"""Changes of watched files are reported."""

import os
import queue
import sys
import threading

import pytest

from flaskJSONRPCServer import MissingExtraError
from flaskJSONRPCServer.runtime import watching as watching_module
from flaskJSONRPCServer.runtime.watching import FileWatch

PATIENCE_S = 40


def put(path, text):
    """Change a file atomically, so that it is never half written."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


@pytest.fixture
def file(tmp_path):
    path = tmp_path.resolve() / "watched.py"
    path.write_text("1", encoding="utf-8")
    return path


class Watching:
    """A watch with a method to wait for changes."""

    def __init__(self, *files):
        self.files = set(files)
        self.changes = queue.SimpleQueue()
        self.watch = FileWatch(lambda: set(self.files), self.changes.put)

    def __enter__(self):
        self.watch.start()
        return self

    def __exit__(self, *exc):
        self.watch.stop()

    def next(self):
        return self.changes.get(timeout=PATIENCE_S)


def test_change_is_reported(file):
    with Watching(file) as watching:
        file.write_text("2", encoding="utf-8")
        assert watching.next() == file
        file.write_text("3", encoding="utf-8")
        assert watching.next() == file


def test_change_by_a_rename_is_reported(file):
    with Watching(file) as watching:
        for text in ("2", "3"):
            put(file, text)
            assert watching.next() == file


def test_file_that_was_removed_and_restored_is_reported(file):
    with Watching(file) as watching:
        file.unlink()
        put(file, "2")
        assert watching.next() == file


def test_same_content_and_other_files_are_not_told(file):
    with Watching(file) as watching:
        file.with_name("other.py").write_text("2", encoding="utf-8")
        put(file, "1")
        os.utime(file, (1, 1))
        put(file, "2")
        assert watching.next() == file
    assert watching.changes.empty()


def test_early_change_is_seen_despite_constant_changes_of_other_files(file, monkeypatch):
    """The change comes after a check and before the system reports changes."""
    tell, done = watching_module.import_watch(), threading.Event()

    def change_and_tell(*folders, **options):
        file.write_text("2", encoding="utf-8")
        return tell(*folders, **options)

    def change_others():
        other = file.with_name("other")
        while not done.wait(0.005):
            other.write_text("1", encoding="utf-8")

    monkeypatch.setattr(watching_module, "import_watch", lambda: change_and_tell)
    others = threading.Thread(target=change_others)
    others.start()
    try:
        with Watching(file) as watching:
            assert watching.next() == file
    finally:
        done.set()
        others.join()


def test_change_during_a_callback_is_reported(file):
    changes, at_work, go_on = queue.SimpleQueue(), threading.Event(), threading.Event()

    def on_change(path):
        changes.put(path.read_text(encoding="utf-8"))
        at_work.set()
        assert go_on.wait(PATIENCE_S)

    watch = FileWatch(lambda: {file}, on_change)
    watch.start()
    put(file, "2")
    assert at_work.wait(PATIENCE_S)
    put(file, "3")
    go_on.set()
    assert [changes.get(timeout=PATIENCE_S) for _ in range(2)] == ["2", "3"]
    watch.stop()


def test_file_in_another_folder_may_come_later(file, tmp_path):
    later = tmp_path.resolve() / "folder" / "later.py"
    with Watching(file) as watching:
        later.parent.mkdir()
        later.write_text("1", encoding="utf-8")
        watching.files.add(later)
        put(file, "2")
        assert watching.next() == file
        while later not in watching.watch._digests:  # from then on it is watched
            pass
        later.write_text("2", encoding="utf-8")
        assert watching.next() == later


def test_watching_starts_without_files(file):
    with Watching() as watching:
        watching.files.add(file)
        while file not in watching.watch._digests:
            pass
        put(file, "2")
        assert watching.next() == file


def test_thread_ends_at_once(file):
    for _ in range(3):
        with Watching(file):
            assert "reload on change" in names_of_threads()
        assert "reload on change" not in names_of_threads()


def names_of_threads():
    return {thread.name for thread in threading.enumerate()}


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'watchfiles>=0\.24'"):
        FileWatch(set, print)
