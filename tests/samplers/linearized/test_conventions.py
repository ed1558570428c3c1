"""Linearised sampling: what is differentiated, which samples count, degenerate arguments, refusals."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from tests.samplers.linearized.cases import gradients, same_samples, setting
from tests.threads import on_threads

FLOATS = [np.float16, np.float32, np.float64]


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
    """ "none" stops everything but T(x), as the paper says; "center" lets through what bilinear sampling would."""
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
    assert not auxiliary.requires_grad and auxiliary.source is None
    out = refwarp.linearized_sample(input, grid, auxiliary)
    gout = np.random.default_rng(6).standard_normal(out.shape)
    (gtheta,) = grad(out, theta, gout)
    # The same with samples that come as a Tensor with a history of its own.
    attached = Tensor(auxiliary.data, requires_grad=True)
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

    def everything():
        return [array.tobytes() for array in gradients(input, grid, auxiliary, gout, input_gradient="fit")]

    results = on_threads((1, 2, 3), everything)
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
