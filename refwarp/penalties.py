"""Penalties on motion fields: bending energy and smoothness, HSTN Eq. (7).

    l = alpha |Laplacian w| + beta |grad w|                                                  (HSTN 7)

for a field w of D components on pixels one unit apart. The paper says neither which norm, nor what happens at the
boundary, nor how pixels are reduced to one number; all three are arguments. Derivatives of each component:

    w_x = w(i, j+1) - w(i, j),   w_y = w(i+1, j) - w(i, j)                                   (penalties.1)
    w_xx = w(i, j-1) - 2 w(i, j) + w(i, j+1),   w_yy alike                                   (penalties.2)
    w_xy = (w(i+1, j+1) - w(i+1, j-1) - w(i-1, j+1) + w(i-1, j-1)) / 4                       (penalties.3)

At each pixel the entries of all components, (w_x, w_y), or w_xx + w_yy, or (w_xx, w_xy, w_xy, w_yy), form one vector v:

    norm "1"         sum of |v_k|           gradient sign(v_k), 0 at v_k = 0
    norm "2"         sqrt(sum of v_k^2)     gradient v_k / |v|, 0 at v = 0
    norm "squared"   sum of v_k^2           gradient 2 v_k                                   (penalties.4)

A motion field that starts at zero starts at the kink of the first two: 0 is the subgradient taken there. Motions that
are NaN or infinite make the penalty NaN.

The Laplacian is not the bending energy: of w = x y it is 0, while the squared Hessian is 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Function, Tensor
from autograd_core.arrays import array_module
from autograd_core.function import Context
from autograd_core.functions import (
    absolute,
    astype,
    concatenate,
    divide,
    expand_dims,
    getitem,
    mean,
    multiply,
    sum,
    where,
)
from refwarp.arguments import apply_as_given, check_array, check_option, public

NORMS = ("1", "2", "squared")
BOUNDARIES = ("valid", "replicate")
REDUCTIONS = ("mean", "sum")


class Motions(Function):
    """field -> float64 in the order of its axes, whatever that of its memory; a motion that is not finite is NaN.

    (An infinite motion has no differences.) Its gradient is NaN too.
    """

    @staticmethod
    def forward(ctx: Context, field: Any) -> Any:
        """Return a copy: sums run along memory, and so would have other bits in another order."""
        xp = array_module(field)
        return xp.array(xp.where(xp.isfinite(field), field, np.nan), np.float64, order="C")

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        """Return gout, NaN where the motion is."""
        (field,) = ctx.inputs
        xp = array_module(field.data)
        return astype(gout * xp.where(xp.isfinite(field.data), 1.0, np.nan), field.dtype)


class Length(Function):
    """Vectors along axis 1 -> their Euclidean lengths, with the gradient 0 at the vector 0.

    `factors` (D, 1, 1) are those of its components: powers of two, of which the vectors may have no digit to spare.
    """

    @staticmethod
    def forward(ctx: Context, vectors: Any, *, factors: Any) -> Any:
        """Return sqrt(sum of v_k^2), of v scaled by a power of two so that no square leaves the range of floats."""
        xp, exponent = array_module(vectors), _exponents(vectors)
        scaled = xp.ldexp(vectors, -exponent) * factors
        return xp.ldexp(xp.sqrt((scaled * scaled).sum(axis=1)), exponent[:, 0])  # (penalties.4)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        """Return gout v / |v|, 0 where v = 0; of the scaled v, for a subnormal |v| has lost digits."""
        (vectors,), factors = ctx.inputs, ctx.parameters["factors"]
        exponent = _exponents(vectors.data)
        ones = array_module(exponent).ones(exponent.shape)
        scaled = multiply(vectors, array_module(exponent).ldexp(ones, -exponent) * factors)
        is_zero = ~vectors.data.any(axis=1, keepdims=True)
        length = Length.apply(scaled, factors=array_module(exponent).ones((1, 1, 1)))
        direction = divide(scaled, where(is_zero, 1.0, expand_dims(length, 1)))
        return multiply(multiply(where(is_zero, 0.0, direction), expand_dims(gout, 1)), factors)  # (penalties.4)


class Squares(Function):
    """Numbers, and powers of two `factors` (broadcast against them) -> (factor x number)^2."""

    @staticmethod
    def forward(ctx: Context, x: Any, *, factors: Any) -> Any:
        """Return the squares: the factors come first, for the square without one may leave the range of floats."""
        scaled = x * factors
        return scaled * scaled  # (penalties.4)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        """Return 2 factor^2 x gout: the factors come first, so that nothing overflows before they make it smaller.

        Where that would make x subnormal, and so lose digits, they come last.
        """
        (x,), squares = ctx.inputs, ctx.parameters["factors"] ** 2
        xp, numbers = array_module(x.data), x.data
        subnormal = abs(numbers) * squares < np.finfo(numbers.dtype).tiny
        first, last = (xp.where(subnormal, *which).astype(numbers.dtype) for which in ((1.0, squares), (squares, 1.0)))
        return multiply(multiply(2 * x, first) * gout, last)  # (penalties.4)


def _exponents(vectors: Any) -> Any:
    """Return for each vector along axis 1 the exponent of its largest component, if 2 to the minus that is a float."""
    xp = array_module(vectors)
    largest = xp.zeros((vectors.shape[0], 1, *vectors.shape[2:]))
    for k in range(vectors.shape[1]):
        largest = xp.maximum(largest, abs(vectors[:, k : k + 1]))
    _, exponents = xp.frexp(xp.where(xp.isfinite(largest), largest, 0.0))
    return xp.maximum(exponents, -1022)


def _replicated(field: Tensor, before: int) -> Tensor:
    """Return the field with its outermost pixels repeated: `before` times in front of each axis, once after it."""
    for axis in (2, 3):
        rest = (slice(None),) * axis
        first, last = getitem(field, (*rest, slice(0, before))), getitem(field, (*rest, slice(-1, None)))
        field = concatenate([first, field, last], axis=axis)
    return field


def _part(field: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Return the field without so many rows and columns at its beginning and end."""
    height, width = field.shape[2:]
    index = slice(rows[0], height - rows[1]), slice(columns[0], width - columns[1])
    return getitem(field, (slice(None), slice(None), *index))


