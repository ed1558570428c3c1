"""The truth about linearized_sample: what binds its outputs together, and what G promises."""

from fractions import Fraction

import numpy as np
import pytest

from refwarp.exact.bilinear import pixel_coordinate
from refwarp.exact.linearized import plane_fit
from refwarp.exact.linearized import sample as exact
from refwarp.exact.padding import pad_coordinate
from refwarp.golden.families import with_truth
from refwarp.golden.families.linearized import cases as linearized
from refwarp.golden.families.linearized import conventions as linearized_conventions
from refwarp.golden.families.linearized import truth
from refwarp.golden.judging.answer import numbers
from refwarp.golden.judging.sampler import Call
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import verify

CASES = [case for case in [*linearized.cases(), *linearized_conventions.cases()] if case.result != "invalid"]
FINITE = [case for case in CASES if all(np.isfinite(array).all() for array in case.inputs.values())]
BY_NAME = {case.name.partition("/")[2]: case for case in CASES}


def evaluated(case, inputs=None):
    """Return the elements of the first image of a case, of other inputs if they are given."""
    given = {name: numbers(array) for name, array in case.inputs.items()} | (inputs or {})
    call = Call("bilinear", case.options["padding_mode"], case.options["align_corners"], *np.shape(given["input"])[2:])
    return truth.terms(call, case, truth.Image(*(given[name][0] for name in truth.Image._fields)))


# ---- values ----


def test_elements_are_the_solution_of_the_normal_equations():
    """(LMS 7) solved by Cramer's rule, where it has a solution; masks and padding once more, from their definition."""
    checked = 0
    for case in FINITE[::4]:
        if case.inputs["grid"].size == 0 or "Undetermined" in case.flags or "Huge" in case.flags:
            continue
        found, options = evaluated(case), case.options
        input, grid, auxiliary, gout = (numbers(case.inputs[n])[0] for n in ("input", "grid", "auxiliary", "gout"))
        size = case.inputs["input"].shape[:1:-1]
        halves = [Fraction(length - options["align_corners"], 2) for length in size]

        def sampled(plane, point, size=size, options=options):
            x, y = (
                pad_coordinate(
                    pixel_coordinate(g, length, options["align_corners"]),
                    length,
                    options["align_corners"],
                    options["padding_mode"],
                )[0]
                for g, length in zip(point, size, strict=True)
            )
            return exact.value(plane, x, y).value

        for i, j in np.ndindex(case.inputs["grid"].shape[1:3]):
            points = [grid[i][j], *auxiliary[i][j]]
            origin = points[0] if options["mask"] == "offset" else (0, 0)
            kept = [
                options["mask"] == "none" or all(abs(g - g0) <= 1 for g, g0 in zip(point, origin, strict=True))
                for point in points[1:]
            ]
            scaled = [[g * half for g, half in zip(point, halves, strict=True)] for point in points]
            slopes = [0, 0]
            for c, plane in enumerate(input):
                samples = [sampled(plane, point) for point in points]
                y, x = plane_fit.data_matrices(samples, scaled, kept)
                weights = [Fraction(e) for e in np.broadcast_to(options["tikhonov"], 3)]
                if options["intercept"] == "bias-free":
                    x, weights = plane_fit.bias_free(x), weights[:2]
                ax, ay, *b = plane_fit.least_squares(y, x, weights)
                value = samples[0] + (b[0] if options["intercept"] is True else 0)
                assert found["forward/output"][c, i, j].number.value == value, case.name
                slopes = [s + a * h * gout[c][i][j] for s, a, h in zip(slopes, (ax, ay), halves, strict=True)]
            assert [term.number.value for term in found["vjp/ggrid"][i, j]] == slopes, case.name
        checked += 1
    assert checked >= 10


def test_the_gradients_of_one_output_are_those_of_another():
    """Linear in the map: <out, gout> = <U, gU>; and <gout, ggout> = <gU, A> + <gg, b>, with what is not stopped."""

    def inner(terms, array):
        flat = np.array(numbers(array)[0], object).ravel()
        return sum((t.number.value * x for t, x in zip(terms.ravel(), flat, strict=True)), Fraction(0))

    for case in FINITE[::4]:
        if case.inputs["grid"].size == 0:
            continue
        found, inputs = evaluated(case), case.inputs
        whole = case.options["input_gradient"] == "fit"
        if whole:
            assert inner(found["forward/output"], inputs["gout"]) == inner(found["vjp/ginput"], inputs["input"])
            slope = inner(found["vjp/ggrid"], inputs["cotangent_grid"])
            assert slope == inner(found["second_vjp/ginput"], inputs["input"])
        first = inner(found["vjp/ginput"], inputs["cotangent_input"])
        first += inner(found["vjp/ggrid"], inputs["cotangent_grid"])
        assert inner(found["second_vjp/ggout"], inputs["gout"]) == first, case.name


