"""The truth about splines: a plain program agrees with it as far as it can, identities to the last digit."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.budget import UNIT_ROUNDOFF
from refwarp.exact.thin_plate_spline import spline as exact
from refwarp.exact.thin_plate_spline.magnitudes import Magnitudes
from refwarp.golden.build import build
from refwarp.golden.families.thin_plate_spline import cases
from refwarp.golden.families.thin_plate_spline.truth import Displacements
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import Selection, verify
from tests.golden.families import plain_spline

TARGET = ModuleTarget(plain_spline, "plain")


@pytest.fixture(scope="module")
def built():
    """The cases with their truths, by name without the operation."""
    found = build([case for case in cases.cases() if case.result != "invalid"])
    return {case.name: case for case in found}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_plain_program_is_never_wrong_and_not_always_faithful(built, dtype):
    outcomes = verify(list(built.values()), TARGET, Selection(dtypes=[dtype])).outcomes
    wrong = [(o.case.name, o.output, o.working_share, o.problem) for o in outcomes if o.grade is Grade.WRONG]
    assert not wrong and len(outcomes) > 150
    # Only where equations are nearly singular does one solution lose more than the budget, which is in float64.
    unfaithful = {flag for o in outcomes if o.grade is Grade.WORKING for flag in o.case.flags}
    assert unfaithful == ({"IllConditioned"} if dtype == "float64" else set())


@pytest.mark.parametrize(
    ("name", "replacement", "flags"),
    [
        # Half of r^2 ln r^2, which smoothing feels, and a term of it that is forgotten where two points coincide.
        ("radial", lambda v: plain_spline.logarithm(v)[0] * plain_spline.logarithm(v)[1] / 2, ["Interior"]),
        ("slope", lambda v: 2 * plain_spline.logarithm(v)[1][..., None] * v, ["Interior"]),
        ("curvature", lambda v, d: 2 * (plain_spline.logarithm(v)[1] + 1)[..., None] * d, ["Interior"]),
        ("lattice", lambda h, w, corners, dtype: LATTICE(h, w, True, dtype), ["Interior", "OnePixel"]),
    ],
)
def test_a_program_with_an_error_is_wrong(built, monkeypatch, name, replacement, flags):
    monkeypatch.setattr(plain_spline, name, replacement)
    outcomes = verify(list(built.values()), TARGET, Selection(dtypes=["float64"], flags=flags)).outcomes
    assert any(o.grade is Grade.WRONG for o in outcomes)


LATTICE = plain_spline.lattice


def test_a_matrix_of_two_point_sets_is_wrong(built):
    """A known mistake: R between control points and fiducial points."""

    def mixed(points, control, *, size, align_corners, smoothing):
        return plain_spline.tps_grid(points, points[0], size=size, align_corners=align_corners, smoothing=smoothing)

    outcomes = verify(list(built.values()), ModuleTarget(SimpleNamespace(tps_grid=mixed), "mixed")).outcomes
    assert sum(o.grade is Grade.WRONG for o in outcomes) > len(outcomes) / 2


def inner(elements, array):
    """Return the sum of products of what an array of elements and one of numbers stand for."""
    pairs = zip(elements.ravel().tolist(), array.ravel().tolist(), strict=True)
    return sum(((Fraction(value) + Fraction(rest)) * Fraction(x) for (value, rest, *_), x in pairs), Fraction(0))


def test_the_identities_that_tie_outputs_together(built):
    """The grid is linear in the points, and the gradients are those of one number."""
    count = 0
    for name, case in built.items():
        if "control" not in case.inputs or case.outputs.keys() < {"second_vjp/gcontrol"} or "basis" in name:
            continue
        outputs = {path: truth.elements for path, truth in case.outputs.items()}
        if not np.isfinite(outputs["second_vjp/gcontrol"]["value"]).all():
            continue
        given, size = case.inputs, sum(Fraction(float(t["M"].sum())) for t in outputs.values())
        forward = inner(outputs["forward/grid"], given["ggrid"])
        assert abs(forward - inner(outputs["vjp/gpoints"], given["points"])) <= size * 4 / 2**92
        both = inner(outputs["vjp/gpoints"], given["cotangent_points"])
        both += inner(outputs["vjp/gcontrol"], given["cotangent_control"])
        assert abs(both - inner(outputs["second_vjp/gggrid"], given["ggrid"])) <= size * 4 / 2**92
        count += 1
    assert count > 25


def test_the_identity_and_points_at_pixels(built):
    identity = built["tps_grid/identity_default_corners"].outputs["forward/grid"].elements["value"]
    x, y = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 3))
    assert np.array_equal(identity[0], np.stack([x, y], -1))
    case = built["tps_grid/control_at_pixels"]
    assert np.array_equal(case.outputs["forward/grid"].elements["value"].reshape(9, 2), case.inputs["points"][0])
    assert np.isnan(case.outputs["second_vjp/gcontrol"].elements["value"]).all()
    one = built["tps_grid/one_at_a_pixel"].outputs["second_vjp/gcontrol"].elements["value"]
    assert np.isnan(one[4]).all() and np.isfinite(one[:4]).all()


def test_the_mean_of_coincident_points_counts(built):
    """They are (1/2, 1) and (-1/2, 1), and otherwise the spline is nearly the identity: x is 0 on the axis."""
    grid = built["tps_grid/coincident_smoothed"].outputs["forward/grid"].elements["value"]
    assert np.all(abs(grid[0, :, 1, 0]) < 0.05)


class SolvedExactly(Displacements):
    """What moves is only what the pixels' coordinates move."""

    def _inverse(self, matrix):
        return Magnitudes._inverse(self, matrix)


