"""HDF5 files by way of memory and by HDF5 itself: what keeps one from being read is named, and links lead nowhere."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from refwarp import hdf5
from refwarp.hdf5 import file_image, member, open_bytes, open_hdf5, open_image


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["answer"] = 42
    return tmp_path / "a.h5"


def test_an_image_is_the_file(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["x"] = np.arange(3)

    image = file_image(fill)
    assert image == file_image(fill) and not list(tmp_path.iterdir()) and not Path("in memory").exists()
    (tmp_path / "a.h5").write_bytes(image)
    with h5py.File(tmp_path / "a.h5") as written, open_image(image) as opened:
        assert list(written) == list(opened) == ["x"]
        assert (written["x"][()] == [0, 1, 2]).all() and (opened["x"][()] == [0, 1, 2]).all()


def test_an_error_while_it_is_filled_passes_and_the_next_file_is_new() -> None:
    def fail(file: h5py.File) -> None:
        file["x"] = 1
        raise KeyError("x")

    with pytest.raises(KeyError):
        file_image(fail)
    with open_image(file_image(lambda file: None)) as file:
        assert list(file) == []


@pytest.mark.parametrize("link", [h5py.SoftLink("/x"), h5py.SoftLink("/nowhere"), h5py.ExternalLink("a.h5", "/x")])
def test_a_link_is_no_member(link: object) -> None:
    def fill(file: h5py.File) -> None:
        file["x"] = 1
        file["y"] = link

    with open_image(file_image(fill)) as file:
        assert member(file, "x")[()] == 1 and member(file, "z") is None
        with pytest.raises(ValueError, match="^'y' is a link, which is not followed$"):
            member(file, "y")


# ---- reading, by the system and by HDF5 ----


def by_system(path: Path) -> int:
    with open_bytes(path) as file:
        content = file.read()
    with open_image(content) as opened:
        return int(opened["answer"][()])


def by_hdf5(path: Path) -> int:
    with open_hdf5(path) as file:
        return int(file["answer"][()])


both = pytest.mark.parametrize("read", [by_system, by_hdf5])
Read = Callable[[Path], int]


def problem(read: Read, path: Path, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        read(path)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message.removeprefix(str(path))


@both
def test_a_file_that_another_program_has_open_is_not_called_damaged(
    path: Path, open_elsewhere: Any, read: Read
) -> None:
    with open_elsewhere(path):
        message = problem(read, path, BlockingIOError)
    assert message == " is open in another program; try again when that has closed it"
    with h5py.File(path, "r"):  # readers bear each other
        assert read(path) == 42


@pytest.mark.skipif(os.name != "posix", reason="elsewhere opening a file locks it")
@pytest.mark.parametrize("value", ["FALSE", "0"])
def test_who_sets_no_locks_reads_a_file_that_another_program_has_open(
    path: Path, open_elsewhere: Any, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """HDF5 itself looks at the variable when it is loaded; `open_bytes` does what it does."""
    with open_elsewhere(path):
        problem(by_system, path, BlockingIOError)
        monkeypatch.setenv("HDF5_USE_FILE_LOCKING", value)
        with open_bytes(path) as file:
            assert file.read() == path.read_bytes()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_where_there_are_no_locks_the_variable_that_does_without_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """What HDF5 says is put in its place: the disks that the tests run on have locks."""
    reason = os.strerror(code)

    def refuse(*_: object) -> None:
        said = f"Unable to synchronously open file (unable to lock file, errno = {code}, error message = '{reason}')"
        raise OSError(code, said)

    monkeypatch.setattr(h5py, "File", refuse)
    expected = f" cannot be locked there ({reason}); set HDF5_USE_FILE_LOCKING=FALSE, or copy it"
    assert problem(by_hdf5, path, OSError) == expected


def test_a_file_whose_writer_died_is_not_called_damaged(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file["answer"] = 42
        file.flush()
        (path.parent / "left.h5").write_bytes(path.read_bytes())
    assert "marked as open for writing" in problem(by_hdf5, path.parent / "left.h5", BlockingIOError)


@both
def test_what_the_system_does_not_open_is_not_called_another_kind(
    path: Path, monkeypatch: pytest.MonkeyPatch, read: Read
) -> None:
    """Whoever runs the tests may be allowed everything, so that the system's answer is put in its place."""
    assert problem(read, path.parent / "b.h5", FileNotFoundError) == ": there is no such file; check the name"
    if os.name == "posix":
        assert problem(read, path.parent, IsADirectoryError) == " cannot be read (Is a directory)"

    def refuse(name: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(name))

    monkeypatch.setattr(hdf5, "open", refuse, raising=False)
    assert problem(read, path, PermissionError) == " cannot be read (Permission denied); check its permissions"


def test_a_disk_that_fails_while_the_bytes_are_read_is_named(path: Path) -> None:
    with pytest.raises(OSError) as caught, open_bytes(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert str(caught.value) == f"{path} cannot be read ({os.strerror(errno.EIO)})"


def test_files_that_are_foreign_or_damaged(path: Path, tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("42")
    assert problem(by_hdf5, tmp_path / "text.h5", ValueError) == " is no HDF5 file"
    path.write_bytes(path.read_bytes()[:-100])
    assert " is truncated or damaged (" in problem(by_hdf5, path, ValueError)
