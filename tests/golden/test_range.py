"""The ends of the range of floats: in every operation budgets hold there, as docs/range.md says, and bits scale."""

from dataclasses import replace

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.golden.drawing import call
from refwarp.golden.families import with_truth
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets import load
from refwarp.golden.verify import Selection, verify
from refwarp.samplers.kernel_functions import CUBIC_B_SPLINE, TENT, keys

LARGEST = 2.0**1000  # of M: beyond it a result may be infinite


# ---- a power of two times what an operation is linear in ----

PADDINGS = ("zeros", "border", "reflection")
SAMPLERS = {
    **{
        f"bilinear_{padding}_{kink}": lambda u, g, padding=padding, kink=kink: refwarp.grid_sample(
            u, g, "bilinear", padding, False, kink
        )
        for padding in PADDINGS
        for kink in ("right", "left", "central", "literal")
    },
    **{
        f"{mode}_{padding}": lambda u, g, mode=mode, padding=padding: refwarp.grid_sample(u, g, mode, padding)
        for padding in PADDINGS
        for mode in ("nearest", "bicubic")
    },
    **{
        f"separable_{kernel.name}": lambda u, g, kernel=kernel: refwarp.separable_sample(u, g, kernel)
        for kernel in (TENT, CUBIC_B_SPLINE, keys(-0.5))
    },
    "multiscale": lambda u, g: refwarp.multiscale_sample(u, g, (0.0, 1.0, 10.0)),
    "linearized": lambda u, g: refwarp.linearized_sample(
        u, g, auxiliary_of(g), input_gradient="fit", padding_mode="border"
    ),
}
GRIDS = {
    "affine_grid": ((1, 2, 3), lambda x: refwarp.affine_grid(x, (1, 1, 3, 4))),
    "linear_basis_grid": ((1, 2, 4), lambda x: refwarp.linear_basis_grid(x, BASIS)),
    "piecewise_affine_grid": ((1, 3, 3, 2), lambda x: refwarp.piecewise_affine_grid(x, (1, 1, 4, 5))),
    "tps_grid": ((1, 9, 2), lambda x: refwarp.tps_grid(x, (1, 1, 4, 5))),
}
BASIS = np.random.default_rng(1).standard_normal((4, 3, 5))
PENALTIES = {
    f"{form}_{norm}_{reduction}": (form, norm, reduction)
    for form in ("gradient", "laplacian", "hessian")
    for norm in ("1", "2", "squared")
    for reduction in ("mean", "sum")
}


def auxiliary_of(grid):
    points = grid.data if isinstance(grid, Tensor) else grid
    return points[..., None, :] + np.random.default_rng(2).normal(0, 0.3, (*points.shape[:3], 5, 2))


def map_and_points():
    """Odd axes, points between the pixels, and cotangents; every bit is used."""
    rng = np.random.default_rng(3)
    return rng.standard_normal((1, 3, 5, 7)), rng.uniform(-1, 1, (1, 4, 3, 2)), rng.standard_normal((1, 3, 4, 3))


@pytest.mark.parametrize("power", [-960, 960, 1016])
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_bits_of_a_sample_scale_with_the_map_and_those_of_its_gradient_with_the_cotangent(name, power):
    sampler, (u, grid, gout) = SAMPLERS[name], map_and_points()

    def run(u, gout):
        input = Tensor(u, requires_grad=True)
        out = sampler(input, Tensor(grid))
        (ginput,) = grad(out, input, gout)
        return out.data, ginput.data

    plain, scaled = run(u, gout), run(np.ldexp(u, power), np.ldexp(gout, power))
    for a, b in zip(plain, scaled, strict=True):
        assert np.array_equal(np.ldexp(a, power), b)


@pytest.mark.parametrize("power", [-960, 960])
@pytest.mark.parametrize("name", GRIDS)
def test_the_bits_of_a_grid_scale_with_what_it_is_linear_in(name, power):
    shape, make = GRIDS[name]
    parameters = np.random.default_rng(4).standard_normal(shape)

    def run(power):
        theta = Tensor(np.ldexp(parameters, power), requires_grad=True)
        grid = make(theta)
        (gtheta,) = grad(grid, theta, np.ldexp(np.random.default_rng(5).standard_normal(grid.shape), power))
        return grid.data, gtheta.data

    for a, b in zip(run(0), run(power), strict=True):
        assert np.array_equal(np.ldexp(a, power), b)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_bits_of_a_penalty_scale_with_the_field(name, sign):
    form, norm, reduction = PENALTIES[name]
    degree, power = (2, 480 * sign) if norm == "squared" else (1, 960 * sign)
    motions = np.random.default_rng(6).standard_normal((2, 2, 5, 6))

    def run(power):
        field = Tensor(np.ldexp(motions, power), requires_grad=True)
        options = {"norm": norm, "reduction": reduction}
        out = (
            refwarp.smoothness(field, **options)
            if form == "gradient"
            else refwarp.bending_energy(field, form, **options)
        )
        return out.data, grad(out, field)[0].data

    (a, ga), (b, gb) = run(0), run(power)
    assert np.ldexp(a, degree * power) == b
    assert np.array_equal(np.ldexp(ga, (degree - 1) * power), gb)


