"""Finding a serving backend by its name or by `auto`, and the errors if there is none."""

import subprocess
import sys
import textwrap

import pytest

from flaskJSONRPCServer import MissingExtraError, SettingsError, UnsupportedError, flaskJSONRPCServer, servBackend
from flaskJSONRPCServer.servBackend import find_serv_backend, servBackendMap


def hide(monkeypatch, package, *importers):
    """Make a package missing, even for our modules that have imported it already."""
    monkeypatch.setitem(sys.modules, package, None)
    for module in importers:
        monkeypatch.delitem(sys.modules, f"flaskJSONRPCServer.servBackend.{module}", raising=False)


@pytest.mark.parametrize(("gevent", "name"), [(False, "native"), (True, "pywsgi")])
def test_auto_is_native_and_with_gevent_pywsgi(gevent, name):
    assert find_serv_backend("auto", gevent=gevent)._id == name


@pytest.mark.parametrize("name", servBackendMap)
def test_backend_is_found_by_its_name(name):
    assert find_serv_backend(name)._id == name


def test_native_is_named_first():
    assert list(servBackendMap) == ["native", "pywsgi", "werkzeug", "granian"]


def test_auto_needs_no_extra():
    code = """
        import sys
        sys.modules["granian"] = sys.modules["gevent"] = None
        from flaskJSONRPCServer import flaskJSONRPCServer
        flaskJSONRPCServer(["127.0.0.1", 0])
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize("name", ["cheroot", "wsgiex"])
def test_former_backend_is_an_error_with_the_remedy(name):
    with pytest.raises(SettingsError, match=rf"unknown serving backend '{name}': .*'native'"):
        flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend=name)


def test_granian_that_is_not_installed_cannot_be_named(monkeypatch):
    hide(monkeypatch, "granian", "granian", "granian_worker")
    with pytest.raises(MissingExtraError, match=r"needs granian; install it: pip install 'granian>=2\.8.*' 'orjson"):
        find_serv_backend("granian")


def test_unusable_granian_that_is_named_is_an_error(monkeypatch):
    def load():
        raise UnsupportedError("granian 9.9.9 cannot be used here")

    monkeypatch.setitem(servBackend.servBackendMap, "granian", load)
    with pytest.raises(UnsupportedError, match=r"granian 9\.9\.9 cannot be used here"):
        flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend="granian")


def test_granian_that_lacks_a_name_cannot_be_used(monkeypatch):
    monkeypatch.delattr("granian._granian.WorkerSignal")
    for module in ("granian", "granian_worker"):
        monkeypatch.delitem(sys.modules, f"flaskJSONRPCServer.servBackend.{module}", raising=False)
    with pytest.raises(UnsupportedError, match="its WorkerSignal is not what it was"):
        find_serv_backend("granian")


def test_limit_of_open_files_stays_as_it_is():
    code = """
        import resource
        from flaskJSONRPCServer.servBackend import load_granian
        limits = 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        load_granian()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
