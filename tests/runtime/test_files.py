"""Whole files, and text files inside archives."""

import io
import tarfile
import zipfile

import pytest

from flaskJSONRPCServer.runtime.files import read_file, write_file

TEXT = "größe\nzwei\n"


def make_zip(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner/text.txt", TEXT)


def make_tar(path):
    with tarfile.open(path, "w:gz") as archive:
        data = TEXT.encode()
        member = tarfile.TarInfo("inner/text.txt")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)


@pytest.mark.parametrize(("mode", "content"), [("r", TEXT), ("rt", TEXT), ("rU", TEXT), ("rb", TEXT.encode())])
def test_file_is_read_as_text_or_bytes(mode, content, tmp_path):
    (tmp_path / "file").write_bytes(TEXT.encode())

    assert read_file(tmp_path / "file", mode) == content
    assert read_file(str(tmp_path / "file"), mode) == content


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_file_inside_an_archive_is_read_by_its_name(make, tmp_path):
    make(tmp_path / "archive")

    assert read_file(tmp_path / "archive", "inner/text.txt") == TEXT
    assert read_file(str(tmp_path / "archive"), "rb") == (tmp_path / "archive").read_bytes()


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("name", ["other.txt", "folder", "../inner/text.txt"])
def test_missing_archive_member_is_an_error(make, name, tmp_path):
    make(tmp_path / "archive")

    with pytest.raises(FileNotFoundError, match="no such file in the archive"):
        read_file(tmp_path / "archive", name)


@pytest.mark.parametrize("mode", ["w", "a", "r+", "name.txt", ""])
def test_invalid_read_mode_is_refused_without_side_effects(mode, tmp_path):
    (tmp_path / "file").write_text(TEXT, encoding="utf-8")

    with pytest.raises(ValueError, match="neither 'r' nor 'rb'"):
        read_file(tmp_path / "file", mode)
    assert (tmp_path / "file").read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize("mode", ["r", "rb", "name.txt"])
def test_missing_file_is_an_error(mode, tmp_path):
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "missing", mode)


@pytest.mark.parametrize(
    ("content", "mode", "after"),
    [
        (TEXT, "w", TEXT.encode()),
        (TEXT, "wt", TEXT.encode()),
        (TEXT, "wb", TEXT.encode()),
        (b"\xff", "w", b"\xff"),
        (b"\xff", "wb", b"\xff"),
        (TEXT, "a", b"old" + TEXT.encode()),
        (b"\xff", "a", b"old\xff"),
        (b"\xff", "ab", b"old\xff"),
    ],
)
def test_file_is_replaced_or_appended_to(content, mode, after, tmp_path):
    (tmp_path / "file").write_bytes(b"old")

    assert write_file(tmp_path / "file", content, mode) == content
    assert (tmp_path / "file").read_bytes() == after


def test_exclusive_mode_refuses_a_file_that_exists(tmp_path):
    write_file(tmp_path / "file", "new", "x")

    with pytest.raises(FileExistsError):
        write_file(tmp_path / "file", "newer", "x")
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("mode", ["r", "r+", "w+", "", "write"])
def test_invalid_write_mode_is_refused(mode, tmp_path):
    with pytest.raises(ValueError, match="it takes 'w', 'a' or 'x'"):
        write_file(tmp_path / "file", "new", mode)
    assert not (tmp_path / "file").exists()
