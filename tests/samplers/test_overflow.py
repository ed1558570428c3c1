"""Infinities and narrow dtypes: what leaves the range is infinite, without a warning, in every operation."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad

ROW = np.array([[[[1.0, np.inf, 2.0, 9.0]]]])
AT_INFINITY = np.array([[[[-0.25, 0.0], [-0.125, 0.0]]]])  # x = 1 and 1.25


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_an_infinite_pixel_makes_its_samples_infinite(mode):
    """Bicubic weights of both signs make it NaN or infinite, by IEEE's rules."""
    out = refwarp.grid_sample(ROW, AT_INFINITY[:, :, 1:], mode=mode)
    assert np.isposinf(out).all()


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("cotangents", [[np.inf, 1.0], [1.7e308, 1.7e308]])
def test_a_gradient_beyond_the_largest_float_is_infinite(mode, cotangents):
    """Two samples of one pixel, on the lattice, so that their weights are 1."""
    input = Tensor(np.ones((1, 1, 1, 4)), requires_grad=True)
    grid = np.array([[[[-0.25, 0.0], [-0.25, 0.0]]]])
    (ginput,) = grad(refwarp.grid_sample(input, grid, mode=mode), input, np.array([[[cotangents]]]))
    assert np.isposinf(ginput.data[0, 0, 0, 1])


@pytest.mark.parametrize("make", [refwarp.affine_grid, refwarp.projective_grid], ids=["affine", "projective"])
def test_a_sum_over_a_grid_beyond_the_largest_float_is_infinite(make):
    theta = np.eye(3)[None] if make is refwarp.projective_grid else np.eye(2, 3)[None]
    theta = Tensor(theta, requires_grad=True)
    (gtheta,) = grad(make(theta, (1, 1, 2, 2)), theta, np.full((1, 2, 2, 2), 1.7e308))
    assert np.isposinf(gtheta.data[0, 0, 2])


@pytest.mark.parametrize(
    "operation",
    [
        lambda big: refwarp.affine_grid(np.full((1, 2, 3), big), (1, 1, 2, 2)),
        lambda big: refwarp.attention_grid(np.full((1, 3), big), (1, 1, 2, 2)),
        lambda big: refwarp.flow_grid(np.full((1, 2, 2, 2), big), unit="normalised"),
        lambda big: refwarp.multiscale_sample(
            np.full((1, 1, 2, 2), big), np.zeros((1, 1, 1, 2), big.dtype), aggregate="sum"
        ),
        lambda big: refwarp.smoothness(np.array([[[[-big, big], [big, -big]]]]), reduction="sum"),
        lambda big: refwarp.grid_sample(np.full((1, 1, 2, 2), big), np.zeros((1, 1, 1, 2), big.dtype)),
    ],
    ids=["affine", "attention", "flow", "multiscale", "smoothness", "grid_sample"],
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_dtypes_overflow_without_a_warning(operation, dtype):
    """Warnings are errors here; what does not fit is infinite, and nothing is NaN."""
    big = np.finfo(dtype).max * dtype(0.9)
    assert not np.isnan(operation(big)).any()


@pytest.mark.parametrize("scale", [1e200, 1e155, 1e-160, 1e-170])
def test_control_points_of_absurd_scale_are_refused(scale):
    control = scale * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="control: given points that span"):
        refwarp.tps_grid(np.zeros((1, 3, 2)), (1, 1, 2, 2), control)


@pytest.mark.parametrize("exponent", [530, 800, 1020])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 3), (5, 5), (5, 53)])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_slopes_of_flat_maps_of_huge_pixels_cancel(mode, size, exponent):
    """Inside of the map; the bound is some roundings of the sum of absolute terms."""
    pixels, point = 2.0**exponent, 2.0**-20
    grid = Tensor(np.full((1, 1, 1, 2), point), requires_grad=True)
    out = refwarp.grid_sample(np.full((1, 1, *size), pixels), grid, mode=mode, padding_mode="border")
    (ggrid,) = grad(out, grid, np.ones((1, 1, 1, 1)))
    slopes = 2 * max(size)  # of all weights together, times what takes pixels to coordinates
    assert (abs(ggrid.data) <= 16 * np.finfo(np.float64).eps * slopes * pixels).all()
