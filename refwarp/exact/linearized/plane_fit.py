"""Planes fitted to auxiliary samples, transcribed literally: LMS Eqs. (4) to (7), and their corrections.

    Y = X A                                                                                 (LMS 4)
    Y = [I^1 - I^0, I^2 - I^0, ...]^T                                                       (LMS 5)
    X = [(u^1 - u^0, v^1 - v^0, 1), (u^2 - u^0, v^2 - v^0, 1), ...]                         (LMS 6)
    A = (X^T X + eps E)^-1 X Y                                                              (LMS 7)

(5) and (6) are printed up to K - 1; all given samples are used. In (7) the second X must be transposed, and eps E is
generalised to diag(e_x, e_y, e_1), for offsets in pixels of the map. The solution is computed as

    c_x = sum of dx_k / (n + e_1),   p_k = dx_k - c_x,   and likewise c_y, q_k              (linearized.1)
    C_xx = sum of p_k^2 + e_1 c_x^2 + e_x,   C_xy = sum of p_k q_k + e_1 c_x c_y            (linearized.2)
    r = C_xy / C_xx,   t_k = q_k - r p_k,   z = c_y - r c_x                                 (linearized.3)
    D = sum of t_k^2 + e_1 z^2 + r^2 e_x + e_y                                              (linearized.4)
    w^y_k = t_k / D,   w^x_k = p_k / C_xx - r w^y_k                                         (linearized.5)
    w^b_k = 1 / (n + e_1) - c_x p_k / C_xx - z w^y_k                                        (linearized.6)

with A = sum over the n samples that are kept of w_k y_k. Where D or C_xx is 0, A = 0 by convention. The "biasfree
formulation for Eq. (6)" of Sect. 7, with rows (u^k - u^0, v^k - v^0) without a 1, fits only the slopes, of a plane
through I^0. It is the limit of the above for e_1 to infinity:

    c_x = c_y = z = 0,   p_k = dx_k,   q_k = dy_k,   w^b_k = 0,   and no term of e_1        (linearized.13)
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from refwarp.exact.arithmetic.numbers import Number
from refwarp.exact.ledger import Equation
from refwarp.exact.linearized.auxiliary import Point

Matrix = list[list[Number]]

# A column this close to the others (the square of a sine) is taken to be a combination of them.
DEPENDENT = Fraction(1, 2**52)


# ---- the paper's equations ----


def data_matrices(
    samples: Sequence[Number], points: Sequence[Point], kept: Sequence[bool]
) -> tuple[list[Number], Matrix]:
    """Return Y and X of one pixel and channel from the samples and their places, each with the centre first.

    A sample that is not kept has its row multiplied by zero, the one at its end too.
    """
    y = [(value - samples[0]) * flag for value, flag in zip(samples[1:], kept, strict=True)]  # (LMS 5)
    x = [
        [(u - points[0][0]) * flag, (v - points[0][1]) * flag, 1 * flag]  # (LMS 6)
        for (u, v), flag in zip(points[1:], kept, strict=True)
    ]
    return y, x


def bias_free(x: Matrix) -> Matrix:
    """Return X without its column of ones, the formulation of (LMS 6) that Sect. 7 has in mind."""
    return [row[:2] for row in x]


def prediction(x: Matrix, a: Sequence[Number]) -> list[Number]:
    """Return X A (LMS 4)."""
    return [sum((entry * part for entry, part in zip(row, a, strict=True)), Fraction(0)) for row in x]  # (LMS 4)


def least_squares(y: Sequence[Number], x: Matrix, tikhonov: Sequence[Number]) -> list[Number]:
    """Return A with the transpose that (LMS 7) lacks. ZeroDivisionError where it is not determined.

    X has as many columns as there are weights: three, or two of (linearized.13).
    """
    right = [_dot([row[i] for row in x], y) for i in range(len(tikhonov))]
    return _solve(_normal_matrix(x, tikhonov), right)  # (LMS 7)


def literal_least_squares(y: Sequence[Number], x: Matrix, tikhonov: Sequence[Number]) -> list[Number]:
    """Return A of (LMS 7) as printed, with X Y. ValueError unless there are three samples: the shapes do not fit."""
    if len(y) != 3:
        raise ValueError(f"y: given {len(y)} rows, expected 3, for X has 3 columns")
    return _solve(_normal_matrix(x, tikhonov), [_dot(row, y) for row in x])  # (LMS 7)


def _normal_matrix(x: Matrix, tikhonov: Sequence[Number]) -> Matrix:
    columns = [[row[i] for row in x] for i in range(len(tikhonov))]
    return [
        [_dot(one, other) + (tikhonov[i] if i == j else 0) for j, other in enumerate(columns)]
        for i, one in enumerate(columns)
    ]


def _dot(a: Sequence[Number], b: Sequence[Number]) -> Number:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def _solve(matrix: Matrix, right: Sequence[Number]) -> list[Number]:
    """Return the solution of a few equations by Cramer's rule."""

    def determinant(m: Matrix) -> Number:
        if not m:
            return Fraction(1)
        minors = (determinant([[*row[:j], *row[j + 1 :]] for row in m[1:]]) for j in range(len(m)))
        return _dot([entry * (-1) ** j for j, entry in enumerate(m[0])], list(minors))

    size, whole = range(len(matrix)), determinant(matrix)
    return [determinant([[right[i] if j == k else matrix[i][j] for j in size] for i in size]) / whole for k in size]


