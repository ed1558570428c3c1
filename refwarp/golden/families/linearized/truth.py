"""The truth about linearized_sample.

All outputs are made of functionals L_i(U; v, beta) of maps (`exact.linearized.sample`): the value and the gradient of
the grid of those of the map itself, the gradient of the map of those of maps that are one pixel.

**k, M and c** are those of docs/linearized.md: k counts samples, M is the running error bound of the elimination, c
counts the operations on its longest path. The own kernels compute all that in float64, and so keep (c + log2 k) 2^-53 M
and one rounding of the value; the suite's budget has the u of the dtype asked throughout, and is wider in float32.

**G.** A fit is A = N^-1 X^T y with N = X^T X + E. Let each pixel coordinate move by at most e times its reach (see
`slopes`); then a sample y_k moves by e times its own G, m_k + m_0, an offset by e times D_k, two reaches, and

    |change of A| <= e (|N^-1| (D^T |y - X A| + |X|^T D |A|) + |N^-1 X^T| (m + m_0))           (linearized.moves)

to first order in e. An implementation in working precision will also form N and solve with it, by an inverse or by
elimination: with K samples some 2 K + 14 roundings, each of at most q q^T |N^-1| |X|^T |y| before the last |N^-1|,
where q_i^2 = N_ii; no entry that is met on the way, of whatever factorisation, is larger than q_i q_j. In units of
e = 6 u that is (K + 7)/3 times as much, and it is part of G: it is what makes the normal equations fail where a fit is
badly determined. Whether a sample takes part, and whether there is a fit, is decided by the numbers as they are given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from refwarp.exact import bilinear
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.arithmetic.running_error import Bounded
from refwarp.exact.linearized import sample as linearized
from refwarp.golden.case import Case
from refwarp.golden.judging import slopes
from refwarp.golden.judging.answer import Answer, numbers
from refwarp.golden.judging.judge import Answers, Judge
from refwarp.golden.judging.running import as_sum
from refwarp.golden.judging.sampler import OUTPUTS, Call
from refwarp.golden.operations import OPERATIONS

Objects = npt.NDArray[np.object_]

# c of the budget, for all outputs.
PATH = 48.0

# A sample farther away than this, in pixels, takes no part under any mask.
FAR = Fraction(2) ** 500

# Where an infinite point of the grid lies, for a padding that has an answer: beyond the map.
BEYOND = Fraction(4)


@dataclass(frozen=True)
class Term:
    """An element or a part of it: a number with its M, from k samples, and its G."""

    number: Any
    k: int
    move: Number

    def __add__(self, other: Term) -> Term:
        return Term(self.number + other.number, self.k + other.k, self.move + other.move)

    def __mul__(self, factor: Number) -> Term:
        return Term(self.number * factor, self.k, self.move * abs(factor))

    def sum(self) -> Sum:
        """Return it as a sum of k terms."""
        return as_sum(self.number, self.k)


NOTHING = Term(Bounded(Fraction(0)), 0, 0)


class Image(NamedTuple):
    """The arguments of linearized_sample and of its gradients, of one image; cotangents may be None."""

    cotangent_input: Any
    cotangent_grid: Any
    gout: Any
    input: Any
    grid: Any
    auxiliary: Any


class Fit:
    """How far a fit moves: what (linearized.moves) is made of, in pixels of the map.

    Parameters
    ----------
    rows : array (K, 3)
        X.
    moves : array (K, 3)
        D, with a column of zeros for the ones of X.
    tikhonov : three numbers
        The diagonal of E.
    """

    def __init__(self, rows: Objects, moves: Objects, tikhonov: Sequence[Number]) -> None:
        normal = rows.T @ rows + np.diag(np.array(tikhonov, object))
        self.rows, self.moves = rows, moves
        self.inverse = inverse(normal)
        self.largest = np.array([_root(normal[i, i]) for i in range(3)], object)  # q

    def moved(self, y: Objects, y_moves: Objects) -> Objects:
        """Return how far the parts of A move for the samples y, which move themselves."""
        weights = self.inverse @ self.rows.T
        a = weights @ y
        aside = self.moves.T @ abs(y - self.rows @ a) + abs(self.rows).T @ (self.moves @ abs(a))
        found: Objects = abs(self.inverse) @ (aside + self.solving(y)) + abs(weights) @ y_moves
        return found

    def solving(self, y: Objects) -> Objects:
        """Return what forming N and solving with it costs in working precision, in units of e, before |N^-1|."""
        right = abs(self.inverse) @ (abs(self.rows).T @ abs(y))
        found: Objects = (right @ self.largest) * self.largest * Fraction(len(y) + 7, 3)
        return found


def inverse(matrix: Objects) -> Objects:
    """Return the inverse of a 3 x 3 matrix of rational numbers, from its cofactors."""
    rows = [np.cross(matrix[(i + 1) % 3], matrix[(i + 2) % 3]) for i in range(3)]
    found: Objects = np.array(rows, object).T / (matrix[0] @ rows[0])
    return found


def _root(square: Number) -> Fraction:
    """Return a number not below the square root, and hardly above it."""
    return Fraction(math.sqrt(square)) * (1 + Fraction(1, 2**40))


class Pixel:
    """One output pixel: its functional, and how far that moves; at NaN, undefined.

    Parameters
    ----------
    functional : Functional or None
    near : sequence of Neighbourhood
        What each of its samples may see, the centre first.
    fit : Fit or None
        None where there is no fit.
    factors : three numbers
        Those of a_x, a_y and b in the functional.
    """

    def __init__(
        self,
        functional: linearized.Functional | None,
        near: Sequence[slopes.Neighbourhood],
        fit: Fit | None,
        factors: tuple[Number, Number, Number],
    ) -> None:
        self.functional, self.near, self.fit, self.factors = functional, near, fit, factors

    def centre(self, plane: Any) -> Term:
        """Return the sample at the grid's point."""
        if self.functional is None:
            return UNDEFINED
        return Term(self._samples(plane)[0], 1, self.near[0].gathered(plane, 0, 0))

    def __call__(self, plane: Any, v: Number, beta: tuple[Number, Number] = (0, 0)) -> Term:
        """Return L_i of a plane (linearized.7)."""
        if self.functional is None:
            return UNDEFINED
        move = [near.gathered(plane, 0, 0) for near in self.near]
        total = abs(v) * move[0]
        if self.fit is not None:
            centre, *values = [sample.value for sample in self._samples(plane)]
            y = np.array([value - centre for value in values], object)
            moved = self.fit.moved(y, np.array([other + move[0] for other in move[1:]], object))
            total += sum(
                abs(factor * part) * a for factor, part, a in zip((*beta, v), self.factors, moved, strict=True)
            )
        return Term(self.functional(plane, v, beta), len(self.near), total)

    def _samples(self, plane: Any) -> list[Bounded]:
        assert self.functional is not None
        size = len(plane), len(plane[0])
        sums = [bilinear.value(plane, x, y, bilinear.support(x, y, *size)) for x, y in self.functional.points]
        return [Bounded(total.value, total.M) for total in sums]


