"""Bending energy and smoothness: against exact values, their gradients, and what the paper leaves open."""

import math
from fractions import Fraction

import numpy as np
import pytest

from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp.exact import penalties as exact
from refwarp.exact.arithmetic.budget import share, worst_share
from refwarp.exact.arithmetic.numbers import Dual, Sum, fractions
from refwarp.penalties import bending_energy, smoothness

FORMS = {"gradient": exact.GRADIENT, "laplacian": exact.LAPLACIAN, "hessian": exact.HESSIAN}
NORMS = ["1", "2", "squared"]
C = 12  # a squared difference: twice the roundings of the difference, a square, a sum, a division
C_SECOND = 32  # twelve more, of the factors that the entries of the cotangent bring
C_GRADIENT = 20  # four of an entry, two of the cotangent, 17 additions at a corner pixel, three of them in log2 k


def penalty(form, field, norm, **options):
    if form == "gradient":
        return smoothness(field, norm, **options)
    return bending_energy(field, form, norm, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boundary", ["valid", "replicate"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_values_are_within_their_budget(dtype, form, boundary, reduction):
    rng = np.random.default_rng(1)
    field = (rng.standard_normal((2, 2, 5, 4)) + 100).astype(dtype)  # differences cancel two digits
    for norm in ("1", "squared"):
        result = penalty(form, field, norm, boundary=boundary, reduction=reduction)
        truth = exact.penalty(fractions(field), FORMS[form], norm, boundary, reduction)
        assert result.dtype == dtype
        assert share(float(result), truth, C, dtype.__name__) <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boundary", ["valid", "replicate"])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_are_within_their_budget(dtype, form, boundary, norm, reduction):
    """Of g l for a cotangent g; and their own gradients, for a cotangent of them."""
    rng = np.random.default_rng(6)
    field = Tensor((rng.standard_normal((2, 2, 4, 5)) + 100).astype(dtype), requires_grad=True)
    gpenalty = Tensor(np.asarray(rng.standard_normal(), dtype), requires_grad=True)
    cotangent = rng.standard_normal(field.shape).astype(dtype)
    value = penalty(form, field, norm, boundary=boundary, reduction=reduction)
    (first,) = grad(value, field, gpenalty, create_graph=True)
    ggpenalty, gfield = grad(first, (gpenalty, field), cotangent)
    w, g, a = (fractions(array) for array in (field.data, gpenalty.data, cotangent))
    settings = FORMS[form], norm, boundary, reduction
    truth, second = exact.gradient(w, *settings, g), exact.second_gradient(a, g, w, *settings)
    for result, total, c in (
        (first, truth, C_GRADIENT),
        (ggpenalty, second.ggpenalty, C_SECOND),
        (gfield, second.gfield, C_SECOND),
    ):
        assert result.dtype == dtype
        assert worst_share(result.data, total, c, dtype.__name__) <= 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boundary", ["valid", "replicate"])
@pytest.mark.parametrize("norm", NORMS)
def test_exact_gradients_are_quotients_of_exact_differences(form, boundary, norm):
    """Central ones, with steps so small that their error, and that of square roots, is below 2^-80."""
    rng, step = np.random.default_rng(9), Fraction(1, 2**60)
    w, a = (fractions(rng.standard_normal((1, 2, 3, 4))) for _ in range(2))
    g, settings = Fraction(3, 8), (FORMS[form], norm, boundary, "mean")
    gradient, second = exact.gradient(w, *settings, g), exact.second_gradient(a, g, w, *settings)

    behind, ahead = (np.array(w, object) + sign * step * np.array(a, object) for sign in (-1, 1))
    places = list(np.ndindex(np.shape(w)))
    rise = exact.penalty(ahead, *settings).value - exact.penalty(behind, *settings).value
    along = sum(gradient[n][d][i][j].value * a[n][d][i][j] for n, d, i, j in places)
    assert abs(g * rise / (2 * step) - along) < Fraction(1, 2**80)
    assert abs(rise / (2 * step) - second.ggpenalty.value) < Fraction(1, 2**80)
    after, before = exact.gradient(ahead, *settings, g), exact.gradient(behind, *settings, g)
    for n, d, i, j in places:
        change = (after[n][d][i][j].value - before[n][d][i][j].value) / (2 * step)
        assert abs(change - second.gfield[n][d][i][j].value) < Fraction(1, 2**80)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boundary", ["valid", "replicate"])
def test_the_two_norm_is_within_its_budget(dtype, form, boundary):
    field = np.random.default_rng(2).standard_normal((1, 2, 4, 5)).astype(dtype)
    result = penalty(form, field, "2", boundary=boundary, reduction="sum")
    total = Sum()
    for vector in exact.vectors(fractions(field[0]), FORMS[form], boundary):
        squares = sum((entry.value * entry.value for entry in vector), Fraction(0))
        length = Fraction(math.isqrt(squares.numerator * squares.denominator << 400), squares.denominator << 200)
        total.add(length, sum((entry.M for entry in vector), Fraction(0)))
    assert result.dtype == dtype
    assert share(float(result), total, C, dtype.__name__) <= 1


@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-170, 1.0, 1e200, 1e307])
def test_the_two_norm_at_the_ends_of_the_range_of_floats(scale):
    """|(3, 4)| is 5 in any unit, and its gradient has none."""
    field = Tensor(np.array([[[[0.0, 3.0], [4.0, 0.0]]]]) * scale, requires_grad=True)
    length = smoothness(field, "2")
    assert float(length) == pytest.approx(5 * scale, rel=4 * 2.0**-53, abs=0)  # scale 3 and 4 are rounded
    (gradient,) = grad(length, field)
    expected = [[-1.4, 0.6], [0.8, 0.0]]
    np.testing.assert_allclose(gradient.data[0, 0], expected, rtol=8 * 2.0**-53, atol=0)


