"""The code released by the authors of DTN: an encoder and two decoders that differ from DTN's (4) and (7).

The source is github.com/divelab/dtn, `Dense_Transformer_Network.py`. Encoder and decoder take x = (g_x + 1) W/2 and
y = (g_y + 1) H/2. For the four corners (a, b) in {0, 1} x {0, 1} of the cell there,

    the corner's column is m_a = clip(floor x + a), its row n_b = clip(floor y + b), clip to the map       (released.1)

and its weight w_ab = alpha_a beta_b is computed from the clipped columns and rows: in the encoder, and in the
decoder of the first release (May 2017, commit 199b77d),

    alpha_0 = m_1 - x,  alpha_1 = x - m_0,  and likewise beta_b                                           (released.2)

and in the decoder since commit f8d24f8 ("solve the boundary effect", June 2017)

    alpha_0 = |m_1 - x|,  alpha_1 = |x - m_0|,  each 0 if it exceeds 1,  and likewise beta_b               (released.3)

The encoder's sample is the sum over corners of w_ab U(n_b, m_a). The decoder sums, for each corner and pixel, over the
sources with that corner there, omega = sum_i w_i and nu_c = sum_i V_c(i), and with S = sum over corners of omega and
sigma = clip(S, 1e-5, 1e10) its map is

    U_c = Q_c + (P_c where sigma <= 1e-5),   Q_c = 1/sigma sum over corners of omega nu_c                 (released.4)

Its derivatives are those of the individual steps, as computed by its framework: floor and both comparisons are
constants, |d| has the slope 0 at 0, and clip passes a gradient where 1e-5 <= S <= 1e10: chi is 1 there, and 0
elsewhere. With r = gU / sigma,

    gV_c(i) = sum over corners of r_c omega                                                               (released.5)
    gg_x(i) = W/2 sum over c and corners of r_c (nu_c - chi Q_c) alpha' beta                              (released.6)

everything at the pixel of each corner, and likewise gg_y with H/2 alpha beta'; gP = gU where sigma <= 1e-5. For
cotangents A of gV, (b_x, b_y) of (gg_x, gg_y) and q of gP let omega' = sum_i (b_x W/2 alpha' beta + b_y H/2 alpha
beta') and nu'_c = sum_i A_c(i) be the changes of omega and nu, and R = chi / sigma sum over corners of omega'. Then

    with respect to gU_c:    T_c + (q_c where sigma <= 1e-5),
                             T_c = 1/sigma sum over corners of (omega' nu_c + omega nu'_c) - Q_c R         (released.7)
    with respect to V_c(i):  sum over corners of r_c (omega' - omega R)                                   (released.8)
    with respect to g_x(i):  W/2 sum over c and corners of r_c ((nu'_c - chi T_c - (nu_c - chi Q_c) R) alpha' beta
                             + (nu_c - chi Q_c) b_y H/2 alpha' beta')                                     (released.9)

which is (decoder.3) to (decoder.7) with the sums omega and nu of a corner in place of w and V of one source.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import product
from typing import NamedTuple

from refwarp.exact.arithmetic.numbers import Number
from refwarp.exact.bilinear import HALF
from refwarp.exact.ledger import Equation
from refwarp.exact.sampling import Plane

LEAST, MOST = Fraction(1, 10**5), Fraction(10**10)

Maps = list[list[list[Number]]]
Place = tuple[int, ...]
Sums = dict[Place, Number]


def axis_corners(z: Number, size: int, first: bool) -> list[tuple[int, Number, int]]:
    """Return the two pixels on an axis that z is between, clipped, each with its weight and the slope of that.

    Parameters
    ----------
    z : number
        The coordinate in pixels.
    size : int
        The length of the axis.
    first : bool
        Whether the weights are those of the encoder and of the first release (released.2), or of today (released.3).
    """
    low, high = (min(max(math.floor(z) + a, 0), size - 1) for a in (0, 1))  # (released.1)
    found: list[tuple[int, Number, int]] = []
    for pixel, distance, slope in ((low, high - z, -1), (high, z - low, 1)):
        if first:
            found.append((pixel, distance, slope))  # (released.2)
            continue
        # Half of |d| + |-d|, so that a dual number has the slope 0 at 0.
        weight = (abs(distance) + abs(-distance)) * HALF
        sign = int(distance > 0) - int(distance < 0)
        found.append((pixel, weight, slope * sign) if weight <= 1 else (pixel, 0, 0))  # (released.3)
    return found


class Corner(NamedTuple):
    """One corner of one source: the source's place, (a, b, n, m), and the weights and slopes along both axes."""

    source: Place
    key: Place
    alpha: Number
    beta: Number
    slope_x: int
    slope_y: int


