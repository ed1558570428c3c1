"""The kernels against exact values, each element within its own error budget."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.exact import bilinear as exact
from refwarp.exact.arithmetic.budget import worst_share
from refwarp.exact.arithmetic.numbers import Sum, fractions
from refwarp.exact.sampling import Cotangents

DTYPES = ["float32", "float64"]
KINKS = ["right", "left", "central", "literal"]
VALUE, SECOND = 4, 8  # c of the budget: values and first gradients, second derivatives


class Case:
    """One image's map, grid and cotangents; what the kernels make of them, and what is exact."""

    def __init__(self, input, grid, rng, align_corners, kink="right"):
        dtype = input.dtype
        self.dtype = dtype.name
        self.options = {"align_corners": align_corners, "kink": kink}
        self.input, self.grid = input, grid
        self.gout = rng.standard_normal((1, input.shape[1], *grid.shape[1:3])).astype(dtype)
        self.a = rng.standard_normal(input.shape).astype(dtype)
        self.b = rng.standard_normal(grid.shape).astype(dtype)

    def run(self):
        tensors = [Tensor(array, requires_grad=True) for array in (self.gout, self.input, self.grid)]
        gout, input, grid = tensors
        self.out = refwarp.grid_sample(input, grid, **self.options)
        self.first = grad(self.out, (input, grid), gout, create_graph=True)
        self.second = grad(self.first, tensors, (Tensor(self.a), Tensor(self.b)))
        return self

    def shares(self, second=True):
        """Return the worst share of the budget of each result."""
        align_corners, kink = self.options["align_corners"], self.options["kink"]
        gout, input, grid = (fractions(array[0]) for array in (self.gout, self.input, self.grid))
        a, b = fractions(self.a[0]), fractions(self.b[0])
        pairs = [(self.out, exact.grid_sample(input, grid, align_corners), VALUE)]
        first = exact.grid_sample_gradient(gout, input, grid, align_corners, kink)
        pairs += [(result, truth, VALUE) for result, truth in zip(self.first, first, strict=True)]
        if second:
            truths = exact.grid_sample_second_gradient(Cotangents(a, b), gout, input, grid, align_corners, kink)
            pairs += [(result, truth, SECOND) for result, truth in zip(self.second, truths, strict=True)]
        return [worst_share(result.data[0], truth, c, self.dtype) for result, truth, c in pairs]


def adversarial_coordinates(rng, size, align_corners, dtype, count):
    """Draw coordinates where a careless kernel loses digits, or the cell."""
    s = max(size - 1 if align_corners else size, 1)
    lattice = (2.0 * rng.integers(-1, size + 1, count) - (size - 1)) / s
    one = np.ones(count)
    tiny = 10.0 ** rng.uniform(-30, -3, count) * rng.choice([-1, 1], count)
    choices = [
        rng.uniform(-1.2, 1.2, count),
        lattice,
        np.nextafter(lattice.astype(dtype), dtype(2)),
        np.nextafter(lattice.astype(dtype), dtype(-2)),
        lattice * (1 + 10.0 ** rng.uniform(-16, -5, count)),
        rng.choice([-1, 1], count) * one,
        np.nextafter(one.astype(dtype), dtype(2)) * rng.choice([-1, 1], count),
        np.nextafter(one.astype(dtype), dtype(0)) * rng.choice([-1, 1], count),
        tiny,
    ]
    return np.choose(rng.integers(0, len(choices), count), choices).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("kink", KINKS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 2), (4, 8), (40, 3)])
def test_small_maps(dtype, align_corners, kink, size):
    rng = np.random.default_rng([*size, KINKS.index(kink), align_corners])
    kind = np.dtype(dtype).type
    input = rng.standard_normal((1, 2, *size)).astype(dtype)
    axes = [adversarial_coordinates(rng, length, align_corners, kind, 30) for length in size]
    grid = np.stack([axes[1], axes[0]], axis=-1).reshape(1, 5, 6, 2)
    assert max(Case(input, grid, rng, align_corners, kink).run().shares()) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("width", [255, 4096, 65535, 65536])
def test_wide_maps(dtype, align_corners, width):
    """On wide maps a coordinate that is rounded before the subtraction loses the weights."""
    rng = np.random.default_rng([width, align_corners])
    kind = np.dtype(dtype).type
    input = rng.standard_normal((1, 1, 2, width)).astype(dtype)
    grid = np.zeros((1, 1, 200, 2), dtype)
    grid[..., 0] = adversarial_coordinates(rng, width, align_corners, kind, 200)
    grid[..., 1] = rng.uniform(-1, 1, 200)
    case = Case(input, grid, rng, align_corners).run()
    touched = np.flatnonzero(np.any(case.first[0].data, axis=(0, 1, 2)))
    columns = np.unique(np.clip(np.add.outer(touched, np.arange(-3, 4)), 0, width - 1))
    assert max(narrowed(case, columns)) <= 1


