"""The sensitivities of grids: they bound what moved points and rounded sums do, and what plain arithmetic gets."""

from fractions import Fraction
from itertools import repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refwarp.exact import composition, piecewise_affine
from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.budget import UNIT_ROUNDOFF
from refwarp.exact.arithmetic.numbers import fractions
from refwarp.golden.families.piecewise_affine.truth import moves
from refwarp.golden.families.projective.truth import gradient, grid_moves, second_gradients
from refwarp.golden.judging.moved import Moved, moved
from refwarp.golden.judging.pixels import points
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import Selection, verify
from tests.golden.families.grid_cases import FAMILIES, family
from tests.golden.families.plain_grids import PLAIN


@pytest.mark.parametrize("name", FAMILIES)
def test_plain_arithmetic_is_within_the_working_precision(name):
    """In all dtypes, also in float16: coordinates, sums and functions all rounded, and inverses by elimination."""
    with np.errstate(all="ignore"):
        for outcome in verify(family(name), ModuleTarget(PLAIN, "plain")).outcomes:
            assert outcome.grade <= Grade.WORKING, (outcome.case.name, outcome.dtype, outcome.output, outcome.problem)


def test_elimination_keeps_the_digits_of_an_inverse_that_do_not_cancel():
    """An entry in float32 is within e of its M, e = 6 u, however badly rows and columns are scaled."""
    rng = np.random.default_rng(1)
    for _ in range(100):
        rows, columns = (2.0 ** rng.integers(-9, 10, shape) for shape in ((3, 1), (1, 3)))
        h = (rng.standard_normal((3, 3)) * rows * columns).astype(np.float32)
        found = np.linalg.solve(h, np.eye(3, dtype=np.float32))
        for line, sums in zip(fractions(found), composition.inverse(fractions(h)), strict=True):
            for number, part in zip(line, sums, strict=True):
                assert abs(number - part.value) <= 6 * UNIT_ROUNDOFF["float32"] * part.M


@pytest.mark.parametrize("name", FAMILIES)
def test_plain_arithmetic_is_not_faithful(name):
    with np.errstate(all="ignore"):
        found = verify(family(name), ModuleTarget(PLAIN, "plain"), Selection(dtypes=("float64",)))
    assert found.grade == Grade.WORKING


small = st.fractions(-4, 4, max_denominator=64)
signs = st.sampled_from([-1, 1])


@given(
    st.tuples(small, small, small), st.tuples(small, small, small), st.tuples(signs, signs, signs), st.integers(1, 8)
)
def test_moves_bound_what_moving_the_factors_does(numbers, steps, side, d):
    """To first order: with e = 2^-40 and moves up to 4, what is left is below 2^-20 of the bound."""
    e = Fraction(1, 2**40)
    a, b, c = (Moved.of(number, abs(step)) for number, step in zip(numbers, steps, strict=True))
    p, q, r = (number + s * e * abs(step) for number, step, s in zip(numbers, steps, side, strict=True))

    def formula(x, y, z, one):
        return (x * y - z) * y / (one * z * z + d * one)

    bound = (a * b - c) * b / (c * c + Moved.of(Fraction(d))).number()
    before, after = (formula(*given, Fraction(1)) for given in (numbers, (p, q, r)))
    assert bound.value == before
    assert abs(after - before) <= e * bound.move * (1 + Fraction(1, 2**20)) + e * e * 2**20


shares = st.integers(-100, 100).map(lambda percent: Fraction(percent, 400))


