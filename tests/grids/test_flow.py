"""Motion fields: values and gradients against exact ones, and their conventions."""

from fractions import Fraction

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp.exact import flow as exact
from refwarp.exact.arithmetic.budget import UNIT_ROUNDOFF, worst_share
from refwarp.exact.arithmetic.numbers import fractions

UNITS = ["pixels", "normalised"]
MOTION = 6  # c of the budget of `affine_motion`


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 1), (5, 8)])
def test_flow_grid_and_gradient(dtype, align_corners, unit, size):
    rng = np.random.default_rng([*size, align_corners])
    flow = rng.standard_normal((1, 2, *size)) * 10.0 ** rng.integers(-9, 2, (1, 2, *size))
    if unit == "pixels":  # motions that nearly lead to the centre, where a coordinate is small
        j = np.arange(size[1])
        flow[0, 0, 0] = (size[1] - 1) / 2 - j + 1e-9 * rng.standard_normal(size[1])
    flow = Tensor(flow.astype(dtype), True)
    grid = refwarp.flow_grid(flow, align_corners, unit)
    ggrid = rng.standard_normal(grid.shape).astype(dtype)
    (gflow,) = grad(grid, flow, ggrid)
    truth = exact.flow_grid(fractions(flow.data[0]), align_corners, unit)
    assert worst_share(grid.data[0], truth, 4, dtype) <= 1
    if unit == "pixels":
        for point, sums in zip(grid.data[0].reshape(-1, 2), [p for row in truth for p in row], strict=True):
            for found, part in zip(point, sums, strict=True):
                assert abs(Fraction(float(found)) - part.value) <= 2 * UNIT_ROUNDOFF[dtype] * abs(part.value)
    truth = exact.flow_gradient(fractions(ggrid[0]), align_corners, unit)
    assert worst_share(gflow.data[0], truth, 4, dtype) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 1), (5, 8), (2, 513)])
def test_affine_motion_and_gradient(dtype, align_corners, unit, size):
    rng = np.random.default_rng([*size, align_corners])
    theta = (rng.standard_normal((1, 2, 3)) * 10.0 ** rng.integers(-9, 2, (1, 2, 3))).astype(dtype)
    near = (np.eye(2, 3) + 1e-5 * rng.standard_normal((1, 2, 3))).astype(dtype)
    for given in (theta, near):
        tensor = Tensor(given, True)
        motion = refwarp.affine_motion(tensor, (1, 3, *size), align_corners, unit)
        gmotion = rng.standard_normal(motion.shape).astype(dtype)
        (gtheta,) = grad(motion, tensor, gmotion)
        truth = exact.affine_motion(fractions(given[0]), *size, align_corners, unit)
        assert worst_share(motion.data[0], truth, MOTION, dtype) <= 1
        truth = exact.affine_motion_gradient(fractions(gmotion[0]), align_corners, unit)
        assert worst_share(gtheta.data[0], truth, MOTION, dtype) <= 1


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("width", [4095, 4096, 65535, 65536])
def test_without_motion_the_grid_is_the_identity(align_corners, width):
    """To the bit: each coordinate is a quotient of integers, rounded once."""
    identity = np.eye(2, 3)[None]
    for dtype in (np.float32, np.float64):
        grid = refwarp.flow_grid(np.zeros((1, 2, 2, width), dtype), align_corners)
        assert np.array_equal(grid, refwarp.flow_grid(np.zeros((1, 2, 2, width), dtype), align_corners, "normalised"))
        assert np.array_equal(grid, refwarp.affine_grid(identity.astype(dtype), (1, 1, 2, width), align_corners))
    assert not refwarp.affine_motion(identity, (1, 1, 2, width), align_corners).any()


@pytest.mark.parametrize("align_corners", [False, True])
def test_a_flow_in_pixels_moves_pixels(align_corners):
    """u along columns, v along rows: one pixel to the right and two down is what grid_sample fetches, exactly."""
    map = np.random.default_rng(1).standard_normal((1, 2, 5, 9))
    flow = np.zeros((1, 2, 5, 9))
    flow[:, 0], flow[:, 1] = 1, 2
    out = refwarp.grid_sample(map, refwarp.flow_grid(flow, align_corners), align_corners=align_corners)
    # The widths 9 and 5: coordinates are rounded, by which a pixel takes some 2^-50 of its neighbours.
    assert np.allclose(out[:, :, :3, :8], map[:, :, 2:, 1:], rtol=0, atol=2.0**-48)


@pytest.mark.parametrize("align_corners", [False, True])
def test_a_pixel_is_two_over_s(align_corners):
    flow = np.random.default_rng(2).standard_normal((1, 2, 4, 6))
    s = np.array([6.0, 4.0]) - align_corners
    scaled = flow * (2 / s)[:, None, None]
    found = refwarp.flow_grid(flow, align_corners), refwarp.flow_grid(scaled, align_corners, "normalised")
    assert np.allclose(*found, rtol=0, atol=8 * 2.0**-52)  # some eight roundings of numbers up to 4


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("align_corners", [False, True])
def test_the_sum_of_an_affine_motion_and_a_flow(unit, align_corners):
    """x + H x + w is the affine grid of H displaced by w; the composition of both warps is elsewhere, by H w."""
    rng = np.random.default_rng(3)
    theta, size = np.eye(2, 3) + 0.3 * rng.standard_normal((1, 2, 3)), (1, 1, 4, 6)
    w = 0.5 * rng.standard_normal((1, 2, 4, 6))
    motion = refwarp.affine_motion(theta, size, align_corners, unit)
    summed = refwarp.flow_grid(motion + w, align_corners, unit)
    moved = refwarp.flow_grid(w, align_corners, unit)
    displacement = moved - refwarp.flow_grid(0 * w, align_corners, unit)
    # Some ten roundings of numbers up to 8.
    assert np.allclose(summed, refwarp.affine_grid(theta, size, align_corners) + displacement, rtol=0, atol=2.0**-45)
    composed = moved @ theta[0, :, :2].T + theta[0, :, 2]
    linear = theta[0, :, :2] - np.eye(2)
    assert np.allclose(composed - summed, displacement @ linear.T, rtol=0, atol=2.0**-45)
    assert abs(composed - summed).max() > 0.01


