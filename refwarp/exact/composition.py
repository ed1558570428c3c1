"""Composition and inversion of warps by their parameters, in exact arithmetic.

A warp maps a point of the output to a point of the input. The composition of two warps applies one after the other,

    (outer o inner)(p) = outer(inner(p))                                               (composition.1)

For homographies that is the product of their matrices, and for affine warps, with the row (0, 0, 1) below,

    H = H_o H_i                                                                        (composition.2)
    H^-1 = adj(H) / det(H),  adj(H)_jk = m_k+1,j+1 m_k+2,j+2 - m_k+1,j+2 m_k+2,j+1     (composition.3)

indices modulo 3. A translation t and a similarity p -> s R(a) p + t have

    t = t_o + t_i;  -t                                                                 (composition.4)
    s = s_o s_i,  a = a_o + a_i,  t = s_o R(a_o) t_i + t_o                             (composition.5)
    1/s,  -a,  -R(-a) t / s                                                            (composition.6)

The compositional update of theta by delta is theta o delta. In the inverse compositional update, of Lucas and Kanade's
method and of networks named after it, delta moves the template instead:

    theta o delta^-1                                                                   (composition.7)

The code released by the authors of IC-STN applies the increment last, without an inverse,

    delta o theta, divided by its last entry                                           (composition.10)

The gradients of the product and of the inverse J = H^-1 are, with the cotangent G,

    gH_o = G H_i^T,  gH_i = H_o^T G                                                    (composition.8)
    gH = -J^T G J^T                                                                    (composition.9)

The error budget of an entry C/D of the inverse has M = Cbar/|D| + |C/D| Dbar/|D|, with bars for sums of absolute terms.
"""

from __future__ import annotations

from refwarp.exact.arithmetic.functions import cos, sin
from refwarp.exact.arithmetic.matrices import Matrix, transpose
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.ledger import Equation
from refwarp.exact.projective import quotient

Sums = list[list[Sum]]


def values(sums: Sums) -> Matrix:
    """Return the sums as numbers."""
    return [[entry.value for entry in row] for row in sums]


def with_last_row(theta: Matrix) -> Matrix:
    """Return the 3 x 3 matrix of an affine warp."""
    return [*theta, [0, 0, 1]]


def product(a: Matrix, b: Matrix) -> Sums:
    """Return a b (composition.2)."""
    columns = transpose(b)
    return [[Sum(x * y for x, y in zip(row, line, strict=True)) for line in columns] for row in a]  # (composition.2)


def compose_affine(outer: Matrix, inner: Matrix) -> Sums:
    """Return the composition of two affine warps, 2 x 3 (composition.1)."""
    return product(outer, with_last_row(inner))  # (composition.1)


def inverse(m: Matrix) -> Sums:
    """Return the inverse of a 3 x 3 matrix (composition.3).

    Raises
    ------
    ZeroDivisionError
        If it is singular.
    """
    det = determinant(m)
    return [[quotient(Sum(cofactor(m, k, j)), det) for k in range(3)] for j in range(3)]  # (composition.3)


def cofactor(m: Matrix, k: int, j: int) -> tuple[Number, Number]:
    """Return the terms of adj(H)_jk."""
    p, q, r, s = (k + 1) % 3, (k + 2) % 3, (j + 1) % 3, (j + 2) % 3
    return m[p][r] * m[q][s], -m[p][s] * m[q][r]


def determinant(m: Matrix) -> Sum:
    """Return the determinant, a sum of six terms."""
    return Sum(m[0][j] * term for j in range(3) for term in cofactor(m, 0, j))


def product_gradients(g: Matrix, outer: Matrix, inner: Matrix) -> tuple[Sums, Sums]:
    """Return the gradients to both factors (composition.8)."""
    return product(g, transpose(inner)), product(transpose(outer), g)  # (composition.8)


