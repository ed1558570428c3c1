"""The truth about grids: the derivatives of the exact forward, other formulas, and what plain arithmetic gets."""

import math
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_grids import PLAIN, axis

from refwarp.exact import affine_parameters, composition, flow, piecewise_affine, projective
from refwarp.exact.affine import target_coordinate
from refwarp.exact.budget import UNIT_ROUNDOFF
from refwarp.exact.numbers import Dual, fractions
from refwarp.exact.thin_plate_spline import Balls
from refwarp.golden import cases
from refwarp.golden.build import build
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.truth.moved import Moved
from refwarp.golden.truth.piecewise_affine import moves
from refwarp.golden.verify import Grade, Selection, verify

FAMILIES = ("affine", "affine_parameters", "composition", "flow", "linear_basis", "piecewise_affine", "projective")


@cache
def family(name):
    """Return the valid cases of a family with their truths."""
    return tuple(build([case for case in getattr(cases, name).cases() if case.result == "valid"]))


def finite_cases(*names):
    for name in names:
        for case in family(name):
            if all(np.isfinite(array).all() for array in case.inputs.values()):
                yield case


# ---- derivatives of the exact forward ----


def matrix_of(name):
    make = getattr(affine_parameters, name)
    return lambda given, case, number: affine_parameters.values(make(given["theta"], **case.options).matrix)


def grid_of(name):
    make = getattr(affine_parameters, name)

    def grid(given, case, number):
        options = {k: v for k, v in case.options.items() if k == "translate_first"}
        height, width = case.options["size"][2:]
        a = make(given["theta"], **options)
        return affine_parameters.parametrised_grid(a, height, width, case.options["align_corners"], number)

    return grid


def projective_grid(given, case, number):
    theta = given["theta"]
    h = projective.homography(theta) if len(theta) == 8 else theta
    return projective.projective_grid(h, *case.options["size"][2:], case.options["align_corners"])


def composed(outer, inner):
    if not isinstance(outer[0], list):
        kind = composition.compose_translations if len(outer) == 2 else composition.compose_similarities
        return [part.value for part in kind(outer, inner)]
    rows = inner if len(inner) == 3 else composition.with_last_row(inner)
    return composition.values(composition.product(outer, rows))


def inverted(theta):
    if not isinstance(theta[0], list):
        return [-t for t in theta] if len(theta) == 2 else [p.value for p in composition.invert_similarity(theta)]
    rows = theta if len(theta) == 3 else composition.with_last_row(theta)
    return composition.values(composition.inverse(rows))[: len(theta)]


# (inputs of one image, case, number) -> the output of that image, of numbers of any kind.
FORWARD = {
    **{f"{name}_matrix": matrix_of(name) for name in ("attention", "translation", "kurbiel", "similarity")},
    "rotation_scale_translation_matrix": matrix_of("rotation_scale_translation"),
    **{f"{name}_grid": grid_of(name) for name in ("attention", "translation", "similarity")},
    "rotation_scale_translation_grid": grid_of("rotation_scale_translation"),
    "homography_matrix": lambda given, case, number: projective.homography(given["theta"]),
    "projective_grid": projective_grid,
    "piecewise_affine_grid": lambda given, case, number: piecewise_affine.piecewise_affine_grid(
        given["vertices"], *case.options["size"][2:], case.options["align_corners"]
    ),
    "flow_grid": lambda given, case, number: flow.flow_grid(given["flow"], **case.options),
    "affine_motion": lambda given, case, number: flow.affine_motion(
        given["theta"], *case.options["size"][2:], case.options["align_corners"], case.options["unit"]
    ),
    "compose": lambda given, case, number: composed(given["outer"], given["inner"]),
    "invert": lambda given, case, number: inverted(given["theta"]),
    "inverse_compositional_update": lambda given, case, number: composed(given["theta"], inverted(given["delta"])),
}


def flat(nested):
    """Return the numbers of nested lists of numbers and sums."""
    if isinstance(nested, list | tuple):
        return [number for part in nested for number in flat(part)]
    return [getattr(nested, "value", nested) if not isinstance(nested, Dual) else nested]


def like(nested, numbers):
    """Return an iterator's numbers, nested as another's."""
    return [like(part, numbers) for part in nested] if isinstance(nested, list) else next(numbers)


def derivative(number):
    return Dual.of(number).derivative


def dot(a, b):
    return sum((x * y for x, y in zip(a, b, strict=True)), 0)


