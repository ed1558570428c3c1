"""Linearised sampling: the fit and its intercept, how many samples it takes, and what the released program does."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.backend.launch import argument, run
from refwarp.samplers.linearized import cpu
from refwarp.samplers.linearized import function as linearized
from tests.samplers.linearized.cases import EPS, gradients, same_samples, setting

# ---- the intercept and Tikhonov's weights ----


def test_without_the_intercept_the_value_is_the_bilinear_sample():
    """Equation (2) as printed; with the intercept the value sees the neighbourhood."""
    input, grid, auxiliary = setting(5)
    bilinear = refwarp.grid_sample(input, grid)
    assert same_samples(refwarp.linearized_sample(input, grid, auxiliary, intercept=False), bilinear)
    assert abs(refwarp.linearized_sample(input, grid, auxiliary) - bilinear).min() > 1e-3


def test_the_intercept_is_that_of_numpys_least_squares():
    input, grid, auxiliary = setting(6, channels=1, count=9, spread=0.1)
    out = refwarp.linearized_sample(input, grid, auxiliary, tikhonov=0.0)
    samples = refwarp.grid_sample(input, auxiliary.reshape(1, 2, 27, 2)).reshape(2, 3, 9)
    for place in np.ndindex(2, 3):
        rows = np.column_stack([auxiliary[0][place], np.ones(9)])
        plane = np.linalg.lstsq(rows, samples[place], rcond=None)[0]
        # A few roundings, times the condition of the rows, below 1000.
        assert abs(plane[:2] @ grid[0][place] + plane[2] - out[0, 0][place]) < 1e4 * np.finfo(float).eps


def test_tikhonov_in_normalised_units_is_a_choice_of_three_weights():
    """The paper does not say in which units eps is; here they are pixels. dx = g s/2 carries it to units of g."""
    input, grid, auxiliary = setting(7, channels=1, size=(5, 9))
    eps, gout = 0.05, np.random.default_rng(8).standard_normal((1, 1, 2, 3))
    triple = (eps * 4.5**2, eps * 2.5**2, eps)
    out, _, ggrid = gradients(input, grid, auxiliary, gout, tikhonov=triple, mask="none")
    samples = refwarp.grid_sample(input, auxiliary.reshape(1, 2, 18, 2)).reshape(2, 3, 6)
    centre = refwarp.grid_sample(input, grid)[0, 0]
    for place in np.ndindex(2, 3):
        x = np.column_stack([auxiliary[0][place] - grid[0][place], np.ones(6)])
        a = np.linalg.solve(x.T @ x + eps * np.eye(3), x.T @ (samples[place] - centre[place]))
        expected = [centre[place] + a[2], *(gout[0, 0][place] * a[:2])]
        # A few roundings of terms of about 1, times the condition of the regularised matrix, below 1000.
        assert np.allclose([out[0, 0][place], *ggrid[0][place]], expected, rtol=0, atol=1e4 * np.finfo(float).eps)


@pytest.mark.parametrize("padding", ["zeros", "reflection"])
def test_a_bias_free_fit_is_numpys_with_two_columns(padding):
    """By chunks and, with reflection, one pixel at a time; the value is the bilinear sample."""
    input, grid, auxiliary = setting(25, channels=1, count=9, reach=0.5, spread=0.2)
    gout = np.random.default_rng(26).standard_normal((1, 1, 2, 3))
    options = {"intercept": "bias-free", "padding_mode": padding, "mask": "none"}
    out, _, ggrid = gradients(input, grid, auxiliary, gout, tikhonov=0.0, **options)
    centre = refwarp.grid_sample(input, grid, padding_mode=padding)
    samples = refwarp.grid_sample(input, auxiliary.reshape(1, 2, 27, 2), padding_mode=padding).reshape(2, 3, 9)
    assert same_samples(out, centre)
    for place in np.ndindex(2, 3):
        rows, y = auxiliary[0][place] - grid[0][place], samples[place] - centre[0, 0][place]
        slopes = np.linalg.lstsq(rows, y, rcond=None)[0]
        # A few roundings of slopes below 10, times the condition of the rows, below 10.
        assert abs(gout[0, 0][place] * slopes - ggrid[0][place]).max() < 1000 * EPS * 10
    # A heavy weight on the intercept comes close, and its own weight is of no account.
    options["intercept"] = True
    heavy = gradients(input, grid, auxiliary, gout, tikhonov=(0.0, 0.0, 1e30), **options)[2]
    assert np.allclose(heavy, ggrid, rtol=0, atol=1000 * EPS * 10)
    options["intercept"] = "bias-free"
    weighted = gradients(input, grid, auxiliary, gout, tikhonov=(0.0, 0.0, 7.0), **options)[2]
    assert np.array_equal(weighted, ggrid)
    # Leaving the intercept out of the value is another fit.
    options["intercept"] = False
    assert abs(gradients(input, grid, auxiliary, gout, tikhonov=0.0, **options)[2] - ggrid).max() > 1e-2


@pytest.mark.parametrize("intercept", [True, False, "bias-free"])
def test_chunks_leave_no_finite_and_determined_pixel_to_the_slow_path(intercept, monkeypatch):
    """That reads the map itself, chunks a copy of it: a map of NaN shows each pixel that is left to it."""
    input, grid, auxiliary = setting(30, count=7, reach=0.5, spread=0.1)
    options = {"intercept": intercept, "tikhonov": 0.0}
    gout = np.random.default_rng(31).standard_normal((1, 2, 2, 3))
    expected = gradients(input, grid, auxiliary, gout, **options)

    def run_without_the_map(kernel, count, work, source, *rest):
        if kernel is cpu.planes_of_chunks:
            source = argument(np.full_like(source, np.nan))
        run(kernel, count, work, source, *rest)

    monkeypatch.setattr(linearized, "run", run_without_the_map)
    for found, truth in zip(gradients(input, grid, auxiliary, gout, **options), expected, strict=True):
        assert np.array_equal(found, truth)


def test_a_bias_free_plane_goes_through_the_bilinear_sample():
    """Two samples determine it, or several on a line that misses the centre; on a line through it they do not."""
    input, grid, _ = setting(27, channels=1)
    gout = np.random.default_rng(28).standard_normal((1, 1, 2, 3))
    options = {"tikhonov": 0.0, "mask": "none", "intercept": "bias-free"}
    along = np.linspace(-0.5, 0.25, 4)[:, None] * [0.25, 0.5]
    for offsets, determined in ((along + [0.125, 0.0], True), (along[:2] + [0.125, 0.0], True), (along, False)):
        _, _, slopes = gradients(input, grid, grid[..., None, :] + offsets, gout, **options)
        assert slopes.all() == slopes.any() == determined
        assert not gradients(input, grid, grid[..., None, :] + offsets, gout, tikhonov=0.0, mask="none")[2].any()


# ---- how many samples, and which ----


def test_eight_samples_or_seven_and_the_centre():
    """K = 8 is eight samples beside the centre, or eight with it, as the released program's num_grid counts."""
    input, grid, _ = setting(22)
    eight = refwarp.auxiliary_grid(grid, (5, 6), np.random.default_rng(23))
    noise = np.random.default_rng(23).standard_normal((2, 1, 2, 3, 8, 2))
    seven = refwarp.auxiliary_grid(grid, (5, 6), noise[..., :7, :], count=7)
    assert eight.shape == (1, 2, 3, 8, 2) and np.array_equal(eight[..., :7, :], seven)
    options = {"mask": "none", "tikhonov": 0.0}
    assert abs(refwarp.linearized_sample(input, grid, eight, **options)
               - refwarp.linearized_sample(input, grid, seven, **options)).max() > 1e-3  # fmt: skip


