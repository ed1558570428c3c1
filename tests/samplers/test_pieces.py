"""Second derivatives piece by piece: only where a product needs it, each term once, and beside numbers not finite."""

from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.samplers import pieces

OPERATIONS = {
    "bilinear": lambda u, grid: refwarp.grid_sample(u, grid, "bilinear", "border"),
    "bicubic": lambda u, grid: refwarp.grid_sample(u, grid, "bicubic", "border"),
    "decoder": lambda u, grid: refwarp.dense_decode(u, grid, (u.shape[0], u.shape[1], 5, 6)),
}


@pytest.fixture
def computed(monkeypatch):
    """Count the computations of each second gradient, in a list."""
    counts, original = [], pieces.second_gradient

    def counting(compute, *arguments, **options):
        counts.append(0)

        def counted(*arrays):
            counts[-1] += 1
            return compute(*arrays)

        return original(counted, *arguments, **options)

    for room in ("bilinear", "bicubic", "dense_decode"):
        function = import_module(f"refwarp.samplers.{room}.function")  # by name: `dense_decode` is a function, too
        monkeypatch.setattr(function, "second_gradient", counting)
    return counts


def drawn(name):
    """Return gU's and the grid's cotangents, gV, the map and the grid, of one operation."""
    rng = np.random.default_rng(1)
    shape = (2, 2, 4, 5)
    u, grid = rng.standard_normal(shape), rng.uniform(-0.9, 0.9, (2, 4, 5, 2))
    gout = rng.standard_normal(OPERATIONS[name](u, grid).shape)
    return rng.standard_normal(shape), rng.standard_normal(grid.shape), gout, u, grid


def second(name, a, b, gout, u, grid):
    """Return the gradients of the gradients, as arrays."""
    gout, u, grid = (Tensor(array, requires_grad=True) for array in (gout, u, grid))
    first = grad(OPERATIONS[name](u, grid), (u, grid), gout, create_graph=True)
    return [g.data for g in grad(first, (gout, u, grid), (a, b))]


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_tiny_number_beside_others_costs_nothing(name, computed):
    for which in range(4):
        given = drawn(name)
        given[which].flat[3] = 1e-80
        second(name, *given)
    assert computed == [1, 1, 1, 1]


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_cotangents_of_a_saturated_softmax_cost_nothing(name, computed):
    given = list(drawn(name))
    logits = 60 * np.random.default_rng(2).standard_normal(given[2].shape)
    probabilities = np.exp(logits - logits.max(axis=(2, 3), keepdims=True))
    given[2] = probabilities / probabilities.sum(axis=(2, 3), keepdims=True)
    assert given[2].min() < 1e-80
    second(name, *given)
    assert computed == [1]


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("which", "power"), [(0, -1000), (1, 800), (2, -1000), (3, 800)])
def test_what_may_leave_the_range_is_taken_apart(name, which, power, computed):
    given = list(drawn(name))
    given[which] = np.ldexp(given[which], power)
    second(name, *given)
    assert computed[0] > 1


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("strange", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("which", range(4))
def test_a_number_that_is_not_finite_spoils_the_same_with_and_without_extremes(name, strange, which):
    """What it touches is what it would be without them; what it does not touch is what it would be without it."""
    given = drawn(name)
    given[which][0, 0, 1, 1] = strange
    plain = second(name, *given)
    for image, c in ((1, 0), (1, 1)):  # the other image has nothing of it
        given[2][image, c, :2] = np.ldexp(given[2][image, c, :2], -1000)
        given[2][image, c, 2:] = np.ldexp(given[2][image, c, 2:], 600)
    mixed = second(name, *given)
    given[which][0, 0, 1, 1] = 0.0
    without = second(name, *given)
    assert not all(np.isfinite(array).all() for array in plain)
    for a, b, c in zip(plain, mixed, without, strict=True):
        np.testing.assert_array_equal(a[0][~np.isfinite(a[0])], b[0][~np.isfinite(a[0])])
        assert np.array_equal(np.isfinite(a[0]), np.isfinite(b[0]))
        assert np.array_equal(b[1], c[1]) and np.isfinite(b[1]).all()


def test_an_infinite_pixel_stays_infinite_beside_a_tiny_cotangent():
    rng = np.random.default_rng(3)
    u, grid, gout = rng.standard_normal((1, 1, 8, 8)), np.full((1, 2, 2, 2), -0.7), np.ones((1, 1, 2, 2))
    grid[0, 0, 0], u[0, 0, 4, 4] = 0.1, np.inf
    plain = second("bilinear", np.ones(u.shape), np.ones(grid.shape), gout, u, grid)[2][0, 0, 0]
    gout[0, 0, 1, 1] = 1e-300
    mixed = second("bilinear", np.ones(u.shape), np.ones(grid.shape), gout, u, grid)[2][0, 0, 0]
    assert not np.isnan(plain).any() and np.isinf(plain).all()
    assert np.array_equal(plain, mixed)


@pytest.mark.parametrize("scale", [1.0, 2.0**-1060, 2.0**-700, 2.0**900])
def test_pieces_add_up_to_the_array(scale):
    rng = np.random.default_rng(4)
    array = rng.standard_normal((2, 3, 4, 5)) * scale
    array[0] *= rng.choice([0.0, 2.0**-14, 2.0**-600], array[0].shape)
    exponents = pieces.exponents_of([array] * 5)[0]
    found = pieces.pieces_of(array, exponents)
    total = np.zeros(array.shape, object)
    for piece, power in found:
        total += np.vectorize(Fraction, otypes=[object])(piece) * Fraction(2) ** power
    assert (total == np.vectorize(Fraction, otypes=[object])(array)).all()


@pytest.mark.parametrize("jit", [True, False])
def test_exponents_are_those_of_the_smallest_and_largest_numbers(jit, monkeypatch):
    """Also in parts, by threads; and in NumPy's words, which are CuPy's too."""
    if not jit:
        monkeypatch.setattr("numba.config.DISABLE_JIT", True)
    rng = np.random.default_rng(5)
    numbers = rng.standard_normal((2, 3, 97, 151)) * 2.0 ** rng.integers(-900, 900, (2, 3, 97, 151))
    smallest, largest = (int(np.frexp(end)[1]) for end in (abs(numbers).min(), abs(numbers).max()))
    numbers[0, 0, 0] = 0.0
    subnormal, undefined = np.full((1, 1, 2, 3), -3 * 2.0**-1074), np.array([[[[2.0, np.nan]]]])
    arrays = (numbers, np.zeros((1, 1, 2, 3)), subnormal, undefined, np.empty((0, 1, 2, 2)))
    found = pieces.exponents_of(arrays)
    assert found[:3] == [(smallest, largest), (0, 0), (pieces.SMALLEST, found[2].high)]
    assert found[2].high <= -1022 and found[4] == (0, 0)
    assert [exponents.finite for exponents in found] == [True, True, True, False, True]
