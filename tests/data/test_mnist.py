"""MNIST: every published name, and what is damaged, foreign or missing."""

import gzip
import hashlib
import io
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refwarp.data import load_mnist
from refwarp.data.mnist import DATASET, read_idx
from tests.data.damage import damaged_bytes, one_sentence_at_most
from tests.data.tiny_sets import idx, write_mnist


@pytest.mark.parametrize("mark", "-.")
@pytest.mark.parametrize(("end", "pack"), [(".gz", gzip.compress), ("", bytes), (".gz", bytes)])
@pytest.mark.parametrize("inside", [False, True])
def test_the_digits_are_read_under_every_name(tmp_path, mark, end, pack, inside):
    written = write_mnist(tmp_path / "mnist", mark, end, pack)
    splits = load_mnist(tmp_path / "mnist" if inside else tmp_path)
    for part, found in (("train", splits.train), ("t10k", splits.test)):
        images, labels = written[part]
        assert found.images.dtype == np.float32 and found.labels.dtype == np.int64
        assert found.images.shape == (len(images), 1, 28, 28)
        assert (found.images[:, 0] == (images.astype(np.float64) / 255).astype(np.float32)).all()
        assert (found.labels == labels).all()
        assert found.images.min() == 0 and found.images.max() == 1


def test_without_a_folder_or_a_file_one_sentence_says_what_is_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder: given '.*nowhere', but there is no such folder; expected"):
        load_mnist(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"which does not hold MNIST, .*; expected files such as train-images"):
        load_mnist(tmp_path)
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"/t10k-labels-idx1-ubyte: there is no such file, nor t10k-labels"):
        load_mnist(tmp_path)


def test_the_digest_is_that_of_the_uncompressed_files_under_their_first_names(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder, mark, end, pack in zip(folders, "-.-", ("", ".gz", ".gz"), (bytes, bytes, gzip.compress), strict=True):
        written = write_mnist(folder, mark, end, pack)
    listed = ""
    for part, (images, labels) in written.items():
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            listed += f"{hashlib.sha256(idx(array)).hexdigest()}  {name}\n"
    expected = hashlib.sha256("".join(sorted(listed.splitlines(True), key=lambda line: line[66:])).encode()).hexdigest()
    assert [DATASET.digest(folder) for folder in folders] == [expected] * 3
    write_mnist(folders[0])  # the compressed form beside the other, as gunzip --keep leaves it
    assert DATASET.digest(folders[0]) == expected


with TemporaryDirectory() as _folder:
    IMAGES, LABELS = write_mnist(Path(_folder))["train"]


@pytest.mark.parametrize(
    ("name", "content", "flaw"),
    [
        ("images-idx3", b"", "truncated: 4 of 4 bytes"),
        ("images-idx3", idx(IMAGES)[:-1], "truncated: 1 of 3,920 bytes"),
        ("images-idx3", idx(IMAGES) + b"\0", "longer than its array"),
        ("images-idx3", gzip.compress(idx(IMAGES))[:-9], "cannot be read as an IDX file .Compressed file ended"),
        ("images-idx3", gzip.compress(idx(IMAGES))[:12] + bytes(30), "cannot be read as an IDX file"),
        ("images-idx3", gzip.compress(idx(IMAGES))[:-8] + bytes(8), "cannot be read as an IDX file"),
        ("images-idx3", idx(LABELS), "no IDX file of unsigned bytes in 3 dimensions"),
        ("images-idx3", b"<!DOCTYPE html>", "no IDX file"),
        ("images-idx3", idx(IMAGES[:, :20]), "20x28 pixels, expected 28x28"),
        ("images-idx3", idx(IMAGES[:0]), "which is no set of pictures"),
        ("images-idx3", idx(IMAGES)[:4] + b"\xff" * 12 + bytes(99), "which is no set of pictures"),
        ("images-idx3", idx(IMAGES)[:4] + struct.pack(">3I", 10**6, 28, 28) + bytes(99), "truncated: 783,999,901 of"),
        ("labels-idx1", idx(LABELS[1:]), "4 labels, and 5 pictures in train-images-idx3-ubyte.gz"),
        ("labels-idx1", idx(LABELS + np.uint8(10)), "there is a label 1"),
    ],
)
def test_a_damaged_or_foreign_file_is_named_with_its_flaw(tmp_path, name, content, flaw):
    write_mnist(tmp_path)
    path = tmp_path / f"train-{name}-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=flaw) as caught:
        load_mnist(tmp_path)
    assert str(caught.value).startswith(f"{path}: ") and "; get the file once more" in str(caught.value)


def test_a_file_that_unpacks_to_more_than_it_says_is_not_unpacked_to_its_end(tmp_path, monkeypatch):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx(LABELS) + bytes(10**8), 1))
    read = 0

    class Counting(io.BufferedReader):
        def read(self, size=-1):
            nonlocal read
            piece = super().read(size)
            read += len(piece)
            return piece

    real = gzip.open
    monkeypatch.setattr(gzip, "open", lambda file: Counting(real(file)))
    with pytest.raises(ValueError, match="longer than its array"):
        read_idx(path, 1)
    assert read == len(idx(LABELS)) + 1


@given(data=st.data(), packed=st.booleans())
def test_damage_gives_an_array_or_one_sentence(tmp_path_factory, data, packed):
    array = IMAGES[:2, :3, :3]
    content = gzip.compress(idx(array), mtime=0) if packed else idx(array)
    path = tmp_path_factory.mktemp("fuzzed") / "images"
    path.write_bytes(data.draw(damaged_bytes(content)))
    with one_sentence_at_most(path):
        found = read_idx(path, 3)
        # A plain file has no checksum, but its length has to fit.
        assert not packed or (found == array).all()
        assert found.dtype == np.uint8 and found.ndim == 3 and found.size == array.size