def test_samples_on_fixed_grids_are_an_argument():
    """ "Auxiliary samples distributed over pre-defined grids at varying levels of coarseness": rings of 1 and 2 pixels.

    The slope is that of each level alone, with the weights 1 and 4 of the squared distances.
    """
    rng = np.random.default_rng(24)
    input = rng.standard_normal((1, 1, 16, 16))
    grid = rng.integers(-2, 3, (1, 2, 3, 2)) / 8 + 0.0625  # on pixels, so that the samples are pixels too
    ring = np.array([(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1) if (x, y) != (0, 0)]) / 8
    levels = [grid[..., None, :] + scale * ring for scale in (1, 2)]
    gout = rng.standard_normal((1, 1, 2, 3))
    both = gradients(input, grid, np.concatenate(levels, -2), gout, tikhonov=0.0)[2]
    alone = [gradients(input, grid, level, gout, tikhonov=0.0)[2] for level in levels]
    # Some thirty roundings of slopes below 20, in fits whose columns are orthogonal.
    assert np.allclose(both, (alone[0] + 4 * alone[1]) / 5, rtol=0, atol=64 * EPS * 20)


# ---- the released program ----


@pytest.mark.parametrize(
    ("align_corners", "noise_options"), [(False, {}), (True, {"collapse_deviation": (8 / 9, 6 / 7)})]
)
def test_the_released_programs_deviations_are_options(align_corners, noise_options):
    """Noise after the transformation, mask by offset, no eps, intercept in the value, gradient through the centre.

    The program's steps, with its normal equations in normalised units. Its second noise is 2/W wide in either case.
    """
    rng = np.random.default_rng(12)
    input, grid = rng.standard_normal((1, 2, 7, 9)), rng.uniform(-1, 1, (1, 4, 5, 2))
    noise, gout = rng.standard_normal((2, 1, 4, 5, 7, 2)), rng.standard_normal((1, 2, 4, 5))

    scattered = grid[..., None, :] + noise[0] * 0.5 / [5, 4] + noise[1] * [2 / 9, 2 / 7]
    offsets = scattered - grid[..., None, :]
    rows = np.concatenate([offsets, np.ones((1, 4, 5, 7, 1))], -1) * (abs(offsets) <= 1).all(-1)[..., None]
    corners = {"align_corners": align_corners}
    centre = refwarp.grid_sample(input, grid, **corners)
    samples = refwarp.grid_sample(input, scattered.reshape(1, 4, 35, 2), **corners).reshape(1, 2, 4, 5, 7)
    y = np.moveaxis(samples - centre[..., None], 1, -1)
    a = np.linalg.solve(np.swapaxes(rows, -1, -2) @ rows, np.swapaxes(rows, -1, -2) @ y)  # (1, 4, 5, 3, 2)

    options = {"count": 7, "displaced_in": "source", "deviation": 0.25, **corners}
    auxiliary = refwarp.auxiliary_grid(grid, (7, 9), noise, **options, **noise_options)
    # Two products and two sums of numbers below 8, rounded.
    assert np.allclose(auxiliary, scattered, rtol=0, atol=4 * 8 * EPS)
    if noise_options:
        assert abs(refwarp.auxiliary_grid(grid, (7, 9), noise, **options) - scattered).max() > 0.01
    released = {"mask": "offset", "tikhonov": 0.0, "input_gradient": "center", **corners}
    out, ginput, ggrid = gradients(input, grid, auxiliary, gout, **released)
    # A few roundings of terms of about 1, times the condition of the normal matrix, below 10^5 here.
    tolerance = 1e5 * 8 * np.finfo(float).eps
    assert np.linalg.cond(np.swapaxes(rows, -1, -2) @ rows).max() < 1e5
    assert np.allclose(out, centre + np.moveaxis(a[..., 2, :], -1, 1), rtol=0, atol=tolerance)
    assert np.allclose(ggrid, np.einsum("ncij,nijrc->nijr", gout, a[..., :2, :]), rtol=0, atol=tolerance)
    bilinear = Tensor(input, requires_grad=True)
    assert np.array_equal(ginput, grad(refwarp.grid_sample(bilinear, grid, **corners), bilinear, gout)[0].data)
    assert not np.allclose(out, refwarp.linearized_sample(input, grid, auxiliary, **corners), rtol=0, atol=1e-3)
    # fixed_bias=True: the constant 1 is subtracted from itself, so that b does not enter; the slopes are the same.
    fixed, _, same = gradients(input, grid, auxiliary, gout, intercept=False, **released)
    assert same_samples(fixed, centre) and np.array_equal(same, ggrid)


