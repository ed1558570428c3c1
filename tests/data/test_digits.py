"""The digits: their form, their split, and what happens without scikit-learn."""

import sys

import numpy as np
import pytest

from refwarp.data import load_digits


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_pictures_are_float32_with_17_grey_levels(digits):
    for part in (digits.train, digits.validation, digits.test):
        assert part.images.dtype == np.float32 and part.images.shape == (len(part), 1, 8, 8)
        assert part.labels.dtype == np.int64 and part.labels.shape == (len(part),)
        assert set(np.unique(part.images * 16)) <= set(range(17))
        assert set(part.labels) == set(range(10))


def test_the_parts_are_disjoint_and_complete(digits):
    # No two of the 1,797 pictures are alike, so pictures can be told apart by their pixels.
    parts = [{image.tobytes() for image in part.images} for part in (digits.train, digits.validation, digits.test)]
    assert [len(part) for part in parts] == [1157, 258, 382]
    assert len(set.union(*parts)) == 1797


def test_each_part_begins_with_a_form(digits):
    for part in (digits.train, digits.validation, digits.test):
        assert part.labels[:30].tolist() == [*range(10)] * 3


def test_the_split_is_always_the_same(digits):
    again = load_digits()
    for part in ("train", "validation", "test"):
        assert (getattr(again, part).images == getattr(digits, part).images).all()


def test_each_picture_keeps_its_label(digits):
    from sklearn import datasets

    truth = datasets.load_digits()
    known = {image.tobytes(): label for image, label in zip(truth.data / 16, truth.target, strict=True)}
    for image, label in zip(digits.test.images, digits.test.labels, strict=True):
        assert known[image.ravel().astype(np.float64).tobytes()] == label


def test_without_scikit_learn_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'pip install "refwarp\[data\]"'):
        load_digits()
