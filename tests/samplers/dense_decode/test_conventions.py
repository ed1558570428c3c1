"""What the decoder's paper leaves open: kinks, jumps, holes, non-finite numbers, odd shapes, dtypes, refusals."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp import dense_decode
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import fractions
from refwarp.exact.dense_decode import decode as exact
from refwarp.exact.dense_decode import holes as decoder_holes
from tests.threads import on_threads

FLOATS = [np.float16, np.float32, np.float64]
KINKS = ["right", "left", "central", "literal"]


def gradients(values, grid, gout, previous=None, **options):
    """Return the map, and the gradients of values, grid and, if there is one, previous, as arrays."""
    tensors = [Tensor(a, requires_grad=True) for a in (values, grid, previous) if a is not None]
    out = dense_decode(*tensors[:2], gout.shape, previous=tensors[2] if len(tensors) > 2 else None, **options)
    return out.data, *(g.data for g in grad(out, tensors, gout))


def to_g(x, size):
    """Return normalised coordinates (align_corners=False), exact for x in eighths and sizes that are powers of two."""
    return (2.0 * np.asarray(x) - (size - 1)) / size


# ---- kinks and jumps ----


@pytest.mark.parametrize("kink", KINKS)
@pytest.mark.parametrize("axis", [0, 1])
def test_each_kink_rule_gives_its_documented_value(kink, axis):
    """Sources on and between the pixels, one beyond each end, against rational arithmetic; in x, and turned into y."""
    rng = np.random.default_rng(1)
    x = [-1, -0.5, 0, 0.25, 1, 1, 1.5, 2, 2.75, 3, 4]
    values, gout = rng.standard_normal((1, 2, 1, len(x))), rng.standard_normal((1, 2, 1, 4))
    grid = np.zeros((1, 1, len(x), 2))
    grid[0, 0, :, 0] = to_g(x, 4)
    truth = exact.decode_gradient(*(fractions(a[0]) for a in (gout, values, grid)), False, kink).ggrid
    expected = np.array([float(point[0].value) for point in truth[0]])
    if axis:
        gout, grid = gout.swapaxes(2, 3), grid[..., ::-1]
    _, _, ggrid = gradients(values, grid, gout, kink=kink)
    # Coordinates are exact and numbers near 1: a few units in the last place of the largest term.
    assert np.allclose(ggrid[0, 0, :, axis], expected, rtol=0, atol=40 * np.finfo(float).eps)


def test_a_pixel_that_becomes_covered_jumps():
    """A lone source of value 5 leaves pixel 1 for pixel 2 by one unit in the last place; the gradient sees no jump."""
    previous, values = np.array([[[[10.0, 20.0, 30.0, 40.0]]]]), np.array([[[[5.0]]]])
    gout = np.array([[[[1.0, 2.0, 3.0, 4.0]]]])
    at_pixel = to_g(1, 4)
    for g, expected in [
        (np.nextafter(at_pixel, -1), [5, 5, 30, 40]),
        (at_pixel, [10, 5, 30, 40]),
        (np.nextafter(at_pixel, 1), [10, 5, 5, 40]),
    ]:
        grid = np.array([[[[g, 0.0]]]])
        out, gvalues, ggrid, gprevious = gradients(values, grid, gout, previous, fill="previous")
        assert out.ravel().tolist() == expected
        assert not ggrid.any()
        assert gprevious.ravel().tolist() == np.where(out == 5, 0, gout).ravel().tolist()
        assert gvalues.item() == gout[out == 5].sum()


# ---- holes ----


def test_holes_are_decided_exactly_though_weights_underflow():
    """1e-200 to the right of the middle and below it: a weight of some 1e-400 covers the pixel there, none others."""
    for offset in (1e-200, 5e-324):
        grid = np.array([[[[offset, offset], [-offset, 0.0]]]])
        values = np.array([[[[3.0, 5.0]]]])
        out = dense_decode(values, grid, (1, 1, 3, 3), fill="previous", previous=np.full((1, 1, 3, 3), 7.0))
        assert out[0, 0].tolist() == [[7, 7, 7], [5, 4, 3], [7, 3, 3]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fill", ["zeros", "previous", "neighbours"])
def test_fillings(dtype, fill):
    rng = np.random.default_rng(2)
    values, previous = rng.standard_normal((1, 2, 2, 2)), 1e3 * rng.standard_normal((1, 2, 5, 4))
    values, previous, grid = (a.astype(dtype) for a in (values, previous, rng.uniform(-1, 1, (1, 2, 2, 2))))
    options = {} if fill == "zeros" else {"previous": previous}
    out = dense_decode(values, grid, (1, 2, 5, 4), fill=fill, **options)
    decoded = exact.decode(fractions(values[0]), fractions(grid[0]), 5, 4, False)
    truth = decoder_holes.filled(decoded, fractions(previous[0]), fill)
    assert 0 < len(decoded.normalisation) < 20
    assert worst_share(out[0], truth, 4, np.dtype(dtype).name) <= 1


@pytest.mark.parametrize("fill", ["previous", "neighbours"])
def test_the_gradient_of_the_previous_map_is_the_transpose_of_the_filling(fill):
    """<fill(P), gout> = <P, gP> where nothing is decoded; exact, as 3, 5 and 8 divide 120."""
    rng = np.random.default_rng(3)
    far, values = np.full((1, 1, 1, 2), 9.0), np.zeros((1, 1, 1, 1))
    for height, width in [(1, 1), (1, 4), (3, 4)]:
        shape = (1, 1, height, width)
        previous, gout = 120.0 * rng.integers(-9, 9, shape), 120.0 * rng.integers(-9, 9, shape)
        out, _, _, gprevious = gradients(values, far, gout, previous, fill=fill)
        assert (out * gout).sum() == (previous * gprevious).sum()
        assert (height, width) == (1, 1) or out.any()


def test_what_is_not_used_of_the_previous_map_and_of_the_cotangent_does_not_matter():
    """NaN in the previous map under a covered pixel, and in the cotangent of a hole that nobody fills."""
    values, grid = np.array([[[[5.0]]]]), np.array([[[[-0.75, -0.5]]]])
    previous = np.array([[[[np.nan, 2.0, 3.0, 4.0]], [[1.0, 2.0, 3.0, 4.0]]]]).reshape(1, 1, 2, 4)
    grid[..., 1] = to_g(0, 2)
    out, *_ = gradients(values, grid, np.ones((1, 1, 2, 4)), previous, fill="previous")
    assert out.ravel().tolist() == [5, 2, 3, 4, 1, 2, 3, 4]
    gout = np.full((1, 1, 2, 4), np.nan)
    gout[0, 0, 0, 0] = 2.0
    _, gvalues, ggrid = gradients(values, grid, gout)
    assert gvalues.item() == 2 and not ggrid.any()


# ---- non-finite numbers ----


def test_a_source_at_nan_touches_nothing_else():
    rng = np.random.default_rng(4)
    values, gout = rng.standard_normal((1, 2, 2, 3)), rng.standard_normal((1, 2, 3, 4))
    grid = rng.uniform(-1, 1, (1, 2, 3, 2))
    for axis in range(2):
        poisoned, away = grid.copy(), grid.copy()
        poisoned[0, 1, 1, axis], away[0, 1, 1] = np.nan, 9.0
        results = [array.copy() for array in gradients(values, poisoned, gout)]
        expected = gradients(values, away, gout)
        assert np.isnan(results[2][0, 1, 1]).all()
        results[2][0, 1, 1] = 0
        for result, other in zip(results, expected, strict=True):
            assert np.array_equal(result, other)


@pytest.mark.parametrize("far", [np.inf, -np.inf, 1e30, 1.7e308, -1.7e308])
@pytest.mark.parametrize("align_corners", [False, True])
def test_sources_at_infinite_and_huge_coordinates_lie_outside(far, align_corners):
    rng = np.random.default_rng(5)
    grid = np.array([[[[far, 0.1], [0.1, far], [far, far]]]])
    values, gout = rng.standard_normal((1, 2, 1, 3)), rng.standard_normal((1, 2, 3, 4))
    for result in gradients(values, grid, gout, align_corners=align_corners):
        assert not result.any()
    grid[0, 0, 0, 1] = np.nan
    _, gvalues, ggrid = gradients(values, grid, gout, align_corners=align_corners)
    assert not gvalues.any() and np.isnan(ggrid[0, 0, 0]).all() and not ggrid[0, 0, 1:].any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_reaches_the_pixels_it_has_a_weight_on(value):
    grid = np.zeros((1, 1, 3, 2))
    grid[0, 0, :, 0] = to_g([1, 0.5, 2.25], 4)
    out = dense_decode(np.array([[[[value, 3.0, 4.0]]]]), grid, (1, 1, 1, 4)).ravel()
    assert out[[0, 2, 3]].tolist() == [3, 4, 4]
    assert np.isnan(out[1]) if np.isnan(value) else out[1] == value


# ---- shapes, dtypes, layout, threads ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_pixel_maps(dtype):
    """With align_corners every finite g is the pixel itself, without slope; else the tent around it."""
    values, gout = np.array([[[[3, 1, 7, 5]]]], dtype), np.array([[[[2]]]], dtype)
    grid = np.array([[[[0, 0], [1, 0], [1e30, -0.25], [np.inf, 0]]]], dtype)
    out, gvalues, ggrid = gradients(values, grid, gout, align_corners=True)
    assert np.allclose(out, 11 / 3, rtol=1e-7) and np.allclose(gvalues.ravel(), [2 / 3, 2 / 3, 2 / 3, 0], rtol=1e-7)
    assert not ggrid.any()
    out, gvalues, ggrid = gradients(values, grid, gout)
    # w = 1, 1/2; S = 3/2, U = 7/3; the second's slope is gU/S (V - U) k' = 2/(3/2) (1 - 7/3) (-1/2) = 8/9.
    assert np.allclose(out, 7 / 3, rtol=1e-7) and np.allclose(gvalues.ravel(), [4 / 3, 2 / 3, 0, 0], rtol=1e-7)
    assert np.allclose(ggrid[0, 0, 1, 0], 8 / 9, rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((0, 2, 3, 3), (0, 2, 4, 4)),
        ((2, 0, 3, 3), (2, 0, 4, 4)),
        ((1, 2, 0, 3), (1, 2, 4, 4)),
        ((1, 2, 3, 3), (1, 2, 0, 4)),
        ((1, 2, 3, 3), (1, 2, 4, 0)),
    ],
)
@pytest.mark.parametrize("fill", ["zeros", "previous", "neighbours"])
def test_empty_batches_channels_sources_and_maps(shape, size, fill):
    previous = None if fill == "zeros" else np.full(size, 7.0)
    grid = np.zeros((shape[0], *shape[2:], 2))
    for align_corners in (False, True):
        results = gradients(np.ones(shape), grid, np.ones(size), previous, fill=fill, align_corners=align_corners)
        assert [r.shape for r in results[:3]] == [size, shape, grid.shape]
        assert not results[2].any()


def test_layout_and_flags_of_the_arrays_do_not_matter():
    rng = np.random.default_rng(6)
    values, grid = rng.standard_normal((2, 3, 4, 5)), rng.uniform(-1, 1, (2, 4, 5, 2))
    previous, size = rng.standard_normal((2, 3, 6, 7)), (2, 3, 6, 7)
    options = {"fill": "neighbours"}
    expected = dense_decode(values, grid, size, previous=previous, **options)
    copies = values.copy(), grid.copy(), previous.copy()
    for array in (values, grid, previous):
        array.flags.writeable = False
    assert np.array_equal(dense_decode(values, grid, size, previous=previous, **options), expected)
    strided = np.repeat(grid, 2, axis=2)[:, :, ::2]
    turned = np.asfortranarray(previous)
    assert np.array_equal(dense_decode(np.asfortranarray(values), strided, size, previous=turned, **options), expected)
    assert all(np.array_equal(a, b) for a, b in zip((values, grid, previous), copies, strict=True))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("variant", ["paper", "released", "first_release"])
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype, variant):
    rng = np.random.default_rng(7)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in ((1, 2, 3, 3), (1, 3, 3, 2), (1, 2, 4, 4))]
    options = {"fill": "previous", "variant": variant}
    out = dense_decode(*arrays[:2], (1, 2, 4, 4), previous=arrays[2], **options)
    assert type(out) is np.ndarray and out.dtype == dtype
    results = gradients(*arrays[:2], rng.standard_normal((1, 2, 4, 4)).astype(dtype), arrays[2], **options)
    assert [result.dtype for result in results] == [dtype] * 4
    assert isinstance(dense_decode(arrays[0], Tensor(arrays[1]), (1, 2, 4, 4)), Tensor)


def test_float16_is_rounded_once():
    rng = np.random.default_rng(8)
    values, grid = rng.standard_normal((1, 1, 5, 5)).astype(np.float16), rng.uniform(-1, 1, (1, 5, 5, 2))
    grid = grid.astype(np.float16)
    out = dense_decode(values, grid, (1, 1, 4, 4))
    truth = exact.decode(fractions(values[0]), fractions(grid[0]), 4, 4, False).maps[0]
    assert np.array_equal(out[0, 0], [[np.float16(float(cell.value)) for cell in row] for row in truth])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_do_not_depend_on_the_number_of_threads(dtype):
    rng = np.random.default_rng(9)
    shapes = (3, 4, 40, 41), (3, 40, 41, 2)
    tensors = [Tensor(rng.uniform(-1.1, 1.1, shape).astype(dtype), requires_grad=True) for shape in shapes]
    gout = Tensor(rng.standard_normal((3, 4, 17, 19)).astype(dtype), requires_grad=True)
    cotangents = [Tensor(rng.standard_normal(t.shape).astype(dtype)) for t in tensors]

    def everything():
        out = dense_decode(*tensors, gout.shape)
        first = grad(out, tensors, gout, create_graph=True)
        second = grad(first, (gout, *tensors), cotangents)
        return [result.data.tobytes() for result in (out, *first, *second)]

    results = on_threads((1, 2, 3, 7, 1), everything)
    assert all(result == results[0] for result in results)


# ---- together with the encoder ----


@pytest.mark.parametrize("align_corners", [False, True])
def test_the_decoder_puts_back_what_the_encoder_took(align_corners):
    """At the pixels' centres each value returns to its place; at any points a constant map stays constant."""
    rng = np.random.default_rng(10)
    map = rng.standard_normal((1, 2, 4, 8))
    identity = refwarp.affine_grid(np.array([[[1.0, 0, 0], [0, 1, 0]]]), map.shape, align_corners)
    if not align_corners:  # these centres are exact in floating point
        values = refwarp.grid_sample(map, identity)
        assert np.array_equal(dense_decode(values, identity, map.shape), map)
    grid = rng.uniform(-0.9, 0.9, (1, 20, 20, 2))
    out = dense_decode(np.full((1, 1, 20, 20), 3.0), grid, (1, 1, 4, 8), align_corners)
    # Four roundings and log2(k) of 3 + 3, the largest budget.
    assert np.allclose(out, 3.0, rtol=0, atol=14 * 6 * 2.0**-53)