def test_m_is_that_of_the_elimination():
    """The map's gradient is put together in another way by `refwarp.exact`: pixel by pixel, of one functional."""
    case = BY_NAME["batch_2x2x4x3"]
    found = evaluated(case)
    names = "gout", "input", "grid", "auxiliary", "cotangent_input", "cotangent_grid"
    gout, input, grid, auxiliary, a, beta = (numbers(case.inputs[name])[0] for name in names)
    kept = [[[exact.inside(point) for point in points] for points in row] for row in auxiliary]
    pixels = exact.functionals(grid, auxiliary, kept, 4, 3, exact.PlaneFit([Fraction(0)] * 3, True), False)
    second = exact.second_gradient(a, beta, gout, input, pixels)
    for path, expected in (
        ("vjp/ginput", exact.input_gradient(gout, input, pixels)),
        ("vjp/ggrid", exact.grid_gradient(gout, input, pixels)),
        ("second_vjp/ggout", second[0]),
        ("second_vjp/ginput", second[1]),
        ("second_vjp/ggrid", second[2]),
    ):
        flat = np.array(expected, object).ravel()
        for term, bound in zip(found[path].ravel(), flat, strict=True):
            assert (term.number.value, term.number.M) == (bound.value, bound.M), path


def test_stopped_gradients_are_exactly_zero():
    none, center = (with_truth(BY_NAME[f"zeros_{mode}"]).outputs for mode in ("none", "center"))
    stopped = [none[path] for path in ("vjp/ginput", "second_vjp/ginput", "second_vjp/ggrid")]
    for output in (*stopped, center["second_vjp/ginput"]):
        assert not output.elements["value"].any() and not output.elements["k"].any()
    assert center["vjp/ginput"].elements["k"].any()


def test_a_fit_that_is_not_determined_leaves_the_sample():
    for name in ("on_a_line", "at_one_point", "all_masked", "few_samples_2", "one_row_1x5_corners"):
        built = with_truth(BY_NAME[name]).outputs
        assert not built["vjp/ggrid"].elements["value"].any(), name
    assert with_truth(BY_NAME["on_a_line_tikhonov"]).outputs["vjp/ggrid"].elements["value"].all()


# ---- sensitivities ----


@pytest.mark.parametrize(
    "name", ["zeros_fit", "border_center_corners", "batch_2x2x4x3", "tikhonov_three", "forty_samples"]
)
def test_g_bounds_how_far_an_element_moves(name, monkeypatch):
    """To first order: moves by 2^-60 of the axis, up and down at random, and some 2^-20 to spare.

    Of G that is the part that does not come from solving.
    """
    monkeypatch.setattr(truth.Fit, "solving", lambda fit, y: np.zeros(3, object))
    case, rng, e = BY_NAME[name], np.random.default_rng(2), Fraction(1, 2**60)
    size = case.inputs["input"].shape[:1:-1]
    steps = [2 * e * length / (length - case.options["align_corners"]) for length in size]

    def nudged(nested, axis=0):
        if isinstance(nested, list):
            return [nudged(part, axis) for axis, part in enumerate(nested)]
        return nested + int(rng.choice([-1, 1])) * steps[axis]

    before = evaluated(case)
    after = evaluated(case, {part: nudged(numbers(case.inputs[part])) for part in ("grid", "auxiliary")})
    tight = False
    for path, terms in before.items():
        for a, b in zip(terms.ravel(), after[path].ravel(), strict=True):
            change = abs(b.number.value - a.number.value)
            assert change <= e * a.move * (1 + Fraction(1, 2**20)), path
            tight |= a.move != 0 and change > e * a.move / 32
    assert tight  # and is no wild overestimate


def random_fit(rng, moves=0, y_moves=0):
    """Return X, the weights of the parts of A, samples y, and the bound, of five samples and some Tikhonov weights."""
    rows = np.array([[*(Fraction(int(d), 8) for d in rng.integers(-16, 17, 2)), Fraction(1)] for _ in range(5)], object)
    y = np.array([Fraction(int(d), 8) for d in rng.integers(-16, 17, 5)], object)
    tikhonov = [Fraction(1, 4), Fraction(1, 2), Fraction(0)]

    def solved(rows, y):
        return np.array(plane_fit.least_squares(y.tolist(), rows.tolist(), tikhonov), object)

    bound = truth.Fit(rows, np.zeros((5, 3), object) + moves, tikhonov).moved(y, np.zeros(5, object) + y_moves)
    return rows, y, solved, bound