def inverse_gradient(g: Matrix, m: Matrix) -> Sums:
    """Return the gradient to H (composition.9)."""
    j = values(inverse(m))
    places = [(p, q) for p in range(3) for q in range(3)]

    def entry(i: int, k: int) -> Sum:
        return Sum(-j[p][i] * g[p][q] * j[k][q] for p, q in places)  # (composition.9)

    return [[entry(i, k) for k in range(3)] for i in range(3)]


# ---- parameters that are no matrices ----


def compose_translations(outer: list[Number], inner: list[Number]) -> list[Sum]:
    """Return the sum of two translations (composition.4)."""
    return [Sum(pair) for pair in zip(outer, inner, strict=True)]  # (composition.4)


# Terms of the parameters s, a, t_x, t_y of a similarity.
Terms = list[tuple[Number, ...]]


def compose_similarities(outer: list[Number], inner: list[Number]) -> list[Sum]:
    """Return the parameters s, a, t_x, t_y of the composition (composition.5)."""
    return [Sum(terms) for terms in composed_terms(outer, [(parameter,) for parameter in inner])]


def composed_terms(outer: list[Number], inner: Terms) -> Terms:
    """Return the terms of the composition (composition.5), multiplied out."""
    s, a, x, y = outer
    scales, angles, xs, ys = inner
    c, d = s * cos(a), s * sin(a)
    return [
        tuple(s * t for t in scales),
        (a, *angles),  # (composition.5)
        (*(c * t for t in xs), *(-d * t for t in ys), x),
        (*(d * t for t in xs), *(c * t for t in ys), y),
    ]


def invert_similarity(theta: list[Number]) -> list[Sum]:
    """Return the parameters s, a, t_x, t_y of the inverse (composition.6)."""
    return [Sum(terms) for terms in inverse_terms(theta)]


def inverse_terms(theta: list[Number]) -> Terms:
    """Return the terms of the inverse (composition.6)."""
    s, a, x, y = theta
    c, d = cos(a) / s, sin(a) / s
    return [(1 / s,), (-a,), (-c * x, -d * y), (d * x, -c * y)]  # (composition.6)


def inverse_compositional(theta: Matrix, delta: Matrix) -> Matrix:
    """Return theta o delta^-1 for 3 x 3 matrices (composition.7)."""
    return values(product(theta, values(inverse(delta))))  # (composition.7)


def released_update(theta: Matrix, delta: Matrix) -> Matrix:
    """Return delta o theta for 3 x 3 matrices, divided by its last entry (composition.10)."""
    composed = values(product(delta, theta))
    return [[entry / composed[2][2] for entry in row] for row in composed]  # (composition.10)


_TESTS = "tests/exact/test_composition.py::"
_GRID = "refwarp.grids.composition."

LEDGER = (
    Equation(
        "HSTN",
        "C-STN, IC-STN (section 4.1)",
        "several transformations, composed, from several networks or from one unrolled",
        "ambiguous",
        "HSTN distinguishes the two by shared weights only, and prints no composition; supported are theta o delta, "
        "and theta o delta^-1, the usual meaning of inverse compositional",
        (
            "refwarp.exact.composition.product",
            "refwarp.exact.composition.inverse_compositional",
            _GRID + "compose",
            _GRID + "inverse_compositional_update",
        ),
        (
            _TESTS + "test_a_composition_is_one_warp_after_the_other",
            _TESTS + "test_warps_are_groups",
            _TESTS + "test_the_two_updates_agree_to_first_order_only",
        ),
    ),
    Equation(
        "HSTN",
        "IC-STN, released code",
        "the update of the network that HSTN compares with, as released by its authors",
        "wrong",
        "the new increment is applied after the current warp, delta o theta, and nothing is inverted, in spite of the "
        "name inverse compositional: it agrees with neither of the updates above, not even to first order, unless the "
        "two commute (as at the identity, or for translations). It is compose(delta, theta)",
        ("refwarp.exact.composition.released_update", _GRID + "compose"),
        (
            _TESTS + "test_the_released_update_is_another_warp_to_first_order",
            "tests/grids/test_composition.py::test_the_released_update_is_compose_with_its_arguments_exchanged",
        ),
    ),
)