def expected(case, n, convert):
    """Return each output of one image by differentiating the exact forward, with dual numbers."""
    forward, *others = OPERATIONS[case.operation]
    names = forward.arguments
    given = {name: convert(fractions(array[n])) for name, array in case.inputs.items()}
    at = [number for name in names for number in flat(given[name])]
    g = flat(given[others[0].arguments[0]])

    def evaluate(numbers):
        numbers = iter(numbers)
        inputs = {name: like(given[name], numbers) for name in names}
        return flat(FORWARD[case.operation](inputs, case, convert))

    def along(direction, numbers):
        return [Dual(x, b) for x, b in zip(numbers, direction, strict=True)]

    units = [[int(p == q) for q in range(len(at))] for p in range(len(at))]
    found = {f"forward/{forward.outputs[0]}": evaluate(at)}
    gradients = {"vjp": [dot(g, map(derivative, evaluate(along(unit, at)))) for unit in units]}
    if len(others) == 2:
        b = [number for name in names for number in flat(given[f"cotangent_{name}"])]
        second = others[1].outputs[0]
        found[f"second_vjp/{second}"] = [derivative(number) for number in evaluate(along(b, at))]
        gradients["second_vjp"] = [
            dot(g, (derivative(derivative(number)) for number in evaluate(along(unit, along(b, at))))) for unit in units
        ]
    for part, numbers in gradients.items():
        numbers = iter(numbers)
        found |= {f"{part}/g{name}": flat(like(given[name], numbers)) for name in names}
    return found


def is_small(case):
    sizes = [truth.elements.size for truth in case.outputs.values()]
    return max(sizes) and max(sizes) <= 36 and not {"Horizon", "LongSum", "Wide"} & set(case.flags)


@pytest.mark.parametrize("operation", FORWARD)
def test_truths_are_the_derivatives_of_the_exact_forward(operation):
    """To the last bits of the pairs, of which M has 106."""
    count = 0
    for case in finite_cases("affine_parameters", "composition", "flow", "piecewise_affine", "projective"):
        if case.operation != operation or not is_small(case):
            continue
        with Balls(1400) as balls:
            rational = not any(name in operation for name in ("similarity", "rotation"))
            rational = rational and not any(array.shape[1:] == (4,) for array in case.inputs.values())
            answers = expected(case, 0, (lambda number: number) if rational else balls)
            assert set(answers) == set(case.outputs), case.name
            for path, numbers in answers.items():
                elements = case.outputs[path].elements[0].ravel()
                for element, number in zip(elements, numbers, strict=True):
                    pair = Fraction(float(element["value"])) + Fraction(float(element["remainder"]))
                    exact = Fraction(number) if isinstance(number, int | Fraction) else Balls.midpoint(number)
                    error = abs(pair - exact)
                    assert error <= Fraction(float(element["M"])) / 2**105 + Fraction(1, 2**1074), (case.name, path)
        count += 1
    assert count >= 3


# ---- other formulas ----


def products(case):
    """Return the formula of each element of each output of linear_basis_grid, literally."""
    m, b, c, e, g = (
        np.array(fractions(case.inputs[name]), object).reshape(case.inputs[name].shape)
        for name in ("M", "B", "cotangent_M", "cotangent_B", "ggrid")
    )
    return {
        "forward/grid": lambda n, i, j, r: dot(m[n, r], b[:, i, j]),
        "vjp/gM": lambda n, r, k: dot(g[n, :, :, r].ravel(), b[k].ravel()),
        "vjp/gB": lambda k, i, j: dot(m[:, :, k].ravel(), g[:, i, j].ravel()),
        "second_vjp/gggrid": lambda n, i, j, r: dot(c[n, r], b[:, i, j]) + dot(m[n, r], e[:, i, j]),
        "second_vjp/gM": lambda n, r, k: dot(g[n, :, :, r].ravel(), e[k].ravel()),
        "second_vjp/gB": lambda k, i, j: dot(c[:, :, k].ravel(), g[:, i, j].ravel()),
    }


def test_linear_basis_grids_are_sums_over_functions_pixels_and_images():
    for case in finite_cases("linear_basis"):
        if case.operation == "linear_basis_grid" and is_small(case):
            for path, formula in products(case).items():
                elements = case.outputs[path].elements
                for place in np.ndindex(elements.shape):
                    assert float(formula(*place)) == elements[place]["value"], (case.name, path)


def test_a_vertex_reaches_as_far_as_its_hat():
    """The weight of a vertex is a hat, 1 - max(|s|, |t|, |s - t|), of the distances s and t in cells."""
    for case in finite_cases("piecewise_affine"):
        vertices = fractions(case.inputs["vertices"])
        _, rows, columns, _ = case.inputs["vertices"].shape
        _, _, height, width = case.options["size"]
        elements = case.outputs["forward/grid"].elements
        for n, i, j, r in np.ndindex(elements.shape):
            x, y = (
                (target_coordinate(place, size, case.options["align_corners"]) + 1) * (count - 1) / 2
                for place, size, count in ((j, width, columns), (i, height, rows))
            )
            value = Fraction(0)
            for p, q in np.ndindex(rows, columns):
                s, t = x - q, y - p
                value += max(Fraction(0), 1 - max(abs(s), abs(t), abs(s - t))) * vertices[n][p][q][r]
            assert float(value) == elements[n, i, j, r]["value"], case.name


