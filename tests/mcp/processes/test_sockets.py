"""The folder in which processes find each other's sockets, and what is in it."""

import os
import socket

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp.processes.own_sockets import OwnSockets
from flaskJSONRPCServer.mcp.processes.socket_folder import SocketFolder, UnsafeFolderError
from tests.mcp.processes.pair import Member
from tests.mcp.session_client import Client
from tests.mcp.session_tools import add


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return SocketFolder("sockets")


def test_only_its_user_may_enter(folder, tmp_path):
    folder.make()
    folder.make()
    assert (tmp_path / "sockets").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("make", ["make_open", "make_link", "make_file"])
def test_folder_that_others_may_have_made_is_refused(folder, tmp_path, make):
    path = tmp_path / "sockets"
    if make == "make_open":
        path.mkdir(0o755)
    elif make == "make_link":
        (tmp_path / "real").mkdir(0o700)
        path.symlink_to(tmp_path / "real")
    else:
        path.touch(0o600)
    for use in (folder.make, folder.paths):
        with pytest.raises(UnsafeFolderError, match="is not a folder of this user alone; remove it, or set TMPDIR"):
            use()


def test_sockets_of_processes_that_have_ended_are_removed(folder):
    folder.make()
    running, ended = folder.new_path(), folder.new_path()
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        for listening, path in ((first, running), (second, ended)):
            listening.bind(str(path))
            listening.listen()
        second.close()
        folder.make()
        assert folder.paths() == [running]


def test_there_are_no_sockets_before_there_is_a_folder(folder):
    assert folder.paths() == []


@pytest.mark.parametrize("name", ["", ".", "..", "../../../x", "x" * 10, "x" * 12, "x" * 10 + "/", "x" * 11 + "\n"])
def test_names_of_clients_do_not_lead_out_of_the_folder(folder, name):
    assert folder.path_of(name) is None
    assert folder.path_of("x" * 11) is not None


def test_sessions_work_in_their_process_if_it_can_have_no_socket(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with Member(add, log=2) as member:
        for _ in range(2):
            client = Client(member)
            assert client.ask("ping") == {}
            client.close()
    (warning,) = [text for text in caplog.messages if "several processes" in text]
    assert "No such file or directory" in warning


def test_notice_is_lost_where_there_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with Member(add) as member:
        member.endpoint.tools_changed()


def test_process_that_is_forked_later_does_not_have_the_sockets(folder, monkeypatch):
    server = flaskJSONRPCServer(None, log=0)
    own = OwnSockets(folder, server.settings, server._engine.facts, lambda notice: None)
    application = server.getWSGI()
    try:
        name = own.name_of("key", application)
        assert own.name_of("key", application) == name
        assert own.have(name)
        with monkeypatch.context() as patch:
            parent = os.getpid()
            patch.setattr("os.getpid", lambda: parent + 1)
            assert not own.have(name)
        assert own.have(name)
    finally:
        own.close()
