"""The verifier: refwarp's kernels pass, and each planted defect is caught, at the output where it is."""

from types import SimpleNamespace

import numpy as np
import pytest

from refwarp.golden.case import Case
from refwarp.golden.grades import PROFILES
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.outcomes import Grade
from refwarp.golden.report import describe, lines
from refwarp.golden.targets import refwarp as own
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import USUAL_DTYPES, Selection, is_asked, verify

RULES = own.CHOICES["kink"]


def run(cases, module, /, profile="float", required=Grade.WORKING, **selection):
    """Verify a module, or an object with such functions, in this process."""
    target = ModuleTarget(module, "target")
    return verify(cases, target, Selection(**selection), PROFILES[profile], required)


@pytest.fixture(scope="session")
def bilinear(suite):
    """The cases of bilinear sampling with zeros around, of affine grids, and of refusals."""
    return [
        case
        for case in suite.cases
        if case.operation == "affine_grid"
        or (case.operation == "grid_sample" and case.options.get("padding_mode") == "zeros")
        and case.options.get("mode") == "bilinear"
    ]


def test_own_kernels_are_faithful_on_every_case(suite):
    found = run(suite.cases, own, required=Grade.FAITHFUL, dtypes=USUAL_DTYPES)
    assert not found.failures, "\n".join(describe(outcome) for outcome in found.failures)
    assert found.passed and found.skipped == ()
    asked = {(case.name, dtype) for case in suite.cases for dtype in USUAL_DTYPES if is_asked(case, dtype)}
    assert {(outcome.case.name, outcome.dtype) for outcome in found.outcomes} == asked
    assert {name for name, _ in asked} == {case.name for case in suite.cases}
    outputs = {(line.operation, line.output) for line in lines(found)}
    for operation in {case.operation for case in suite.cases}:
        expected = {path for call in OPERATIONS[operation] for path in call.paths()}
        assert {output for name, output in outputs if name == operation} >= expected


def test_own_kernels_in_float16_are_no_worse_than_working_precision(suite):
    found = run(suite.cases, own, dtypes=["float16"])
    assert found.passed, "\n".join(describe(outcome) for outcome in found.failures)


def test_each_kink_rule_is_asked_for(by_name):
    found = run([by_name["grid_sample/row_at_pixel"]], own)
    rules = {outcome.convention for outcome in found.outcomes if outcome.output == "vjp/ggrid"}
    assert rules == {"right", "left", "central", "literal"}


def test_what_flushes_subnormal_numbers_passes_without_their_flag(suite):
    """Numbers below the smallest normal one are 0, given and returned, as with JAX and in fast modes of processors."""

    def flushed(array):
        if array is None or not np.issubdtype(np.asarray(array).dtype, np.floating):
            return array
        return np.where(abs(array) < np.finfo(array.dtype).smallest_normal, array.dtype.type(0), array)

    def flushing(function):
        def call(*arrays, **options):
            results = function(*map(flushed, arrays), **options)
            return tuple(map(flushed, results)) if isinstance(results, tuple) else flushed(results)

        return call

    functions = [call.function(operation) for operation, calls in OPERATIONS.items() for call in calls]
    module = SimpleNamespace(CHOICES=own.CHOICES, **{name: flushing(getattr(own, name)) for name in functions})
    found = run(suite.cases, module, without_flags=["Subnormal"])
    assert found.passed, "\n".join(describe(outcome) for outcome in found.failures)
    left_out = sum("Subnormal" in case.flags for case in suite.cases)
    assert found.remarks == (f"Left out, as asked: {left_out} cases with the flag Subnormal.",)
    assert not run(suite.cases, module, flags=["Subnormal"]).passed


# ---- planted defects ----


def with_changes(**changes):
    """Return refwarp's target with some functions replaced."""
    functions = {call.function(operation) for operation, calls in OPERATIONS.items() for call in calls}
    return SimpleNamespace(**{name: getattr(own, name) for name in functions} | {"CHOICES": own.CHOICES} | changes)


