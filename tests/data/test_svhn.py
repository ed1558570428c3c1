"""SVHN: MATLAB's files as published and the subset, in their order."""

import numpy as np
import pytest
from scipy.io import savemat

from refwarp.data import DamagedFileError, load_svhn
from tests.data.tiny_sets import write_set, write_svhn, write_svhn_subset


def check(found, pictures, labels):
    """Compare examples with pictures (N, 32, 32, 3) of bytes."""
    assert found.images.dtype == np.float32 and found.images.flags.c_contiguous and found.labels.dtype == np.int64
    assert (found.images == (pictures.astype(np.float64) / 255).astype(np.float32).transpose(0, 3, 1, 2)).all()
    assert found.labels.tolist() == labels


def test_the_published_files_label_the_digit_0_with_10(tmp_path):
    _, written = write_set(tmp_path, "svhn")
    splits = load_svhn(tmp_path)
    check(splits.train, np.moveaxis(written["train"]["X"], -1, 0), [7, 8, 9, 0])
    check(splits.test, np.moveaxis(written["test"]["X"], -1, 0), [8, 9, 0])


def test_the_subset_is_divided_into_contiguous_blocks(tmp_path):
    _, arrays = write_set(tmp_path, "svhn", "subset")
    splits = load_svhn(tmp_path)
    check(splits.train, arrays["x"][:5], arrays["y"][:5].tolist())
    check(splits.test, arrays["x"][5:], arrays["y"][5:].tolist())


@pytest.mark.parametrize(
    ("labels", "flaw"),
    [
        (np.array([[0], [1], [2], [3]]), "there is a label 0, expected 1 to 10, which is the digit 0"),
        (np.array([[1], [2], [3], [11]]), "there is a label 11"),
        (np.array([[1], [2], [3], [4.5]]), "there is a label 4.5"),
        (np.array([[1], [2], [3]]), "3 labels, and 4 pictures"),
        (np.array([[1, 2, 3, 4]]), r"'y' is an array \(1, 4\)"),
    ],
)
def test_another_content_of_the_published_files_is_refused(tmp_path, labels, flaw):
    written = write_svhn(tmp_path)
    savemat(tmp_path / "train_32x32.mat", {**written["train"], "y": labels})
    with pytest.raises(DamagedFileError, match=flaw):
        load_svhn(tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "flaw"),
    [
        ("y", lambda y: y[1:], "6 labels, and 7 pictures"),
        ("y", lambda y: y + np.uint8(10), "there is a label 1"),
        ("x", lambda x: x.transpose(0, 3, 1, 2), r"'x' is an array \(7, 3, 32, 32\)"),
    ],
)
def test_another_content_of_the_subset_is_refused(tmp_path, name, change, flaw):
    arrays = write_svhn_subset(tmp_path)
    np.savez(tmp_path / "svhn_test_first6000_32x32.npz", **{**arrays, name: change(arrays[name])})
    with pytest.raises(DamagedFileError, match=flaw):
        load_svhn(tmp_path)
