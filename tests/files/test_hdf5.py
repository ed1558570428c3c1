"""HDF5 files by way of memory: a full disk is an error like any other, and so is a file in use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from refwarp.golden import SUITE
from refwarp.golden.format import GoldenFileError, read
from refwarp.hdf5 import file_image, member, open_image, read_bytes

posix = pytest.mark.skipif(os.name != "posix", reason="elsewhere opening a file locks it, and sizes have no limit")


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


@posix
def test_a_file_that_another_program_writes_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "golden.h5"
    path.write_bytes(SUITE.read_bytes())
    sentence = f"{path} is open for writing in another program; close it there, and try again"
    with h5py.File(path, "r"):
        assert read_bytes(path) == SUITE.read_bytes()
    for mode in ("r+", "w"):
        with h5py.File(path, mode):
            for reader, error in ((read_bytes, BlockingIOError), (read, GoldenFileError)):
                with pytest.raises(error) as caught:
                    reader(path)
                assert str(caught.value) == sentence


FULL = """
import json, os, resource, sys
from pathlib import Path
from refwarp.golden import SUITE
from refwarp.golden.export import export
from refwarp.golden.format import Golden, read, write
full = read(SUITE)
few = [case for case in full.cases if case.name.endswith(("/identity_3x5", "/row_at_pixel"))]
assert few
golden = Golden(tuple(few), full.generator, full.flags, full.digest)
writers = {"few.h5": lambda path: write(path, few, "7"), "few.json": lambda path: export(path, golden)}
for name, writer in writers.items():
    path = Path(sys.argv[1], name)
    writer(path)
    size = path.stat().st_size
    path.write_text("old")
    for limit in (0, 100, size // 2, size - 1, size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        found = "written"
        try:
            writer(path)
        except OSError as error:
            found = str(error)
        old = path.stat().st_size == 3
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(json.dumps([limit == size, found, old, os.listdir(path.parent)]), flush=True)
    path.unlink()
"""


@posix
def test_without_room_there_is_one_sentence_and_the_old_file(tmp_path: Path) -> None:
    """A file may have so many bytes and no more, as on a disk that is full: HDF5's own writes end in a crash there."""
    ended = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    for name, found in (("few.h5", lines[:5]), ("few.json", lines[5:])):
        sentence = (
            f"{tmp_path / name}: the file cannot be written (File too large), and what was there is as before; "
            "make room, or give another name"
        )
        assert found == [[False, sentence, True, [name]]] * 4 + [[True, "written", False, [name]]]
