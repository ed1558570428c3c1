"""Cluttered MNIST: its three parts, and what is no such file."""

import numpy as np
import pytest

from refwarp.data import DamagedFileError, load_cluttered_mnist
from tests.data.tiny_sets import write_cluttered_mnist, write_set


def test_the_parts_are_those_of_the_file(tmp_path):
    _, arrays = write_set(tmp_path, "cluttered_mnist")
    digits = load_cluttered_mnist(tmp_path)
    for part, found in (("train", digits.train), ("valid", digits.validation), ("test", digits.test)):
        assert found.images.dtype == np.float32 and found.labels.dtype == np.int64
        assert (found.images == arrays[f"X_{part}"].reshape(-1, 1, 40, 40)).all()
        assert (found.labels == arrays[f"y_{part}"][:, 0]).all()


@pytest.mark.parametrize(
    ("name", "change", "flaw"),
    [
        ("X_valid", lambda x: x[1:], "3 labels y_valid, and 2 pictures X_valid"),
        ("X_test", lambda x: x + np.float32(0.9), r"a pixel in X_test that is not in \[0, 1\]"),
        ("X_test", lambda x: x - np.float32(0.9), r"a pixel in X_test that is not in \[0, 1\]"),
        ("X_test", lambda x: x * np.float32(np.nan), r"a pixel in X_test that is not in \[0, 1\]"),
        ("X_train", lambda x: x[:, :784], r"'X_train' is an array \(4, 784\) of float32, expected .* Nx1600"),
        ("X_train", lambda x: x.astype(np.float64), "of float64, expected one of float32"),
        ("y_test", lambda y: y + 10, "there is a label 1"),
        ("y_test", lambda y: y - 10, "there is a label -"),
        ("y_test", lambda y: y[:, 0], r"'y_test' is an array \(2,\)"),
    ],
)
def test_another_content_is_refused(tmp_path, name, change, flaw):
    arrays = write_cluttered_mnist(tmp_path)
    arrays[name] = change(arrays[name])
    np.savez(tmp_path / "mnist_sequence1_sample_5distortions5x5.npz", **arrays)
    with pytest.raises(DamagedFileError, match=flaw):
        load_cluttered_mnist(tmp_path)