def test_the_direction_of_the_shortest_vector():
    """Its length sqrt(2) is rounded to 1, in units of the smallest float; that must not reach its direction."""
    field = Tensor(np.array([[[[0.0, 5e-324], [5e-324, 0.0]]]]), requires_grad=True)
    (gradient,) = grad(smoothness(field, "2"), field)
    half = math.sqrt(0.5)
    np.testing.assert_allclose(gradient.data[0, 0], [[-2 * half, half], [half, 0.0]], rtol=8 * 2.0**-53, atol=0)


@pytest.mark.parametrize("norm", NORMS)
def test_a_penalty_beyond_the_largest_float_is_infinite(norm):
    assert smoothness(np.array([[[[0.0, 1.5e308], [1.5e308, 0.0]]]]), norm) == np.inf


def test_the_squared_hessian_at_the_ends_of_the_range_of_floats():
    """w_xy is a quarter of a difference whose square is beyond the largest float, or which has one bit."""
    corners = np.array([[[[1.0, 0.0, -1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 1.0]]]])
    huge = bending_energy(5e153 * corners, "hessian", "squared")
    assert float(huge) == pytest.approx(5e307, rel=4 * 2.0**-53, abs=0)  # 2 (5e153)^2: three roundings
    field = np.zeros((1, 1, 3, 3))
    field[0, 0, 0, 0] = 2.0**-1074
    field = Tensor(field, requires_grad=True)
    (gradient,) = grad(bending_energy(field, "hessian", "squared"), field, np.asarray(2.0**1000))
    assert np.array_equal(gradient.data, corners * 2.0**-76)  # 2 entries, each 2 w_xy / 4 of w_xy = 2^-1076
    field = Tensor(np.pad([[[[2.0**1022]]]], ((0, 0), (0, 0), (0, 2), (0, 2))), requires_grad=True)
    (gradient,) = grad(bending_energy(field, "hessian", "squared", reduction="sum"), field, np.asarray(4.0))
    assert np.array_equal(gradient.data, corners * 2.0**1022)  # though twice the difference times 4 is infinite


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boundary", ["valid", "replicate"])
@pytest.mark.parametrize("norm", ["1", "squared"])
def test_gradients_are_the_derivatives_of_the_exact_penalty(form, boundary, norm):
    """Small integers: every step of the kernels is exact, so the gradient equals the derivative."""
    field = np.random.default_rng(3).integers(-8, 9, (1, 2, 3, 4)).astype(float)
    tensor = Tensor(field, requires_grad=True)
    (result,) = grad(penalty(form, tensor, norm, boundary=boundary, reduction="sum"), tensor)
    truth = exact.gradient(fractions(field), FORMS[form], norm, boundary, "sum")
    at_kinks = norm == "1" and any(
        entry.value == 0 for vector in exact.vectors(fractions(field)[0], FORMS[form], boundary) for entry in vector
    )
    for place in np.ndindex(field.shape):
        n, d, i, j = place
        assert Fraction(result.data[place]) == truth[n][d][i][j].value
        varied = fractions(field)
        varied[n][d][i][j] = Dual(Fraction(field[place]), 1)
        value = Dual.of(exact.penalty(varied, FORMS[form], norm, boundary, "sum").value)
        assert at_kinks or value.derivative == truth[n][d][i][j].value


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boundary", ["valid", "replicate"])
@pytest.mark.parametrize("norm", NORMS)
def test_first_and_second_order_by_gradcheck(form, boundary, norm):
    rng = np.random.default_rng(4)
    field = rng.standard_normal((1, 1, 3, 3))
    for order in (1, 2):
        gradcheck(lambda w: penalty(form, w, norm, boundary=boundary), [field], rng=rng, order=order)


