"""Which serving backend `auto` takes, and what it says about those that it passes over."""

import ssl
import subprocess
import sys
import textwrap

import pytest

from flaskJSONRPCServer import MissingExtraError, SettingsError, UnsupportedError, flaskJSONRPCServer, servBackend
from flaskJSONRPCServer.servBackend import find_serv_backend, load_granian


def hide(monkeypatch, package, *importers):
    """Let a package be missing, also for modules of ours that have imported it already."""
    monkeypatch.setitem(sys.modules, package, None)
    for module in importers:
        monkeypatch.delitem(sys.modules, f"flaskJSONRPCServer.servBackend.{module}", raising=False)


@pytest.fixture
def without_granian(monkeypatch):
    hide(monkeypatch, "granian", "granian", "granian_worker")


@pytest.fixture
def with_unusable_granian(monkeypatch):
    def load():
        raise UnsupportedError("granian 9.9.9 cannot be used here")

    monkeypatch.setitem(servBackend.servBackendMap, "granian", load)


@pytest.mark.parametrize("tls", [False, ["key.pem", "cert.pem"]])
def test_granian_serves_where_it_is_installed(tls, certificates):
    wanted = tls and [certificates.key, certificates.certificate]
    assert find_serv_backend("auto", ssl=wanted)._id == "granian"


def test_ssl_context_is_served_by_another_which_is_told():
    told = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found = find_serv_backend("auto", ssl=context, told=told.append)
    assert found._supportSSLContext
    assert told[0].startswith("servBackend 'auto' passes over 'granian': servBackend 'granian' cannot serve with ssl=")


def test_what_is_not_installed_is_passed_over_in_silence(without_granian):
    told = []
    assert find_serv_backend("auto", told=told.append)._id != "granian"
    assert told == []


def test_what_is_not_installed_cannot_be_named(without_granian):
    with pytest.raises(MissingExtraError, match=r"needs granian; install it: pip install 'granian>=2\.8.*' 'orjson"):
        load_granian()


def test_unusable_granian_is_passed_over_and_logged_once_a_start(with_unusable_granian, caplog):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=3)
    server.start()
    server.stop()
    assert caplog.text.count("servBackend 'auto' passes over 'granian': granian 9.9.9 cannot be used here") == 1


def test_unusable_granian_that_is_named_is_an_error(with_unusable_granian):
    with pytest.raises(UnsupportedError, match=r"granian 9\.9\.9 cannot be used here"):
        flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend="granian")


def test_granian_that_lacks_a_name_cannot_be_used(monkeypatch):
    monkeypatch.delattr("granian._granian.WorkerSignal")
    for module in ("granian", "granian_worker"):
        monkeypatch.delitem(sys.modules, f"flaskJSONRPCServer.servBackend.{module}", raising=False)
    with pytest.raises(UnsupportedError, match="its WorkerSignal is not what it was"):
        load_granian()


def test_gevent_is_served_by_pywsgi():
    assert find_serv_backend("auto", gevent=True)._id == "pywsgi"


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


def test_werkzeug_serves_where_granian_cannot(without_granian):
    assert find_serv_backend("auto")._id == "werkzeug"


def test_cheroot_is_an_error_with_the_remedy():
    with pytest.raises(SettingsError, match="unknown serving backend 'cheroot': .*'native'"):
        flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend="cheroot")
