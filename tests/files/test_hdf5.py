"""HDF5 files by way of memory: links lead nowhere, and a file in use is an error of its own."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from refwarp.hdf5 import file_image, member, open_image, read_bytes


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


@pytest.mark.parametrize(
    "link", [h5py.SoftLink("/x"), h5py.SoftLink("/nowhere"), h5py.ExternalLink("a.h5", "/x"), None]
)
def test_links_are_no_members(link: object) -> None:
    def fill(file: h5py.File) -> None:
        file["x"] = 1
        if link is not None:
            file["y"] = link

    with open_image(file_image(fill)) as file:
        assert member(file, "x")[()] == 1
        with pytest.raises(ValueError, match="'y' is missing, or a link"):
            member(file, "y")


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        read_bytes(tmp_path / "a.h5")
    assert str(caught.value).endswith(
        "a.h5 cannot be read (No such file or directory); check the name and its permissions"
    )


@pytest.mark.skipif(os.name != "posix", reason="elsewhere opening a file locks it")
def test_a_file_that_another_program_writes_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(content := file_image(lambda file: file.create_dataset("x", data=1.0)))
    sentence = f"{path} is open in another program; try again when that has closed it"
    with h5py.File(path, "r"):
        assert read_bytes(path) == content
    for mode in ("r+", "w"):
        with h5py.File(path, mode):
            with pytest.raises(BlockingIOError) as caught:
                read_bytes(path)
            assert str(caught.value) == sentence