UNDEFINED = Term(Bounded(math.nan, 0), 1, 0)


def takes_part(rule: str, point: Sequence[Number], centre: Sequence[Number]) -> bool:
    """Tell whether a mask keeps a point. A NaN is neither in nor out: it is kept, and shows."""
    measured = [g - g0 for g, g0 in zip(point, centre, strict=True)] if rule == "offset" else point
    return rule == "none" or not any(abs(g) > 1 for g in measured)


def pixel(call: Call, case: Case, centre: Sequence[Number], auxiliary: Sequence[Sequence[Number]]) -> Pixel:
    """Return the output pixel of a point of the grid and its auxiliary samples."""
    kept = [point for point in auxiliary if takes_part(case.options["mask"], point, centre)]
    if any(g != g for g in centre) or any(math.isinf(g) for g in centre):
        if call.padding == "reflection" or any(g != g for g in centre):
            return Pixel(None, (), None, (0, 0, 0))
        centre, kept = [g if math.isfinite(g) else BEYOND if g > 0 else -BEYOND for g in centre], []
    if any(g != g for point in kept for g in point):
        return Pixel(None, (), None, (0, 0, 0))
    halves = np.array(call.scales, object)

    def offset(point: Sequence[Number]) -> Objects:
        found: Objects = (np.array(point, object) - np.array(centre, object)) * halves
        return found

    kept = [point for point in kept if all(math.isfinite(g) for g in point) and (abs(offset(point)) <= FAR).all()]
    weights = [Fraction(e) for e in np.broadcast_to(case.options["tikhonov"], 3)]
    intercept = case.options["intercept"]
    options = call.height, call.width, linearized.PlaneFit(weights, intercept), call.align_corners, call.padding
    (functional,) = linearized.functionals([[centre]], [[kept]], [[[True] * len(kept)]], *options)
    if not functional.weights:
        kept = []
    places = [centre, *kept]
    near = [slopes.neighbourhood(call, (gx, gy), "right") for gx, gy in places]
    fit = None
    if kept:
        (x0, y0), *reaches = [
            [slopes.reach(*axis) for axis in zip(point, call.sizes, call.scales, strict=True)] for point in places
        ]
        moves = np.array([[x + x0, y + y0, 0] for x, y in reaches], object)
        ones = int(intercept != "bias-free")
        if not ones:
            weights[2] = Fraction(1)  # of a column of zeros: the two others are fitted without it
        fit = Fit(np.array([[*offset(point), ones] for point in kept], object), moves, weights)
    return Pixel(functional, near, fit, (*call.scales, int(intercept is True)))