def vjp(change):
    """Return a target whose grid_sample_vjp is changed by change(ginput, ggrid, input, grid)."""

    def grid_sample_vjp(gout, input, grid, **options):
        return change(*own.grid_sample_vjp(gout, input, grid, **options), input, grid)

    return with_changes(grid_sample_vjp=grid_sample_vjp)


def snaps_to_lattice(gout, input, grid, **options):
    """Take what is next to the lattice for the lattice itself; the rule "right" cannot tell on its own side."""
    scale = grid.dtype.type(2.0**12)
    return own.grid_sample_vjp(gout, input, np.round(grid * scale) / scale, **options)


def on_grid(change):
    """Return a target that samples at changed grids, forward and backward."""
    return with_changes(
        grid_sample=lambda input, grid, **o: own.grid_sample(input, change(grid, input), **o),
        grid_sample_vjp=lambda gout, input, grid, **o: own.grid_sample_vjp(gout, input, change(grid, input), **o),
    )


def always(**fixed):
    """Return a target that overrides an option."""
    return with_changes(
        grid_sample=lambda *arrays, **o: own.grid_sample(*arrays, **{**o, **fixed}),
        grid_sample_vjp=lambda *arrays, **o: own.grid_sample_vjp(*arrays, **{**o, **fixed}),
    )


def rounded_to_float32(grid, input):
    return grid.astype(np.float32).astype(grid.dtype)


def through_one(grid, input):
    """Round as (g + 1) - 1 does: tiny coordinates vanish."""
    return (grid + grid.dtype.type(1)) - grid.dtype.type(1)


def half_a_pixel(grid, input):
    return grid + np.array([1 / input.shape[3], 1 / input.shape[2]], grid.dtype)


def clamped(grid, input):
    return np.clip(grid, -1, 1)


def nan_is_zero(grid, input):
    return np.nan_to_num(grid, nan=0.0, posinf=np.inf, neginf=-np.inf)


def huge_is_nan(grid, input):
    return np.where(np.abs(grid) > 1e20, grid.dtype.type(np.nan), grid)


def half_nan(ggrid, grid):
    """Keep NaN only in the component whose own coordinate is NaN."""
    return np.where(np.isnan(ggrid) & ~np.isnan(grid), ggrid.dtype.type(0), ggrid)


def second(change):
    def grid_sample_second_vjp(*arrays, **options):
        return change(*own.grid_sample_second_vjp(*arrays, **options))

    return with_changes(grid_sample_second_vjp=grid_sample_second_vjp)


def affine(change):
    return with_changes(affine_grid=lambda theta, **options: change(own.affine_grid(theta, **options)))


def plain_sum(ggrid, theta, *, size, align_corners):
    """Sum the affine gradient without compensation, in the dtype given."""
    x, y = (
        np.zeros(n) if n == 1 else (2 * np.arange(n) + 1 - n) / (n - 1 if align_corners else n)
        for n in (size[3], size[2])
    )
    points = np.stack([*np.meshgrid(x, y), np.ones((size[2], size[3]))]).astype(ggrid.dtype)
    gtheta = np.zeros(theta.shape, ggrid.dtype)
    for i in range(size[2]):
        for j in range(size[3]):
            gtheta += ggrid[:, i, j, :, None] * points[None, None, :, i, j]
    return gtheta