# ---- gradcheck ----


def smooth_sources(rng):
    """Draw sources in the middle half of cells, so that no step meets a kink; each pixel has several, or none."""
    x = rng.integers(0, 3, (1, 3, 4)) + rng.uniform(0.35, 0.65, (1, 3, 4))
    y = rng.integers(0, 2, (1, 3, 4)) + rng.uniform(0.35, 0.65, (1, 3, 4))
    return rng.standard_normal((1, 2, 3, 4)), np.stack([to_g(x, 5), to_g(y, 4)], axis=-1)


@pytest.mark.parametrize("fill", ["zeros", "previous", "neighbours"])
def test_first_and_second_derivatives(fill):
    rng = np.random.default_rng(11)
    values, grid = smooth_sources(rng)
    if fill == "zeros":
        gradcheck(lambda values, grid: dense_decode(values, grid, (1, 2, 4, 5)), [values, grid], rng=rng, order=2)
    else:
        previous = rng.standard_normal((1, 1, 4, 5))

        def decode(values, grid, previous):
            return dense_decode(values, grid, (1, 1, 4, 5), fill=fill, previous=previous)

        gradcheck(decode, [values[:, :1], grid, previous], rng=rng, order=2)


@pytest.mark.parametrize(("kink", "direction"), [("right", "right"), ("left", "left"), ("central", "central")])
def test_on_the_lattice_the_derivatives_are_one_sided(kink, direction):
    """All nine pixels are covered by sources between them, and some sources lie on a pixel: nothing jumps."""
    rng = np.random.default_rng(12)
    between = np.array([(x, y) for x in (0.375, 1.5) for y in (0.5, 1.375)])
    at = np.concatenate([between, [(1, 1), (1, 0.625), (0.25, 1)]])
    grid = np.stack([to_g(at[:, 0], 4), to_g(at[:, 1], 4)], axis=-1)[None, None]
    values = rng.standard_normal((1, 2, 1, 7))

    def decode(values, grid):
        return dense_decode(values, grid, (1, 2, 4, 4), kink=kink)

    gradcheck(decode, [values, grid], rng=rng, direction=direction)