def narrowed(case, columns):
    """Judge a case by the part of its map near the samples: the rest of ginput must be zero."""
    gout, grid = fractions(case.gout[0]), fractions(case.grid[0])
    options = case.options["align_corners"], case.options["kink"]
    plane = SparsePlane(case.input[0, 0], columns)
    truth = exact.grid_sample([plane], grid, options[0])
    first = exact.grid_sample_gradient(gout, [plane], grid, *options)
    everything = np.zeros(case.input.shape[3], bool)
    everything[columns] = True
    assert not case.first[0].data[..., ~everything].any()
    ginput = [[[row[m] for m in columns] for row in first.ginput[0]]]
    yield worst_share(case.out.data[0], truth, VALUE, case.dtype)
    yield worst_share(case.first[0].data[0][..., columns], ginput, VALUE, case.dtype)
    yield worst_share(case.first[1].data[0], first.ggrid, VALUE, case.dtype)


class SparsePlane:
    """A wide plane of which only some columns are turned into rational numbers."""

    def __init__(self, plane, columns):
        self.shape = plane.shape
        self.rows = [SparseRow(row, columns) for row in plane]

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, n):
        return self.rows[n]


class SparseRow:
    """A row of a `SparsePlane`; a column that was not chosen is an error."""

    def __init__(self, row, columns):
        self.length = len(row)
        self.values = dict(zip(columns.tolist(), fractions(row[columns]), strict=True))

    def __len__(self):
        return self.length

    def __getitem__(self, m):
        return self.values[m]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scales", [(0, 0, 0), (-1, 0, 0), (0, -1, 0), (-0.5, -0.6, 0), (0.8, -0.95, 0), (0, 0, -1)])
def test_results_that_are_subnormal_or_made_of_huge_and_tiny_factors(dtype, scales):
    """Map, cotangent and coordinates are scaled towards the ends of the range of floats."""
    rng = np.random.default_rng([ord(character) for character in f"{scales}"])
    smallest = {"float32": 148.0, "float64": 1073.0}[dtype]
    power = [2.0 ** np.floor(scale * smallest) for scale in scales]
    input = (rng.uniform(-2, 2, (1, 2, 3, 5)) * power[0]).astype(dtype)
    grid = (rng.uniform(-1, 1, (1, 3, 4, 2)) * power[2]).astype(dtype)
    case = Case(input, grid, rng, align_corners=False)
    case.gout = (case.gout * power[1]).astype(dtype)
    assert max(case.run().shares(second=False)) <= 1


def test_a_tiny_cotangent_of_a_large_slope():
    """Scaled by s/2 on its own, a cotangent of three subnormals would lose a third of itself; the slope is 64."""
    grid = Tensor(np.zeros((1, 1, 1, 2)), requires_grad=True)
    gout = np.full((1, 1, 1, 1), 3 * 5e-324)
    (ggrid,) = grad(refwarp.grid_sample(np.array([[[[64.0]]]]), grid), grid, gout)
    assert ggrid.data[0, 0, 0].tolist() == [-96 * 5e-324, -96 * 5e-324]


@pytest.mark.parametrize("size", [(3, 3), (3, 5), (2, 1)])
@pytest.mark.parametrize("kink", KINKS)
def test_second_derivatives_at_subnormal_coordinates(size, kink):
    """A weight that underflows enters as two factors, in the gradients of the gradients too."""
    rng = np.random.default_rng([*size, KINKS.index(kink)])
    input = rng.uniform(-8, 8, (1, 2, *size))
    grid = rng.choice([-1, 1], (1, 3, 4, 2)) * 2.0 ** rng.uniform(-1074, -1014, (1, 3, 4, 2))
    grid[0, 0, :, 1] = rng.uniform(-1, 1, 4)
    assert max(Case(input, grid, rng, align_corners=False, kink=kink).run().shares()) <= 1


def test_tiny_coordinates_keep_their_sign():
    """Row (1, 0, 1) at g = -1e-18: the sample lies left of the middle pixel, where the slope is -1."""
    row, grid = np.array([[[[1.0, 0.0, 1.0]]]]), Tensor(np.array([[[[-1e-18, 0.0]]]]), requires_grad=True)
    (ggrid,) = grad(refwarp.grid_sample(row, grid), grid, np.ones((1, 1, 1, 1)))
    assert ggrid.data[0, 0, 0, 0] == -1.5


def test_many_samples_of_one_pixel_and_many_channels():
    """Long sums: a scatter of 10,000 terms to four pixels, and a gradient summed over 512 channels."""
    rng = np.random.default_rng(5)
    grid = rng.uniform(-0.1, 0.1, (1, 100, 100, 2))
    gout = np.abs(rng.standard_normal((1, 1, 100, 100)))  # one sign: roundings of a plain sum pile up
    input = Tensor(rng.standard_normal((1, 1, 2, 2)), requires_grad=True)
    (ginput,) = grad(refwarp.grid_sample(input, grid), input, gout)
    truth = exact.grid_sample_gradient(fractions(gout[0]), fractions(input.data[0]), fractions(grid[0]), False).ginput
    assert worst_share(ginput.data[0], truth, VALUE, "float64") <= 1

    input = np.abs(rng.standard_normal((1, 512, 2, 2)))
    grid, gout = Tensor(rng.uniform(-1, 1, (1, 1, 3, 2)), requires_grad=True), rng.uniform(1, 2, (1, 512, 1, 3))
    (ggrid,) = grad(refwarp.grid_sample(input, grid), grid, gout)
    truth = exact.grid_sample_gradient(fractions(gout[0]), fractions(input[0]), fractions(grid.data[0]), False).ggrid
    assert worst_share(ggrid.data[0], truth, VALUE, "float64") <= 1