def _penalty(entries: list[Tensor], norm: str, reduction: str, factors: tuple[float, ...] = (1.0,)) -> Tensor:
    """Return one of the norms of the vectors that the entries (N, D, H, W) make, reduced.

    `factors`, powers of two, are those of the entries, which are not yet multiplied by them: a subnormal one has no
    digit to spare before its sign, its direction or its square is known.
    """
    vectors = concatenate(entries, axis=1)
    xp, components = array_module(vectors.data), entries[0].shape[1]
    scales = xp.asarray(np.repeat(factors, components).reshape(-1, 1, 1) if len(factors) > 1 else np.ones((1, 1, 1)))
    if norm == "2":
        penalty = Length.apply(vectors, factors=scales)  # (HSTN 7)
    elif norm == "1":
        sizes = absolute(vectors)
        penalty = sum(sizes * scales if len(factors) > 1 else sizes, axis=1)  # (HSTN 7), (penalties.4)
    else:
        penalty = sum(Squares.apply(vectors, factors=scales), axis=1)  # (HSTN 7), (penalties.4)
    return mean(penalty) if reduction == "mean" else sum(penalty)


def _check(name: str, field: Any, norm: str, boundary: str, reduction: str, smallest: int) -> None:
    check_array(name, field, "(N, D, H, W)", (None, None, None, None))
    check_option("norm", norm, NORMS)
    check_option("boundary", boundary, BOUNDARIES)
    check_option("reduction", reduction, REDUCTIONS)
    smallest = 1 if boundary == "replicate" else smallest
    if min(field.shape[2:]) < smallest:
        raise ValueError(
            f"{name}: given shape {tuple(field.shape)}, expected H and W of at least {smallest} "
            f'with boundary="{boundary}"'
        )
    if reduction == "mean" and 0 in field.shape[:1]:
        raise ValueError(f"{name}: given shape {tuple(field.shape)}, which has no mean; expected N of at least 1")


def _in_double(penalty: Any, field: Any) -> Any:
    """Compute in float64 and round once to the dtype of the field."""

    def operation(field: Tensor) -> Tensor:
        with np.errstate(over="ignore"):  # a penalty beyond the largest float is infinity
            return astype(penalty(Motions.apply(field)), field.dtype)

    return apply_as_given(operation, field)