def test_a_third_derivative_is_refused():
    values, grid = smooth_sources(np.random.default_rng(13))
    grid = Tensor(grid, requires_grad=True)
    (first,) = grad(dense_decode(values, grid, (1, 2, 4, 5)).sum(), grid, create_graph=True)
    (second,) = grad((first * first).sum(), grid, create_graph=True)
    with pytest.raises(RuntimeError, match="DecodeSecondGradient"):
        grad(second.sum(), grid)


# ---- refusals ----


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"values": np.ones((3, 4))}, ValueError, r"values: given shape \(3, 4\), expected \(N, C, H', W'\)"),
        ({"values": np.ones((1, 1, 2, 2), int)}, TypeError, "values: given dtype int64, expected float16, float32 or"),
        ({"values": [[[[1.0]]]]}, TypeError, "values: given list, expected a NumPy array or a Tensor"),
        ({"grid": np.ones((1, 2, 2, 3))}, ValueError, r"grid: given shape \(1, 2, 2, 3\), expected \(N, H', W', 2\)"),
        ({"grid": np.ones((1, 2, 3, 2))}, ValueError, r"grid: given shape \(1, 2, 3, 2\), expected \(1, 2, 2, 2\)"),
        ({"grid": np.ones((2, 2, 2, 2))}, ValueError, r"grid: given shape \(2, 2, 2, 2\), expected \(1, 2, 2, 2\)"),
        ({"grid": np.ones((1, 2, 2, 2), np.float32)}, TypeError, "grid: given dtype float32 while values is float64"),
        ({"size": (3, 3)}, ValueError, r"size: given \(3, 3\), expected four non-negative integers \(N, C, H, W\)"),
        ({"size": (1, 2, 3, 3)}, ValueError, r"size: given \(1, 2, 3, 3\) while values is \(1, 1, 2, 2\)"),
        ({"align_corners": 1}, ValueError, "align_corners: given 1, expected one of False, True"),
        ({"kink": "up"}, ValueError, "kink: given 'up', expected one of 'right', 'left', 'central', 'literal'"),
        ({"fill": "mean"}, ValueError, "fill: given 'mean', expected one of 'zeros', 'previous', 'neighbours'"),
        ({"fill": "previous"}, TypeError, "previous: given NoneType, expected a NumPy array or a Tensor"),
        ({"previous": np.ones((1, 1, 3, 3))}, ValueError, "previous: given with fill='zeros'"),
        (
            {"fill": "previous", "previous": np.ones((1, 1, 2, 3))},
            ValueError,
            r"previous: given shape \(1, 1, 2, 3\), expected \(N, C, H, W\) = \(1, 1, 3, 3\)",
        ),
        (
            {"fill": "neighbours", "previous": np.ones((1, 1, 3, 3), np.float32)},
            TypeError,
            "previous: given dtype float32 while values is float64",
        ),
        (
            {"variant": "program"},
            ValueError,
            "variant: given 'program', expected one of 'paper', 'released', 'first_release'",
        ),
    ],
)
def test_wrong_arguments_are_named(change, error, words):
    arguments = {"values": np.ones((1, 1, 2, 2)), "grid": np.zeros((1, 2, 2, 2)), "size": (1, 1, 3, 3)}
    with pytest.raises(error, match=words):
        dense_decode(**{**arguments, **change})
