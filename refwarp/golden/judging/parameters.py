"""Functions of a few parameters, written as sums of terms, and their first and second derivatives term by term.

    entry_e(theta) = sum of the terms t of e
    gtheta_p       = sum over e, t of g_e d_p t
    of sum b_p gtheta_p, for cotangents b:
    gg_e           = sum over p, t of b_p d_p t
    gtheta_q       = sum over e, p, t of g_e b_p d_q d_p t

A term is a product in which each parameter enters one factor, so its derivatives are products too, and k and M are
those of these sums. Where a parameter enters through a sine, a cosine or a power of two, the factor moves by the
parameter itself times its derivative: reducing an angle, or multiplying by ln 2, in working precision is off by some u
of the argument, which is less than e of it (3 u, of e = 6 u).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from refwarp.exact.arithmetic.numbers import Dual, Number
from refwarp.golden.judging.moved import Moved, Numbers

# The entries of a function of parameters, each with its terms.
Entries = Sequence[Sequence[Number]]


class Function(NamedTuple):
    """A function of parameters: its entries, and which parameters enter through a sine, cosine or power of two."""

    entries: Callable[[list[Number]], Entries]
    through: tuple[int, ...] = ()


def entries(function: Function, theta: list[Number], *which: int) -> Numbers:
    """Return the derivative of the entries to the parameters `which`, one after another; the entries, if to none."""
    values = _terms(function, theta, *which)
    moves: list[list[Number]] = [[0] * len(terms) for terms in values]
    for p in function.through:
        for row, terms in zip(moves, _terms(function, theta, *which, p), strict=True):
            for place, term in enumerate(terms):
                if term != 0:
                    row[place] = row[place] + abs(theta[p] * term)
    found = np.empty(len(values), object)
    for e, pair in enumerate(zip(values, moves, strict=True)):
        found[e] = sum((Moved.of(term, move) for term, move in zip(*pair, strict=True)), Moved(0, 0, 0, 0))
    return found


def gradient(function: Function, theta: list[Number], g: Numbers) -> Numbers:
    """Return gtheta for the cotangents g of the entries."""
    gtheta: Numbers = _jacobian(function, theta) @ g
    return gtheta


class SecondGradients(NamedTuple):
    """The gradients of sum b_p gtheta_p, with respect to the cotangents of the entries and to the parameters."""

    gg: Numbers
    gtheta: Numbers


def second_gradients(function: Function, theta: list[Number], g: Numbers, b: Numbers) -> SecondGradients:
    """Return both."""
    gtheta = [b @ _jacobian(function, theta, q) @ g for q in range(len(theta))]
    return SecondGradients(b @ _jacobian(function, theta), np.array(gtheta, object))


def _jacobian(function: Function, theta: list[Number], *which: int) -> Numbers:
    """Return the derivatives to each parameter (and to the parameters `which`), parameters x entries."""
    return np.array([entries(function, theta, *which, p) for p in range(len(theta))], object)


def _terms(function: Function, theta: list[Number], *which: int) -> list[list[Number]]:
    """Return the derivatives of the terms: dual numbers of dual numbers, one level for each parameter."""
    numbers = list(theta)
    for p in which:
        numbers = [Dual(x, int(q == p)) for q, x in enumerate(numbers)]
    return [[_derivative(term, len(which)) for term in terms] for terms in function.entries(numbers)]


def _derivative(term: Number, order: int) -> Number:
    for _ in range(order):
        term = Dual.of(term).derivative
    return term