def sample_by_sample(gout, input, grid, **options):
    """Sum the map's gradient over the samples without compensation, in the dtype given."""
    _, ggrid = own.grid_sample_vjp(gout, input, grid, **options)
    ginput = np.zeros_like(input)
    for i, j in np.ndindex(grid.shape[1:3]):
        one = np.s_[:, i : i + 1, j : j + 1]
        ginput += own.grid_sample_vjp(gout[:, *one], input, grid[one], **options)[0]
    return ginput, ggrid


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_plain_sums_are_caught(by_name, dtype):
    cases = [by_name[f"affine_grid/creeping_{dtype}"], by_name[f"grid_sample/creeping_samples_{dtype}"]]
    plain = with_changes(affine_grid_vjp=plain_sum, grid_sample_vjp=sample_by_sample)
    found = run(cases, plain, dtypes=[dtype], required=Grade.FAITHFUL)
    assert {outcome.output for outcome in found.failures} == {"vjp/gtheta", "vjp/ginput"}
    assert run(cases, own, required=Grade.FAITHFUL).passed


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ("vjp/ggrid", always(kink="right")),
        ("vjp/ggrid", always(kink="literal")),
        ("forward/output", always(align_corners=False)),
        ("forward/output", on_grid(rounded_to_float32)),
        ("vjp/ggrid", on_grid(through_one)),
        ("vjp/ggrid", with_changes(grid_sample_vjp=snaps_to_lattice)),
        ("forward/output", on_grid(half_a_pixel)),
        ("forward/output", on_grid(clamped)),
        ("forward/output", on_grid(nan_is_zero)),
        ("forward/output", on_grid(huge_is_nan)),
        ("forward/output", on_grid(lambda grid, input: grid[..., ::-1].copy())),
        ("vjp/ggrid", vjp(lambda ginput, ggrid, input, grid: (ginput, ggrid[..., ::-1].copy()))),
        ("vjp/ggrid", vjp(lambda ginput, ggrid, input, grid: (ginput, -ggrid))),
        ("vjp/ggrid", vjp(lambda ginput, ggrid, input, grid: (ginput, ggrid * ggrid.dtype.type(1.001)))),
        ("vjp/ggrid", vjp(lambda ginput, ggrid, input, grid: (ginput, np.nan_to_num(ggrid)))),
        ("vjp/ggrid", vjp(lambda ginput, ggrid, input, grid: (ginput, half_nan(ggrid, grid)))),
        ("vjp/ginput", vjp(lambda ginput, ggrid, input, grid: (ginput * ginput.dtype.type(1.001), ggrid))),
        ("vjp/ginput", vjp(lambda ginput, ggrid, input, grid: (np.roll(ginput, 1, 1), ggrid))),
        ("vjp/ginput", vjp(lambda ginput, ggrid, input, grid: (np.where(abs(ginput) < 1e-30, 0, ginput), ggrid))),
        ("vjp/ginput", vjp(lambda ginput, ggrid, input, grid: (ginput.astype(np.float64), ggrid))),
        ("vjp/ginput", vjp(lambda ginput, ggrid, input, grid: (ginput[:, :, ::-1], ggrid))),
        ("vjp/ginput", vjp(lambda ginput, ggrid, input, grid: (ginput[:, :1], ggrid))),
        ("vjp/ginput", vjp(lambda ginput, ggrid, input, grid: (ginput.tolist(), ggrid))),
        ("vjp/ginput", vjp(lambda ginput, ggrid, input, grid: ginput)),
        ("second_vjp/ggout", second(lambda ggout, ginput, ggrid: (ggout * 2, ginput, ggrid))),
        ("second_vjp/ginput", second(lambda ggout, ginput, ggrid: (ggout, ginput * 0, ggrid))),
        ("second_vjp/ggrid", second(lambda ggout, ginput, ggrid: (ggout, ginput, ggrid * 0))),
        ("forward/grid", affine(lambda grid: grid[..., ::-1].copy())),
        ("forward/grid", affine(lambda grid: grid.swapaxes(1, 2).copy())),
        ("forward/grid", affine(lambda grid: grid.astype(np.float16).astype(grid.dtype))),
        ("vjp/gtheta", with_changes(affine_grid_vjp=lambda ggrid, theta, **options: theta)),
    ],
)
def test_planted_defects_are_caught(bilinear, output, target):
    operation = "affine_grid" if output in ("forward/grid", "vjp/gtheta") else "grid_sample"
    found = run(bilinear, target, dtypes=USUAL_DTYPES, operations=[operation])
    assert not found.passed
    assert output in {outcome.output for outcome in found.failures}


