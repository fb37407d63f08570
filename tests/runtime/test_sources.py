"""Loading a script again as a fresh module."""

import importlib
import sys
import threading
import traceback
import types

import pytest

from flaskJSONRPCServer.runtime.sources import FreshModules, module_name, script_file


@pytest.fixture(autouse=True)
def modules_as_before():
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "some.script.py"
    path.write_text("version = 1", encoding="utf-8")
    return path.resolve()


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "package_for_sources"
    folder.mkdir()
    (folder / "__init__.py").write_text("from .part import part", encoding="utf-8")
    (folder / "part.py").write_text("def part(): return 1", encoding="utf-8")
    (folder / "plain.py").write_text("def value(): return 1", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return folder.resolve()


def test_missing_script_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file; give the path of a Python source"):
        script_file(tmp_path)


def test_link_leads_to_its_script(script, tmp_path):
    (tmp_path / "link.py").symlink_to(script)

    assert script_file(tmp_path / "link.py") == script


def test_script_is_executed_once_in_its_own_module(script):
    fresh = FreshModules()
    module = fresh.load(script)

    assert module.version == 1
    assert fresh.load(script) is module
    assert sys.modules[module.__name__] is module
    assert (module.__file__, module.__package__) == (str(script), "")
    assert module.__name__.startswith("_reloaded_some_script_")
    assert module_name(script) == module.__name__


def test_next_load_replaces_the_module_again(script):
    first = FreshModules().load(script)
    count = len(sys.modules)
    script.write_text("version = 2", encoding="utf-8")
    second = FreshModules().load(script)

    assert (first.version, second.version) == (1, 2)
    assert sys.modules[first.__name__] is second
    assert len(sys.modules) == count


def test_scripts_of_one_name_do_not_clash(script, tmp_path):
    (tmp_path / "folder").mkdir()
    other = tmp_path / "folder" / script.name
    other.write_text("version = 3", encoding="utf-8")
    fresh = FreshModules()

    assert fresh.load(script) is not fresh.load(other)
    assert fresh.load(script).__name__ != fresh.load(other).__name__


def test_cached_bytecode_is_neither_read_nor_written(package):
    importlib.import_module("package_for_sources.plain")

    cached = package / "__pycache__"
    before = sorted(cached.glob("plain*")) if cached.exists() else []
    (package / "plain.py").write_text("def value(): return 2", encoding="utf-8")

    assert FreshModules().load(package / "plain.py").value() == 2
    assert (sorted(cached.glob("plain*")) if cached.exists() else []) == before


def test_module_of_a_package_becomes_its_attribute(package):
    import package_for_sources.plain

    old = package_for_sources.plain
    fresh = FreshModules()
    module = fresh.load(package / "plain.py")

    assert module is not old
    assert (module.__name__, module.__package__) == ("package_for_sources.plain", "package_for_sources")
    assert package_for_sources.plain is sys.modules["package_for_sources.plain"] is module
    fresh.restore()
    assert package_for_sources.plain is sys.modules["package_for_sources.plain"] is old


def test_package_attribute_that_hides_its_module_is_kept(package):
    import package_for_sources

    function = package_for_sources.part
    fresh = FreshModules()
    fresh.load(package / "part.py")

    assert package_for_sources.part is function
    fresh.restore()
    assert package_for_sources.part is function


def test_package_keeps_its_submodules(package):
    import package_for_sources.plain

    plain = package_for_sources.plain
    module = FreshModules().load(package / "__init__.py")

    assert module.__path__ == [str(package)]
    assert module.plain is plain
    assert module is sys.modules["package_for_sources"]


def test_main_program_of_a_package_has_the_name_from_its_command_line(package, monkeypatch):
    importlib.import_module("package_for_sources")

    main = types.ModuleType("__main__")
    main.__file__ = str(package / "plain.py")
    main.__spec__ = types.SimpleNamespace(name="package_for_sources.plain", parent="package_for_sources")
    monkeypatch.setitem(sys.modules, "__main__", main)

    module = FreshModules().load(package / "plain.py")
    assert module.__name__ == "package_for_sources.plain"
    assert sys.modules["__main__"] is main


@pytest.mark.parametrize("text", ["version =", "1 / 0", "raise SystemExit", "import no_such_module_anywhere"])
def test_failed_load_restores_the_old_module(script, text):
    first = FreshModules().load(script)
    modules, finders = dict(sys.modules), list(sys.meta_path)
    script.write_text(text, encoding="utf-8")

    with pytest.raises((Exception, SystemExit)):
        FreshModules().load(script)
    assert sys.modules == modules
    assert sys.modules[first.__name__] is first
    assert sys.meta_path == finders


def test_restore_undoes_a_first_load(script):
    modules = dict(sys.modules)
    fresh = FreshModules()
    fresh.load(script)
    fresh.restore()

    assert sys.modules == modules


def test_traceback_shows_the_current_line(script):
    for line in ("raise ValueError('first line')", "\nraise ValueError('other line, further down')"):
        script.write_text(line, encoding="utf-8")
        with pytest.raises(ValueError, match="line") as caught:
            FreshModules().load(script)
        assert line.strip() in "".join(traceback.format_exception(caught.value))


def test_other_threads_wait_for_the_whole_module(package):
    import package_for_sources.plain

    barrier, seen = threading.Barrier(2), []
    package_for_sources.barrier = barrier
    (package / "plain.py").write_text(
        "import package_for_sources\npackage_for_sources.barrier.wait(30)\nstate = 'begun'\n"
        "for _ in range(100_000): pass\nstate = 'complete'",
        encoding="utf-8",
    )

    def import_it():
        barrier.wait(30)
        from package_for_sources.plain import state

        seen.append(state)

    thread = threading.Thread(target=import_it)
    thread.start()
    FreshModules().load(package / "plain.py")
    thread.join()
    assert seen == ["complete"]
