"""Bending energy and smoothness: against exact values, their gradients, and what the paper leaves open."""

import math
from fractions import Fraction

import numpy as np
import pytest

from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp.exact import penalties as exact
from refwarp.exact.budget import share
from refwarp.exact.numbers import Dual, Sum, fractions
from refwarp.penalties import bending_energy, smoothness

FORMS = {"gradient": exact.GRADIENT, "laplacian": exact.LAPLACIAN, "hessian": exact.HESSIAN}
C = 12  # a squared difference: twice the roundings of the difference, a square, a sum, a division


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


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boundary", ["valid", "replicate"])
def test_the_two_norm_is_within_its_budget(form, boundary):
    field = np.random.default_rng(2).standard_normal((1, 2, 4, 5))
    result = penalty(form, field, "2", boundary=boundary, reduction="sum")
    total = Sum()
    for vector in exact.vectors(fractions(field[0]), FORMS[form], boundary):
        squares = sum((entry.value * entry.value for entry in vector), Fraction(0))
        length = Fraction(math.isqrt(squares.numerator * squares.denominator << 400), squares.denominator << 200)
        total.add(length, sum((entry.M for entry in vector), Fraction(0)))
    assert share(float(result), total, C, "float64") <= 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boundary", ["valid", "replicate"])
@pytest.mark.parametrize("norm", ["1", "squared"])
def test_gradients_are_the_derivatives_of_the_exact_penalty(form, boundary, norm):
    """Small integers: every step of the kernels is exact, so the gradient equals the derivative."""
    field = np.random.default_rng(3).integers(-8, 9, (1, 2, 3, 4)).astype(float)
    tensor = Tensor(field, requires_grad=True)
    (result,) = grad(penalty(form, tensor, norm, boundary=boundary, reduction="sum"), tensor)
    for place in np.ndindex(field.shape):
        varied = fractions(field)
        varied[0][place[1]][place[2]][place[3]] = Dual(Fraction(field[place]), 1)
        value = Dual.of(exact.penalty(varied, FORMS[form], norm, boundary, "sum").value)
        at_kinks = norm == "1" and any(
            entry.value == 0 for vector in exact.vectors(fractions(field)[0], FORMS[form], boundary) for entry in vector
        )
        if not at_kinks:
            assert Fraction(result.data[place]) == value.derivative


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("boundary", ["valid", "replicate"])
@pytest.mark.parametrize("norm", ["1", "2", "squared"])
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
@pytest.mark.parametrize("norm", ["1", "2", "squared"])
def test_linear_fields_do_not_bend(form, norm):
    x, y = np.meshgrid(np.arange(6.0), np.arange(5.0))
    field = np.stack([3 * x - 2 * y + 1, 0.5 * x + 4 * y])[None]
    assert bending_energy(field, form, norm) == 0
    assert smoothness(field, "1") == 3 + 2 + 0.5 + 4


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("norm", ["1", "2", "squared"])
def test_the_subgradient_at_zero_is_zero(form, norm):
    """A motion field starts at zero, where the one-sided derivatives of the 1-norm are not: +1 and -1 per entry."""
    field = Tensor(np.zeros((1, 2, 4, 4)), requires_grad=True)
    (first,) = grad(penalty(form, field, norm, reduction="sum"), field, create_graph=True)
    assert not first.data.any()
    if norm == "1":  # piecewise linear: the gradient is constant, and has no history
        assert not first.requires_grad
        step = np.zeros(field.shape)
        step[0, 0, 1, 1] = 2.0**-20
        rises = [float(penalty(form, sign * step, norm, reduction="sum")) for sign in (1, -1)]
        assert rises[0] == rises[1] > 0
    else:
        (second,) = grad(first, field, np.random.default_rng(5).standard_normal(field.shape))
        assert np.isfinite(second.data).all() and (norm == "squared") == second.data.any()


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
