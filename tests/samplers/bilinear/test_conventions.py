"""What the papers leave open: kinks, borders, non-finite coordinates, degenerate shapes, dtypes, refusals."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.exact import bilinear as exact
from refwarp.exact.arithmetic.numbers import fractions
from tests.threads import on_threads

FLOATS = [np.float16, np.float32, np.float64]


def gradients(input, grid, gout, **options):
    """Return output, ginput and ggrid as arrays."""
    input, grid = Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)
    out = refwarp.grid_sample(input, grid, **options)
    return out.data, *(g.data for g in grad(out, (input, grid), gout))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("kink", "slope"), [("right", -3), ("left", 4), ("central", 0.5), ("literal", 5)])
def test_each_kink_rule_gives_its_documented_value(dtype, kink, slope):
    """Row (1, 5, 2, 9) at x = 1, reached exactly by g = -1/4; dx/dg is 2. In x, and turned into y."""
    row, grid = np.array([[[[1, 5, 2, 9]]]], dtype), np.array([[[[-0.25, 0]]]], dtype)
    gout = np.ones((1, 1, 1, 1), dtype)  # one element: its derivative itself, no cotangent to hide behind
    for turn in (False, True):
        if turn:
            row, grid = row.swapaxes(2, 3), grid[..., ::-1]
        out, _, ggrid = gradients(row, grid, gout, kink=kink)
        assert out.item() == 5
        assert ggrid[0, 0, 0, int(turn)] == 2 * slope


@pytest.mark.parametrize("kink", ["right", "left", "central", "literal"])
def test_kinks_at_the_border_see_zeros_outside(kink):
    """Every lattice point from one pixel outside to one outside, against rational arithmetic."""
    row = np.array([[[[1.0, 5.0, 2.0, 9.0]]]])
    grid = np.zeros((1, 1, 6, 2))
    grid[0, 0, :, 0] = (2.0 * np.arange(-1, 5) - 3) / 4
    gout = np.random.default_rng(0).standard_normal((1, 1, 1, 6))
    _, _, ggrid = gradients(row, grid, gout, kink=kink)
    slopes = [float(exact.x_derivative(fractions(row[0, 0]), x, 0, kink).value) for x in range(-1, 5)]
    assert np.array_equal(ggrid[0, 0, :, 0], gout[0, 0, 0] * slopes * 2)


def test_a_nan_coordinate_touches_nothing_else():
    rng = np.random.default_rng(1)
    input, gout = rng.standard_normal((1, 2, 3, 4)), rng.standard_normal((1, 2, 2, 2))
    grid = rng.uniform(-1, 1, (1, 2, 2, 2))
    for place in ((0, 0, 0), (0, 1, 1)):
        for axis in range(2):
            poisoned, silenced = grid.copy(), gout.copy()
            poisoned[(*place, axis)] = np.nan
            silenced[0, :, place[1], place[2]] = 0
            out, ginput, ggrid = gradients(input, poisoned, gout)
            expected = gradients(input, grid, gout)
            assert np.isnan(out[0, :, place[1], place[2]]).all() and np.isnan(ggrid[place]).all()
            others = np.ones((2, 2), bool)
            others[place[1:]] = False
            assert np.array_equal(out[..., others], expected[0][..., others])
            assert np.array_equal(ggrid[:, others], expected[2][:, others])
            assert np.array_equal(ginput, gradients(input, grid, silenced)[1])


@pytest.mark.parametrize("far", [np.inf, -np.inf, 1e30, -1e30, 1.7e308, -1.7e308])
@pytest.mark.parametrize("align_corners", [False, True])
def test_infinite_and_huge_coordinates_are_outside(far, align_corners):
    rng = np.random.default_rng(2)
    input, gout = rng.standard_normal((1, 2, 3, 4)), rng.standard_normal((1, 2, 1, 3))
    grid = np.array([[[[far, 0.1], [0.1, far], [far, far]]]])
    for result in gradients(input, grid, gout, align_corners=align_corners):
        assert not result.any()
    grid[0, 0, 0, 1] = np.nan
    out, ginput, ggrid = gradients(input, grid, gout, align_corners=align_corners)
    assert np.isnan(out[..., 0]).all() and np.isnan(ggrid[0, 0, 0]).all() and not ginput.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_pixel_maps(dtype):
    """With align_corners every finite g is the pixel itself, without slope; else the tent around it."""
    pixel, gout = np.array([[[[3]]]], dtype), np.array([[[[2, 1, -1, 5]]]], dtype)
    grid = np.array([[[[0, 0], [0.5, 0], [1e30, -0.25], [np.inf, 0]]]], dtype)
    out, ginput, ggrid = gradients(pixel, grid, gout, align_corners=True)
    assert out.ravel().tolist() == [3, 3, 3, 0]
    assert ginput.item() == 2 and not ggrid.any()
    out, ginput, ggrid = gradients(pixel, grid, gout, align_corners=False)
    assert out.ravel().tolist() == [3, 2.25, 0, 0]
    assert ginput.item() == 2.75
    assert ggrid[0, 0].tolist() == [[-3, -3], [-1.5, -1.125], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    "shapes", [((0, 2, 3, 4), (0, 2, 2, 2)), ((2, 0, 3, 4), (2, 2, 2, 2)), ((1, 2, 3, 4), (1, 0, 5, 2))]
)
def test_empty_batches_channels_and_outputs(shapes):
    input, grid = np.ones(shapes[0]), np.zeros(shapes[1])
    gout = np.ones((*shapes[0][:2], *shapes[1][1:3]))
    out, ginput, ggrid = gradients(input, grid, gout)
    assert out.shape == gout.shape and ginput.shape == input.shape and ggrid.shape == grid.shape
    assert not ginput.any() and not ggrid.any()
    assert refwarp.affine_grid(np.ones((0, 2, 3)), (0, 1, 2, 2)).shape == (0, 2, 2, 2)


def test_layout_and_flags_of_the_arrays_do_not_matter():
    rng = np.random.default_rng(3)
    input, grid = rng.standard_normal((2, 3, 4, 5)), rng.uniform(-1, 1, (2, 3, 3, 2))
    expected = refwarp.grid_sample(input, grid)
    copies = input.copy(), grid.copy()
    input.flags.writeable = grid.flags.writeable = False
    assert np.array_equal(refwarp.grid_sample(input, grid), expected)
    strided = np.repeat(grid, 2, axis=2)[:, :, ::2]
    assert np.array_equal(refwarp.grid_sample(np.asfortranarray(input), strided), expected)
    assert np.array_equal(input, copies[0]) and np.array_equal(grid, copies[1])


@pytest.mark.parametrize("dtype", FLOATS)
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype):
    rng = np.random.default_rng(4)
    theta = np.array([[[0.5, 0.25, 0], [0, 1, -0.125]]], dtype)
    grid = refwarp.affine_grid(theta, (1, 1, 3, 3))
    assert type(grid) is np.ndarray and grid.dtype == dtype
    input = rng.standard_normal((1, 1, 3, 3)).astype(dtype)
    out = refwarp.grid_sample(input, grid)
    assert type(out) is np.ndarray and out.dtype == dtype
    theta, input = Tensor(theta, requires_grad=True), Tensor(input, requires_grad=True)
    out = refwarp.grid_sample(input, refwarp.affine_grid(theta, (1, 1, 3, 3)))
    gradients = grad(out, (theta, input), rng.standard_normal(out.shape).astype(dtype))
    assert [out.dtype, *(g.dtype for g in gradients)] == [dtype] * 3


def test_float16_is_rounded_once():
    """Weights of a value that ends on the far side of a tie, if it is rounded to float32 on the way."""
    rng = np.random.default_rng(5)
    input = rng.standard_normal((1, 1, 4, 4)).astype(np.float16)
    grid = rng.uniform(-1, 1, (1, 20, 20, 2)).astype(np.float16)
    out = refwarp.grid_sample(input, grid)
    truth = exact.grid_sample(fractions(input[0]), fractions(grid[0]), False)[0]
    nearest = np.array([[np.float16(float(cell.value)) for cell in row] for row in truth])
    assert np.array_equal(out[0, 0], nearest)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_do_not_depend_on_the_number_of_threads(dtype):
    rng = np.random.default_rng(6)
    tensors = [
        Tensor(array.astype(dtype), requires_grad=True)
        for array in (rng.standard_normal((3, 4, 17, 19)), rng.uniform(-1.1, 1.1, (3, 40, 41, 2)))
    ]
    gout = Tensor(rng.standard_normal((3, 4, 40, 41)).astype(dtype), requires_grad=True)
    cotangents = [Tensor(rng.standard_normal(t.shape).astype(dtype)) for t in tensors]

    def everything():
        out = refwarp.grid_sample(*tensors)
        first = grad(out, tensors, gout, create_graph=True)
        second = grad(first, (gout, *tensors), cotangents)
        return [result.data.tobytes() for result in (out, *first, *second)]

    results = on_threads((1, 2, 3, 7, 1), everything)
    assert all(result == results[0] for result in results)


def test_a_third_derivative_is_refused():
    input = Tensor(np.ones((1, 1, 3, 3)), requires_grad=True)
    grid = Tensor(np.full((1, 1, 1, 2), 0.3), requires_grad=True)
    (first,) = grad(refwarp.grid_sample(input, grid), grid, create_graph=True)
    (second,) = grad(first.sum(), grid, create_graph=True)
    with pytest.raises(RuntimeError, match="BilinearSecondGradient"):
        grad(second.sum(), grid)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"input": np.ones((3, 4))}, ValueError, r"input: given shape \(3, 4\), expected \(N, C, H, W\)"),
        ({"grid": np.ones((1, 2, 2, 3))}, ValueError, r"given shape \(1, 2, 2, 3\), expected \(N, H_out, W_out, 2\)"),
        ({"grid": np.ones((2, 2, 2, 2))}, ValueError, "grid: given N = 2 while input has N = 1"),
        ({"grid": np.ones((1, 2, 2, 2), np.float32)}, TypeError, "grid: given dtype float32 while input is float64"),
        ({"input": np.ones((1, 1, 3, 3), int)}, TypeError, "input: given dtype int64, expected float16, float32 or"),
        ({"input": [[[[1.0]]]]}, TypeError, "input: given list, expected a NumPy array or a Tensor"),
        ({"input": np.ones((1, 1, 0, 3))}, ValueError, "expected H and W of at least 1"),
        ({"mode": "cubic"}, ValueError, "mode: given 'cubic', expected one of 'bilinear'"),
        ({"padding_mode": "wrap"}, ValueError, "padding_mode: given 'wrap', expected one of 'zeros'"),
        ({"align_corners": None}, ValueError, "align_corners: given None, expected one of False, True"),
        ({"align_corners": 1}, ValueError, "align_corners: given 1, expected one of False, True"),
        ({"kink": "up"}, ValueError, "kink: given 'up', expected one of 'right', 'left', 'central', 'literal'"),
    ],
)
def test_wrong_arguments_are_named(change, error, words):
    arguments = {"input": np.ones((1, 1, 3, 3)), "grid": np.zeros((1, 2, 2, 2))}
    with pytest.raises(error, match=words):
        refwarp.grid_sample(**{**arguments, **change})


@pytest.mark.parametrize(
    ("theta", "size", "error", "words"),
    [
        (np.ones((1, 3, 2)), (1, 1, 2, 2), ValueError, r"theta: given shape \(1, 3, 2\), expected \(N, 2, 3\)"),
        (np.ones((1, 2, 3)), (2, 1, 2, 2), ValueError, "size: given N = 2 while theta has 1 matrices"),
        (np.ones((1, 2, 3)), (2, 2), ValueError, r"size: given \(2, 2\), expected four non-negative integers"),
        (np.ones((1, 2, 3)), (1, 1, 2.5, 2), ValueError, "expected four non-negative integers"),
        (np.ones((1, 2, 3)), (1, 1, -2, 2), ValueError, "expected four non-negative integers"),
        (np.ones((1, 2, 3)), 7, ValueError, "size: given 7"),
        (np.ones((1, 2, 3), complex), (1, 1, 2, 2), TypeError, "theta: given dtype complex128"),
    ],
)
def test_wrong_arguments_of_the_grid_are_named(theta, size, error, words):
    with pytest.raises(error, match=words):
        refwarp.affine_grid(theta, size)


@pytest.mark.parametrize("count", [0, -1, 1.5, "2"])
def test_a_wrong_number_of_threads_is_named(count):
    with pytest.raises(ValueError, match="count: given .*, expected an integer >= 1"):
        refwarp.set_num_threads(count)


@pytest.mark.parametrize("width", [1, 2])
def test_without_channels_an_undefined_sample_still_has_an_undefined_gradient(width):
    """In a map that is sampled in chunks, and in one that is not."""
    grid = Tensor(np.array([[[[np.nan, 0.0], [0.0, 0.0]]]]), requires_grad=True)
    out = refwarp.grid_sample(np.zeros((1, 0, 2, width)), grid)
    (ggrid,) = grad(out, (grid,), Tensor(np.zeros((1, 0, 1, 2))))
    np.testing.assert_array_equal(ggrid.data, [[[[np.nan, np.nan], [0.0, 0.0]]]])


@pytest.mark.parametrize("kink", ["right", "left", "central", "literal"])
def test_no_cotangent_gives_no_gradient_however_steep_the_map(kink):
    """Its slope times s/2 is beyond the largest float, but finite times nothing is nothing."""
    input = np.zeros((1, 1, 2, 1025))
    input[..., 512], input[..., 513] = -1e306, 1e306
    grid = Tensor(np.zeros((1, 1, 1, 2)), requires_grad=True)
    out = refwarp.grid_sample(input, grid, align_corners=True, kink=kink)
    (ggrid,) = grad(out, (grid,), Tensor(np.zeros(out.shape)))
    assert not ggrid.data.any()
