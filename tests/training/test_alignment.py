"""Alignment: pictures are moved onto their targets, each as if it were alone."""

from functools import partial

import numpy as np
import pytest

from autograd_core import Tensor
from refwarp import grid_sample
from refwarp.metrics import central_region, endpoint_error
from refwarp.networks import FlowPenalty, Translation
from refwarp.training.alignment import align, align_flow, alignment_loss

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


# ---- flows ----


def spots(side, shift, seed=0):
    """A smooth picture moved by (shift, -shift / 2) pixels, the picture itself, and the flow between them."""
    rng = np.random.default_rng(seed)
    # Eight coarse waves, that an average over 8 x 8 pixels leaves something of, and eight fine ones.
    k = rng.uniform(-1, 1, (16, 2)) * np.repeat([np.pi / 10, np.pi / 2], 8)[:, None]
    start = rng.uniform(0, 2 * np.pi, 16)

    def picture(x, y):
        return np.cos(np.multiply.outer(k[:, 0], x) + np.multiply.outer(k[:, 1], y) + start[:, None, None]).mean(0)

    y, x = np.indices((side, side), dtype=float)
    truth = np.empty((1, 2, side, side))
    truth[:] = np.array([shift, -shift / 2]).reshape(1, 2, 1, 1)
    return picture(x - shift, y + shift / 2)[None, None], picture(x, y)[None, None], truth


SMOOTH = FlowPenalty(0.0, 0.01, norm="squared")


def test_large_motions_are_found_on_several_levels():
    """On the finest alone the fine waves lead nowhere."""
    (images, targets, truth), region = spots(48, 6.0), central_region(48, 48)
    errors = [
        endpoint_error(align_flow(images, targets, SAMPLER, levels=levels, steps=60, penalty=SMOOTH), truth, region)[0]
        for levels in (1, 4)
    ]
    assert errors[0] > 5 and errors[1] < 0.1


def test_a_penalty_holds_a_flow_back():
    images, targets, _ = spots(16, 1.0)
    free, held = (
        align_flow(images, targets, SAMPLER, penalty=penalty, steps=20)
        for penalty in (None, FlowPenalty(0.0, 10.0, norm="squared"))
    )
    steps = [abs(np.diff(flow, axis=3)).mean() for flow in (free, held)]
    assert steps[1] < 0.1 * steps[0]


def test_flows_of_a_batch_do_not_touch_each_other():
    first, second = spots(16, 1.0), spots(16, 1.5, seed=1)
    images, targets = (np.concatenate([first[k], second[k]]) for k in range(2))
    options = {"penalty": SMOOTH, "levels": 2, "steps": 5}
    seen = []
    together = align_flow(images, targets, SAMPLER, on_step=seen.append, **options)
    alone = align_flow(*second[:2], SAMPLER, **options)
    np.testing.assert_allclose(together[1:], alone, rtol=1e-9, atol=1e-12)
    assert seen == list(range(1, 11)) and together.dtype == np.float64


def test_pictures_of_no_flow_are_refused():
    images, targets, _ = spots(16, 1.0)
    with pytest.raises(ValueError, match=r"^targets: given shape \(1, 1, 15, 16\), expected \(1, 1, 16, 16\)"):
        align_flow(images, targets[:, :, 1:], SAMPLER)
    with pytest.raises(
        ValueError, match="^levels: given 6 for pictures of 16 x 16 pixels, expected .* multiples of 32"
    ):
        align_flow(images, targets, SAMPLER, levels=6)