def test_defects_have_a_verdict_and_the_rest_still_runs(bilinear):
    def writes(input, grid, **options):
        output = own.grid_sample(input, grid, **options)
        grid *= 1
        input += 1
        return output

    def raises(gout, input, grid, **options):
        raise RuntimeError("out of threads")

    found = run(bilinear, with_changes(grid_sample=writes, grid_sample_vjp=raises))
    problems = {outcome.output: outcome.problem for outcome in found.failures}
    assert problems["forward/output"] == "wrote into input"
    assert problems["vjp/ggrid"] == problems["vjp/ginput"] == "raised RuntimeError: out of threads"
    assert all(problem == "" for output, problem in problems.items() if output.startswith("second_vjp"))
    assert sum(outcome.output == "second_vjp/ggrid" for outcome in found.outcomes) > 100


def test_calls_that_must_be_refused(suite):
    def accepts(theta, *, size, align_corners):
        return theta if theta.shape[1:] != (2, 3) else own.affine_grid(theta, size=size, align_corners=align_corners)

    def crashes(input, grid, **options):
        try:
            return own.grid_sample(input, grid, **options)
        except ValueError as error:
            raise ZeroDivisionError from error

    refused = [case for case in suite.cases if case.result == "invalid"]
    wrong = run(refused, with_changes(affine_grid=accepts, grid_sample=crashes)).failures
    assert {outcome.output for outcome in wrong} == {"refusal"}
    crash = "was not refused but raised ZeroDivisionError: "
    assert {outcome.problem for outcome in wrong} == {"was not refused", crash}


# ---- targets that are not refwarp ----


def naive(input, grid, *, align_corners, **_):
    """Sample as most programs do: the pixel coordinate rounded in the dtype given, from the left edge of the map."""
    (n, c, h, w), one = input.shape, grid.dtype.type(1)
    output = np.zeros((n, c, *grid.shape[1:3]), input.dtype)
    sizes = (w - 1, h - 1) if align_corners else (w, h)
    with np.errstate(all="ignore"):
        x, y = (((grid[..., a] + one) * grid.dtype.type(s) - (not align_corners)) / 2 for a, s in enumerate(sizes))
    for at in np.ndindex(grid.shape[:3]):
        fx, fy = x[at] - np.floor(x[at]), y[at] - np.floor(y[at])
        if not (np.isfinite(fx) and np.isfinite(fy)):
            output[at[0], :, at[1], at[2]] = np.nan if np.isnan(grid[at]).any() else 0
            continue
        for dy, wy in ((0, one - fy), (1, fy)):
            for dx, wx in ((0, one - fx), (1, fx)):
                column, line = int(np.floor(x[at])) + dx, int(np.floor(y[at])) + dy
                if 0 <= column < w and 0 <= line < h:
                    output[at[0], :, at[1], at[2]] += input[at[0], :, line, column] * wx * wy
    return output.astype(input.dtype)


def test_rounded_coordinates_are_told_from_faithful_ones(bilinear):
    """The usual formula is faithful where coordinates are short, and of working precision where they are long."""
    found = run(bilinear, SimpleNamespace(grid_sample=naive), operations=["grid_sample"])
    grades = {(o.case.name.partition("/")[2], o.dtype): o.grade for o in found.outcomes if o.output != "refusal"}
    assert grades["interior_3x4", "float32"] == grades["row_at_pixels", "float64"] == Grade.FAITHFUL
    assert grades["wide_65536_float32", "float32"] == Grade.WORKING
    assert {skip.function for skip in found.skipped} == {"grid_sample_vjp", "grid_sample_second_vjp"}
    assert {skip.reason for skip in found.skipped} == {"there is no such function"}


def to_32nds_of_a_pixel(grid, input):
    """Round the pixel coordinate as OpenCV's remap does; align_corners=False."""
    size = np.array([input.shape[3], input.shape[2]], np.float64)
    pixels = ((grid.astype(np.float64) + 1) * size - 1) / 2
    with np.errstate(all="ignore"):
        return ((2 * (np.round(pixels * 32) / 32) + 1) / size - 1).astype(grid.dtype)


