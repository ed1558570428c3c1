"""LMS's equations in rational arithmetic: what holds, what is misprinted, and what is implemented instead."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refwarp.exact import bilinear
from refwarp.exact.arithmetic.numbers import Dual
from refwarp.exact.arithmetic.running_error import Bounded
from refwarp.exact.linearized import plane_fit
from refwarp.exact.linearized import sample as exact
from refwarp.exact.linearized.auxiliary import auxiliary_point, interpolated
from tests.exact.nested import at, derivative, places

F = Fraction
NO_TIKHONOV = (F(0), F(0), F(0))
SMALL = st.fractions(min_value=-3, max_value=3, max_denominator=20)
POINTS = st.lists(st.tuples(SMALL, SMALL), min_size=3, max_size=6)
WEIGHTS = st.tuples(*[st.sampled_from([F(0), F(1, 7), F(3)])] * 3)


# ---- (LMS 1) ----


def test_equation_1_as_printed_does_not_transform():
    """K must compare T(x~) with pixels. As printed a shift does nothing, and halving counts pixels twice."""
    row = [F(5), F(-2), F(7), F(1), F(4), F(3)]
    pixels = [(F(m), F(0)) for m in range(6)]

    def image(x, y):
        return bilinear.value([row], x, y).value

    def shift(x, y):
        return x + 1, y

    def halve(x, y):
        return x / 2, y

    for m in range(1, 5):
        place = (F(m), F(0))
        assert exact.literal_sample(image, shift, place, pixels).value == row[m]
        assert exact.sample(image, shift, place, pixels).value == row[m + 1]
    place = (F(2), F(0))
    assert exact.literal_sample(lambda x, y: F(1), halve, place, pixels).value == 2
    assert exact.sample(lambda x, y: F(1), halve, place, pixels).value == 1


# ---- (LMS 2): the value, and what A_i is the gradient of ----


def test_the_slope_of_equation_2_is_the_gradient_in_the_transformed_point():
    """The text says that A_i is the gradient with respect to x; that has T's derivative in it as well."""
    slopes, centre = (F(3), F(-2)), (F(1, 2), F(1, 3))
    for axis in range(2):
        at = [Dual(t, int(k == axis)) for k, t in enumerate(centre)]
        assert exact.linearization(F(9), slopes, at, centre).derivative == slopes[axis]
        halved = [x * F(1, 2) for x in at]
        assert exact.linearization(F(9), slopes, halved, centre).derivative == slopes[axis] / 2 != slopes[axis]


def test_the_value_of_equation_2_as_printed_does_not_see_the_noise():
    """The paper's pictures blur with sigma, and its text wants a bias-free fit: so the intercept is in the value."""
    plane = [[F(0)] * 9 for _ in range(9)]
    plane[4][4] = F(1)
    values = []
    for sigma in (F(1, 4), F(1, 2), F(3, 4)):
        offsets = [(sigma, F(0)), (-sigma, F(0)), (F(0), sigma), (F(0), -sigma)]
        samples = [bilinear.value(plane, 4 + dx, 4 + dy).value for dx, dy in [(F(0), F(0)), *offsets]]
        y, x = plane_fit.data_matrices(samples, [(F(0), F(0)), *offsets], [True] * 4)
        ax, ay, b = plane_fit.least_squares(y, x, NO_TIKHONOV)
        assert exact.linearization(samples[0], (ax, ay), (F(4), F(4)), (F(4), F(4))) == 1
        values.append(samples[0] + b)
    assert values == [F(3, 4), F(1, 2), F(1, 4)]


# ---- (LMS 3), (LMS 8), (LMS 9): where the samples are ----


def test_samples_are_displaced_before_the_transformation_and_kept_apart_after_it():
    def zoom(x, y):
        return 3 * x + 1, y / 5

    place, noise, sigma = (F(1), F(2)), (F(1, 2), F(-1)), (F(2), F(4))
    u, v = auxiliary_point(zoom, place, noise, sigma, (F(0), F(0)), (F(1), F(1)))
    assert (u - zoom(*place)[0], v - zoom(*place)[1]) == (3 * 1, F(-4, 5))
    # The same noise added after the transformation, as the released program adds it, is another place.
    assert (u - zoom(*place)[0], v - zoom(*place)[1]) != (1, -4)