def _corners(grid: Sequence[Plane], height: int, width: int, first: bool) -> list[Corner]:
    """Return the four corners of each source; coordinates are finite."""
    found = []
    for i, row in enumerate(grid):
        for j, (gx, gy) in enumerate(row):
            columns = enumerate(axis_corners((gx + 1) * width * HALF, width, first))
            rows = enumerate(axis_corners((gy + 1) * height * HALF, height, first))
            for (a, (m, alpha, slope_x)), (b, (n, beta, slope_y)) in product(columns, rows):
                found.append(Corner((i, j), (a, b, n, m), alpha, beta, slope_x, slope_y))
    return found


def encoder(plane: Plane, gx: Number, gy: Number) -> Number:
    """Return the released encoder's sample of a map at a point in [-1, 1]."""
    total: Number = 0
    for corner in _corners([[(gx, gy)]], len(plane), len(plane[0]), True):
        total = total + corner.alpha * corner.beta * plane[corner.key[2]][corner.key[3]]
    return total


class Evaluated(NamedTuple):
    """What the decoder computes of one channel: omega and nu for each key, and for each pixel S, sigma and Q."""

    omega: Sums
    nu: Sums
    total: Sums
    sigma: Sums
    quotient: Sums

    def chi(self, pixel: Place) -> int:
        """Return whether a gradient passes the clip, as a number."""
        return int(not (self.total[pixel] < LEAST or self.total[pixel] > MOST))


def _sums(terms: Iterable[tuple[Place, Number]]) -> Sums:
    """Return the sum of the terms of each key."""
    sums: Sums = {}
    for key, term in terms:
        sums[key] = sums.get(key, 0) + term
    return sums


def _over_corners(sums: Sums) -> Sums:
    """Return the sum over the four corners at each pixel that has one."""
    return _sums((key[2:], term) for key, term in sums.items())


def _evaluated(corners: Sequence[Corner], plane: Plane, height: int, width: int) -> Evaluated:
    omega = _sums((corner.key, corner.alpha * corner.beta) for corner in corners)
    nu = _sums((corner.key, plane[corner.source[0]][corner.source[1]]) for corner in corners)
    total = _over_corners(omega)
    numerators = _over_corners({key: omega[key] * nu[key] for key in omega})
    pixels: list[Place] = list(product(range(height), range(width)))
    sigma = {pixel: min(max(total.get(pixel, 0), LEAST), MOST) for pixel in pixels}
    return Evaluated(omega, nu, total, sigma, {pixel: numerators.get(pixel, 0) / sigma[pixel] for pixel in pixels})


def _behind(evaluated: Evaluated, maps: Sequence[Sequence[Number]], n: int, m: int) -> Number:
    """Return the previous map where the decoder adds it."""
    return 0 if evaluated.sigma[n, m] > LEAST else maps[n][m]


def released(values: Sequence[Plane], grid: Sequence[Plane], previous: Sequence[Plane], first: bool = False) -> Maps:
    """Return the decoder's map (C, H, W) of one image (released.4).

    Parameters
    ----------
    values : nested list (C, H', W') of numbers
    grid : nested list (H', W', 2) of finite numbers
    previous : nested list (C, H, W) of numbers
        The previous map, which has the size of the result.
    first : bool
        Whether the weights are those of the first release.
    """
    height, width = len(previous[0]), len(previous[0][0])
    corners = _corners(grid, height, width, first)
    result = []
    for plane, behind in zip(values, previous, strict=True):
        found = _evaluated(corners, plane, height, width)
        result.append(
            [[found.quotient[n, m] + _behind(found, behind, n, m) for m in range(width)] for n in range(height)]
        )  # (released.4)
    return result


