"""Alignment: pictures are moved onto their targets, each as if it were alone."""

from functools import partial

import numpy as np
import pytest

from autograd_core import Tensor
from refwarp import grid_sample
from refwarp.networks import Translation
from refwarp.training.alignment import align, alignment_loss

SHIFTS = np.array([[0.25, -0.125], [-0.1, 0.2]])
SAMPLER = partial(grid_sample, padding_mode="border")


def blobs(side=16):
    """Smooth pictures, and the same shifted."""
    along = (2 * np.arange(side) + 1) / side - 1
    x, y = np.meshgrid(along, along)
    return tuple(
        np.stack([np.exp(-((x + dx) ** 2 + 2 * (y + dy) ** 2))[None] for dx, dy in shifts])
        for shifts in (np.zeros((2, 2)), SHIFTS)
    )


def test_a_shift_is_found():
    images, targets = blobs()
    path = align(images, targets, Translation(), SAMPLER, steps=200, rate=0.02)
    assert path.shape == (201, 2, 2) and not path[0].any()
    # Bilinear samples of a Gaussian are off by its curvature, a few thousandths for pixels of an eighth.
    np.testing.assert_allclose(path[-1], SHIFTS, atol=0.01)


def test_pictures_of_a_batch_do_not_touch_each_other():
    images, targets = blobs()
    together = align(images, targets, Translation(), SAMPLER, steps=20)
    alone = align(images[1:], targets[1:], Translation(), SAMPLER, steps=20)
    np.testing.assert_allclose(together[:, 1:], alone, rtol=1e-9)


def test_the_loss_is_the_mean_square_of_each_picture():
    images, targets = blobs()
    loss = alignment_loss(Tensor(np.zeros((2, 2))), images, targets, Translation(), SAMPLER)
    np.testing.assert_allclose(loss.data, ((images - targets) ** 2).mean(axis=(1, 2, 3)), rtol=1e-12)


def test_a_gradient_that_is_not_finite_moves_nothing():
    images, targets = blobs()
    targets[0] = np.nan
    path = align(images, targets, Translation(), SAMPLER, steps=3)
    assert not path[:, 0].any() and path[-1, 1].all()


def test_targets_of_other_pictures_are_refused():
    images, targets = blobs()
    with pytest.raises(ValueError, match="targets"):
        align(images, targets[:1], Translation(), SAMPLER)