@public
def smoothness(field: Any, norm: str = "1", boundary: str = "valid", reduction: str = "mean") -> Any:
    """Return how much a motion field changes from pixel to pixel, |grad w|.

    Parameters
    ----------
    field : ndarray or Tensor, shape (N, D, H, W)
        Motion fields of D components, in any unit per pixel; float16, float32 or float64.
    norm : {"1", "2", "squared"}
        How the D components' two differences at a pixel become one number.
    boundary : {"valid", "replicate"}
        Only pixels that have a neighbour on the right and below ((H - 1)(W - 1) of them); or all, with the
        outermost pixels repeated, so that differences across the border are 0.
    reduction : {"mean", "sum"}
        Over the images and the pixels that `boundary` leaves.

    Returns
    -------
    ndarray or Tensor, shape ()
        Of the dtype of `field`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype, shape or value; the message says which, and what is expected.

    Notes
    -----
    HSTN Eq. (7), second term. docs/penalties.md gives the error budget. At a difference of 0 the gradient is 0.

    Examples
    --------
    >>> ramp = np.array([[[[0.0, 3.0], [4.0, 7.0]]]])
    >>> [float(smoothness(ramp, norm)) for norm in ("1", "2", "squared")]
    [7.0, 5.0, 25.0]
    """
    _check("field", field, norm, boundary, reduction, smallest=2)

    def penalty(w: Tensor) -> Tensor:
        w = _replicated(w, before=0) if boundary == "replicate" else w
        here = _part(w, (0, 1), (0, 1))
        entries = [_part(w, (0, 1), (1, 0)) - here, _part(w, (1, 0), (0, 1)) - here]  # (penalties.1)
        return _penalty(entries, norm, reduction)  # (HSTN 7), second term

    return _in_double(penalty, field)


@public
def bending_energy(
    field: Any, form: str = "laplacian", norm: str = "1", boundary: str = "valid", reduction: str = "mean"
) -> Any:
    """Return how much a motion field bends; 0 where it is linear in the pixel's coordinates.

    Parameters
    ----------
    field : ndarray or Tensor, shape (N, D, H, W)
        Motion fields of D components, in any unit per pixel; float16, float32 or float64.
    form : {"laplacian", "hessian"}
        w_xx + w_yy as HSTN prints it, which is 0 for w = x y as well; or w_xx, w_xy, w_xy, w_yy, whose square is what
        a thin plate spline makes smallest.
    norm : {"1", "2", "squared"}
        How the entries of the D components at a pixel become one number.
    boundary : {"valid", "replicate"}
        Only pixels with neighbours on all sides ((H - 2)(W - 2) of them): then the penalty of every field that is
        linear is 0, as HSTN says. Or all, with the outermost ones repeated: these copies bend a field at the border
        unless it is constant across it.
    reduction : {"mean", "sum"}
        Over the images and the pixels that `boundary` leaves.

    Returns
    -------
    ndarray or Tensor, shape ()
        Of the dtype of `field`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype, shape or value; the message says which, and what is expected.

    Notes
    -----
    HSTN Eq. (7), first term. docs/penalties.md gives the error budget. At a vector of 0 the gradient is 0.

    Examples
    --------
    >>> x, y = np.meshgrid(np.arange(4.0), np.arange(4.0))
    >>> product = (x * y)[None, None]
    >>> [float(bending_energy(product, form, norm="squared")) for form in ("laplacian", "hessian")]
    [0.0, 2.0]
    """
    check_option("form", form, ("laplacian", "hessian"))
    _check("field", field, norm, boundary, reduction, smallest=3)

    def penalty(w: Tensor) -> Tensor:
        w = _replicated(w, before=1) if boundary == "replicate" else w
        centre = _part(w, (1, 1), (1, 1))
        w_xx = (_part(w, (1, 1), (0, 2)) - centre) + (_part(w, (1, 1), (2, 0)) - centre)  # (penalties.2)
        w_yy = (_part(w, (0, 2), (1, 1)) - centre) + (_part(w, (2, 0), (1, 1)) - centre)  # (penalties.2)
        if form == "laplacian":
            return _penalty([w_xx + w_yy], norm, reduction)  # (HSTN 7), first term
        falling = _part(w, (2, 0), (2, 0)) + _part(w, (0, 2), (0, 2))
        rising = _part(w, (2, 0), (0, 2)) + _part(w, (0, 2), (2, 0))
        w_xy = falling - rising  # four times (penalties.3)
        return _penalty([w_xx, w_xy, w_xy, w_yy], norm, reduction, factors=(1.0, 0.25, 0.25, 1.0))

    return _in_double(penalty, field)
