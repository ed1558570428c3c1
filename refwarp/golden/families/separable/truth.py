"""The truth about separable_sample.

Each weight of a sample is k(x - m), or a derivative of it. A coordinate that is off by e times its reach R (see
`slopes.reach`) moves it, within a piece of the kernel, by at most e times

    R |k'(d)| + 6 2^-11 R^2 max |k''| / 2,   the same for k',   R max |k'''| for k''         (separable.5)

for e up to that of float16: the slope at d, and what it may change on the way. Beyond the window's reach of the map a
coordinate is as good as clamped, unless it is reflected. Besides, the formulas that implementations use round weights
absolutely. In units of e, they are granted

    cubics           twice the absolute values of the monomials in |d|, multiplied out: 12 roundings of each
    Lanczos          3, 8 + 3/|d| and 70 + 20/|d| + 5/d^2 for k, k' and k'': what roundings of pi d (2 u), sin and cos
                     (1 u of 1) and quotients do to (cos z - sin z / z)/z, z = pi d, and to the formula for k''
    tent, Gaussian   nothing: each rounding is relative to what M holds

G is the sum of what this does to the products in an element, with the absolute values of their other factors: to first
order in e, for weights that move by themselves. On a seam - a lattice point, for the integer kernel half-way between
two - a sample is taken to stay where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from fractions import Fraction
from typing import Any, NamedTuple

from refwarp.exact import separable
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.bilinear import coordinate_scale
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import BITS
from refwarp.golden.judging.judge import Answers, Judge, options
from refwarp.golden.judging.running import Displaced, answer, elements
from refwarp.golden.judging.sampler import OUTPUTS, images, in_balls, outputs
from refwarp.golden.judging.seams import MOVE
from refwarp.golden.judging.slopes import reach

Triple = tuple[Number, Number, Number]


class Sampling(NamedTuple):
    """A kernel, and how its weights move.

    Attributes
    ----------
    kernel : callable
        See `refwarp.exact.separable`.
    support : int
        Pixels on each side.
    steepest : pair of numbers
        The largest |k''| and |k'''|.
    roundings : callable
        |d| -> how many e are granted to k, k' and k'' for their own roundings.
    c : float
        Of the budget.
    """

    kernel: separable.KernelFunction
    support: int
    steepest: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))
    roundings: Callable[[Number], Triple] = lambda r: (0, 0, 0)
    c: float = 16.0


def cubic(pieces: tuple[tuple[Fraction, ...], ...]) -> Callable[[Number], Triple]:
    """Return twice the sums of the absolute monomials, for the coefficients of 1, r, r^2, r^3 in each piece."""

    def roundings(r: Number) -> Triple:
        a, b, c, d = (2 * abs(coefficient) for coefficient in pieces[0 if r < 1 else 1])
        return a + b * r + c * r * r + d * r * r * r, b + 2 * c * r + 3 * d * r * r, 2 * c + 6 * d * r

    return roundings


def keys(a: float) -> Sampling:
    """Return Keys' cubic: k'' is steepest at 0 or beside 1, k''' is 6 (a + 2) or 6 a."""
    b = Fraction(a)
    inner, outer = abs(b + 2), abs(b)
    pieces = (Fraction(1), Fraction(0), b + 3, b + 2), (4 * b, 8 * b, 5 * b, b)
    steepest = 6 * inner + 2 * abs(b + 3) + 4 * outer, 6 * max(inner, outer)
    return Sampling(separable.keys_kernel(b), 2, steepest, cubic(pieces))


def cubic_b_spline() -> Sampling:
    """Return the cubic B-spline."""
    pieces = tuple(tuple(Fraction(n, 6) for n in piece) for piece in ((4, 0, 6, 3), (8, 12, 6, 1)))
    return Sampling(separable.b_spline_kernel, 2, (Fraction(2), Fraction(3)), cubic(pieces))


def lanczos(lobes: int) -> Sampling:
    """Return the Lanczos kernel: derivative j of a sinc is at most pi^j/(j + 1)."""
    a, pi = Fraction(lobes), Fraction(22, 7)
    second = pi**2 * (Fraction(1, 3) + 1 / (2 * a) + 1 / (3 * a**2))
    third = pi**3 * (Fraction(1, 4) + 1 / (2 * a) + 1 / (2 * a**2) + 1 / (4 * a**3))

    def roundings(r: Number) -> Triple:
        return (3, 8 + 3 / r, 70 + 20 / r + 5 / (r * r)) if r != 0 else (3, 8, 70)

    return Sampling(separable.lanczos_kernel(lobes), lobes, (second, third), roundings)


def gaussian(deviation: float) -> Sampling:
    """Return the Gaussian; 1/sqrt(2 pi) < 2/5, and its third derivative is below 7/5 of that."""
    s = Fraction(deviation)
    steepest = Fraction(2, 5) / s**3, Fraction(14, 25) / s**4
    return Sampling(separable.gaussian_kernel(s), -int(-4 * s // 1), steepest)


KERNELS: Mapping[str, Callable[..., Sampling]] = {
    "tent": lambda: Sampling(separable.tent_kernel, 1),
    "integer": lambda: Sampling(separable.integer_kernel, 1, c=0.0),
    "keys": keys,
    "cubic_b_spline": cubic_b_spline,
    "lanczos": lanczos,
    "gaussian": gaussian,
}

# Their values are no rational numbers.
TRANSCENDENTAL = ("lanczos", "gaussian")


def sampling_of(option: Mapping[str, Any]) -> Sampling:
    """Return the kernel that an option names."""
    return KERNELS[option["name"]](**{name: value for name, value in option.items() if name != "name"})


def moving(k: Sampling, furthest: Number, number: Callable[[Number], Number]) -> separable.KernelFunction:
    """Return the kernel with weights that know how far they move, for a coordinate of a reach (separable.5)."""
    far, change = number(furthest), number(MOVE * furthest * furthest / 2)

    def profile(d: Number) -> separable.Profile:
        value, slope, curvature, *sizes = k.kernel(number(d))
        if all(size == 0 for size in sizes):  # outside
            return 0, 0, 0, 0, 0, 0
        second, third = (number(bound) for bound in k.steepest)
        own = k.roundings(abs(number(d)))
        moves = far * abs(slope) + change * second, far * abs(curvature) + change * third, far * third
        weights = (
            Displaced(weight, move + more)
            for weight, move, more in zip((value, slope, curvature), moves, own, strict=True)
        )
        return (*weights, *sizes)

    return profile


def separable_sample(case: Case, convention: str) -> Answers:
    """Return the answers of separable_sample."""
    named, padding, align_corners = options(case, "kernel", "padding_mode", "align_corners")
    k, size = sampling_of(named), case.inputs["input"].shape[2:]
    transcendental = named["name"] in TRANSCENDENTAL
    with Balls(BITS) if transcendental else nullcontext(Fraction) as number:

        def kernel_at(g: Number, length: int) -> separable.KernelFunction:
            if not isinstance(g, Fraction):  # infinite, and stays so
                return moving(k, Fraction(0), number)
            far = reach(g, length, coordinate_scale(length, align_corners))
            return moving(k, far if padding == "reflection" else min(far, length + 2 * k.support + 2), number)

        scales = tuple(number(Fraction(coordinate_scale(length, align_corners), 2)) for length in reversed(size))
        found: dict[str, list[Sum]] = {path: [] for path in OUTPUTS}
        for image in images(case):
            if transcendental:
                image = in_balls(image, number)
            samples = separable.samples_at(image.grid, size, align_corners, kernel_at, k.support, padding)
            for path, nested in outputs(image, samples, scales).items():
                found[path] += elements(nested)
    return {path: answer(k.c, case.inputs[name].shape, found[path]) for path, name in OUTPUTS.items()}


JUDGES = {"separable_sample": Judge(separable_sample)}
