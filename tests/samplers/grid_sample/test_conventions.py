"""Nearest and bicubic sampling: the conventions that do not depend on the kernel. Bilinear has a file of its own."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from tests.threads import on_threads

MODES = ["nearest", "bicubic"]
PADDINGS = ["zeros", "border", "reflection"]


def gradients(input, grid, gout, **options):
    """Return output, ginput and ggrid as arrays."""
    input, grid = Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)
    out = refwarp.grid_sample(input, grid, **options)
    return out.data, *(g.data for g in grad(out, (input, grid), gout))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    "shapes", [((0, 2, 3, 4), (0, 2, 2, 2)), ((2, 0, 3, 4), (2, 2, 2, 2)), ((1, 2, 3, 4), (1, 0, 5, 2))]
)
def test_empty_batches_channels_and_outputs(mode, padding, shapes):
    input, grid = np.ones(shapes[0]), np.zeros(shapes[1])
    gout = np.ones((*shapes[0][:2], *shapes[1][1:3]))
    out, ginput, ggrid = gradients(input, grid, gout, mode=mode, padding_mode=padding)
    assert out.shape == gout.shape and ginput.shape == input.shape and ggrid.shape == grid.shape
    assert not ginput.any() and not ggrid.any()


@pytest.mark.parametrize("mode", MODES)
def test_one_pixel_maps(mode):
    """With align_corners every finite g is the pixel itself; beyond it border and mirror repeat it, zeros do not."""
    pixel, gout = np.array([[[[3.0]]]]), np.array([[[[2.0, 1.0]]]])
    grid = np.array([[[[0.0, 0.0], [8.0, 0.0]]]])
    for padding in PADDINGS:
        out, ginput, ggrid = gradients(pixel, grid, gout, mode=mode, padding_mode=padding, align_corners=True)
        assert out.ravel().tolist() == [3, 3] and ginput.item() == 3 and not ggrid.any()
        out, ginput, ggrid = gradients(pixel, grid, gout, mode=mode, padding_mode=padding)
        outside = 0 if padding == "zeros" else 3
        assert out.ravel().tolist() == [3, outside] and ginput.item() == (2 if padding == "zeros" else 3)
        assert not ggrid.any()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_kind_and_layout(mode, dtype):
    rng = np.random.default_rng(1)
    input = rng.standard_normal((1, 2, 4, 5)).astype(dtype)
    grid = rng.uniform(-1.5, 1.5, (1, 3, 3, 2)).astype(dtype)
    copies = input.copy(), grid.copy()
    expected = refwarp.grid_sample(input, grid, mode=mode)
    assert type(expected) is np.ndarray and expected.dtype == dtype
    strided = np.repeat(grid, 2, axis=2)[:, :, ::2]
    assert np.array_equal(refwarp.grid_sample(np.asfortranarray(input), strided, mode=mode), expected)
    tensors = Tensor(input, requires_grad=True), Tensor(grid, requires_grad=True)
    out = refwarp.grid_sample(*tensors, mode=mode)
    found = grad(out, tensors, rng.standard_normal(out.shape).astype(dtype))
    assert [out.dtype, *(g.dtype for g in found)] == [dtype] * 3 and np.array_equal(out.data, expected)
    assert np.array_equal(input, copies[0]) and np.array_equal(grid, copies[1])


@pytest.mark.parametrize("mode", MODES)
def test_the_bits_do_not_depend_on_the_number_of_threads(mode):
    rng = np.random.default_rng(2)
    arrays = rng.standard_normal((3, 4, 17, 19)), rng.uniform(-1.4, 1.4, (3, 40, 41, 2))
    tensors = [Tensor(array, requires_grad=True) for array in arrays]
    gout = Tensor(rng.standard_normal((3, 4, 40, 41)), requires_grad=True)
    cotangents = [Tensor(rng.standard_normal(array.shape)) for array in arrays]

    def everything():
        out = refwarp.grid_sample(*tensors, mode=mode, padding_mode="reflection")
        first = grad(out, tensors, gout, create_graph=True)
        second = grad(first[0], gout, cotangents[0])
        return [result.data.tobytes() for result in (out, *first, *second)]

    results = on_threads((1, 3, 2), everything)
    assert all(result == results[0] for result in results)


def test_nearest_jumps_at_half_integers_and_is_flat_on_both_sides():
    """Row (1, 5, 2, 9) around x = 0.5: 1 before, 5 after; the tie goes to the even pixel 0. The slope is 0."""
    row, step = np.array([[[[1.0, 5.0, 2.0, 9.0]]]]), 2.0**-50
    grid = np.array([[[[-0.5 + d, 0.0] for d in (-step, 0.0, step)]]])
    out, _, ggrid = gradients(row, grid, np.array([[[[3.0, 5.0, 7.0]]]]), mode="nearest")
    assert out.ravel().tolist() == [1, 1, 5] and not ggrid.any()


def test_the_curvature_of_bicubic_sampling_on_the_lattice_is_that_of_the_right():
    """It jumps there: row (1, 5, 2, 9, -3, 4, 0, 7) at x = 3, where (dx/dg)^2 = 16; by hand from Keys' polynomials."""
    row = np.array([[[[1.0, 5.0, 2.0, 9.0, -3.0, 4.0, 0.0, 7.0]]]])
    grid = Tensor(np.array([[[[-0.125, 0.0]]]]), requires_grad=True)
    (first,) = grad(refwarp.grid_sample(row, grid, mode="bicubic"), grid, create_graph=True)
    (second,) = grad(first, grid, np.array([[[[1.0, 0.0]]]]))
    # a = -3/4, f = 0: -4a U[2] - 2(a+3) U[3] + (6(a+2) - 2(a+3)) U[4] + 2a U[5]
    assert second.data[0, 0, 0, 0] == 16 * (3 * 2 - 4.5 * 9 + 3 * -3 - 1.5 * 4)


