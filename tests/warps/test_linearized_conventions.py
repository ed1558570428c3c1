"""Linearised sampling: what is differentiated, what the paper leaves open, what the released program does, refusals."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck

EPS = np.finfo(float).eps
FLOATS = [np.float16, np.float32, np.float64]


def setting(seed, dtype=np.float64, channels=2, size=(5, 6), count=6, spread=0.3, reach=0.7):
    """Return a map, a grid of 2 x 3 points and samples scattered around them."""
    rng = np.random.default_rng(seed)
    input = rng.standard_normal((1, channels, *size))
    grid = rng.uniform(-reach, reach, (1, 2, 3, 2))
    auxiliary = grid[..., None, :] + spread * rng.standard_normal((1, 2, 3, count, 2))
    return tuple(array.astype(dtype) for array in (input, grid, auxiliary))


def same_samples(one, other):
    """Tell whether two bilinear samples of numbers below 4 agree within both budgets, (4 + log2 4) u M each."""
    return np.allclose(one, other, rtol=0, atol=6 * EPS * 4)


def gradients(input, grid, auxiliary, gout, **options):
    """Return output, ginput and ggrid as arrays."""
    input, grid = Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)
    out = refwarp.linearized_sample(input, grid, auxiliary, **options)
    return out.data, *(g.data for g in grad(out, (input, grid), gout))


# ---- what is differentiated ----


def test_without_regularisation_the_slope_is_the_derivative_of_the_value():
    """With e = 0 the value is the plane through the samples alone, at the grid's point: I^0 cancels."""
    input, grid, auxiliary = (array[:, :, :2] for array in setting(0, channels=1, size=(4, 3), count=4))
    grid, auxiliary = grid[:, :1], auxiliary[:, :1]

    def sample(input, grid):
        return refwarp.linearized_sample(input, grid, auxiliary, tikhonov=0.0, input_gradient="fit")

    gradcheck(sample, (input, grid), rng=np.random.default_rng(1), order=2)


@pytest.mark.parametrize("intercept", [False, True, "bias-free"])
def test_the_gradient_to_the_map_is_the_derivative_of_the_value(intercept):
    input, grid, auxiliary = setting(1, channels=1, size=(4, 3))

    def sample(input):
        return refwarp.linearized_sample(input, grid, auxiliary, intercept=intercept, input_gradient="fit")

    gradcheck(sample, (input,), rng=np.random.default_rng(2))


@pytest.mark.parametrize("mode", ["none", "center"])
def test_stopped_gradients_do_not_reach_the_map(mode):
    """"none" stops everything but T(x), as the paper says; "center" lets through what bilinear sampling would."""
    input, grid, auxiliary = setting(2)
    gout = np.random.default_rng(3).standard_normal((1, 2, 2, 3))
    _, ginput, ggrid = gradients(input, grid, auxiliary, gout, input_gradient=mode)
    if mode == "none":
        assert not ginput.any()
    else:
        bilinear = Tensor(input, requires_grad=True)
        assert np.array_equal(ginput, grad(refwarp.grid_sample(bilinear, grid), bilinear, gout)[0].data)
    _, through_all, same = gradients(input, grid, auxiliary, gout, input_gradient="fit")
    assert np.array_equal(same, ggrid) and not np.array_equal(through_all, ginput)


@pytest.mark.parametrize(("mode", "differentiable"), [("none", False), ("center", False), ("fit", True)])
def test_the_slope_depends_on_the_map_only_where_asked(mode, differentiable):
    """The second derivative in grid and map; in the grid alone it is zero, for the linearisation is linear."""
    input, grid, auxiliary = setting(3)
    input, grid = Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)
    out = refwarp.linearized_sample(input, grid, auxiliary, input_gradient=mode)
    rng = np.random.default_rng(4)
    (slope,) = grad(out, grid, Tensor(rng.standard_normal(out.shape), requires_grad=True), create_graph=True)
    mixed, twice = grad(slope, (input, grid), rng.standard_normal(grid.shape))
    assert mixed.data.any() == differentiable and not twice.data.any()


