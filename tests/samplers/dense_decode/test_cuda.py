"""The decoder's kernels on CUDA: by exact values, and by what the CPU makes of the same data in another way."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp import dense_decode
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import fractions
from refwarp.exact.dense_decode import decode as exact
from refwarp.exact.dense_decode.second import decode_second_gradient

DTYPES = ["float32", "float64"]
KINKS = ["right", "left", "central", "literal"]
# c of the budget: the map and the gradient of the values; the gradient of the grid; second derivatives.
CONSTANTS = [4, 4, 12, 12, 12, 12]


def draw(dtype, size, sources=(2, 3), images=1, channels=2):
    """Draw values, a grid with sources on the lattice, in one cell and outside, and cotangents."""
    rng = np.random.default_rng([*size, *sources, len(dtype)])
    height, width = size
    grid = rng.uniform(-1.1, 1.1, (images, *sources, 2))
    grid[:, 0, 0] = (2 * rng.integers(0, [width, height]) - (np.array([width, height]) - 1)) / [width, height]
    grid[:, 0, 1] = grid[:, -1, -1] + 1e-3
    shapes = (images, channels, *size), (images, channels, *sources), grid.shape
    gout, a, b = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return rng.standard_normal(shapes[1]).astype(dtype), grid.astype(dtype), gout, a, b


def everything(values, grid, gout, a, b, **options):
    """Return the map, its gradients, and theirs."""
    tensors = gout, values, grid = [Tensor(array, requires_grad=True) for array in (gout, values, grid)]
    out = dense_decode(values, grid, gout.shape, **options)
    first = grad(out, (values, grid), gout, create_graph=True)
    second = grad(first, tensors, (Tensor(a), Tensor(b)))
    return [result.data for result in (out, *first, *second)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("kink", KINKS)
def test_map_gradients_and_their_gradients_keep_their_budget(dtype, align_corners, kink):
    size = (3, 4)
    values, grid, gout, a, b = draw(dtype, size)
    with refwarp.use_backend("cuda"):
        results = everything(values, grid, gout, a, b, align_corners=align_corners, kink=kink)
    values, grid, gout, a, b = (fractions(array[0]) for array in (values, grid, gout, a, b))
    truths = [exact.decode(values, grid, *size, align_corners).maps]
    truths += exact.decode_gradient(gout, values, grid, align_corners, kink)
    truths += decode_second_gradient(a, b, gout, values, grid, align_corners, kink)
    for result, truth, c in zip(results, truths, CONSTANTS, strict=True):
        assert worst_share(result[0], truth, c, dtype) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_images_and_channels_do_not_mix(dtype):
    """Several at once, against one at a time."""
    arrays = draw(dtype, (3, 2), images=2, channels=3)
    with refwarp.use_backend("cuda"):
        together = everything(*arrays)
        for b in range(2):
            for whole, alone in zip(together, everything(*(array[b : b + 1] for array in arrays)), strict=True):
                np.testing.assert_array_equal(whole[b : b + 1], alone)
        values, grid = arrays[:2]
        one = dense_decode(values[:, 1:2], grid, (2, 1, 3, 2))
    np.testing.assert_array_equal(one, together[0][:, 1:2])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_cpu_computes_the_same_with_vectors_of_channels(dtype):
    """There channels go four at a time, and sources scatter: each is within its budget of what is exact.

    Weights, quotients and sums of some ten terms, all near 1, cost each side fewer than 16 roundings.
    """
    arrays = draw(dtype, (4, 3), sources=(3, 4), channels=5)
    expected = everything(*arrays)
    with refwarp.use_backend("cuda"):
        results = everything(*arrays)
    for result, other in zip(results, expected, strict=True):
        tolerance = 32 * 2.0 ** {"float32": -24, "float64": -53}[dtype]
        np.testing.assert_allclose(result, other, rtol=0, atol=tolerance * max(np.abs(other).max(), 8.0))


@pytest.mark.parametrize("offset", [1e-200, 5e-324])
def test_holes_are_decided_exactly_though_weights_underflow(offset):
    grid = np.array([[[[offset, offset], [-offset, 0.0]]]])
    with refwarp.use_backend("cuda"):
        out = dense_decode(
            np.array([[[[3.0, 5.0]]]]), grid, (1, 1, 3, 3), fill="previous", previous=np.full((1, 1, 3, 3), 7.0)
        )
    assert out[0, 0].tolist() == [[7, 7, 7], [5, 4, 3], [7, 3, 3]]


def test_sources_that_lie_nowhere():
    """At NaN and at infinity: nothing of them is seen, and the gradient of a coordinate beside NaN is NaN."""
    values, grid, gout, a, b = draw("float64", (3, 3))
    grid[0, 0] = [[np.nan, 0.0], [0.1, np.inf], [1e300, 0.0]]
    with refwarp.use_backend("cuda"):
        out, gvalues, ggrid, *_ = everything(values, grid, gout, a, b)
        rest = everything(values[:, :, 1:], grid[:, 1:], gout, a[:, :, 1:], b[:, 1:])
    np.testing.assert_array_equal(out, rest[0])
    np.testing.assert_array_equal(gvalues[:, :, 1:], rest[1])
    np.testing.assert_array_equal(ggrid[:, 1:], rest[2])
    assert not gvalues[:, :, 0].any() and np.isnan(ggrid[0, 0, 0]).all() and not ggrid[0, 0, 1:].any()


@pytest.mark.parametrize("fill", ["previous", "neighbours"])
def test_holes_are_filled(fill):
    values, grid, gout, *_ = draw("float32", (3, 4), sources=(1, 2))
    previous = np.random.default_rng(3).standard_normal(gout.shape).astype(np.float32)
    with refwarp.use_backend("cuda"):
        out = dense_decode(values, grid, gout.shape, fill=fill, previous=previous)
    np.testing.assert_array_equal(out, dense_decode(values, grid, gout.shape, fill=fill, previous=previous))