@pytest.mark.parametrize("kept", [1, 2])
def test_of_one_sample_or_two_the_released_program_makes_finite_numbers_without_a_meaning(kept):
    """As it inverts: the matrix divided by its largest entry, the adjugate by the determinant, all in float32.

    How often depends on whether the processor fuses multiplications and additions: a third and five of six here.
    """
    rng = np.random.default_rng(29)
    offsets, y = (0.3 * rng.standard_normal((200, kept, 2))).astype(np.float32), np.float32(1)
    rows = np.concatenate([offsets, np.ones((200, kept, 1), np.float32)], -1)
    normal = np.swapaxes(rows, -1, -2) @ rows
    normal /= normal.max((1, 2), keepdims=True)
    columns = [normal[:, (i + 1) % 3] for i in range(3)], [normal[:, (i + 2) % 3] for i in range(3)]
    adjugate = np.stack([np.cross(p, q) for p, q in zip(*columns, strict=True)], -1)
    determinant = (normal[:, 0] * adjugate[..., 0]).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = (adjugate / determinant[:, None, None] @ rows.sum(1)[..., None] * y)[:, :2, 0]
    finite = np.isfinite(slopes).all(-1)
    assert np.linalg.matrix_rank(rows.astype(float)).max() <= kept < 3
    assert finite.sum() > 20 and (abs(slopes[finite]).max(-1) > 1).sum() > 10
    grid, input = np.zeros((1, 1, 200, 2)), rng.standard_normal((1, 1, 8, 8))
    gout = rng.standard_normal((1, 1, 1, 200))
    _, _, ggrid = gradients(input, grid, offsets.astype(float)[None, None], gout, tikhonov=0.0, mask="none")
    assert not ggrid.any()