@given(st.integers(0, 3), st.integers(0, 4), shares, shares, st.booleans())
def test_g_of_the_piecewise_affine_grid(i, j, across, down, align_corners):
    """For any move of up to a cell, of a pixel of a 4 x 5 output over a mesh of 3 x 4 vertices."""
    height, width, rows, columns = 4, 5, 3, 4
    vertices = [
        [[Fraction((7 * n + 5 * m + 3 * r) % 11 - 5) for r in range(2)] for m in range(columns)] for n in range(rows)
    ]
    ggrid = [[[Fraction(0)] * 2 for _ in range(width)] for _ in range(height)]
    ggrid[i][j] = [Fraction(2), Fraction(-3)]
    grid, gvertices = moves(vertices, ggrid, height, width, align_corners)
    steps = [2 * Fraction(size, size - align_corners) for size in (width, height)]
    e = max(abs(across), abs(down))
    places = [target_coordinate(j, width, align_corners), target_coordinate(i, height, align_corners)]
    there = [place + share * step for place, share, step in zip(places, (across, down), steps, strict=True)]
    there = tuple(min(max(place, Fraction(-1)), Fraction(1)) for place in there)
    before, after = (piecewise_affine.weights_in(tuple(p), rows, columns)[0] for p in (places, there))
    for r in range(2):
        values = [sum(w * vertices[n][m][r] for (n, m), w in weights.items()) for weights in (before, after)]
        assert abs(values[1] - values[0]) <= e * grid[i, j, r]
        for n, m in np.ndindex(rows, columns):
            change = abs(after.get((n, m), 0) - before.get((n, m), 0)) * abs(ggrid[i][j][r])
            assert change <= e * gvertices[n, m, r]


def projected(h, a, ggrid, places, moves, signs):
    """Return the outputs of projective_grid, of pixels whose points and sums move by a share of their moves."""
    signs = iter(signs)

    def near(number, move):
        return number + next(signs) * move

    def row(entries, b):
        terms = [entry * number for entry, number in zip(entries, b, strict=True)]
        return sum(terms), sum(map(abs, terms))

    found = {"grid": [], "gh": np.zeros((3, 3), object), "gggrid": [], "second": np.zeros((3, 3), object)}
    for place, g in zip(places, ggrid, strict=True):
        b = np.array([*(near(x, move) for x, move in zip(place, moves, strict=True)), Fraction(1)], object)
        plain = [row(entries, b)[0] for entries in h]
        nx, ny, d = (near(*row(entries, b)) for entries in h)
        ax, ay, az = (near(*row(entries, b)) / d for entries in a)
        found["grid"] += [plain[0] / plain[2], plain[1] / plain[2]]
        for r, (n, along) in enumerate(((nx, ax), (ny, ay))):
            found["gh"][r] += g[r] * b / d
            found["gh"][2] -= g[r] * (n / d) * b / d
            found["gggrid"].append(along - n / d * az)
            found["second"][r] -= g[r] * az * b / d
            found["second"][2] += g[r] * (2 * n / d * az - along) * b / d
    return {name: np.array(numbers, object).ravel() for name, numbers in found.items()}


@given(st.integers(0, 2**32), st.booleans())
def test_g_of_the_projective_grid(seed, align_corners):
    """To first order, in points, and for derivatives in the sums N, D and a too: also where D nearly cancels."""
    rng = np.random.default_rng(seed)
    h, a = (np.array(fractions(rng.integers(-64, 65, (3, 3)) / 16), object) for _ in range(2))
    ggrid = np.array(fractions(rng.integers(-64, 65, (6, 2)) / 16), object)
    height, width, e = 2, 3, Fraction(1, 2**60)
    columns = points(height, width, align_corners, Fraction)
    places = [[coordinate.value for coordinate in column[:2]] for column in columns.T]
    if any(h[2, 0] * x + h[2, 1] * y + h[2, 2] == 0 for x, y in places):
        return
    moves = [column.move for column in columns[:2, 0]]
    still = projected(h, a, ggrid, places, moves, repeat(Fraction(0)))
    signs = iter([e * int(sign) for sign in rng.choice([-1, 1], 64)])
    there = projected(h, a, ggrid, places, moves, signs)
    h, flat = moved(h), moved(ggrid)
    gggrid, second = second_gradients(moved(a), h, columns, flat)
    bounds = {
        "grid": [move for pair in grid_moves(h, columns) for move in pair],
        "gh": [part.move for part in gradient(h, columns, flat).ravel()],
        "gggrid": [part.move for part in gggrid.ravel()],
        "second": [part.move for part in second.ravel()],
    }
    for name, bound in bounds.items():
        for one, other, most in zip(still[name], there[name], bound, strict=True):
            assert abs(one - other) <= e * most * (1 + Fraction(1, 2**20)), name