def test_the_laplacian_is_not_the_bending_energy():
    """Of w = x y the Laplacian vanishes, the squared Hessian is 2."""
    x, y = np.meshgrid(np.arange(5.0), np.arange(4.0))
    field = (x * y)[None, None]
    assert bending_energy(field, "laplacian", "squared") == 0
    assert bending_energy(field, "hessian", "squared") == 2
    truth = exact.penalty(fractions(field), exact.HESSIAN, "squared", "valid", "mean")
    assert truth.value == 2


@pytest.mark.parametrize("form", ["laplacian", "hessian"])
@pytest.mark.parametrize("norm", NORMS)
def test_linear_fields_do_not_bend(form, norm):
    x, y = np.meshgrid(np.arange(6.0), np.arange(5.0))
    field = np.stack([3 * x - 2 * y + 1, 0.5 * x + 4 * y])[None]
    assert bending_energy(field, form, norm) == 0
    assert smoothness(field, "1") == 3 + 2 + 0.5 + 4


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("norm", NORMS)
def test_the_subgradient_at_zero_is_zero(form, norm):
    """A motion field starts at zero; the gradient there has a derivative, too, which is 0 but for the square."""
    field = Tensor(np.zeros((1, 2, 4, 4)), requires_grad=True)
    (first,) = grad(penalty(form, field, norm, reduction="sum"), field, create_graph=True)
    assert not first.data.any()
    if norm == "1":  # piecewise linear: the gradient is constant, and has no history
        assert not first.requires_grad
    else:
        (second,) = grad(first, field, np.random.default_rng(5).standard_normal(field.shape))
        assert np.isfinite(second.data).all() and (norm == "squared") == second.data.any()


@pytest.mark.parametrize(("form", "rise"), [("gradient", 4), ("laplacian", 6), ("hessian", 6.5)])
def test_at_zero_the_one_norm_rises_on_both_sides(form, rise):
    """By the absolute weights with which pixel (1, 1) enters: 1, 1, 1, 1; 4, 1, 1; and 2, 2, 1, 1, 1/4, 1/4."""
    step = np.zeros((1, 1, 4, 4))
    step[0, 0, 1, 1] = 2.0**-20
    for sign in (1, -1):
        assert penalty(form, sign * step, "1", reduction="sum") == rise * 2.0**-20


def test_at_a_kink_the_subgradient_lies_between_the_one_sided_derivatives():
    """w_x(0, 1) = 0: the left derivative with respect to w(0, 2) is -3, the right one -1."""
    w = np.array([[[[0.0, 3.0, 3.0, 5.0], [7.0, 7.0, 7.0, 9.0]]]])
    field = Tensor(w, requires_grad=True)
    (gradient,) = grad(smoothness(field, "1", reduction="sum"), field)
    step = np.zeros(w.shape)
    step[0, 0, 0, 2] = 2.0**-20
    left, here, right = (smoothness(w + sign * step, "1", reduction="sum") for sign in (-1, 0, 1))
    assert (left - here, right - here) == (3 * 2.0**-20, -(2.0**-20))
    assert gradient.data[0, 0, 0, 2] == -2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("norm", NORMS)
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype, form, norm):
    """Narrow dtypes are computed in float64 and rounded once; the field is not written into."""
    field = np.random.default_rng(7).standard_normal((1, 2, 4, 4)).astype(dtype)
    before = field.copy()
    plain = penalty(form, field, norm)
    assert not isinstance(plain, Tensor) and plain.dtype == dtype
    assert plain == dtype(penalty(form, field.astype(np.float64), norm))
    tensor = Tensor(field, requires_grad=True)
    result = penalty(form, tensor, norm)
    assert isinstance(result, Tensor) and result.dtype == dtype and result.data == plain
    (gradient,) = grad(result, tensor, np.asarray(0.7, dtype))
    assert gradient.dtype == dtype
    assert (field == before).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boundary", ["valid", "replicate"])