# ---- what is implemented: the weights of the fit ----


def fit_weights(
    offsets: Sequence[Point], tikhonov: Sequence[Number], without_bias: bool = False
) -> list[tuple[Number, Number, Number]] | None:
    """Return (w^x, w^y, w^b) for each sample of the fit, or None where they determine no plane.

    The numbers may be `Bounded`: then the weights have the M of this elimination.
    """
    ex, ey, e1 = tikhonov
    m = len(offsets) + e1
    if m == 0:
        return None
    zero = Fraction(0)
    share = Fraction(1) / m
    if without_bias:
        e1, share = zero, zero  # (linearized.13)
    cx, cy = (sum((offset[axis] for offset in offsets), zero) * share for axis in range(2))  # (linearized.1)
    p, q = [dx - cx for dx, _ in offsets], [dy - cy for _, dy in offsets]
    cxx = sum((a * a for a in p), zero) + e1 * cx * cx + ex  # (linearized.2)
    cyy = sum((b * b for b in q), zero) + e1 * cy * cy + ey
    cxy = sum((a * b for a, b in zip(p, q, strict=True)), zero) + e1 * cx * cy
    if cxx <= zero:
        return None
    r = cxy / cxx
    t, z = [b - r * a for a, b in zip(p, q, strict=True)], cy - r * cx  # (linearized.3)
    d = sum((c * c for c in t), zero) + e1 * z * z + r * r * ex + ey  # (linearized.4)
    if d <= DEPENDENT * cyy:
        return None
    weights = []
    for a, c in zip(p, t, strict=True):
        wy = c / d  # (linearized.5), the solution of (LMS 7)
        weights.append((a / cxx - r * wy, wy, share - cx * (a / cxx) - z * wy))  # (linearized.6)
    return weights


_EXACT = "refwarp.exact.linearized.plane_fit."
_SAMPLER = "refwarp.samplers.linearized.function."
_KERNELS = "refwarp.samplers.linearized.kernels."
_TESTS = "tests/exact/linearized/test_sample.py::"
_CONVENTIONS = "tests/samplers/linearized/test_conventions.py::"
_FIT = "tests/samplers/linearized/test_fit.py::"

LEDGER = (
    Equation(
        "LMS",
        "4",
        "Y = X A",
        "holds",
        "where the map is a plane; otherwise in the least-squares sense",
        (_EXACT + "prediction",),
        (
            _TESTS + "test_equation_4_holds_for_a_map_that_is_a_plane",
            _CONVENTIONS + "test_a_ramp_is_linearised_exactly",
        ),
    ),
    Equation(
        "LMS",
        "5, 6",
        "the data of the fit",
        "ambiguous",
        "they range to K - 1, and (3), (8) and (9) to K: either only K - 1 of K samples are used, or (5) and (6) are "
        "misprinted, or (3) is, if the centre is one of the K, as in the released code with num_grid = 8. All given "
        "samples are used, and `count` sets their number: 8, or 7. A masked row is zero, including its 1, and "
        "excludes even a NaN",
        (_EXACT + "data_matrices", _KERNELS + "plane_of_pixel", _KERNELS + "offset_of"),
        (
            _TESTS + "test_equations_3_and_5_count_samples_differently",
            _FIT + "test_eight_samples_or_seven_and_the_centre",
            _TESTS + "test_the_column_of_ones_is_masked_too",
            _CONVENTIONS + "test_a_masked_sample_does_not_see_even_a_nan_in_the_map",
        ),
    ),
    Equation(
        "LMS",
        "7",
        "regularised least squares",
        "misprint",
        "the second X lacks its transpose. The unit of eps is not specified: pixels here, and three weights allow any "
        "other. Where eps = 0 leaves the plane undetermined, A = 0",
        (
            *(_EXACT + name for name in ("literal_least_squares", "least_squares", "fit_weights")),
            _KERNELS + "fit",
            _KERNELS + "plane_of_pixel",
        ),
        (
            _TESTS + "test_equation_7_as_printed_has_shapes_that_do_not_fit",
            _TESTS + "test_equation_7_as_printed_is_no_least_squares_where_its_shapes_fit",
            _TESTS + "test_the_elimination_solves_equation_7",
            _TESTS + "test_samples_on_a_line_determine_no_plane_unless_regularised",
            _FIT + "test_tikhonov_in_normalised_units_is_a_choice_of_three_weights",
        ),
    ),
    Equation(
        "LMS",
        "bias-free (section 7)",
        '"a biasfree formulation for Eq. (6), which would allow in-place replacement without further fine tuning"',
        "ambiguous",
        "left to future work: interpreted as (6) without its ones, whose plane passes through I^0, so that the value "
        'is the bilinear sample in training and at inference: `intercept="bias-free"`. This differs from '
        "`intercept=False`, which fits the bias and only leaves it out of the value; the slopes differ",
        (
            *(_EXACT + name for name in ("bias_free", "fit_weights")),
            _KERNELS + "fit",
            _SAMPLER + "linearized_sample",
        ),
        (
            _TESTS + "test_without_ones_the_elimination_solves_equation_7_for_the_slopes",
            _TESTS + "test_a_bias_free_fit_is_the_limit_of_a_heavy_weight_on_the_intercept",
            _TESTS + "test_leaving_the_bias_out_of_the_fit_is_not_leaving_it_out_of_the_value",
            _FIT + "test_a_bias_free_fit_is_numpys_with_two_columns",
        ),
    ),
)