@pytest.mark.parametrize("padding", PADDINGS)
def test_second_derivatives_of_nearest_samples(padding):
    """With respect to gout it is a sample of the cotangent; the others are 0, and NaN where a coordinate is."""
    rng = np.random.default_rng(5)
    arrays = [rng.standard_normal(shape) for shape in ((1, 2, 2, 3), (1, 2, 3, 4))]
    grid = rng.uniform(-1.5, 1.5, (1, 2, 3, 2))
    grid[0, 0, 0, 1] = np.nan
    gout, input, grid = (Tensor(array, requires_grad=True) for array in (*arrays, grid))
    out = refwarp.grid_sample(input, grid, mode="nearest", padding_mode=padding)
    first = grad(out, (input, grid), gout, create_graph=True)
    a, b = rng.standard_normal((1, 2, 3, 4)), rng.standard_normal((1, 2, 3, 2))
    ggout, ginput, ggrid = (g.data for g in grad(first, (gout, input, grid), (a, b)))
    expected = refwarp.grid_sample(a, grid.data, mode="nearest", padding_mode=padding)
    assert np.array_equal(ggout, expected, equal_nan=True)
    assert not ginput.any()
    assert np.isnan(ggrid[0, 0, 0]).all() and not ggrid[~np.isnan(ggrid)].any() and np.isnan(ggrid).sum() == 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("align_corners", [False, True])
def test_the_smallest_numbers_next_to_a_tie(dtype, padding, align_corners):
    """0 is halfway between two pixels, and no other number is: half of the smallest float64 is none."""
    tiny = np.nextafter(dtype(0), dtype(1))
    grid = np.array([[[[-tiny, 0], [0, 0], [tiny, 0]]]], dtype)
    options = {"mode": "nearest", "padding_mode": padding, "align_corners": align_corners}
    assert refwarp.grid_sample(np.array([[[[3, 5]]]], dtype), grid, **options).ravel().tolist() == [3, 3, 5]
    between_1_and_2 = refwarp.grid_sample(np.array([[[[3, 5, 7, 9]]]], dtype), grid, **options)
    assert between_1_and_2.ravel().tolist() == [5, 7, 7]
