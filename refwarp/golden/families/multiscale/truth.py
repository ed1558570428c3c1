"""The truth about multiscale_sample: balls, for the weights are exponentials.

A sample of a blurred map moves as bilinear samples do, each weight by the coordinate's reach (see `slopes.reach`). The
blurred maps move, too, for a usual implementation adds them up naively, with weights of its own precision. Along an
axis, with a window of n pixels that ends at the weight exp(-A),

    n - 1 roundings in each of two sums, 3 A + 2 in each of two weights, a product, a quotient: (n + 3 A + 2)/3 e

of the sum of absolute values that M holds; and the transposed blur moves its results by as much of theirs. G is the
sum of what this does to the terms, to first order in e. A sample on a kink is taken to stay where it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from refwarp.exact import bilinear, multiscale
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.bilinear import coordinate_scale
from refwarp.exact.sampling import Place, Samples, Tap
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import BITS
from refwarp.golden.judging.judge import Answers, Judge, every_convention, options
from refwarp.golden.judging.running import Displaced, answer, elements
from refwarp.golden.judging.sampler import OUTPUTS, images, in_balls, outputs
from refwarp.golden.judging.slopes import reach

C = 22.0  # docs/multiscale.md derives it


class Level:
    """A blur: the weights of one deviation, on maps of one size."""

    def __init__(self, deviation: float, truncate: float, size: Sequence[int], balls: Balls) -> None:
        radius = min(math.floor(Fraction(truncate) * Fraction(deviation) + Fraction(1, 2)), max(size) - 1)
        sigma = Fraction(deviation)
        # A deviation of 0 has no weight but w(0).
        self.weights = multiscale.gaussian_weights(sigma or Fraction(1), radius, lambda x: balls(x).exp())
        self.move = balls(sum((self._roundings(sigma, radius, length) for length in size), Fraction(0)))

    @staticmethod
    def _roundings(sigma: Fraction, radius: int, length: int) -> Fraction:
        """Return what roundings along an axis do to a sum of positive terms, in units of e."""
        radius = min(radius, length - 1)
        last = Fraction(radius * radius, 2) / sigma**2 if radius else Fraction(0)
        return (min(2 * radius + 1, length) + 3 * last + 2) / 3

    def blur(self, planes: Any, transposed: bool = False) -> list[list[list[Sum]]]:
        """Return blurred maps, with values that move."""
        blurred = [multiscale.blur(plane, self.weights, transposed) for plane in planes]
        for total in elements(blurred):
            before = total.value if isinstance(total.value, Displaced) else Displaced(total.value)
            total.value = Displaced(before.value, before.M + self.move * total.M)
        return blurred


def parts(planes: list[list[list[Sum]]]) -> tuple[Any, Any]:
    """Return the values of blurred maps, and their M."""
    values, sizes = (
        [[[getattr(total, part) for total in row] for row in plane] for plane in planes] for part in ("value", "M")
    )
    return values, sizes


class Taps:
    """What the samples of one image read from blurred maps of one size, as balls.

    Attributes
    ----------
    still, moving : Samples
        With weights that are numbers, and with weights that know how far they move.
    """

    def __init__(self, grid: Any, size: tuple[int, int], align_corners: bool, padding: str, kink: str, balls: Balls):
        def samples(rule: str) -> Samples:
            return bilinear.samples_at(grid, *size, align_corners, rule, padding)

        def far(g: Number, length: int) -> Number:
            if not isinstance(g, Fraction):  # infinite, and stays so
                return 0
            found = reach(g, length, coordinate_scale(length, align_corners))
            return found if padding == "reflection" else min(found, length + 4)

        self.still, self.moving = samples(kink), samples(kink)
        sides = zip(samples("left").defined, samples("right").defined, strict=True)
        for number, (place, (left, right)) in enumerate(zip(self.still.defined, sides, strict=True)):
            i, j, columns, rows = place
            x, y = (far(g, length) for g, length in zip(grid[i][j], reversed(size), strict=True))
            columns, rows = taps_in_balls(columns, balls), taps_in_balls(rows, balls)
            self.still.defined[number] = Place(i, j, columns, rows)
            self.moving.defined[number] = Place(
                i,
                j,
                moved(columns, left.columns, right.columns, x, balls),
                moved(rows, left.rows, right.rows, y, balls),
            )


def taps_in_balls(taps: list[Tap], balls: Balls) -> list[Tap]:
    """Return taps as balls."""
    return [Tap.of(tap.pixel, balls(tap.w), balls(tap.d), balls(0)) for tap in taps]


def moved(taps: list[Tap], left: list[Tap], right: list[Tap], far: Number, balls: Balls) -> list[Tap]:
    """Return taps whose weights move: by the reach of the coordinate times their steeper slope."""
    steepest = [max(abs(one.d), abs(other.d)) for one, other in zip(left, right, strict=True)]
    return [
        tap._replace(w=Displaced(tap.w, balls(far * steep)), d=Displaced(tap.d), e=Displaced(tap.e))
        for tap, steep in zip(taps, steepest, strict=True)
    ]


def multiscale_sample(case: Case, kink: str) -> Answers:
    """Return the answers of multiscale_sample."""
    deviations, aggregate, truncate = options(case, "deviations", "aggregate", "truncate")
    padding, align_corners = options(case, "padding_mode", "align_corners")
    (height, width), stacked = case.inputs["input"].shape[2:], aggregate == "stack"
    size = height, width
    found: dict[str, list[Sum]] = {path: [] for path in OUTPUTS}
    with Balls(BITS) as balls:
        levels = [Level(deviation, truncate, size, balls) for deviation in deviations]
        share = balls(Fraction(1, len(levels)) if aggregate == "mean" else 1)
        scales = tuple(balls(Fraction(coordinate_scale(length, align_corners), 2)) for length in reversed(size))
        for image in images(case):
            taps = Taps(image.grid, size, align_corners, padding, kink, balls)
            image = in_balls(image, balls)
            totals: dict[str, list[Sum]] = {path: [] for path in OUTPUTS}
            for number, level in enumerate(levels):
                gout = image.gout[number] if stacked else image.gout
                u, u_sizes = parts(level.blur(image.input))
                a, a_sizes = parts(level.blur(image.cotangent_input))
                values = outputs(image._replace(cotangent_input=a, input=u, gout=gout), taps.moving, scales)
                sizes = outputs(image._replace(cotangent_input=a_sizes, input=u_sizes, gout=gout), taps.still, scales)
                for path in OUTPUTS:
                    if path.endswith("ginput"):
                        values[path] = sizes[path] = level.blur(values[path], transposed=True)
                    parted = [
                        Sum.of(value.value, value.k, size.M)
                        for value, size in zip(elements(values[path]), elements(sizes[path]), strict=True)
                    ]
                    if stacked and OUTPUTS[path] == "gout":
                        totals[path] += parted
                    else:
                        totals[path] = added(totals[path], parted, share)
            for path in OUTPUTS:
                found[path] += totals[path]
    return {path: answer(C, case.inputs[name].shape, found[path]) for path, name in OUTPUTS.items()}


def added(totals: list[Sum], more: list[Sum], share: Number) -> list[Sum]:
    """Return sums with a share of others added (multiscale.3)."""
    totals = totals or [Sum() for _ in more]
    return [
        Sum.of(one.value + share * other.value, one.k + other.k, one.M + share * other.M)
        for one, other in zip(totals, more, strict=True)
    ]


def conventions(case: Case) -> tuple[str, ...]:
    """Return all rules for kinks if a sample lies where slopes may jump, else the first."""
    (align_corners,), (height, width) = options(case, "align_corners"), case.inputs["input"].shape[2:]
    on_lattice = any(
        math.isfinite(g)
        and coordinate_scale(length, align_corners) != 0
        and bilinear.pixel_coordinate(Fraction(g), length, align_corners) % 1 == 0
        for axis, length in ((0, width), (1, height))
        for g in case.inputs["grid"][..., axis].ravel().tolist()
    )
    rules = every_convention(case)
    return rules if on_lattice else rules[:1]


JUDGES = {"multiscale_sample": Judge(multiscale_sample, conventions)}