def test_bases():
    """The affine one makes affine grids, and Bernstein polynomials are a partition of 1 with the mean t."""
    for case in family("linear_basis"):
        _, _, height, width = case.options.get("size", (0, 0, 0, 0))
        corners = case.options.get("align_corners")
        if not height * width:
            continue
        values = case.outputs["forward/basis"].elements
        pairs = np.vectorize(Fraction, otypes=[object])(values["value"]) + np.vectorize(Fraction, otypes=[object])(
            values["remainder"]
        )
        x = [target_coordinate(j, width, corners) for j in range(width)]
        if case.operation == "affine_basis":
            assert values["value"][0].tolist() == [[float(a) for a in x]] * height and (values["value"][2] == 1).all()
            continue
        degree = case.options["degree"]
        table = pairs.reshape(degree + 1, degree + 1, height, width)
        assert (abs(table.sum(axis=(0, 1)) - 1) < Fraction(1, 2**95)).all()
        mean = sum(m * table[:, m].sum(axis=0) for m in range(degree + 1))
        assert (abs(mean - degree * (np.array(x, object) + 1) / 2) < Fraction(1, 2**95)).all()


# ---- sensitivity ----


@pytest.mark.parametrize("name", FAMILIES)
def test_plain_arithmetic_is_within_the_working_precision(name):
    """In all dtypes, also in float16: coordinates, sums and functions all rounded, and inverses by elimination."""
    with np.errstate(all="ignore"):
        for case in family(name):
            dtypes = ("float16", "float32", "float64") if case.inputs else ("float64",)
            for outcome in verify([case], ModuleTarget(PLAIN, "plain"), Selection(dtypes=dtypes)).outcomes:
                assert outcome.grade <= Grade.WORKING, (case.name, outcome.dtype, outcome.output, outcome.problem)


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


@given(st.integers(0, 3), st.integers(0, 4), small, small, st.booleans())
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
    e = max(abs(across), abs(down)) / 64
    places = [target_coordinate(j, width, align_corners), target_coordinate(i, height, align_corners)]
    moved = [place + sign * step / 64 for place, sign, step in zip(places, (across, down), steps, strict=True)]
    moved = tuple(min(max(place, Fraction(-1)), Fraction(1)) for place in moved)
    before, after = (piecewise_affine.weights_in(tuple(p), rows, columns)[0] for p in (places, moved))
    for r in range(2):
        values = [sum(w * vertices[n][m][r] for (n, m), w in weights.items()) for weights in (before, after)]
        assert abs(values[1] - values[0]) <= e * grid[i, j, r]
        for n, m in np.ndindex(rows, columns):
            change = abs(after.get((n, m), 0) - before.get((n, m), 0)) * abs(ggrid[i][j][r])
            assert change <= e * gvertices[n, m, r]


# ---- cases ----


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_points_on_horizons_and_edges_are_exact_in_plain_arithmetic(dtype):
    count = 0
    for case in (*family("projective"), *family("piecewise_affine")):
        if not {"Horizon", "MeshEdge"} & set(case.flags) or "beyond" in case.name:
            continue
        for size in case.options["size"][2:]:
            corners = case.options["align_corners"]
            exact = [float(target_coordinate(j, size, corners)) for j in range(size)]
            assert axis(size, corners, dtype).tolist() == exact, case.name
        count += 1
    assert count >= 12


def test_grazing_cases_graze():
    for case in family("projective"):
        if "NearHorizon" in case.flags:
            h = fractions(case.inputs["theta"][0])
            points = projective.points(*case.options["size"][2:], case.options["align_corners"])
            ds = [projective.homogeneous(h, p)[2] for line in points for p in line]
            nearest = min(abs(d.value) / d.M for d in ds)
            assert 64 * UNIT_ROUNDOFF[case.dtype] < nearest < 2**-11, case.name


def test_singular_matrices_are_refused_and_others_are_not():
    for case in cases.composition.cases():
        warp = case.inputs.get("delta", case.inputs.get("theta"))
        if warp is None or warp.ndim != 3 or not warp.size or not np.isfinite(warp).all():
            continue
        rows = fractions(warp[0])
        rows = rows if len(rows) == 3 else composition.with_last_row(rows)
        if len(rows) == 3 and len(rows[0]) == 3:
            assert (composition.determinant(rows).value == 0) == (case.result == "invalid"), case.name


def test_every_angle_is_where_it_says():
    for case in family("affine_parameters"):
        if "Angle" in case.flags and "turn" in case.name:
            place = 1 if case.operation == "similarity_grid" else 0
            quarters = case.inputs["theta"][0, place] / (math.pi / 2)
            assert abs(quarters - round(quarters)) < 0.02, case.name