def test_no_gradient_reaches_the_auxiliary_samples():
    input, grid, auxiliary = setting(4)
    theta = Tensor(np.array([[[0.5, 0, 0], [0, 0.5, 0]]]), requires_grad=True)
    grid = refwarp.affine_grid(theta, (1, 1, 2, 3))
    noise = np.random.default_rng(5).standard_normal((2, 1, 2, 3, 6, 2))
    auxiliary = refwarp.auxiliary_grid(grid, (5, 6), noise, theta=theta)
    assert isinstance(auxiliary, np.ndarray)
    out = refwarp.linearized_sample(input, grid, auxiliary)
    gout = np.random.default_rng(6).standard_normal(out.shape)
    (gtheta,) = grad(out, theta, gout)
    # The same with samples that come as a Tensor with a history of its own.
    attached = Tensor(auxiliary, requires_grad=True)
    out = refwarp.linearized_sample(input, grid, attached)
    again, nothing = grad(out, (theta, attached), gout)
    assert np.array_equal(again.data, gtheta.data) and not nothing.data.any()


def test_a_ramp_is_linearised_exactly():
    """Slopes of 3 and -2 a pixel, in a map of 8 x 8 pixels: 12 and -8 a unit of g, whatever the samples."""
    y, x = np.mgrid[:8.0, :8.0]
    rng = np.random.default_rng(7)
    grid = rng.uniform(-0.5, 0.5, (1, 2, 3, 2))
    auxiliary = grid[..., None, :] + rng.uniform(-0.3, 0.3, (1, 2, 3, 5, 2))
    gout = rng.standard_normal((1, 1, 2, 3))
    out, _, ggrid = gradients((3 * x - 2 * y)[None, None], grid, auxiliary, gout, tikhonov=0.0)
    places = 4 * grid + 3.5
    # Some ten roundings of terms of up to 40, in fits of condition below 100.
    tolerance = 1000 * np.finfo(float).eps * 40
    assert abs(out[:, 0] - (3 * places[..., 0] - 2 * places[..., 1])).max() < tolerance
    assert abs(ggrid - gout[0][..., None] * [12, -8]).max() < tolerance


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
    """"Auxiliary samples distributed over pre-defined grids at varying levels of coarseness": rings of 1 and 2 pixels.

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


# ---- masks ----


def test_samples_outside_the_map_are_left_out():
    """A sample that is masked might as well lie anywhere, or not exist."""
    input, grid, auxiliary = setting(8, spread=0.1, reach=0.5)
    gout = np.random.default_rng(9).standard_normal((1, 2, 2, 3))
    outside = auxiliary.copy()
    outside[..., 0, :], outside[..., 3, 1] = [1.0 + 2.0**-52, 0.5], -1.0 - 2.0**-52
    options = {"input_gradient": "fit"}
    expected = gradients(input, grid, auxiliary[..., [1, 2, 4, 5], :], gout, **options)
    for far in (None, 3.0, 1e300, np.inf):
        if far is not None:
            outside[..., 0, 0] = far
        for result, truth in zip(gradients(input, grid, outside, gout, **options), expected, strict=True):
            assert np.allclose(result, truth, rtol=0, atol=64 * np.finfo(float).eps)  # pairwise sums pair otherwise
    auxiliary[..., 0, :] = [1.0, -1.0]  # on the edge, which is inside
    unmasked = refwarp.linearized_sample(input, grid, auxiliary, mask="none")
    assert np.array_equal(refwarp.linearized_sample(input, grid, auxiliary), unmasked)


def test_a_sample_at_infinity_takes_no_part_under_any_mask():
    input, grid, auxiliary = setting(21, spread=0.1, reach=0.5)
    gout = np.random.default_rng(21).standard_normal((1, 2, 2, 3))
    expected = gradients(input, grid, auxiliary[..., :-1, :], gout, mask="none", input_gradient="fit")
    for far in (np.inf, -np.inf, 1e300):
        auxiliary[..., -1, 1] = far
        result = gradients(input, grid, auxiliary, gout, mask="none", input_gradient="fit")
        for part, truth in zip(result, expected, strict=True):
            assert np.allclose(part, truth, rtol=0, atol=64 * np.finfo(float).eps)  # pairwise sums pair otherwise


def test_a_masked_sample_does_not_see_even_a_nan_in_the_map():
    """Zero times a value is no way to leave it out: a sample just outside still touches the pixel at the border."""
    input, grid, auxiliary = setting(9, spread=0.05, reach=0.3)
    auxiliary[..., 2, :] = [-1.01, 0.0]
    input[..., 0] = np.nan
    assert np.isfinite(refwarp.linearized_sample(input, grid, auxiliary)).all()
    assert np.isnan(refwarp.linearized_sample(input, grid, auxiliary, mask="none")).any()


def test_masks_by_offset_and_by_hand():
    input, grid, auxiliary = setting(10, spread=0.2)
    grid[0, 0, 0], auxiliary[0, 0, 0, 0] = [0.9, 0.0], [1.2, 0.0]
    grid[0, 0, 1], auxiliary[0, 0, 1, 1] = [0.9, 0.0], [-0.2, 0.0]
    inside = (abs(auxiliary) <= 1).all(-1)
    near = (abs(auxiliary - grid[..., None, :]) <= 1).all(-1)
    assert (inside != near).any()

    def sample(mask):
        return refwarp.linearized_sample(input, grid, auxiliary, mask=mask)

    assert np.array_equal(sample("position"), sample(inside))
    assert np.array_equal(sample("offset"), sample(near))
    assert np.array_equal(sample("none"), sample(np.ones_like(inside)))
    assert not np.array_equal(sample("position"), sample("offset"))


@pytest.mark.parametrize("tikhonov", [0.0, 1e-6])
def test_without_samples_in_the_map_there_is_no_slope(tikhonov):
    input, grid, auxiliary = setting(11)
    auxiliary += 7
    gout = np.random.default_rng(10).standard_normal((1, 2, 2, 3))
    for samples in (auxiliary, auxiliary[..., :0, :]):
        out, ginput, ggrid = gradients(input, grid, samples, gout, tikhonov=tikhonov, input_gradient="fit")
        assert same_samples(out, refwarp.grid_sample(input, grid)) and not ggrid.any() and ginput.any()


@pytest.mark.parametrize("shape", ["point", "line", "slanted", "third"])
def test_samples_that_determine_no_plane_give_no_slope(shape):
    """Only without regularisation; with it the slope along a line is there, and across it zero."""
    input, grid, auxiliary = setting(12, count=4)
    steps = np.arange(-1.0, 3.0)[:, None] / 3
    direction = {"point": [0, 0], "line": [0, 0.5], "slanted": [0.25, 0.5], "third": [0.1, 0.3]}[shape]
    auxiliary = grid[..., None, :] + steps * direction + [0.125, 0.0625]
    gout = np.random.default_rng(11).standard_normal((1, 2, 2, 3))
    out, _, ggrid = gradients(input, grid, auxiliary, gout, tikhonov=0.0, mask="none")
    assert same_samples(out, refwarp.grid_sample(input, grid)) and not ggrid.any()
    _, _, ggrid = gradients(input, grid, auxiliary, gout, mask="none")
    assert np.isfinite(ggrid).all() and ggrid.any()


def test_a_centre_outside_the_map_is_drawn_back_by_the_samples_inside():
    """The paper does not say. The plane is that of the samples; the padding's zero at the centre is not in it."""
    y, x = np.mgrid[:8.0, :8.0]
    grid = np.array([[[[1.25, 0.0]]]])
    auxiliary = np.array([[0.5, 0.25], [0.625, -0.25], [0.75, 0.0], [1.5, 0.0]]).reshape(1, 1, 1, 4, 2)
    gout = np.array([[[[-3.0]]]])
    out, _, ggrid = gradients((x + 10)[None, None], grid, auxiliary, gout, tikhonov=0.0)
    # x + 10 at x = 4 * 1.25 + 3.5, and its slope 4 a unit; six roundings of numbers near 20, condition below 100.
    tolerance = 600 * np.finfo(float).eps * 20
    assert abs(out.item() - 18.5) < tolerance
    assert abs(ggrid[0, 0, 0] - [-12, 0]).max() < tolerance


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


