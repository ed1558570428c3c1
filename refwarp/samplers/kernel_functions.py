"""Kernel functions k(d) for separable sampling: their support, and their derivatives.

    tent             max(0, 1 - |d|)                                                         (STN 5)
    integer          1 for -1/2 <= d < 1/2: the nearest pixel, ties up                       (STN 4)
    Keys' cubic      (1 - r)(1 + r - (a + 2) r^2) for r = |d| up to 1, a (r - 1)(2 - r)^2 up to 2   (kernels.1)
    cubic B-spline   (4 - 6 r^2 + 3 r^3)/6 for r up to 1, (2 - r)^3/6 up to 2                (kernels.2)
    Lanczos          sinc(d) sinc(d/a) for r up to a, sinc(d) = sin(pi d)/(pi d)             (kernels.3)
    Gaussian         exp(-d^2/(2 s^2))/(s sqrt(2 pi)) for r up to 4 s                        (kernels.4)

Keys' cubic is written in factors, so that its zeros at 1 and 2 cost no digits. Every piece includes its left end in d
and excludes its right one, so that at corners and jumps, also of derivatives, the limit from the right is used. The
weights of the B-spline sum to 1 but do not interpolate; those of Lanczos and of the Gaussian sum to 1 only
approximately.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_core.arguments import is_integer
from refwarp.arguments import number, shown

Floats = npt.NDArray[np.float64]
Profile = Callable[[Floats], Any]


@dataclass(frozen=True)
class KernelFunction:
    """A kernel function for `separable_sample`.

    Attributes
    ----------
    name : str
        Its name in messages.
    support : float
        r > 0 such that k(d) = 0 for d < -r and d >= r.
    profiles : tuple of callable
        k, k', and any further derivatives: arrays of distances d = x - m in pixels in, arrays of the
        same shape out; called with -ceil(support) <= d < ceil(support). One derivative is needed for gradients with
        respect to the grid, two for second derivatives.

    Examples
    --------
    >>> parabola = KernelFunction("parabola", 1.0, (lambda d: 1 - d * d, lambda d: -2 * d))
    """

    name: str
    support: float
    profiles: tuple[Profile, ...]

    def __post_init__(self) -> None:
        support = number("support", self.support, "a number of pixels above 0 and below 1024", lambda r: 0 < r < 1024)
        object.__setattr__(self, "support", support)  # the dataclass is frozen
        if not (isinstance(self.profiles, tuple) and self.profiles and all(map(callable, self.profiles))):
            raise TypeError(f"profiles: given {shown(self.profiles)}, expected a tuple of functions (k, k', ...)")

    def derivative(self, order: int) -> Profile:
        """Return the derivative of that order.

        Raises
        ------
        ValueError
            If the kernel was given without it, or the order is negative.
        """
        if order < 0:
            raise ValueError(f"order: given {order}, expected 0 for the kernel itself, or more")
        if order >= len(self.profiles):
            raise ValueError(
                f"kernel: {self.name} has {len(self.profiles) - 1} derivatives, but one of order {order} is needed"
            )
        return self.profiles[order]


def _zeros(d: Floats) -> Any:
    return np.zeros_like(d, order="C")


def _cubic(inner: Profile, outer: Profile, sign: int = 1) -> Profile:
    """Return the profile that is `inner` of |d| for -1 <= d < 1, else `outer` for -2 <= d < 2; odd with sign -1."""

    def profile(d: Floats) -> Any:
        r = np.abs(d)
        value = np.where((-1 <= d) & (d < 1), inner(r), np.where((-2 <= d) & (d < 2), outer(r), 0.0))
        return value if sign > 0 else np.where(d < 0, -value, value)

    return profile


TENT = KernelFunction(
    "tent",
    1.0,
    (
        lambda d: np.maximum(0.0, 1.0 - np.abs(d)),  # (STN 5)
        lambda d: np.where((-1 <= d) & (d < 0), 1.0, np.where((0 <= d) & (d < 1), -1.0, 0.0)),
        _zeros,
    ),
)

INTEGER = KernelFunction("integer", 0.5, (lambda d: np.where((-0.5 <= d) & (d < 0.5), 1.0, 0.0), _zeros))  # (STN 4)


def keys(a: float = -0.5) -> KernelFunction:
    """Return Keys' cubic with the parameter a (kernels.1); -1/2 reproduces parabolas, PyTorch uses -3/4."""
    a = number("a", a, "a finite number", math.isfinite)
    value = _cubic(lambda r: (1 - r) * (1 + r - (a + 2) * r * r), lambda r: a * (r - 1) * (2 - r) ** 2)  # (kernels.1)
    slope = _cubic(lambda r: r * (3 * (a + 2) * r - 2 * (a + 3)), lambda r: a * (2 - r) * (4 - 3 * r), sign=-1)
    curvature = _cubic(lambda r: 6 * (a + 2) * r - 2 * (a + 3), lambda r: a * (6 * r - 10))
    return KernelFunction(f"Keys' cubic (a = {a})", 2.0, (value, slope, curvature))


