"""The decoder's kernels against exact values, each element within its own error budget."""

import numpy as np
import pytest

from autograd_core import Tensor, grad
from refwarp import dense_decode
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import fractions
from refwarp.exact.dense_decode import decode as exact
from refwarp.exact.dense_decode.second import decode_second_gradient

DTYPES = ["float32", "float64"]
KINKS = ["right", "left", "central", "literal"]
# c of the budget: the map and the gradient of the values; the gradient of the grid; second derivatives.
VALUE, GRID, SECOND = 4, 12, 12


class Case:
    """One image's sources and cotangents; what the kernels make of them, and what is exact."""

    def __init__(self, values, grid, size, rng, align_corners, kink="right"):
        dtype = values.dtype
        self.dtype, self.size, self.align_corners, self.kink = dtype.name, size, align_corners, kink
        self.values, self.grid = values, grid
        self.gout = rng.standard_normal((1, values.shape[1], *size)).astype(dtype)
        self.a = rng.standard_normal(values.shape).astype(dtype)
        self.b = rng.standard_normal(grid.shape).astype(dtype)

    def run(self, second=True):
        tensors = [Tensor(array, requires_grad=True) for array in (self.gout, self.values, self.grid)]
        gout, values, grid = tensors
        size = (1, values.shape[1], *self.size)
        self.out = dense_decode(values, grid, size, self.align_corners, kink=self.kink)
        self.first = grad(self.out, (values, grid), gout, create_graph=True)
        self.second = grad(self.first, tensors, (Tensor(self.a), Tensor(self.b))) if second else ()
        return self

    def shares(self):
        """Return the worst share of the budget of each result."""
        gout, values, grid = (fractions(array[0]) for array in (self.gout, self.values, self.grid))
        a, b = fractions(self.a[0]), fractions(self.b[0])
        options = self.align_corners, self.kink
        results = [self.out, *self.first, *self.second]
        truths = [exact.decode(values, grid, *self.size, self.align_corners).maps]
        truths += exact.decode_gradient(gout, values, grid, *options)
        if self.second:
            truths += decode_second_gradient(a, b, gout, values, grid, *options)
        constants = [VALUE, VALUE, GRID, SECOND, SECOND, SECOND][: len(results)]
        return [
            worst_share(result.data[0], truth, c, self.dtype)
            for result, truth, c in zip(results, truths, constants, strict=True)
        ]