class Gradients(NamedTuple):
    """The gradients with respect to values (C, H', W'), grid (H', W', 2) and previous map (C, H, W) of one image."""

    gvalues: Maps
    ggrid: Maps
    gprevious: Maps


def _zeros(channels: int, height: int, width: int) -> Maps:
    return [[[0] * width for _ in range(height)] for _ in range(channels)]


def released_gradient(
    gout: Sequence[Plane], values: Sequence[Plane], grid: Sequence[Plane], first: bool = False
) -> Gradients:
    """Return the gradients of `released` for the cotangent `gout` (C, H, W) (released.5), (released.6)."""
    channels, height, width = len(gout), len(gout[0]), len(gout[0][0])
    corners = _corners(grid, height, width, first)
    gvalues, ggrid = _zeros(channels, len(grid), len(grid[0])), _zeros(len(grid), len(grid[0]), 2)
    gprevious = []
    for plane, cotangent, gplane in zip(values, gout, gvalues, strict=True):
        found = _evaluated(corners, plane, height, width)
        gprevious.append([[_behind(found, cotangent, n, m) for m in range(width)] for n in range(height)])
        for corner in corners:
            (i, j), (n, m) = corner.source, corner.key[2:]
            r = cotangent[n][m] / found.sigma[n, m]
            inner = r * (found.nu[corner.key] - found.chi((n, m)) * found.quotient[n, m])
            gplane[i][j] = gplane[i][j] + r * found.omega[corner.key]  # (released.5)
            ggrid[i][j][0] = ggrid[i][j][0] + width * HALF * inner * corner.slope_x * corner.beta  # (released.6)
            ggrid[i][j][1] = ggrid[i][j][1] + height * HALF * inner * corner.alpha * corner.slope_y
    return Gradients(gvalues, ggrid, gprevious)


class SecondGradients(NamedTuple):
    """The gradients of those of `released_gradient` with respect to gout, values and grid, of one image."""

    ggout: Maps
    gvalues: Maps
    ggrid: Maps


def released_second_gradient(
    cotangents: Gradients,
    gout: Sequence[Plane],
    values: Sequence[Plane],
    grid: Sequence[Plane],
    first: bool = False,
) -> SecondGradients:
    """Return the gradients of A . gvalues + b . ggrid + q . gprevious for the cotangents A, b and q (released.7)."""
    channels, height, width = len(gout), len(gout[0]), len(gout[0][0])
    corners = _corners(grid, height, width, first)
    scale_x, scale_y = width * HALF, height * HALF
    gvalues, ggrid = _zeros(channels, len(grid), len(grid[0])), _zeros(len(grid), len(grid[0]), 2)
    ggout = []
    moved = []  # with each corner, what its weight changes by
    for corner in corners:
        bx, by = cotangents.ggrid[corner.source[0]][corner.source[1]]
        along_x, along_y = scale_x * corner.slope_x * corner.beta, scale_y * corner.alpha * corner.slope_y
        moved.append((corner.key, bx * along_x + by * along_y))
    omega_change = _sums(moved)
    total_change = _over_corners(omega_change)
    for c, (plane, a, cotangent, behind) in enumerate(
        zip(values, cotangents.gvalues, gout, cotangents.gprevious, strict=True)
    ):
        found = _evaluated(corners, plane, height, width)
        nu_change = _sums((corner.key, a[corner.source[0]][corner.source[1]]) for corner in corners)
        changes = _over_corners(
            {key: omega_change[key] * found.nu[key] + found.omega[key] * nu_change[key] for key in omega_change}
        )
        relative = {pixel: found.chi(pixel) * total_change[pixel] / found.sigma[pixel] for pixel in total_change}
        t = {p: changes[p] / found.sigma[p] - found.quotient[p] * relative[p] for p in changes}  # (released.7)
        ggout.append([[t.get((n, m), 0) + _behind(found, behind, n, m) for m in range(width)] for n in range(height)])
        for corner in corners:
            (i, j), key, pixel = corner.source, corner.key, corner.key[2:]
            r, chi = cotangent[pixel[0]][pixel[1]] / found.sigma[pixel], found.chi(pixel)
            apart = found.nu[key] - chi * found.quotient[pixel]
            inner = nu_change[key] - chi * t[pixel] - apart * relative[pixel]
            change = r * (omega_change[key] - found.omega[key] * relative[pixel])  # (released.8)
            gvalues[c][i][j] = gvalues[c][i][j] + change
            bx, by = cotangents.ggrid[i][j]
            both = apart * corner.slope_x * corner.slope_y
            along_x = inner * corner.slope_x * corner.beta + both * by * scale_y  # (released.9)
            along_y = inner * corner.alpha * corner.slope_y + both * bx * scale_x
            ggrid[i][j][0] = ggrid[i][j][0] + scale_x * r * along_x
            ggrid[i][j][1] = ggrid[i][j][1] + scale_y * r * along_y
    return SecondGradients(ggout, gvalues, ggrid)