# ---- non-finite and degenerate arguments, dtypes, bits ----


@pytest.mark.parametrize("where", ["grid", "auxiliary"])
def test_a_nan_coordinate_touches_nothing_else(where):
    input, grid, auxiliary = setting(13, spread=0.1, reach=0.5)
    gout = np.random.default_rng(13).standard_normal((1, 2, 2, 3))
    silenced = gout.copy()
    silenced[..., 1, 2] = 0
    clean = gradients(input, grid, auxiliary, silenced, input_gradient="fit")
    (grid if where == "grid" else auxiliary[..., 2, :])[0, 1, 2, 1] = np.nan
    out, ginput, ggrid = gradients(input, grid, auxiliary, gout, input_gradient="fit")
    assert np.isnan(out[..., 1, 2]).all() and np.isnan(ggrid[0, 1, 2]).all()
    others = np.ones((2, 3), bool)
    others[1, 2] = False
    assert np.array_equal(out[..., others], clean[0][..., others])
    assert np.array_equal(ggrid[:, others], clean[2][:, others])
    assert np.allclose(ginput, clean[1], rtol=0, atol=1e-15)  # sums that start elsewhere: some last bits of 1
    mask = np.ones(auxiliary.shape[:-1], bool)
    mask[0, 1, 2, 2] = False
    hidden = refwarp.linearized_sample(input, grid, auxiliary, mask=mask)
    assert np.isfinite(hidden).all() == (where == "auxiliary")


