"""The truth about grids: the derivatives of the exact forward, and other formulas; and what the cases promise."""

import math
from fractions import Fraction

import numpy as np
import pytest

from refwarp.exact import affine_parameters, composition, flow, piecewise_affine, projective
from refwarp.exact.affine import target_coordinate
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.budget import UNIT_ROUNDOFF
from refwarp.exact.arithmetic.numbers import Dual, fractions
from refwarp.golden.families.composition import cases as composition_cases
from refwarp.golden.operations import OPERATIONS, PARTS
from tests.golden.families.grid_cases import FAMILIES, family, finite_cases
from tests.golden.families.plain_grids import axis

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


# ---- the constants of the budgets, as the pages in docs derive them ----

CONSTANTS = {
    "attention_matrix/order": (4, 4),
    "attention_grid/float32": (4, 4),
    "kurbiel_matrix/order": (4, 4),
    "similarity_matrix/order": (12, 12, 16),
    "rotation_scale_translation_grid/float32": (12, 12, 16),
    "homography_matrix/order": (4, 4),
    "projective_grid/huge_3x3": (4, 8, 12),
    "piecewise_affine_grid/rest_3x3": (4, 4),
    "linear_basis_grid/order": (4, 4, 4),
    "affine_basis/2x4": (1,),
    "bernstein_basis/degree_2": (3,),
    "flow_grid/wide_1x200": (4, 4),
    "affine_motion/wide_1x200": (6, 6),
    "compose/translation_general_2": (4, 4, 4),
    "compose/similarity_general_2": (12, 12, 16),
    "compose/affine_general_2": (4, 4, 4),
    "invert/translation_general_2": (4, 4, 4),
    "invert/similarity_general_2": (12, 12, 16),
    "invert/homography_general_2": (4, 8, 12),
    "inverse_compositional_update/similarity_general_2": (16, 16, 20),
    "inverse_compositional_update/affine_general_2": (8, 12, 16),
}


def test_constants_of_the_budgets():
    by_name = {case.name: case for name in FAMILIES for case in family(name)}
    for name, constants in CONSTANTS.items():
        found = {path.partition("/")[0]: truth.c for path, truth in by_name[name].outputs.items()}
        assert tuple(found[part] for part in PARTS if part in found) == constants, name


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
            lines = projective.points(*case.options["size"][2:], case.options["align_corners"])
            ds = [projective.homogeneous(h, p)[2] for line in lines for p in line]
            nearest = min(abs(d.value) / d.M for d in ds)
            assert 64 * UNIT_ROUNDOFF[case.dtype] < nearest < 2**-11, case.name


def test_singular_matrices_are_refused_and_others_are_not():
    for case in composition_cases.cases():
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