def test_the_squared_norms_reach_the_end_of_the_range():
    """Entries up to 2^499, squares up to 2^998; and what overflows on the way is four times an entry, not the entry."""
    motions = np.random.default_rng(6).uniform(-1, 1, (1, 2, 5, 6))
    for form in ("gradient", "laplacian", "hessian"):
        small, large = (
            refwarp.smoothness(np.ldexp(motions, power), "squared")
            if form == "gradient"
            else refwarp.bending_energy(np.ldexp(motions, power), form, "squared")
            for power in (0, 505)
        )
        assert np.isfinite(large) and np.ldexp(small, 1010) == large


# ---- every element within its budget ----

# Powers of two: of the map and of the cotangent of its gradient; of that of the output; of that of the grid's gradient.
EXTREMES = {
    "huge map, tiny cotangent": (900, -950, 0),
    "tiny map, huge cotangent": (-950, 900, 0),
    "subnormal map, huge cotangent": (-1060, 950, 0),
    "huge map and cotangent, tiny second cotangent": (450, 450, -900),
    "tiny map and cotangent, huge second cotangent": (-700, -250, 950),
    "one number after the other": (990, -1000, -900),
    "subnormal map": (-1060, 0, 0),
    "subnormal cotangent": (0, -1060, 0),
}
COORDINATES = {"ordinary": 0, "tiny": -600, "at the end": -1000}


def budget_cases(coordinates):
    """Return cases of the samplers whose second derivatives are taken piece by piece, on odd axes."""
    rng = np.random.default_rng(7)
    points = rng.integers(-24, 25, (1, 2, 3, 2)) / 32.0 + 1 / 64
    grid = np.ldexp(points, COORDINATES[coordinates])
    grid[0, 0, 0] = 0.0  # on the lattice
    sources = points.copy()
    sources[0, 0, 1] = grid[0, 0, 1]
    image, shape = rng.integers(1, 64, (1, 1, 3, 5)) / 8.0 * rng.choice([-1, 1], (1, 1, 3, 5)), (1, 1, 2, 3)
    values = rng.integers(1, 64, shape) / 8.0
    options = {"align_corners": False}
    for padding in PADDINGS:
        given = {"input": image, "grid": grid}
        where = {"padding_mode": padding, **options}
        yield call.case(f"grid_sample/{padding}", "", "", given, shape, mode="bilinear", **where)
    given = {"values": values, "grid": sources, "previous": image}
    where = {"size": list(image.shape), "fill": "previous", "variant": "paper", **options}
    yield call.case("dense_decode/previous", "", "", given, image.shape, **where)
    if coordinates == "ordinary":  # the weights of bicubic samples have no such care
        given = {"input": image, "grid": grid}
        yield call.case("grid_sample/bicubic", "", "", given, shape, mode="bicubic", padding_mode="zeros", **options)


def scaled(case, of_map, of_output, of_grid):
    """Return a case with its map and its cotangents times powers of two, and the truth about it."""
    powers = {"gout": of_output, "cotangent_grid": of_grid}
    powers |= dict.fromkeys(("input", "values", "previous"), of_map)
    cotangents = ("cotangent_input", "cotangent_values", "cotangent_previous")
    powers |= dict.fromkeys(cotangents, of_map + of_grid)
    return with_truth(replace(case, inputs={name: np.ldexp(x, powers.get(name, 0)) for name, x in case.inputs.items()}))


@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize("coordinates", COORDINATES)
def test_each_element_is_within_its_budget_at_the_ends_of_the_range(coordinates, extreme):
    cases = [scaled(case, *EXTREMES[extreme]) for case in budget_cases(coordinates)]
    assert all(truth.elements["M"].max() <= LARGEST for case in cases for truth in case.outputs.values())
    with load("refwarp") as target:
        found = verify(cases, target, Selection(dtypes=("float64",)), required=Grade.FAITHFUL)
    assert not [(o.case.name, o.output, o.convention, o.share, o.problem) for o in found.failures]
    assert len(found.outcomes) >= 100


@pytest.mark.parametrize("strange", [np.inf, np.nan])
@pytest.mark.parametrize("extreme", EXTREMES)
def test_a_number_that_is_not_finite_changes_no_element_that_it_does_not_touch(extreme, strange):
    """Two images in a batch: the elements of the first, which are within their budget, keep their bits."""
    of_map, of_output, of_grid = EXTREMES[extreme]
    rng = np.random.default_rng(8)
    powers = of_map + of_grid, of_grid, of_output, of_map
    shapes = (2, 1, 3, 5), (2, 2, 3, 2), (2, 1, 2, 3), (2, 1, 3, 5)
    a, b, gout, image = (np.ldexp(rng.uniform(0.5, 1, shape), p) for shape, p in zip(shapes, powers, strict=True))
    points = rng.uniform(-0.9, 0.9, (2, 2, 3, 2))
    for mode in ("bilinear", "bicubic"):
        results = []
        for number in (0.0, strange):
            gout[1, 0, 1, 1] = number
            g, u, grid = (Tensor(array.copy(), requires_grad=True) for array in (gout, image, points))
            first = grad(refwarp.grid_sample(u, grid, mode), (u, grid), g, create_graph=True)
            results.append([x.data for x in (*first, *grad(first, (g, u, grid), (a, b)))])
        assert not all(np.isfinite(array[1]).all() for array in results[1])
        for plain, mixed in zip(*results, strict=True):
            assert np.array_equal(plain[0], mixed[0])
