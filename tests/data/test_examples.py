"""Labelled pictures: what belongs together, and the digest that tells data apart."""

import hashlib
import struct

import numpy as np
import pytest

from refwarp.data import Examples


def examples(count=3, seed=0):
    rng = np.random.default_rng(seed)
    return Examples(rng.random((count, 1, 4, 5), np.float32), rng.integers(0, 10, count))


def test_repeat_keeps_examples_side_by_side():
    two = Examples(np.arange(2, dtype=np.float32).reshape(2, 1, 1, 1), np.array([7, 8]))
    repeated = two.repeat(3)
    assert repeated.images.ravel().tolist() == [0, 0, 0, 1, 1, 1]
    assert repeated.labels.tolist() == [7, 7, 7, 8, 8, 8]


def test_labels_must_fit_the_images():
    with pytest.raises(ValueError, match=r"images of shape \(2, 1, 4, 4\) and labels of shape \(3,\), expected"):
        Examples(np.zeros((2, 1, 4, 4), np.float32), np.zeros(3, np.int64))


def test_the_digest_is_that_of_dtypes_shapes_and_little_endian_values():
    written = b"<f4(2, 1, 1, 1)" + struct.pack("<2f", 0.5, 1.0) + b"<i8(2,)" + struct.pack("<2q", 7, -8)
    found = Examples(np.array([0.5, 1.0], np.float32).reshape(2, 1, 1, 1), np.array([7, -8])).digest()
    assert found == hashlib.sha256(written).hexdigest()


def test_the_digest_is_the_same_for_every_memory_layout_and_byte_order():
    plain = examples()
    swapped = Examples(np.asfortranarray(plain.images), plain.labels.astype(">i8"))
    assert swapped.digest() == plain.digest() == examples().digest()


def test_the_digest_tells_a_pixel_a_label_and_a_shape_apart():
    plain = examples()
    pixel, label = plain.images.copy(), plain.labels.copy()
    pixel[2, 0, 3, 4] = np.nextafter(pixel[2, 0, 3, 4], np.float32(2))
    label[2] += 1
    others = [
        Examples(pixel, plain.labels),
        Examples(plain.images, label),
        Examples(plain.images.reshape(3, 1, 5, 4), plain.labels),
        Examples(plain.images[:2], plain.labels[:2]),
    ]
    assert len({plain.digest(), *(other.digest() for other in others)}) == 5


def test_select_takes_a_slice_indices_or_a_mask():
    plain = examples(5)
    for which in (slice(1, 3), np.array([1, 2]), np.array([False, True, True, False, False])):
        some = plain.select(which)
        assert (some.images == plain.images[1:3]).all() and (some.labels == plain.labels[1:3]).all()