@pytest.mark.parametrize("far", [np.inf, -np.inf])
@pytest.mark.parametrize("mask", ["position", "offset", "none"])
def test_an_infinite_centre_is_outside_and_has_no_slope(far, mask):
    input, grid, auxiliary = setting(14)
    grid[0, 0, 0, 0], grid[0, 1, 1], auxiliary[0, 1, 1] = far, far, far
    auxiliary[0, 1, 1, 2] = np.nan  # what interpolation between infinite points gives
    gout = np.random.default_rng(14).standard_normal((1, 2, 2, 3))
    out, ginput, ggrid = gradients(input, grid, auxiliary, gout, mask=mask, input_gradient="fit")
    for i, j in ((0, 0), (1, 1)):
        assert not out[..., i, j].any() and not ggrid[0, i, j].any()
    assert all(np.isfinite(result).all() for result in (out, ginput, ggrid))


def test_one_pixel_maps():
    """With align_corners all of an axis is one pixel, without slope."""
    _, grid, auxiliary = setting(15, spread=0.2, reach=0.4)
    pixel, gout = np.array([[[[3.0]]]]), np.ones((1, 1, 2, 3))
    out, _, ggrid = gradients(pixel, grid, auxiliary, gout, align_corners=True)
    assert (out == 3).all() and not ggrid.any()
    column = np.array([1.0, 2.0, 4.0]).reshape(1, 1, 3, 1)
    _, _, ggrid = gradients(column, grid, auxiliary, gout, align_corners=True)
    assert not ggrid[..., 0].any() and (ggrid[..., 1] > 0).all()


@pytest.mark.parametrize(
    "shapes", [((0, 2, 3, 4), (0, 2, 2, 2)), ((2, 0, 3, 4), (2, 2, 2, 2)), ((1, 2, 3, 4), (1, 0, 5, 2))]
)
def test_empty_batches_channels_and_outputs(shapes):
    input, grid = np.ones(shapes[0]), np.zeros(shapes[1])
    gout = np.ones((*shapes[0][:2], *shapes[1][1:3]))
    out, ginput, ggrid = gradients(input, grid, np.random.default_rng(15), gout, input_gradient="fit")
    assert out.shape == gout.shape and ginput.shape == input.shape and ggrid.shape == grid.shape
    assert not ginput.any() and not ggrid.any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype):
    input, grid, auxiliary = setting(16, dtype)
    out = refwarp.linearized_sample(input, grid, auxiliary)
    assert type(out) is np.ndarray and out.dtype == dtype
    gout = np.ones((1, 2, 2, 3), dtype)
    assert [array.dtype for array in gradients(input, grid, auxiliary, gout)] == [dtype] * 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_dtypes_are_computed_in_float64_and_rounded_once(dtype):
    arrays = setting(17, dtype)
    wide = refwarp.linearized_sample(*(array.astype(np.float64) for array in arrays))
    assert np.array_equal(refwarp.linearized_sample(*arrays), wide.astype(dtype))