CUBIC_B_SPLINE = KernelFunction(
    "cubic B-spline",
    2.0,
    (
        _cubic(lambda r: (4 - 6 * r * r + 3 * r**3) / 6, lambda r: (2 - r) ** 3 / 6),  # (kernels.2)
        _cubic(lambda r: r * (1.5 * r - 2), lambda r: -((2 - r) ** 2) / 2, sign=-1),
        _cubic(lambda r: 3 * r - 2, lambda r: 2 - r),
    ),
)


def _sinc(d: Floats, order: int) -> Floats:
    """Return sin(pi d)/(pi d) or a derivative of it; near 0 by its series."""
    z = np.pi * d
    near = np.abs(z) < 0.5
    safe = np.where(near, 1.0, z)
    sine, cosine = np.sin(safe), np.cos(safe)
    far = (
        sine / safe,
        (cosine - sine / safe) / safe,
        -(sine + 2 * (cosine - sine / safe) / safe) / safe,
    )[order]
    # sum over j of (-1)^j z^(2j)/(2j + 1)!, differentiated `order` times
    series = _zeros(z)
    for j in range(12, -1, -1):
        power = 2 * j - order
        if power >= 0:
            coefficient = (-1) ** j * math.perm(2 * j, order) / math.factorial(2 * j + 1)
            series = series + coefficient * np.where(near, z, 0.0) ** power
    return np.where(near, series, far) * np.pi**order


def lanczos(lobes: int = 3) -> KernelFunction:
    """Return the Lanczos kernel with this many lobes on each side (kernels.3)."""
    if not (is_integer(lobes, least=1) and lobes < 1024):
        raise ValueError(f"lobes: given {shown(lobes)}, expected an integer above 0 and below 1024")
    lobes = int(lobes)  # NumPy's own integers wrap around

    def profile(order: int) -> Profile:
        def value(d: Floats) -> Any:
            terms = (
                math.comb(order, j) * _sinc(d, order - j) * _sinc(d / lobes, j) / lobes**j  # (kernels.3)
                for j in range(order + 1)
            )
            return np.where((-lobes <= d) & (d < lobes), sum(terms), 0.0)

        return value

    return KernelFunction(f"Lanczos ({lobes} lobes)", float(lobes), (profile(0), profile(1), profile(2)))


def gaussian(deviation: float) -> KernelFunction:
    """Return the Gaussian with this deviation in pixels, cut off at four deviations (kernels.4)."""
    s = number("deviation", deviation, "a number of pixels above 0 and below 256", lambda r: 0 < r < 256)

    def value(d: Floats) -> Any:
        inside = (-4 * s <= d) & (d < 4 * s)
        return np.where(inside, np.exp(-0.5 * (d / s) ** 2) / (s * math.sqrt(2 * math.pi)), 0.0)  # (kernels.4)

    return KernelFunction(
        f"Gaussian (deviation {s})",
        4 * s,
        (value, lambda d: -(d / s) / s * value(d), lambda d: ((d / s) ** 2 - 1) / s**2 * value(d)),
    )