@pytest.mark.parametrize("control", ["FIVE", "at pixels"])
def test_g_bounds_how_far_elements_move(control):
    """Pixels off by all that float16 allows for, and by less: the grid and both gradients move by less than e G."""
    rng = np.random.default_rng(1)
    points, ggrid = (rng.integers(-64, 65, shape) / 64 for shape in ((5, 2), (3, 3, 2)))
    with Balls(320) as balls:
        c = balls(cases.FIVE if control == "FIVE" else np.array([[-1, -1], [1, -1], [0, 1], [1, 1], [0, 0]]))
        f, g = balls(points), balls(ggrid)
        targets, moves = exact.target_points(3, 3, True, balls), [balls(3), balls(3)]

        def everything(targets):
            gradients = exact.spline_gradient(g, f, c, targets)
            return flat([exact.spline_grid(f, c, targets), *gradients])

        bound = SolvedExactly(moves, c, targets)
        bounds = [total.M.M for total in flat([bound.grid(f), bound.gpoints(g), bound.gcontrol(g, f)])]
        before = everything(targets)
        for part in (1, 16, 2**20):
            e = balls(6 * UNIT_ROUNDOFF["float16"] / part)
            xs, ys = ([e * 3 * balls(sign) for sign in rng.choice([-1.0, 1.0], 3)] for _ in range(2))
            there = [
                [[x + dx, y + dy] for (x, y), dx in zip(line, xs, strict=True)]
                for line, dy in zip(targets, ys, strict=True)
            ]
            after = everything(there)
            for one, other, most in zip(before, after, bounds, strict=True):
                assert abs(one - other) <= e * most


@pytest.mark.parametrize("p", [(0.5, -0.25), (0.5625, -0.25), (0.502, -0.2495), (-1.0, 1.0), (0.0, 0.0)])
def test_each_factor_moves_by_no_more_than_it_says(p):
    """q, f' and f'' of a pixel at a control point, near it and far away; f'' is none at the control point."""
    rng = np.random.default_rng(2)
    with Balls(320) as balls:
        c, d, here = (balls(point) for point in ((0.5, -0.25), (0.75, 0.5), p))
        bound = Displacements([balls(2), balls(3)], balls(cases.FIVE), [[here]])

        def factors(p):
            curved = exact.curvature(c, p, d) if abs(exact.squared_distance(c, p)) > 0 else []
            return [*p, exact.radial(exact.squared_distance(p, c)), *exact.slope(c, p), *curved]

        before = factors(here)
        parts = [*bound._coordinates(here), bound._radial(here, c), *bound._slope(c, here, False)]
        parts += bound._curvature(c, here, d, False)
        far = max(abs(here[0] - c[0]), abs(here[1] - c[1])) > 0.05
        for part in (1, 16, 2**13, 2**42):
            e = balls(6 * UNIT_ROUNDOFF["float16"] / part)
            steps = zip(here, balls(rng.choice([-1.0, 1.0], 2)), bound.moves, strict=True)
            after = factors([x + sign * e * move for x, sign, move in steps])
            for number, (one, other, most) in enumerate(zip(before, after, parts, strict=False)):
                if number < 5 or far:  # nearer, f'' changes by more than its derivative says
                    assert abs(one - other) <= e * most.M * (1 + balls(2.0**-60))


def flat(nested):
    return [element for part in nested for element in flat(part)] if isinstance(nested, list | tuple) else [nested]