def test_fixed_point_has_a_profile_of_its_own(by_name):
    case = by_name["grid_sample/interior_3x4"]
    coarse = SimpleNamespace(
        grid_sample=lambda input, grid, **o: own.grid_sample(input, to_32nds_of_a_pixel(grid, input), **o)
    )
    grades = {profile: run([case], coarse, profile=profile, dtypes=["float32"]).grade for profile in PROFILES}
    assert grades == {
        "float": Grade.WRONG,
        "fixed9": Grade.WRONG,
        "fixed8": Grade.WRONG,
        "fixed5": Grade.WORKING,
    }


def answering(rule):
    """Return a target that knows no rule by name, and answers by one of them."""

    def grid_sample_vjp(gout, input, grid, **options):
        return own.grid_sample_vjp(gout, input, grid, **options, kink=rule)

    return SimpleNamespace(grid_sample_vjp=grid_sample_vjp)


@pytest.mark.parametrize("rule", RULES)
def test_a_target_without_rules_may_give_any_stated_answer(bilinear, rule):
    acceptable = [case for case in bilinear if case.result == "acceptable"]
    found = run(acceptable, answering(rule))
    assert found.passed
    assert {outcome.convention for outcome in found.outcomes} == {""}


def test_no_other_answer_is_accepted(by_name):
    def between(gout, input, grid, **options):
        ginput, ggrid = own.grid_sample_vjp(gout, input, grid, **options)
        return ginput, ggrid + ggrid.dtype.type(0.25)

    assert not run([by_name["grid_sample/row_at_pixel"]], SimpleNamespace(grid_sample_vjp=between)).passed


def test_unknown_names(suite):
    with pytest.raises(ValueError, match="dtype: given 'float8', expected some of float16, "):
        run(suite.cases, own, dtypes=["float8"])
    with pytest.raises(ValueError, match="operation: given 'warp', which there is not; the nearest are "):
        run(suite.cases, own, operations=["warp"])
    with pytest.raises(ValueError, match="flag: given 'NearSeem', which there is not; the nearest are NearSeam"):
        run(suite.cases, own, flags=["NearSeem"])
    with pytest.raises(ValueError, match="case: given 'row_at_pixel', .* grid_sample/row_at_pixel"):
        run(suite.cases, own, cases=["row_at_pixel"])
    with pytest.raises(ValueError, match="dtype: given 'bfloat16'; target runs in float32, float64, float16 only"):
        run(suite.cases, own, dtypes=["bfloat16"])


def test_a_selection_takes_flags_and_cases(suite):
    names = ["grid_sample/row_at_pixel", "grid_sample/interior_3x4"]
    found = run(suite.cases, own, cases=names, dtypes=["float32", "float32"])
    assert {outcome.case.name for outcome in found.outcomes} == set(names)
    assert len(found.outcomes) == len(set((o.case.name, o.output, o.convention) for o in found.outcomes))
    found = run(suite.cases, own, flags=["Kink", "Subnormal"], operations=["grid_sample"])
    assert {outcome.case.name for outcome in found.outcomes} == {
        case.name for case in suite.cases if case.operation == "grid_sample" and {"Kink", "Subnormal"} & set(case.flags)
    }


def test_a_function_may_say_what_it_does_not_offer(by_name):
    def grid_sample(input, grid, **options):
        raise NotImplementedError("this padding.")

    found = run([by_name["grid_sample/interior_3x4"]], SimpleNamespace(grid_sample=grid_sample), dtypes=["float32"])
    assert [(skip.function, skip.reason) for skip in found.skipped][0] == ("grid_sample", "this padding")
    assert found.skipped[0].calls == (("grid_sample/interior_3x4", "float32"),)
    assert found.outcomes == () and not found.passed


def test_cases_are_not_changed_by_a_target(by_name):
    case: Case = by_name["grid_sample/interior_3x4"]
    before = {name: array.copy() for name, array in case.inputs.items()}

    def writes(input, grid, **options):
        input[:] = 0
        return own.grid_sample(input, grid, **options)

    run([case], SimpleNamespace(grid_sample=writes))
    for name, array in before.items():
        assert np.array_equal(case.inputs[name], array)