def adversarial_coordinates(rng, size, align_corners, dtype, count):
    """Draw coordinates where a careless kernel loses digits, the cell, or a pixel that is covered by almost nothing."""
    s = max(size - 1 if align_corners else size, 1)
    lattice = ((2.0 * rng.integers(-1, size + 1, count) - (size - 1)) / s).astype(dtype)
    choices = [
        rng.uniform(-1.2, 1.2, count),
        lattice,
        np.where(lattice == 0, 1e-9, np.nextafter(lattice, dtype(2))),
        np.where(lattice == 0, -1e-9, np.nextafter(lattice, dtype(-2))),
        lattice * (1 + 10.0 ** rng.uniform(-16, -5, count)),
        np.repeat(rng.uniform(-1, 1, -(-count // 4)), 4)[:count],  # sources that share a cell
        10.0 ** rng.uniform(-9, -3, count) * rng.choice([-1, 1], count),
    ]
    return np.choose(rng.integers(0, len(choices), count), choices).astype(dtype)


def points(rng, size, align_corners, dtype, shape):
    height, width = size
    count = shape[0] * shape[1]
    axes = [adversarial_coordinates(rng, length, align_corners, np.dtype(dtype).type, count) for length in size]
    return np.stack([axes[1], axes[0]], axis=-1).reshape(1, *shape, 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("kink", KINKS)
def test_small_maps(dtype, align_corners, kink):
    for size in [(1, 1), (1, 7), (5, 2), (3, 3)]:
        rng = np.random.default_rng([*size, KINKS.index(kink), align_corners])
        values = rng.standard_normal((1, 2, 3, 4)).astype(dtype)
        grid = points(rng, size, align_corners, dtype, (3, 4))
        assert max(Case(values, grid, size, rng, align_corners, kink).run().shares()) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_that_cancel_or_hardly_differ(dtype):
    """V - U is a small difference of large numbers, or U a small sum of them."""
    rng = np.random.default_rng(7)
    signs = np.resize([1, -1], (1, 1, 4, 4))
    for values in (signs * (1 + 1e-5 * rng.random((1, 1, 4, 4))), 1 + 1e-6 * rng.random((1, 1, 4, 4))):
        grid = (0.1 * rng.standard_normal((1, 4, 4, 2))).astype(dtype)
        assert max(Case(values.astype(dtype), grid, (2, 2), rng, False).run().shares()) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("width", "align_corners"), [(4096, True), (65535, False), (65536, False), (65536, True)])
def test_wide_maps(dtype, width, align_corners):
    """On wide maps a coordinate that is rounded before the subtraction loses the weights."""
    rng = np.random.default_rng([width, align_corners])
    grid = np.zeros((1, 1, 60, 2), dtype)
    grid[..., 0] = adversarial_coordinates(rng, width, align_corners, np.dtype(dtype).type, 60)
    values = rng.standard_normal((1, 1, 1, 60)).astype(dtype)
    assert max(Case(values, grid, (1, width), rng, align_corners).run(second=False).shares()) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_long_sums(dtype):
    """Hundreds of equal terms: the roundings of a plain sum err to one side, and pile up."""
    rng = np.random.default_rng(8)
    grid = np.broadcast_to(rng.uniform(-0.3, 0.3, (1, 1, 1, 2)), (1, 30, 20, 2)).astype(dtype)
    values = np.full((1, 1, 30, 20), 0.7, dtype)
    assert max(Case(values, grid, (2, 2), rng, False).run(second=False).shares()) <= 1

    grid = rng.uniform(-0.3, 0.3, (1, 1, 2, 2)).astype(dtype)
    case = Case(np.zeros((1, 500, 1, 2), dtype), grid, (2, 2), rng, False)
    case.values[..., 0], case.gout[:] = 0.7, 0.3
    assert max(case.run(second=False).shares()) <= 1


@pytest.mark.parametrize(
    ("dtype", "values", "gout", "offset"),
    [
        ("float64", 0, 0, -200),  # the product of two weights underflows
        ("float64", 0, -200, -320),  # the weights themselves are subnormal
        ("float64", -310, 290, 0),  # subnormal values, huge cotangents
        ("float64", 308, -290, 0),  # differences of values that overflow
        ("float64", 200, -300, -300),
        ("float64", -320, 0, -170),
        ("float32", 0, 0, -35),
        ("float32", 0, -20, -44),
        ("float32", -42, 30, 0),
        ("float32", 38, -30, 0),
    ],
)
def test_factors_at_the_ends_of_the_range_of_floats(dtype, values, gout, offset):
    """Sources at a distance of 10^offset from the middle pixel of 3 x 3: some pixels get nothing but tiny weights."""
    rng = np.random.default_rng([abs(values), abs(gout), abs(offset)])
    steps = rng.choice([-1, 0, 1], (1, 1, 12, 2)) * rng.uniform(0.1, 1, (1, 1, 12, 2))
    grid = (steps * 10.0**offset).astype(dtype)
    case = Case((rng.uniform(-1, 1, (1, 2, 1, 12)) * 10.0**values).astype(dtype), grid, (3, 3), rng, False)
    case.gout = (rng.uniform(-1, 1, case.gout.shape) * 10.0**gout).astype(dtype)
    case.run(second=False)
    assert max(case.shares()) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_of_lone_sources_is_exactly_zero(dtype):
    """Each has pixels of its own, which show its value wherever it lies; the printed sum would leave its roundings."""
    rng = np.random.default_rng(9)
    x = (np.array([[0, 3], [6, 9]]) + rng.random((2, 2)) - 4.5) / 5
    grid = np.stack([x, rng.uniform(-0.9, 0.9, (2, 2))], axis=-1)[None].astype(dtype)
    values = rng.standard_normal((1, 2, 2, 2)).astype(dtype)
    case = Case(values, grid, (4, 10), rng, False).run(second=False)
    assert not case.first[1].data.any()
    assert set(case.out.data[0, 0].ravel()) == {0, *values[0, 0].ravel()}


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_channel_is_what_it_is_alone(dtype):
    """However many go side by side; and the gradient of the grid adds them up."""
    rng = np.random.default_rng(10)
    grid = points(rng, (4, 5), False, dtype, (6, 7))
    grid = np.concatenate([grid, points(rng, (4, 5), True, dtype, (6, 7))])
    values, gout = rng.standard_normal((2, 9, 6, 7)).astype(dtype), rng.standard_normal((2, 9, 4, 5)).astype(dtype)

    def run(channels):
        tensors = [Tensor(array, requires_grad=True) for array in (values[:, channels], grid)]
        out = dense_decode(*tensors, (2, len(channels), 4, 5))
        return out.data, *(g.data for g in grad(out, tensors, Tensor(gout[:, channels])))

    alone = [run([c]) for c in range(9)]
    for count in range(2, 10):
        out, gvalues, ggrid = run(list(range(count)))
        for c in range(count):
            assert np.array_equal(out[:, c : c + 1], alone[c][0])
            assert np.array_equal(gvalues[:, c : c + 1], alone[c][1])
        terms = np.array([parts[2].astype(np.float64) for parts in alone[:count]])
        # Each summand is rounded to the dtype once, and so is the sum.
        tolerance = 4 * np.finfo(dtype).eps * np.abs(terms).sum(axis=0)
        assert np.all(np.abs(ggrid - terms.sum(axis=0)) <= tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("strange", ["values", "cotangents", "coordinates"])
def test_one_number_out_of_the_ordinary(dtype, strange):
    """It is computed with as much care as others of its size: by other kernels, if need be."""
    rng = np.random.default_rng(11)
    size, tiny = (3, 3), 2.0 ** (-140 if dtype == "float32" else -1060)
    grid = rng.uniform(-0.9, 0.9, (1, 3, 4, 2)).astype(dtype)
    case = Case(rng.standard_normal((1, 2, 3, 4)).astype(dtype), grid, size, rng, False)
    chosen = {"values": case.values, "cotangents": case.gout, "coordinates": case.grid}[strange]
    chosen.flat[0] = tiny
    assert max(case.run(second=False).shares()) <= 1


def test_tiny_values_beside_huge_ones():
    """A pixel that huge values do not reach keeps its own, and its gradient."""
    values = Tensor(np.array([[[[1e300, 1e-300, 3e-300]]]]), requires_grad=True)
    grid = Tensor(np.array([[[[-0.75, 0.0], [0.75, 0.0], [0.875, 0.0]]]]), requires_grad=True)  # x = 0.5, 6.5, 7
    out = dense_decode(values, grid, (1, 1, 1, 8))
    gout = np.zeros((1, 1, 1, 8))
    gout[..., 7] = 1e300
    (ggrid,) = grad(out, grid, gout)
    assert out.data[..., :2].tolist() == [[[[1e300, 1e300]]]] and out.data[..., 6].item() == 1e-300
    # U(7) = (V_1 / 2 + V_2) / (3/2), and dU/dx_1 = (V_1 - U) / (3/2); dx/dg = 4.
    assert out.data[..., 7].item() == pytest.approx(7e-300 / 3, rel=8 * 2.0**-53, abs=0)
    assert ggrid.data[0, 0, 1, 0] == pytest.approx(-32 / 9, rel=48 * 2.0**-53, abs=0)
