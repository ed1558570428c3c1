"""MNIST: every published name, and what is damaged, foreign or missing."""

import gzip
import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refwarp.data import load_mnist
from refwarp.data.mnist import read_idx

COUNTS = {"train": 5, "t10k": 3}


def idx(array):
    """Return the bytes of an IDX file."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def arrays(part):
    rng = np.random.default_rng(len(part))
    images = rng.integers(0, 256, (COUNTS[part], 28, 28), np.uint8)
    images[0, 0, :2] = 0, 255
    return images, rng.integers(0, 10, COUNTS[part], np.uint8)


def write(folder, mark="-", end=".gz", pack=gzip.compress):
    folder.mkdir(exist_ok=True)
    for part in COUNTS:
        for kind, array in zip(("images", "labels"), arrays(part), strict=True):
            name = f"{part}-{kind}{mark}idx{array.ndim}-ubyte{end}"
            (folder / name).write_bytes(pack(idx(array)))
    return folder


@pytest.mark.parametrize("mark", "-.")
@pytest.mark.parametrize(("end", "pack"), [(".gz", gzip.compress), ("", bytes), (".gz", bytes)])
@pytest.mark.parametrize("inside", [False, True])
def test_the_digits_are_read_under_every_name(tmp_path, mark, end, pack, inside):
    write(tmp_path / "mnist", mark, end, pack)
    splits = load_mnist(tmp_path / "mnist" if inside else tmp_path)
    for part, found in (("train", splits.train), ("t10k", splits.test)):
        images, labels = arrays(part)
        assert found.images.dtype == np.float32 and found.labels.dtype == np.int64
        assert found.images.shape == (COUNTS[part], 1, 28, 28)
        assert (found.images[:, 0] == (images.astype(np.float64) / 255).astype(np.float32)).all()
        assert (found.labels == labels).all()
        assert found.images.min() == 0 and found.images.max() == 1


def test_without_a_folder_or_a_file_one_sentence_says_what_is_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder: given '.*nowhere', but there is no such folder; expected"):
        load_mnist(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"there is no train-images-idx3-ubyte.gz; expected the four files"):
        load_mnist(tmp_path)
    write(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no t10k-labels-idx1-ubyte.gz"):
        load_mnist(tmp_path)


IMAGES, LABELS = arrays("train")


@pytest.mark.parametrize(
    ("name", "content", "flaw"),
    [
        ("images-idx3", b"", "truncated: 4 of 4 bytes"),
        ("images-idx3", idx(IMAGES)[:-1], "truncated: 1 of 3,920 bytes"),
        ("images-idx3", idx(IMAGES) + b"\0", "longer than its array"),
        ("images-idx3", gzip.compress(idx(IMAGES))[:-9], "compressed file is truncated"),
        ("images-idx3", gzip.compress(idx(IMAGES))[:12] + bytes(30), "compressed file is damaged"),
        ("images-idx3", gzip.compress(idx(IMAGES))[:-8] + bytes(8), "compressed file is damaged"),
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
    path = write(tmp_path) / f"train-{name}-ubyte.gz"
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
def test_no_damage_gives_anything_but_the_array_or_one_sentence(tmp_path_factory, data, packed):
    array = IMAGES[:2, :3, :3]
    content = bytearray(gzip.compress(idx(array), mtime=0) if packed else idx(array))
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[position] ^= data.draw(st.integers(1, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    path = tmp_path_factory.mktemp("fuzzed") / "images"
    path.write_bytes(content)
    try:
        found = read_idx(path, 3)
    except ValueError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
    else:
        assert found.dtype == np.uint8 and found.ndim == 3
        assert found.size == array.size  # a plain file has no checksum; its length has to fit
