"""The documented helpers of the server: they delegate, and replacing one takes effect."""

import time

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer


@pytest.fixture
def server():
    return flaskJSONRPCServer(None, log=False)


def test_file_helpers(server, tmp_path):
    assert server._fileWrite(tmp_path / "file", "one\n") == "one\n"
    server._fileWrite(str(tmp_path / "file"), "two\n", "a")

    assert server._fileGet(tmp_path / "file") == "one\ntwo\n"
    assert server._fileGet(str(tmp_path / "file"), "rb") == b"one\ntwo\n"


def test_text_helpers(server):
    assert server._strGet("a=1;b=2;", "b=", ";") == "2"
    assert server._strGet("a=1;a=2;", pref="a=", suf=";", index=1) == "2"
    assert server._strGet("a=1;", "b=", default=0) == 0
    assert len(server._sha1("text")) == 40
    assert len(server._sha256("text")) == 64
    assert server._sha1(None, "no digest") == server._sha256(None, lambda exc: "no digest") == "no digest"
    assert server._randomEx(0, None, "id-", "!") == "id-0!"
    assert server._randomEx(0, ["0"], soLong=0, cbSoLong=lambda mult: None) is None


def test_time_is_in_milliseconds_or_whole_seconds(server, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_500_000_000.75)

    assert server._getms() == 1_500_000_000_750.0
    assert isinstance(server._getms(), float)
    assert server._getms(inMS=False) == 1_500_000_000
    assert isinstance(server._getms(False), int)


def test_error_info_is_the_traceback_of_the_exception_being_handled(server):
    assert server._getErrorInfo() == ""
    try:
        server._throw("a reason")
    except ValueError:
        info = server._getErrorInfo()

    assert info.startswith("Traceback (most recent call last):\n")
    assert info.endswith("ValueError: a reason\n")
    assert server._getErrorInfo() == ""


def test_replaced_count_decides_whether_the_limit_is_near():
    class Full(flaskJSONRPCServer):
        def _countFileDescriptor(self, pid=None):
            return 2**62

    assert Full(None, log=False)._checkFileDescriptor() is True


def test_replaced_search_for_the_parent_module_takes_effect():
    class Elsewhere(flaskJSONRPCServer):
        def _findParentModule(self):
            self._parentModule = time

    assert Elsewhere(None, log=False)._importGlobalsFromParent(filterByName=["sleep"]) == {"sleep": time.sleep}