def test_the_bits_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(18)
    input, grid = rng.standard_normal((2, 3, 17, 19)), rng.uniform(-1.1, 1.1, (2, 30, 31, 2))
    auxiliary = refwarp.auxiliary_grid(grid, (17, 19), rng)
    gout = rng.standard_normal((2, 3, 30, 31))
    before = refwarp.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            refwarp.set_num_threads(count)
            everything = gradients(input, grid, auxiliary, gout, input_gradient="fit")
            results.append([array.tobytes() for array in everything])
    finally:
        refwarp.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def test_arguments_are_not_written_into():
    arrays = setting(19)
    copies = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    refwarp.linearized_sample(*arrays, mask=np.ones((1, 2, 3, 6), bool))
    assert all(np.array_equal(array, copy) for array, copy in zip(arrays, copies, strict=True))


def test_padding_is_that_of_grid_sample():
    input, grid, auxiliary = setting(20, reach=1.5)
    for padding in ("border", "reflection"):
        out = refwarp.linearized_sample(input, grid, auxiliary, intercept=False, padding_mode=padding)
        assert same_samples(out, refwarp.grid_sample(input, grid, padding_mode=padding))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"input": np.ones((3, 4))}, ValueError, r"input: given shape \(3, 4\), expected \(N, C, H, W\)"),
        ({"input": np.ones((1, 1, 0, 3))}, ValueError, "expected H and W of at least 1"),
        ({"grid": np.ones((2, 2, 3, 2))}, ValueError, "grid: given N = 2 while input has N = 1"),
        ({"grid": np.ones((1, 2, 3, 2), np.float32)}, TypeError, "grid: given dtype float32 while input is float64"),
        ({"auxiliary": np.ones((1, 2, 3, 2))}, ValueError, r"auxiliary: given shape .* \(N, H_out, W_out, K, 2\)"),
        ({"auxiliary": np.ones((1, 3, 2, 4, 2))}, ValueError, "auxiliary: given shape"),
        ({"auxiliary": np.ones((1, 2, 3, 4, 2), np.float32)}, TypeError, "auxiliary: given dtype float32 while grid"),
        ({"auxiliary": 8}, TypeError, "auxiliary: given int, expected an array, as auxiliary_grid"),
        ({"mask": "inside"}, ValueError, "mask: given 'inside', expected one of 'position', 'offset', 'none'"),
        ({"mask": np.ones((1, 2, 3, 4))}, ValueError, r"mask: given float64\(1, 2, 3, 4\), expected bool"),
        ({"mask": np.ones((1, 2, 3), bool)}, ValueError, r"mask: given bool\(1, 2, 3\), expected bool\(1, 2, 3, 4\)"),
        ({"tikhonov": -1.0}, ValueError, "tikhonov: given -1.0, expected one number or 3, finite and not negative"),
        ({"tikhonov": (1.0, 2.0)}, ValueError, r"tikhonov: given \(1.0, 2.0\), expected one number or 3"),
        ({"tikhonov": np.nan}, ValueError, "tikhonov: given nan"),
        ({"intercept": 1}, ValueError, "intercept: given 1, expected one of False, True, 'bias-free'"),
        ({"input_gradient": "all"}, ValueError, "input_gradient: given 'all', expected one of 'none', 'center', 'fit'"),
        ({"padding_mode": "wrap"}, ValueError, "padding_mode: given 'wrap'"),
        ({"align_corners": None}, ValueError, "align_corners: given None"),
    ],
)
def test_wrong_arguments_are_named(change, error, words):
    arguments = {
        "input": np.ones((1, 1, 3, 3)),
        "grid": np.zeros((1, 2, 3, 2)),
        "auxiliary": np.zeros((1, 2, 3, 4, 2)),
    }
    with pytest.raises(error, match=words):
        refwarp.linearized_sample(**{**arguments, **change})