@given(SMALL, SMALL)
def test_the_collapse_noise_is_a_deviation_and_not_a_variance(delta, n):
    def collapse(x, y):
        return F(2), F(3)

    u, v = auxiliary_point(collapse, (F(0), F(0)), (F(1), F(1)), (F(1), F(1)), (n, -n), (delta, 2 * delta))
    assert (u, v) == (2 + delta * n, 3 - 2 * delta * n)


@given(SMALL, SMALL, st.lists(SMALL, min_size=6, max_size=6), st.integers(0, 2), st.integers(0, 3))
def test_a_grid_interpolated_between_its_points_continues_an_affine_transformation(dx, dy, theta, i, j):
    def transform(x, y):
        return [theta[3 * r] * x + theta[3 * r + 1] * y + theta[3 * r + 2] for r in range(2)]

    grid = [[transform(F(m), F(n)) for m in range(4)] for n in range(3)]
    assert interpolated(grid, i, j, dx, dy) == transform(j + dx, i + dy)
    # Along an axis of one point it is that point's, wherever.
    assert interpolated([row[:1] for row in grid], i, 0, dx, dy) == transform(F(0), i + dy)


def test_a_grid_is_interpolated_in_the_nearest_cell():
    grid = [[[F(n * m), F(m * m)] for m in range(4)] for n in range(4)]
    assert interpolated(grid, 1, 1, F(1, 2), F(1, 4)) == [F(15, 8), F(5, 2)]
    assert interpolated(grid, 3, 3, F(1), F(1)) == [F(16), 9 + 5]


# ---- (LMS 4) to (LMS 7): the fit ----


def matrices(offsets, values, kept=None):
    """Return Y and X for a centre at the origin with value 0."""
    return plane_fit.data_matrices([F(0), *values], [(F(0), F(0)), *offsets], kept or [True] * len(offsets))


OFFSETS = [(F(1), F(0)), (F(-1), F(2)), (F(0), F(-1)), (F(2), F(1)), (F(1, 2), F(-3))]
VALUES = [F(2), F(-1), F(4), F(0), F(7)]


def test_equation_7_as_printed_has_shapes_that_do_not_fit():
    y, x = matrices(OFFSETS, VALUES)
    with pytest.raises(ValueError, match="given 5 rows, expected 3"):
        plane_fit.literal_least_squares(y, x, NO_TIKHONOV)


def test_equation_7_as_printed_is_no_least_squares_where_its_shapes_fit():
    """Three samples determine a plane through them, Y = X A; with X Y for X^T Y it misses them."""
    y, x = matrices(OFFSETS[:3], VALUES[:3])
    assert plane_fit.prediction(x, plane_fit.least_squares(y, x, NO_TIKHONOV)) == y
    assert plane_fit.prediction(x, plane_fit.literal_least_squares(y, x, NO_TIKHONOV)) != y


@given(POINTS, st.tuples(SMALL, SMALL, SMALL))
def test_equation_4_holds_for_a_map_that_is_a_plane(offsets, a):
    y, x = matrices(offsets, [a[0] * dx + a[1] * dy + a[2] for dx, dy in offsets])
    assert plane_fit.prediction(x, a) == y
    if plane_fit.fit_weights(offsets, NO_TIKHONOV) is not None:
        assert plane_fit.least_squares(y, x, NO_TIKHONOV) == list(a)


def test_equations_3_and_5_count_samples_differently():
    """Of K = 5 samples beside the centre all make rows, or the last does not: another plane.

    Counted with the centre, k = 0 ... K - 1, as (5) and (6) are printed, K = 5 samples make four rows.
    """
    y, x = matrices(OFFSETS, VALUES)
    assert len(y) == len(x) == len(OFFSETS)
    as_printed = y[:-1], x[:-1]
    assert plane_fit.least_squares(y, x, NO_TIKHONOV) != plane_fit.least_squares(*as_printed, NO_TIKHONOV)
    assert matrices(OFFSETS[:-1], VALUES[:-1]) == as_printed


