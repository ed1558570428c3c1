"""Files that are read: what keeps one from being opened is named, and damage is not called what is none."""

import errno
import os
from pathlib import Path
from typing import Any

import h5py
import pytest

from refwarp import hdf5
from refwarp.files import check_input_file, check_output_file
from refwarp.hdf5 import open_hdf5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["answer"] = 42
    return tmp_path / "a.h5"


def problem(path: Path, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        open_hdf5(path)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


def test_a_file_that_is_whole_is_opened(path: Path) -> None:
    with open_hdf5(path) as file:
        assert file["answer"][()] == 42


def test_a_file_that_another_program_has_open_is_not_called_damaged(path: Path, open_elsewhere: Any) -> None:
    with open_elsewhere(path):
        message = problem(path, BlockingIOError)
    assert "is open in another program; try again when that has closed it" in message
    with open_hdf5(path) as file:
        assert file["answer"][()] == 42


def test_a_file_whose_writer_died_is_not_called_damaged(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file["answer"] = 42
        file.flush()
        (path.parent / "left.h5").write_bytes(path.read_bytes())
    assert "marked as open for writing" in problem(path.parent / "left.h5", BlockingIOError)


def test_a_file_that_may_not_be_read_is_not_called_another_kind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be allowed everything, so that the system's answer is put in its place."""

    def refuse(name: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(name))

    monkeypatch.setattr(hdf5, "open", refuse, raising=False)
    assert problem(path, PermissionError).endswith("cannot be read (Permission denied); check its permissions")


def test_files_that_are_missing_foreign_or_damaged(path: Path, tmp_path: Path) -> None:
    assert "there is no such file" in problem(tmp_path / "b.h5", FileNotFoundError)
    assert "cannot be read (Is a directory)" in problem(tmp_path, IsADirectoryError)
    (tmp_path / "text.h5").write_text("42")
    assert "is no HDF5 file" in problem(tmp_path / "text.h5", ValueError)
    path.write_bytes(path.read_bytes()[:-100])
    assert "is truncated or damaged (" in problem(path, ValueError)


def test_what_is_no_file_is_named(path: Path, tmp_path: Path) -> None:
    assert check_input_file(path, "file") == path
    with pytest.raises(ValueError, match="^file: given '.*', which is a folder; expected a file$"):
        check_input_file(tmp_path, "file")
    with pytest.raises(ValueError, match="but there is no such file; expected an adapter$"):
        check_input_file(tmp_path / "b.h5", "file", "an adapter")
    if os.name == "posix":
        with pytest.raises(ValueError, match="which is no regular file"):
            check_input_file("/dev/null", "file")


def test_a_file_does_not_take_the_place_of_the_one_that_it_is_made_from(path: Path, tmp_path: Path) -> None:
    (tmp_path / "soft.h5").symlink_to(path)
    os.link(path, tmp_path / "hard.h5")
    for name in ("a.h5", "soft.h5", "hard.h5"):
        with pytest.raises(ValueError, match="^out: given '.*', which is the file that is read; give another name$"):
            check_output_file(tmp_path / name, source=path)
    assert check_output_file(tmp_path / "b.h5", source=path) == tmp_path / "b.h5"
    assert check_output_file(path, source=tmp_path / "b.h5") == path