def test_a_fit_moves_with_its_samples(monkeypatch):
    """A is linear in them: with the worst signs its part i moves by exactly the sum of |weights| times the moves."""
    monkeypatch.setattr(truth.Fit, "solving", lambda fit, y: np.zeros(3, object))
    rows, _, solved, bound = random_fit(np.random.default_rng(5), y_moves=Fraction(3, 2))
    weights = np.array([solved(rows, one) for one in np.eye(5, dtype=int).astype(object) * Fraction(1)])
    assert np.array_equal(abs(weights).sum(axis=0) * Fraction(3, 2), bound)


def test_a_fit_moves_with_its_offsets(monkeypatch):
    """One offset at a time moves by 2^-60: not further than the bound, and all of them together almost as far."""
    monkeypatch.setattr(truth.Fit, "solving", lambda fit, y: np.zeros(3, object))
    e, far = Fraction(1, 2**60), np.zeros(3)
    rows, y, solved, whole = random_fit(np.random.default_rng(6), moves=np.array([1, 1, 0], object))
    for k, axis in np.ndindex(5, 2):
        moves = np.zeros((5, 3), object)
        moves[k, axis] = 1
        *_, bound = random_fit(np.random.default_rng(6), moves=moves)
        nudged = rows.copy()
        nudged[k, axis] += e
        change = abs(solved(nudged, y) - solved(rows, y)) / e
        assert np.all(change <= bound * (1 + Fraction(1, 2**40)))
        far += change.astype(float)
    assert np.all(far >= 0.3 * whole.astype(float))


def test_solving_costs_what_the_normal_equations_lose():
    """A hundred fits that are badly determined: N is formed and solved with in float32, from numbers exact there."""
    rng, worst = np.random.default_rng(7), 0.0
    for _ in range(100):
        rows, y, solved, _ = random_fit(rng)
        rows[:, 1] = 2 * rows[:, 0] + rows[:, 1] / 32
        narrow = rows.astype(np.float32)
        tikhonov = np.diag(np.array([0.25, 0.5, 0.0], np.float32))
        normal, right = narrow.T @ narrow + tikhonov, narrow.T @ y.astype(np.float32)
        fit = truth.Fit(rows, np.zeros((5, 3), object), [Fraction(1, 4), Fraction(1, 2), Fraction(0)])
        bound = fit.moved(y, np.zeros(5, object)).astype(float) * 6 * 2.0**-24
        for found in (np.linalg.solve(normal, right), np.linalg.inv(normal) @ right):
            worst = max(worst, (abs(found - solved(rows, y).astype(float)) / bound).max())
    assert 2.0**-10 < worst <= 1


# ---- a plain implementation ----


class Plain:
    """A plane by the normal equations and Cramer's rule, all in the dtype of the arrays, coordinates rounded too."""

    DTYPES = ("float32", "float64")

    def linearized_sample(self, input, grid, auxiliary, **options):
        return self._fitted(input, grid, auxiliary, **options)[0]

    def linearized_sample_vjp(self, gout, input, grid, auxiliary, **options):
        """Return the gradient of the grid; that of the map only where it is stopped."""
        if options["input_gradient"] != "none":
            raise NotImplementedError("the gradient of the map")
        slopes = self._fitted(input, grid, auxiliary, **options)[1]
        return np.zeros_like(input), (gout[..., None] * slopes).sum(axis=1)

    def _fitted(self, input, grid, auxiliary, *, mask, tikhonov, intercept, **placing):
        padding_mode, align_corners = placing["padding_mode"], placing["align_corners"]
        dtype, (height, width) = input.dtype, input.shape[2:]
        size = np.array([width, height])
        s = (size - 1 if align_corners else size).astype(dtype)
        one, two = dtype.type(1), dtype.type(2)
        out = np.zeros((*input.shape[:2], *grid.shape[1:3]), dtype)
        slopes = np.zeros((*out.shape, 2), dtype)
        for b, i, j in np.ndindex(grid.shape[:3]):
            points = np.concatenate([grid[b, i, j][None], auxiliary[b, i, j]])
            if mask != "none":
                measured = points[1:] - (points[0] if mask == "offset" else 0)
                points = points[np.r_[True, (abs(measured) <= 1).all(axis=1)]]
            x = (points + one) * s / two - (0 if align_corners else one / two)
            rows = np.column_stack([x[1:] - x[0], np.ones(len(x) - 1, dtype)])
            weights = np.array(np.broadcast_to(tikhonov, 3), dtype)
            if intercept == "bias-free":
                rows[:, 2], weights[2] = 0, 1
            normal = rows.T @ rows + np.diag(weights)
            for c in range(input.shape[1]):
                samples = np.array([self._bilinear(input[b, c], point, padding_mode, align_corners) for point in x])
                right = rows.T @ (samples[1:] - samples[0])
                a = np.array([self._determinant(np.where(np.arange(3) == k, right[:, None], normal)) for k in range(3)])
                whole = self._determinant(normal)
                a = np.zeros(3, dtype) if whole == 0 else a / whole
                out[b, c, i, j] = samples[0] + (a[2] if intercept is True else 0)
                slopes[b, c, i, j] = a[:2] * s / two
        return out, slopes

    @staticmethod
    def _determinant(matrix):
        (a, b, c), (d, e, f), (g, h, i) = matrix
        return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)

    @staticmethod
    def _bilinear(plane, point, padding_mode, align_corners):
        dtype, x = plane.dtype, []
        for z, length in zip(point, plane.shape[::-1], strict=True):
            if padding_mode == "reflection":
                low, high = (0, length - 1) if align_corners else (-0.5, length - 0.5)
                while not low <= z <= high:
                    z = 2 * low - z if z < low else 2 * high - z
            x.append(z if padding_mode == "zeros" else min(max(z, 0), length - 1))
        total = dtype.type(0)
        for n in range(int(np.floor(x[1])), int(np.floor(x[1])) + 2):
            for m in range(int(np.floor(x[0])), int(np.floor(x[0])) + 2):
                if 0 <= n < plane.shape[0] and 0 <= m < plane.shape[1]:
                    total += plane[n, m] * (1 - abs(dtype.type(x[0] - m))) * (1 - abs(dtype.type(x[1] - n)))
        return dtype.type(total)