@given(st.lists(SMALL, min_size=8, max_size=8), st.sampled_from([F(1), F(2), F(1, 3)]))
def test_on_a_fixed_symmetric_grid_the_slopes_are_weighted_central_differences(values, step):
    """Eight neighbours of the centre at each of two levels, the second twice as far away.

    Their offsets are orthogonal, so that a_x = sum of dx y / sum of dx^2: the mean of the slopes of each level alone,
    in which the coarser one weighs four times as much.
    """
    ring = [(F(j), F(i)) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    levels = [[(step * scale * dx, step * scale * dy) for dx, dy in ring] for scale in (1, 2)]
    offsets, samples = levels[0] + levels[1], values + [2 * v + 1 for v in values]
    ax, ay, b = plane_fit.least_squares(*matrices(offsets, samples), NO_TIKHONOV)
    for axis, slope in enumerate((ax, ay)):
        fine, coarse = (sum(o[axis] ** 2 for o in level) for level in levels)
        assert coarse == 4 * fine
        alone = [
            sum(o[axis] * v for o, v in zip(level, some, strict=True)) / squares
            for level, some, squares in zip(levels, (samples[:8], samples[8:]), (fine, coarse), strict=True)
        ]
        assert slope == (alone[0] + 4 * alone[1]) / 5
    assert b == sum(samples) / 16


def test_the_column_of_ones_is_masked_too():
    """Multiplying by zero leaves a sample out only if its 1 is multiplied as well."""
    kept = [True, True, False, True, True]
    y, x = matrices(OFFSETS, VALUES, kept)
    left_out = [[row for row, flag in zip(rows, kept, strict=True) if flag] for rows in matrices(OFFSETS, VALUES)]
    assert plane_fit.least_squares(y, x, NO_TIKHONOV) == plane_fit.least_squares(*left_out, NO_TIKHONOV)
    x[2][2] = 1
    assert plane_fit.least_squares(y, x, NO_TIKHONOV) != plane_fit.least_squares(*left_out, NO_TIKHONOV)


@settings(max_examples=40)
@given(POINTS, WEIGHTS, st.lists(SMALL, min_size=6, max_size=6))
def test_the_elimination_solves_equation_7(offsets, tikhonov, values):
    weights = plane_fit.fit_weights(offsets, tikhonov)
    y, x = matrices(offsets, values[: len(offsets)])
    if weights is None:
        with pytest.raises(ZeroDivisionError):
            plane_fit.least_squares(y, x, tikhonov)
    else:
        solution = [sum(w[part] * value for w, value in zip(weights, y, strict=True)) for part in range(3)]
        assert solution == plane_fit.least_squares(y, x, tikhonov)


@settings(max_examples=40)
@given(POINTS, WEIGHTS, st.lists(SMALL, min_size=6, max_size=6))
def test_without_ones_the_elimination_solves_equation_7_for_the_slopes(offsets, tikhonov, values):
    weights = plane_fit.fit_weights(offsets, tikhonov, without_bias=True)
    y, x = matrices(offsets, values[: len(offsets)])
    if weights is None:
        with pytest.raises(ZeroDivisionError):
            plane_fit.least_squares(y, plane_fit.bias_free(x), tikhonov[:2])
    else:
        solution = [sum(w[part] * value for w, value in zip(weights, y, strict=True)) for part in range(3)]
        assert solution == [*plane_fit.least_squares(y, plane_fit.bias_free(x), tikhonov[:2]), 0]


@settings(max_examples=40)
@given(POINTS, st.lists(SMALL, min_size=6, max_size=6))
def test_a_bias_free_fit_is_the_limit_of_a_heavy_weight_on_the_intercept(offsets, values):
    """The distance is c / (e_1 + d) for numbers c and d: with e_1 ten times as large it is a tenth, nearly."""
    y, x = matrices(offsets, values[: len(offsets)])
    if plane_fit.fit_weights(offsets, NO_TIKHONOV, without_bias=True) is None:
        return
    limit = [*plane_fit.least_squares(y, plane_fit.bias_free(x), NO_TIKHONOV[:2]), 0]
    near, nearer = (
        [a - b for a, b in zip(plane_fit.least_squares(y, x, (F(0), F(0), F(e1))), limit, strict=True)]
        for e1 in (10**30, 10**31)
    )
    for a, b in zip(near, nearer, strict=True):
        assert abs(a) < F(1, 10**20) and abs(a - 10 * b) <= abs(a) / 10**20


def test_leaving_the_bias_out_of_the_fit_is_not_leaving_it_out_of_the_value():
    """Samples that are all 1 above the centre, and to its right: a plane of level 1, or one that rises to the right.

    Around the centre evenly, the columns are orthogonal to the ones, and the slopes are the same.
    """
    offsets = [(F(1), F(1)), (F(1), F(-1)), (F(2), F(1)), (F(2), F(-1))]
    y, x = matrices(offsets, [F(1)] * 4)
    assert plane_fit.least_squares(y, x, NO_TIKHONOV) == [0, 0, 1]
    assert plane_fit.least_squares(y, plane_fit.bias_free(x), NO_TIKHONOV[:2]) == [F(3, 5), 0]
    y, x = matrices([(F(1), F(0)), (F(-1), F(0)), (F(0), F(1)), (F(0), F(-1))], VALUES[:4])
    slopes = plane_fit.least_squares(y, plane_fit.bias_free(x), NO_TIKHONOV[:2])
    assert plane_fit.least_squares(y, x, NO_TIKHONOV)[:2] == slopes


def test_tikhonov_on_the_intercept_repeats_the_centre():
    y, x = matrices(OFFSETS, VALUES)
    repeated = matrices([*OFFSETS, (F(0), F(0)), (F(0), F(0))], [*VALUES, F(0), F(0)])
    assert plane_fit.least_squares(y, x, (F(0), F(0), F(2))) == plane_fit.least_squares(*repeated, NO_TIKHONOV)


@pytest.mark.parametrize(
    "offsets",
    [
        [],
        OFFSETS[:1],
        OFFSETS[:2],
        [(F(1), F(1))] * 4,
        [(F(k), F(2 * k)) for k in range(5)],
        [(F(2), F(k)) for k in range(4)],
    ],
)
def test_samples_on_a_line_determine_no_plane_unless_regularised(offsets):
    assert plane_fit.fit_weights(offsets, NO_TIKHONOV) is None
    weights = plane_fit.fit_weights(offsets, (F(1, 10),) * 3)
    y, x = matrices(offsets, range(len(offsets)))
    solution = [sum((w[part] * value for w, value in zip(weights, y, strict=True)), F(0)) for part in range(3)]
    assert solution == plane_fit.least_squares(y, x, (F(1, 10),) * 3)


def test_masking_is_by_position_and_the_released_program_masks_by_offset():
    point, centre = (F(11, 10), F(0)), (F(9, 10), F(0))
    assert not exact.inside(point) and exact.offset_inside(point, centre)
    assert exact.inside((F(1), F(-1)))
    assert exact.inside((F(-1, 2), F(0))) and not exact.offset_inside((F(-1, 2), F(0)), centre)


@given(st.tuples(SMALL, SMALL), SMALL)
def test_a_centre_out_of_bounds_leaves_slope_and_value_to_the_samples(centre, value):
    """Whatever I^0 is taken to be outside the map, I^0 + b and the slope are those of the samples alone."""
    y, x = plane_fit.data_matrices([value, *VALUES], [centre, *OFFSETS], [True] * 5)
    ax, ay, b = plane_fit.least_squares(y, x, NO_TIKHONOV)
    slope_x, slope_y, level = plane_fit.least_squares(*matrices(OFFSETS, VALUES), NO_TIKHONOV)
    assert (ax, ay) == (slope_x, slope_y)
    assert value + b == exact.linearization(level, (slope_x, slope_y), centre, (F(0), F(0)))


# ---- the derivatives ----

HEIGHT, WIDTH = 3, 4
COORDINATE = st.fractions(min_value=-F(5, 4), max_value=F(5, 4), max_denominator=40)


def planes(channels):
    row = st.lists(SMALL, min_size=WIDTH, max_size=WIDTH)
    return st.lists(st.lists(row, min_size=HEIGHT, max_size=HEIGHT), min_size=channels, max_size=channels)


@st.composite
def cases(draw):
    """Draw the grid (1, 2, 2), auxiliary samples, mask and options of two output pixels."""
    point = st.lists(COORDINATE, min_size=2, max_size=2)
    grid = [[draw(point) for _ in range(2)]]
    auxiliary = [[[draw(point) for _ in range(4)] for _ in range(2)]]
    kept = [[[exact.inside(p) for p in row] for row in rows] for rows in auxiliary]
    return grid, auxiliary, kept, draw(WEIGHTS), draw(st.sampled_from([False, True, "bias-free"])), draw(st.booleans())


def literal_forward(input, case):
    """Return values and slopes in g of the printed equations, (C, pixels, 3), with (LMS 7)'s transpose."""
    grid, auxiliary, kept, tikhonov, intercept, align_corners = case
    halves = [bilinear.coordinate_scale(size, align_corners) * F(1, 2) for size in (WIDTH, HEIGHT)]
    results = []
    for plane in input:
        row = []
        for j, centre in enumerate(grid[0]):
            places = [
                [bilinear.pixel_coordinate(g, n, align_corners) for g, n in zip(p, (WIDTH, HEIGHT), strict=True)]
                for p in (centre, *auxiliary[0][j])
            ]
            samples = [bilinear.value(plane, x, y).value for x, y in places]
            y, x = plane_fit.data_matrices(samples, places, kept[0][j])
            if intercept == "bias-free":
                x, tikhonov = plane_fit.bias_free(x), tikhonov[:2]
            try:
                ax, ay, *b = plane_fit.least_squares(y, x, tikhonov)
            except ZeroDivisionError:
                ax, ay, *b = F(0), F(0), F(0)
            row.append((samples[0] + b[0] if intercept is True else samples[0], ax * halves[0], ay * halves[1]))
        results.append(row)
    return results


@settings(max_examples=12)
@given(planes(2), cases(), st.lists(SMALL, min_size=4, max_size=4))
def test_the_gradients_are_the_derivatives_of_the_printed_forward(input, case, g):
    grid, auxiliary, kept, tikhonov, intercept, align_corners = case
    gout = [[g[:2]], [g[2:]]]
    pixels = exact.functionals(grid, auxiliary, kept, HEIGHT, WIDTH, exact.PlaneFit(tikhonov, intercept), align_corners)
    forward = literal_forward(input, case)
    values = exact.linearized_sample(input, pixels)
    assert [[v.value for v in row] for row in values] == [[fit[0] for fit in row] for row in forward]

    def loss(input):
        return sum(
            gout[c][0][j] * fit[0] for c, row in enumerate(literal_forward(input, case)) for j, fit in enumerate(row)
        )

    ginput = exact.input_gradient(gout, input, pixels)
    for place in places(input)[::5]:
        assert at(ginput, place).value == derivative(loss, input, place)

    def surface(points):
        """Return the loss as (LMS 2) has it at the points T(x) of the two output pixels."""
        return sum(
            gout[c][0][j] * exact.linearization(fit[0], fit[1:], points[j], grid[0][j])
            for c, row in enumerate(forward)
            for j, fit in enumerate(row)
        )

    ggrid = exact.grid_gradient(gout, input, pixels)
    for j, axis in places(grid[0]):
        assert ggrid[j][axis].value == derivative(surface, grid[0], (j, axis))


@settings(max_examples=12)
@given(planes(1), planes(1), cases(), st.lists(SMALL, min_size=6, max_size=6))
def test_the_second_gradients_are_the_derivatives_of_the_first(input, a, case, numbers):
    grid, auxiliary, kept, tikhonov, intercept, align_corners = case
    gout, beta = [[numbers[:2]]], [[numbers[2:4], numbers[4:]]]
    pixels = exact.functionals(grid, auxiliary, kept, HEIGHT, WIDTH, exact.PlaneFit(tikhonov, intercept), align_corners)
    ggout, ginput, ggrid = exact.second_gradient(a, beta, gout, input, pixels)

    def loss(gout, input):
        first = exact.input_gradient(gout, input, pixels)
        slopes = exact.grid_gradient(gout, input, pixels)
        total = sum(at(a, place) * at(first, place).value for place in places(a))
        return total + sum(beta[0][j][axis] * slopes[j][axis].value for j in range(2) for axis in range(2))

    for place in places(gout):
        assert ggout[place[0]][place[2]].value == derivative(lambda z: loss(z, input), gout, place)
    for place in places(input)[::3]:
        assert at(ginput, place).value == derivative(lambda z: loss(gout, z), input, place)

    # A . gU, as (LMS 2) has it at the points T(x): the linearisation of A in the place of U.
    fits = literal_forward(a, case)[0]

    def surface(points):
        planes = (exact.linearization(fits[j][0], fits[j][1:], points[j], grid[0][j]) for j in range(2))
        return sum(g * value for g, value in zip(gout[0][0], planes, strict=True))

    for j, axis in places(grid[0]):
        assert ggrid[j][axis].value == derivative(surface, grid[0], (j, axis))


# ---- running error bounds ----


@given(SMALL, SMALL, SMALL)
def test_a_running_bound_is_never_below_the_value(a, b, c):
    x, y, z = Bounded(a), Bounded(b), Bounded(c)
    for result in (x + y * z, x - y - z, 1 - x * y, (x - y) / (z * z + 1), 2 / (z * z + 1) - x):
        assert result.M >= abs(result.value)
    assert (x - x).value == 0 and (x - x).M == 2 * abs(a)
