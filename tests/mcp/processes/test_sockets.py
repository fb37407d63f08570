"""The folder in which processes find each other's sockets, and what is in it."""

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp.processes.own_sockets import OwnSockets
from flaskJSONRPCServer.mcp.processes.socket_folder import FolderError, SocketFolder
from flaskJSONRPCServer.runtime.forks import fork_count
from tests.mcp.processes.pair import Member, pair
from tests.mcp.session_client import Client
from tests.mcp.session_tools import add


@pytest.fixture
def temporary(monkeypatch):
    """Return the folder of the system for temporary files: one whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory() as path:
        monkeypatch.setattr("tempfile.tempdir", path)
        yield Path(path)


@pytest.fixture
def folder(temporary):
    return SocketFolder("sockets")


def test_only_its_user_may_enter(folder, temporary):
    assert folder.new_path() != folder.new_path()
    assert (temporary / "sockets").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("make", ["make_open", "make_link", "make_file"])
def test_folder_that_others_may_have_made_is_refused(folder, temporary, make):
    path = temporary / "sockets"
    if make == "make_open":
        path.mkdir(0o755)
    elif make == "make_link":
        (temporary / "real").mkdir(0o700)
        path.symlink_to(temporary / "real")
    else:
        path.touch(0o600)
    for use in (folder.new_path, folder.paths, lambda: folder.find("x" * 11)):
        with pytest.raises(FolderError, match="is not a folder of this user alone; remove it, or set TMPDIR"):
            use()


def test_sockets_of_processes_that_have_ended_are_removed(folder):
    running, ended, beginning = (folder.new_path() for _ in range(3))
    (running.parent / "folder").mkdir()
    with contextlib.ExitStack() as stack:
        for path in (running, ended, beginning):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(str(path))
            if path is running:
                listening.listen()
        for path in (running, ended):
            os.utime(path, (0, 0))
        folder.new_path()
        assert sorted(folder.paths()) == sorted([running, beginning])


def test_there_are_no_sockets_before_there_is_a_folder(folder):
    assert folder.paths() == []
    assert folder.find("x" * 11) is None


def test_folder_whose_sockets_would_have_too_long_names_is_refused(temporary, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(temporary / ("x" * 100)))
    with pytest.raises(FolderError, match="is too long for a socket; set TMPDIR to a shorter one"):
        SocketFolder("sockets").new_path()


@pytest.mark.parametrize("name", ["../outside", "sub/outside", "x" * 10, "x" * 12, "x" * 11 + "\n"])
def test_names_of_clients_do_not_lead_out_of_the_folder(folder, temporary, name):
    path = folder.new_path()
    (path.parent / "sub").mkdir()
    with socket.socket(socket.AF_UNIX) as bound, socket.socket(socket.AF_UNIX) as other:
        bound.bind(str(path))
        other.bind(str(path.parent / name))
        assert folder.find(path.name) == path
        assert folder.find(name) is None


def test_sessions_work_in_their_process_if_it_can_have_no_socket(temporary, monkeypatch, caplog):
    monkeypatch.setattr("tempfile.tempdir", str(temporary / "none"))
    with Member(add, log=2) as member:
        for _ in range(2):
            client = Client(member)
            assert client.ask("ping") == {}
            client.close()
    (warning,) = [text for text in caplog.messages if "several processes" in text]
    assert "No such file or directory" in warning


def test_notice_is_lost_where_there_is_no_folder(temporary, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(temporary / "none"))
    with Member(add) as member:
        member.endpoint.tools_changed()


def test_process_that_is_forked_later_does_not_have_the_sockets(folder, monkeypatch):
    server = flaskJSONRPCServer(None, log=0)
    own = OwnSockets(folder, server._engine.services.mcp_endpoints()._sources, lambda notice: None)
    application = server.getWSGI()
    try:
        name = own.name_of("key", application)
        assert own.name_of("key", application) == name
        assert own.have(name)
        with monkeypatch.context() as patch:
            patch.setattr("flaskJSONRPCServer.runtime.forks._forks", fork_count() + 1)
            assert not own.have(name)
        assert own.have(name)
    finally:
        own.close()


def test_socket_that_a_cleaner_has_removed_is_opened_anew(temporary):
    with pair(add) as (one, other):
        Client(one).close()
        (folder,) = temporary.iterdir()
        shutil.rmtree(folder)
        with contextlib.closing(Client(one)) as client:
            client.address = other.addresses[0]
            assert client.ask("ping") == {}


def test_nothing_is_passed_on_to_the_socket_of_another_user(temporary, caplog):
    with pair(add, log=2) as (one, other), contextlib.closing(Client(one)) as client:
        client.address = other.addresses[0]
        assert client.ask("ping") == {}
        (folder,) = temporary.iterdir()
        folder.chmod(0o777)
        assert client.exchange(client.request("ping"))[0].status == 404
        folder.chmod(0o700)
    assert [text for text in caplog.messages if "is not a folder of this user alone" in text]


def test_process_that_hangs_holds_up_no_notice_to_others(temporary):
    with pair(add) as (one, other), contextlib.closing(Client(one)) as client:
        events = client.open("GET")
        (folder,) = temporary.iterdir()
        with socket.socket(socket.AF_UNIX) as hanging:
            hanging.bind(str(folder / ("-" * 11)))
            hanging.listen()
            for _ in range(2000):
                other.endpoint.tools_changed()  # none of which waits for it
            assert events.next()["method"] == "notifications/tools/list_changed"
