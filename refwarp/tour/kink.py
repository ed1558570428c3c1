"""The gradient study: one sample of the row (1, 5, 2, 9), as its coordinate walks across the lattice.

Bilinear sampling is continuous and piecewise linear, so its derivative jumps at each pixel centre. Here the
kernels say what they make of that, exact arithmetic says what is true, and difference quotients say what a
numerical check of the gradient would see.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_core import Tensor, grad
from refwarp.conventions import KINKS
from refwarp.exact import bilinear as exact
from refwarp.samplers.grid_sample import grid_sample

Floats = npt.NDArray[np.float64]

ROW = (1, 5, 2, 9)
# Where the difference quotients are taken: the pixel of value 5.
CENTRE = 1
# With four pixels and align_corners=False, x = (4 g + 3) / 2 is a pixel coordinate, and dx/dg is 2.
_SCALE = 2.0


@dataclass(frozen=True)
class RuleAtPixel:
    """What one kink rule gives at one pixel centre: dV/dx by the kernel, and the exact number."""

    x: int
    rule: str
    kernel: float
    exact: Fraction

    @property
    def agrees(self) -> bool:
        """Whether the kernel's number is the exact one, not only near it."""
        return Fraction(self.kernel) == self.exact


@dataclass(frozen=True)
class KinkStudy:
    """The study's numbers.

    Attributes
    ----------
    x, value : ndarray
        The walk, in pixels, and the sampled value along it.
    between : ndarray, shape (cells, 2)
        The walk's ends within each cell, and
    slope : ndarray, shape (cells,)
        dV/dx in it, by the kernel: a constant.
    exact_slope : tuple of Fraction
        The same, exactly.
    rules : tuple of RuleAtPixel
        For each pixel centre and each rule.
    step : ndarray
        The steps h of the difference quotients at x = CENTRE, in pixels, and
    quotients : dict of str to ndarray
        the quotients to the right, to the left and the symmetric (central) one.
    """

    x: Floats
    value: Floats
    between: Floats
    slope: Floats
    exact_slope: tuple[Fraction, ...]
    rules: tuple[RuleAtPixel, ...]
    step: Floats
    quotients: dict[str, Floats]

    @property
    def agrees(self) -> bool:
        """Whether every number of the kernels is the exact one."""
        slopes = zip(self.slope.tolist(), self.exact_slope, strict=True)
        return all(rule.agrees for rule in self.rules) and all(Fraction(a) == b for a, b in slopes)


def study_kink() -> KinkStudy:
    """Walk one sample across the lattice, and compare kernels, exact arithmetic and difference quotients."""
    x = np.linspace(-1.5, 4.5, 6 * 32 + 1)
    cells = np.arange(-1.0, len(ROW))
    middles = cells + 0.5
    pixels = np.arange(len(ROW))
    by_rule = {rule: _slopes(pixels.astype(float), rule) for rule in KINKS}
    rules = tuple(
        RuleAtPixel(int(pixel), rule, float(by_rule[rule][pixel]), _exact_slope(Fraction(int(pixel)), rule))
        for pixel in pixels
        for rule in KINKS
    )
    step = np.logspace(0, -17, 18 * 2 + 1)
    ahead, here, behind = _values(CENTRE + step), _values(np.full(step.shape, CENTRE)), _values(CENTRE - step)
    return KinkStudy(
        x=x,
        value=_values(x),
        between=np.stack([cells, cells + 1], axis=1),
        slope=_slopes(middles, "right"),
        exact_slope=tuple(_exact_slope(Fraction(middle), "right") for middle in middles.tolist()),
        rules=rules,
        step=step,
        quotients={
            "right": (ahead - here) / step,
            "left": (here - behind) / step,
            "central": (ahead - behind) / (2 * step),
        },
    )


def _points(x: Floats) -> Floats:
    """Return the grid that samples the row at pixel coordinates `x`: exact where x is a multiple of 1/32."""
    g = (2.0 * x - 3.0) / 4.0
    return np.stack([g, np.zeros(g.shape)], axis=-1)[None, None]


def _row() -> Floats:
    return np.array(ROW, dtype=np.float64)[None, None, None]


def _values(x: Floats) -> Floats:
    values: Floats = grid_sample(_row(), _points(x))[0, 0, 0]
    return values


def _slopes(x: Floats, rule: str) -> Floats:
    """Return the kernel's dV/dx at each of `x`: each sample depends on its own coordinate only."""
    grid = Tensor(_points(x), requires_grad=True)
    (ggrid,) = grad(grid_sample(Tensor(_row()), grid, kink=rule), grid, np.ones((1, 1, 1, len(x))))
    slopes: Floats = ggrid.data[0, 0, :, 0] / _SCALE
    return slopes


def _exact_slope(x: Fraction, rule: str) -> Fraction:
    """Return dV/dx in rational numbers; for "literal", what STN's Eq. (7) prints."""
    plane: Any = [[Fraction(pixel) for pixel in ROW]]
    if rule == "literal":
        return Fraction(exact.literal_x_derivative(plane, x, Fraction(0)))
    return Fraction(exact.x_derivative(plane, x, Fraction(0), rule).value)
