"""Names of files and folders that are given: what cannot be read or written is named before anything is begun."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from refwarp.files import check_input_file, check_output_file, make_output_folder


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.touch()
    assert check_input_file(path, "file") == path
    with pytest.raises(ValueError, match="^file: given '.*', which is a folder; expected a file$"):
        check_input_file(tmp_path, "file")
    for missing in (tmp_path / "b.h5", path / "below.h5"):
        with pytest.raises(FileNotFoundError, match="h5', but there is no such file; expected an adapter$"):
            check_input_file(missing, "file", "an adapter")
    if os.name == "posix":
        with pytest.raises(ValueError, match="which is no regular file; expected a file$"):
            check_input_file("/dev/null", "file")


@pytest.mark.skipif(os.name != "posix", reason="other systems have other limits")
@pytest.mark.parametrize("check", [check_input_file, check_output_file, make_output_folder])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a" * 300, "File name too long"),
        ("a/" * 3000, "File name too long"),
        ("circle/a", "Too many levels of symbolic links"),
        ("a\0", "embedded null"),
        ("\ud800", "surrogates not allowed"),
    ],
)
def test_a_name_that_no_file_can_have_is_one_sentence(
    tmp_path: Path, check: Callable[[Path, str], Path], name: str, reason: str
) -> None:
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(ValueError, match=f"^out: given '.*', which cannot be looked up .*{reason}.*; give another"):
        check(tmp_path / name, "out")
    assert names(tmp_path) == ["circle"]


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"out: given '.*', which is a folder; expected the name of a file"):
        check_output_file(tmp_path)


def test_a_file_does_not_take_the_place_of_the_one_that_it_is_made_from(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.touch()
    (tmp_path / "soft.h5").symlink_to(path)
    os.link(path, tmp_path / "hard.h5")
    for name in ("a.h5", "soft.h5", "hard.h5"):
        with pytest.raises(ValueError, match="^out: given '.*', which is the file that is read; give another name$"):
            check_output_file(tmp_path / name, source=path)
    assert check_output_file(tmp_path / "b.h5", source=path) == tmp_path / "b.h5"
    assert check_output_file(path, source=tmp_path / "b.h5") == path


def test_make_output_folder_creates_what_is_missing(tmp_path: Path) -> None:
    folder = make_output_folder(tmp_path / "a" / "b")
    assert folder.is_dir() and names(folder) == []
    assert make_output_folder(folder) == folder


def test_make_output_folder_refuses_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("")
    with pytest.raises(ValueError, match="out: given '.*', which is a file; expected a folder"):
        make_output_folder(file)
    with pytest.raises(ValueError, match="checkpoints: given '.*', where no file can be written"):
        make_output_folder(file / "below", "checkpoints")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that even root cannot write to")
def test_make_output_folder_refuses_what_cannot_be_written() -> None:
    for folder in ("/proc/self", "/proc/nowhere/below"):
        with pytest.raises(ValueError, match=f"out: given '{folder}', where no file can be written"):
            make_output_folder(folder)