def test_roundings_that_all_go_one_way():
    """Found by search: pixels and cotangents on which six roundings in a row would go the same way, and nearly did."""
    number = float.fromhex
    rng = np.random.default_rng(0)
    narrow = np.zeros((1, 1, 37, 37), np.float32)
    narrow[0, 0, 31, 23], narrow[0, 0, 31, 24] = number("0x1.0007ecp+0"), number("0x1.554af4p-26")
    narrow[0, 0, 32, 23] = number("0x1.fff718p-25")
    at = np.array([[[[number("0x1.3e4432p-2"), number("0x1.759e62p-1")]]]], np.float32)
    wide = np.zeros((1, 2, 33, 33))
    wide[0, 0, 16, 16], wide[0, 0, 16, 17] = number("-0x1.0000218def417p-53"), number("0x1.00000007bf19ap+0")
    wide[0, 0, 17, 17], wide[0, 1, 16, 17] = number("0x1.00003b5f71ee5p-53"), 2.0**-60
    cases = [Case(narrow, at, rng, False), Case(-narrow, at, rng, False)]
    cases.append(Case(wide, np.array([[[[0.02, number("0x1.f07becf55bc20p-6")]]]]), rng, False))
    cases[-1].gout = np.array([number("0x1.00000075eaf47p+0"), number("0x1.000007bc71c9bp+7")]).reshape(1, 2, 1, 1)
    assert max(max(case.run().shares(second=False)) for case in cases) <= 1


def test_the_judge_notices_one_unit_in_the_last_place_too_many():
    exact_sum = Sum(fractions([1.0, 2.0]))
    # k = 2 and M = 3: the budget is 5 u 3 = 15 u, and the floats near 3 lie 4 u apart.
    assert worst_share([3.0 + 4 * 2.0**-51], [exact_sum], VALUE, "float64") > 1
    assert worst_share([3.0 + 3 * 2.0**-51], [exact_sum], VALUE, "float64") <= 1
    assert worst_share([np.nan], [exact_sum], VALUE, "float64") == np.inf


@pytest.mark.parametrize("width", [53, 65535])
def test_a_tiny_weight_of_a_huge_pixel(width):
    """Its two factors are not larger than 1: neither a pixel nor a cotangent times one of them may overflow."""
    row, grid = np.full((1, 1, 1, width), 2.0**1020), np.array([[[[1e-279, 0.0]]]])
    input = Tensor(row, requires_grad=True)
    out = refwarp.grid_sample(input, grid)
    (ginput,) = grad(out, input, np.full((1, 1, 1, 1), 2.0**1020))
    assert out.item() == 2.0**1020
    assert ginput.data.max() == 2.0**1020 and ginput.data[..., width // 2 + 1].item() > 0
    assert refwarp.multiscale_sample(row, grid, (0.0, 1.0)).item() == 2.0**1020
    around = np.array([[[[[0.5, 0.0], [-0.5, 0.5], [-0.5, -0.5]]]]])
    assert np.isfinite(refwarp.linearized_sample(row, grid, around)).all()


@pytest.mark.parametrize("kink", KINKS)
@pytest.mark.parametrize("map", [1.5 * 2.0**1023, -3 * 2.0**-1074], ids=["huge", "subnormal"])
def test_differences_of_huge_and_halves_of_subnormal_pixels(map, kink):
    """Neither a difference beyond the largest float nor half of the smallest one spoils a gradient within the range."""
    rng = np.random.default_rng([abs(map) > 1, KINKS.index(kink)])
    input = map * np.array([[0.0, 1, -1, 1, 0], [1, -1, 0, 0, -1], [-1, 0, 1, 1, 1]])[None, None]
    grid = np.zeros((1, 1, 2, 2))
    grid[0, 0, 1] = 0.1, -0.3
    case = Case(input, grid, rng, align_corners=False, kink=kink)
    case.gout = np.ldexp(case.gout, -60 if abs(map) > 1 else 900)
    assert max(case.run().shares(second=False)) <= 1


@pytest.mark.parametrize("powers", [(900, -900, 0), (-700, 1000, -700), (480, -1000, 480)])
def test_second_derivatives_of_arrays_that_reach_from_end_to_end(powers):
    """Tiny and huge numbers side by side: what one of them hides, another output shows."""
    rng = np.random.default_rng([abs(power) for power in powers])
    case = Case(rng.standard_normal((1, 1, 4, 4)), rng.uniform(-1, 1, (1, 3, 3, 2)), rng, align_corners=False)
    case.input, case.gout, case.b = (
        np.ldexp(array, power * (rng.random(array.shape) < 0.7))
        for array, power in zip((case.input, case.gout, case.b), powers, strict=True)
    )
    assert max(case.run().shares()) <= 1