@pytest.mark.parametrize("norm", NORMS)
def test_motions_that_are_not_finite(value, dtype, form, boundary, norm):
    """They make the penalty NaN, and neither it nor its gradient warns."""
    w = np.random.default_rng(8).standard_normal((1, 2, 4, 5)).astype(dtype)
    w[0, 0, 1:3, 2] = value
    field = Tensor(w, requires_grad=True)
    result = penalty(form, field, norm, boundary=boundary)
    assert np.isnan(result.data)
    (gradient,) = grad(result, field)
    assert np.isnan(gradient.data[0, 0, 1:3, 2]).all()
    assert norm == "2" or np.isfinite(gradient.data[0, 1]).all()  # only "2" mixes the components


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: smoothness(np.ones((3, 4))), r"field: given shape \(3, 4\), expected \(N, D, H, W\)"),
        (lambda: smoothness(np.ones((1, 2, 1, 4))), "H and W of at least 2"),
        (lambda: bending_energy(np.ones((1, 2, 2, 4))), "H and W of at least 3"),
        (lambda: bending_energy(np.ones((0, 2, 4, 4))), "has no mean"),
        (lambda: bending_energy(np.ones((1, 2, 4, 4)), form="plate"), "form: given 'plate'"),
        (lambda: smoothness(np.ones((1, 2, 4, 4)), norm="L1"), "norm: given 'L1', expected one of '1', '2', 'squared'"),
        (lambda: smoothness(np.ones((1, 2, 4, 4)), boundary="wrap"), "boundary: given 'wrap'"),
        (lambda: smoothness(np.ones((1, 2, 4, 4)), reduction="none"), "reduction: given 'none'"),
    ],
)
def test_wrong_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("norm", ["1", "2"])
def test_a_mean_is_finite_where_its_sum_is_not(norm):
    field = np.zeros((1, 1, 3, 4))
    field[..., ::2] = 2.0**1023
    assert smoothness(field, norm) == 2.0**1023
    tensor = Tensor(field, requires_grad=True)
    (gradient,) = grad(smoothness(tensor, norm), tensor)
    assert gradient.data[0, 0, 0].tolist() == [1 / 6, -1 / 3, 1 / 3, -1 / 6]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("norm", NORMS)
def test_a_field_without_components_has_no_penalty(form, norm):
    for reduction in ("mean", "sum"):
        assert penalty(form, np.zeros((2, 0, 4, 4)), norm, reduction=reduction) == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boundary", ["valid", "replicate"])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("power", [0, 900])
def test_gradients_of_subnormal_fields_are_within_their_budget(form, boundary, norm, power):
    """A quarter of the smallest float has a sign and a direction, though it is no float; g may be large."""
    rng = np.random.default_rng([11, power])
    field = rng.integers(-4, 5, (1, 2, 4, 4)) * 5e-324
    tensor = Tensor(field, requires_grad=True)
    (gradient,) = grad(penalty(form, tensor, norm, boundary=boundary), tensor, np.asarray(2.0**power))
    truth = exact.gradient(fractions(field), FORMS[form], norm, boundary, "mean", Fraction(2) ** power)
    assert worst_share(gradient.data, truth, C_GRADIENT, "float64") <= 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("norm", NORMS)
def test_the_bits_do_not_depend_on_the_order_of_memory(form, norm):
    field = np.random.default_rng(12).standard_normal((2, 16, 8, 9))  # so many components NumPy sums in pairs
    turned = np.ascontiguousarray(field.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    wide = np.zeros((2, 16, 8, 18))
    wide[..., ::2] = field
    found = {penalty(form, each, norm).tobytes() for each in (field, np.asfortranarray(field), turned, wide[..., ::2])}
    assert len(found) == 1


@pytest.mark.parametrize("form", ["laplacian", "hessian"])
def test_a_linear_field_bends_where_its_border_is_repeated(form):
    """The paper's "zero for any linear transformation" holds where no pixel is a copy: not at a replicated border."""
    x, _ = np.meshgrid(np.arange(5.0), np.arange(4.0))
    bent = bending_energy(x[None, None], form, boundary="replicate", reduction="sum")
    assert bent == exact.penalty(fractions(x[None, None]), FORMS[form], "1", "replicate", "sum").value > 0
    assert bending_energy(x[None, None], form) == 0