_TESTS = "tests/exact/dense_decode/test_released.py::"
_HOME = "refwarp.exact.dense_decode.released."
_SAMPLER = "refwarp.samplers.dense_decode.released.released_decode"

LEDGER = (
    Equation(
        "DTN",
        "released code, decoder",
        "the decoder as released by the authors since June 2017",
        "wrong",
        "(sum w)(sum V) instead of sum wV for each corner of the cell: Eq. (7) only if no two sources share a corner; "
        "S is clipped at 1e-5, the previous map is added where S <= 1e-5, and x = (g + 1) W/2 is offset by half a "
        "pixel. Beyond the centres of the outermost pixels both corners are the same pixel, on which the weight of a "
        'source increases with the distance up to 1, and is 0 from there on. Supported as variant="released"',
        (_HOME + "released", _SAMPLER),
        (
            _TESTS + "test_the_released_program_multiplies_sums",
            _TESTS + "test_it_agrees_with_equation_7_where_sources_do_not_meet",
            _TESTS + "test_beyond_the_border_a_source_weighs_more_the_farther_it_is",
            _TESTS + "test_the_gradients_are_the_derivatives_of_the_steps",
            _TESTS + "test_the_second_gradients_are_the_derivatives_of_the_first",
        ),
    ),
    Equation(
        "DTN",
        "released code, first decoder",
        "the decoder as released by the authors in May 2017",
        "wrong",
        "the same, but with signed weights: beyond the centres of the outermost pixels they are -d and d on one "
        "pixel, which cancel for a single source, and otherwise grow without bound. Supported as "
        'variant="first_release"',
        (_HOME + "released", _SAMPLER),
        (
            _TESTS + "test_the_identity_of_the_program_at_the_last_pixel",
            _TESTS + "test_the_first_release_has_weights_of_both_signs_beyond_the_border",
            _TESTS + "test_both_releases_agree_inside_the_map",
        ),
    ),
    Equation(
        "DTN",
        "released code, encoder",
        "the encoder as released by the authors",
        "wrong",
        "x = (g + 1) W/2 is offset by half a pixel, and corners are clamped to the map before weights are computed: "
        "for x < 0 and x >= W - 1, and likewise y, the weights cancel and the sample is 0. This includes the centre "
        "of the last pixel, where Eq. (4) gives that pixel, and beyond, where Eq. (4) decreases gradually. Inside the "
        "map it is Eq. (4). Not implemented",
        (_HOME + "encoder", "refwarp.samplers.bilinear.kernels.blend"),
        (_TESTS + "test_the_released_encoder_is_equation_4_inside_and_0_from_the_last_pixel_on",),
    ),
)