def test_a_plain_implementation_works_in_its_precision_and_is_not_faithful():
    """It is not asked where there is no fit, which it cannot tell from a bad one, and where its coordinates are NaN."""
    beyond = {"NonFinite", "Huge", "Undetermined"}
    asked = [with_truth(case) for case in CASES[::2] if not set(case.flags) & beyond]
    found = verify(asked, ModuleTarget(Plain(), "plain"))
    assert [(o.case.name, o.output, o.dtype, o.problem) for o in found.outcomes if o.grade == Grade.WRONG] == []
    assert any(outcome.grade == Grade.WORKING for outcome in found.outcomes)


@pytest.mark.parametrize("change", ["last_sample", "no_ones", "mask", "slope"])
def test_a_wrong_implementation_is_wrong(change):
    class Wrong(Plain):
        def _fitted(self, input, grid, auxiliary, **options):
            if change == "last_sample":  # the sums run to K - 1, as they are printed
                auxiliary = auxiliary[..., :-1, :]
            if change == "mask":
                options["mask"] = "none"
            if change == "no_ones":
                options["tikhonov"] = (0.0, 0.0, 1e9)
            out, slopes = super()._fitted(input, grid, auxiliary, **options)
            return out, slopes[..., ::-1] if change == "slope" else slopes

    asked = [with_truth(BY_NAME[name]) for name in ("mask_position_intercept", "zeros_none", "ramp_4x8")]
    assert verify(asked, ModuleTarget(Wrong(), "wrong")).grade == Grade.WRONG


# ---- flags ----


def rank(vectors) -> int:
    """Return the rank of exact vectors of two components."""
    if all(x * v == y * u for x, y in vectors for u, v in vectors):
        return int(any(any(vector) for vector in vectors))
    return 2


def determines_a_plane(case, index) -> bool:
    """Tell whether the samples of one point that count determine a plane, from their places alone."""
    centre, *samples = (
        [Fraction(float(g)) for g in place] for place in (case.inputs["grid"][index], *case.inputs["auxiliary"][index])
    )
    offsets = [[g - c for g, c in zip(sample, centre, strict=True)] for sample in samples]
    judged = {"position": samples, "offset": offsets, "none": [(0, 0)] * len(samples)}[case.options["mask"]]
    kept = [offset for offset, place in zip(offsets, judged, strict=True) if max(map(abs, place)) <= 1]
    corners = case.options["align_corners"]
    pixels = [size - corners for size in case.inputs["input"].shape[:1:-1]]  # from -1 to 1; with one there may be none
    kept = [[g * count for g, count in zip(offset, pixels, strict=True)] for offset in kept]
    if case.options["intercept"] != "bias-free" and kept:
        kept = [[g - h for g, h in zip(offset, kept[0], strict=True)] for offset in kept]
    return rank(kept) == 2


def test_undetermined_is_the_flag_of_what_the_samples_leave_open():
    found = set()
    for case in CASES:
        if {"NonFinite", "Huge"} & set(case.flags) or not case.inputs["grid"].size:
            continue
        determined = all(determines_a_plane(case, index) for index in np.ndindex(case.inputs["grid"].shape[:3]))
        assert ("Undetermined" in case.flags) == (not determined), case.name
        found.add((determined, case.options["intercept"]))
    assert found == {(known, how) for known in (True, False) for how in (True, "bias-free")} | {(True, False)}