def test_one_pixel_axes():
    """With align_corners every motion in pixels leads back to the one pixel; else it leads off, 2 a pixel."""
    flow = Tensor(np.full((1, 2, 1, 1), 0.75), True)
    for align_corners, unit, expected, slope in (
        (True, "pixels", 0, 0),
        (False, "pixels", 1.5, 2),
        (True, "normalised", 0.75, 1),
        (False, "normalised", 0.75, 1),
    ):
        grid = refwarp.flow_grid(flow, align_corners, unit)
        assert (grid.data == expected).all()
        assert grad(grid, flow, np.full(grid.shape, 3.0))[0].data.ravel().tolist() == [3 * slope] * 2
        theta = Tensor(np.array([[[1, 0, 0.5], [0, 1, 0.25]]]), True)
        motion = refwarp.affine_motion(theta, (1, 1, 1, 1), align_corners, unit)
        pixels = (0.0 if align_corners else 0.5) if unit == "pixels" else 1.0
        assert motion.data.ravel().tolist() == [0.5 * pixels, 0.25 * pixels]


@pytest.mark.parametrize("unit", UNITS)
def test_gradcheck_first_and_second_order(unit):
    rng = np.random.default_rng(4)
    flow, theta = rng.standard_normal((2, 2, 3, 4)), rng.standard_normal((2, 2, 3))
    gradcheck(lambda flow: refwarp.flow_grid(flow, unit=unit), (flow,), rng=rng, order=2)
    gradcheck(lambda theta: refwarp.affine_motion(theta, (2, 1, 3, 4), unit=unit), (theta,), rng=rng, order=2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype):
    rng = np.random.default_rng(5)
    for call, given in (
        (refwarp.flow_grid, rng.standard_normal((2, 2, 3, 4)).astype(dtype)),
        (lambda theta: refwarp.affine_motion(theta, (2, 1, 3, 4)), rng.standard_normal((2, 2, 3)).astype(dtype)),
    ):
        before, tensor = given.copy(), Tensor(np.asfortranarray(given), True)
        out = call(given)
        assert type(out) is np.ndarray and out.dtype == dtype
        kept = call(tensor)
        assert np.array_equal(kept.data, out) and grad(kept, tensor, out)[0].dtype == dtype
        assert np.array_equal(given, before)


def test_motions_that_are_not_finite_touch_their_pixel_only():
    flow = np.zeros((1, 2, 2, 3))
    flow[0, 0, 0, 1], flow[0, 1, 1, 2] = np.nan, np.inf
    for unit in UNITS:
        grid, rest = refwarp.flow_grid(flow, unit=unit), refwarp.flow_grid(0 * np.nan_to_num(flow), unit=unit)
        assert np.isnan(grid[0, 0, 1, 0]) and grid[0, 1, 2, 1] == np.inf
        assert (grid != rest).sum() == 2


def test_empty_batches_and_outputs():
    for shape in ((0, 2, 3, 3), (1, 2, 0, 3), (1, 2, 3, 0)):
        flow = Tensor(np.ones(shape), True)
        grid = refwarp.flow_grid(flow)
        assert grid.shape == (shape[0], *shape[2:], 2)
        assert grad(grid, flow, np.ones(grid.shape))[0].shape == shape
        size = (shape[0], 1, *shape[2:])
        assert refwarp.affine_motion(np.ones((shape[0], 2, 3)), size).shape == shape


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: refwarp.flow_grid(np.ones((1, 3, 2, 2))), ValueError, r"flow: given shape \(1, 3, 2, 2\), expected"),
        (lambda: refwarp.flow_grid(np.ones((1, 2, 2, 2), int)), TypeError, "flow: given dtype int64"),
        (
            lambda: refwarp.flow_grid(np.ones((1, 2, 2, 2)), unit="pixel"),
            ValueError,
            "unit: given 'pixel', expected one of 'pixels', 'normalised'",
        ),
        (lambda: refwarp.flow_grid(np.ones((1, 2, 2, 2)), 1), ValueError, "align_corners: given 1"),
        (
            lambda: refwarp.affine_motion(np.ones((1, 3, 3)), (1, 1, 2, 2)),
            ValueError,
            r"theta: given shape \(1, 3, 3\)",
        ),
        (lambda: refwarp.affine_motion(np.ones((1, 2, 3)), (2, 1, 2, 2)), ValueError, "size: given N = 2"),
        (lambda: refwarp.affine_motion(np.ones((1, 2, 3)), (1, 1, 2, 2), 1), ValueError, "align_corners: given 1"),
        (lambda: refwarp.affine_motion(np.ones((1, 2, 3)), (1, 1, 2, 2), unit=1), ValueError, "unit: given 1"),
    ],
)
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_motion_whose_double_overflows():
    """Of 2 u p with p = 1/4 the result is half of u."""
    assert (refwarp.flow_grid(np.full((1, 2, 8, 8), 2.0**1023)) == 2.0**1021).all()