def terms(call: Call, case: Case, image: Image) -> dict[str, Objects]:
    """Return the elements of each output of one image."""
    mode = case.options["input_gradient"]
    found = {path: _nothing(np.shape(getattr(image, name))) for path, name in OUTPUTS.items()}
    channels = range(len(image.input))
    for i, j in np.ndindex(np.shape(image.grid)[:2]):
        here = pixel(call, case, image.grid[i][j], image.auxiliary[i][j])
        beta = image.cotangent_grid[i][j]
        for c in channels:
            g, u, a = image.gout[c][i][j], image.input[c], image.cotangent_input[c]
            found["forward/output"][c, i, j] = here(u, 1)
            found["second_vjp/ggout"][c, i, j] = here(u, 0, beta)
            if mode == "fit":
                found["second_vjp/ggout"][c, i, j] += here(a, 1)
            elif mode == "center":
                found["second_vjp/ggout"][c, i, j] += here.centre(a)
            for axis, along in enumerate(((1, 0), (0, 1))):
                found["vjp/ggrid"][i, j, axis] += here(u, 0, along) * g
                if mode == "fit":
                    found["second_vjp/ggrid"][i, j, axis] += here(a, 0, along) * g
        if mode == "none" or here.functional is None:  # a sample at NaN gives nothing to the map
            continue
        for n, m in np.ndindex(call.height, call.width):
            one = _one(call, n, m)
            first = here(one, 1) if mode == "fit" else here.centre(one)
            second = here(one, 0, beta) if mode == "fit" else NOTHING
            for c in channels:
                g = image.gout[c][i][j]
                found["vjp/ginput"][c, n, m] += _seen(first) * g
                found["second_vjp/ginput"][c, n, m] += _seen(second) * g
    return found


def _one(call: Call, n: int, m: int) -> list[list[int]]:
    """Return the map that is 1 at one pixel."""
    return [[int((row, column) == (n, m)) for column in range(call.width)] for row in range(call.height)]


def _seen(term: Term) -> Term:
    """Return a term without its count of samples, if none of them sees anything."""
    return term if term.number.M != 0 else replace(term, k=0)


def _nothing(shape: tuple[int, ...]) -> Objects:
    found = np.empty(shape, object)
    found[...] = NOTHING
    return found


def linearized_sample(case: Case, convention: str) -> Answers:
    """Return the answers of linearized_sample: those outputs that the case has the inputs for."""
    size = case.inputs["input"].shape[2:]
    call = Call("bilinear", case.options["padding_mode"], case.options["align_corners"], *size)
    given = {name: numbers(array) for name, array in case.inputs.items()}
    for name in ("input", "grid"):
        given.setdefault(f"cotangent_{name}", numbers(np.zeros(case.inputs[name].shape)))
    images = [Image(*parts) for parts in zip(*(given[name] for name in Image._fields), strict=True)]
    found = [terms(call, case, image) for image in images]
    answers = {}
    for of_call in OPERATIONS["linearized_sample"]:
        if set(of_call.arguments) <= set(case.inputs):
            for path in of_call.paths():
                flat = [term for of_image in found for term in of_image[path].ravel()]
                shape = case.inputs[OUTPUTS[path]].shape
                answers[path] = Answer.of(PATH, shape, [term.sum() for term in flat], [term.move for term in flat])
    return answers


JUDGES = {"linearized_sample": Judge(linearized_sample)}
