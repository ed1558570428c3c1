"""Multi-scale sampling, in exact arithmetic: the baseline of LMS Sect. 6.

A map is blurred by Gaussians of several deviations and sampled at each of these scales; the samples are aggregated.
Where the Gaussians end, what they do at the border and how one aggregates is not specified. Here

    w(t) = exp(-t^2 / (2 sigma^2)),   |t| <= R                                              (multiscale.1)
    U_sigma(n, m) = sum over n', m' in the map of w(n - n') w(m - m') U(n', m') / (Z(n) Z(m))
    Z(m) = sum over m' in the map of w(m - m')                                              (multiscale.2)
    V(i) = a sum over l of V_l(i),   V_l bilinear samples of the l-th blurred map           (multiscale.3)

with a = 1/L for the mean, 1 for the sum. The gradient with respect to the map is the transposed blur

    gU(n', m') = sum over n, m of w(n - n') w(m - m') gU_sigma(n, m) / (Z(n) Z(m))          (multiscale.4)

of the gradients gU_sigma of bilinear sampling, and that with respect to the grid is the sum of those of bilinear
sampling in the blurred maps. Blurring is linear: for cotangents A of gU, the blurred A enters the second derivatives as
the blurred U enters the first, and the second derivative with respect to U is blurred by the transpose:

    ggout, ggrid: the second derivatives of bilinear sampling for A_sigma and U_sigma
    gU: the transposed blur (multiscale.4) of the one with respect to U_sigma               (multiscale.5)

Exponentials of rational numbers are irrational, so the caller supplies the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from refwarp.exact import bilinear
from refwarp.exact.arithmetic.numbers import Number, Sum
from refwarp.exact.ledger import Equation
from refwarp.exact.sampling import Cotangents, Gradients, Plane, SecondGradients

Planes = Sequence[Plane]
Sums = list[list[list[Sum]]]
# w(0), w(1), ... w(R) of one level.
Weights = Sequence[Number]


def gaussian_weights(deviation: Number, radius: int, exp: Callable[[Number], Number]) -> list[Number]:
    """Return w(0) ... w(radius) with the caller's exponential (multiscale.1)."""
    return [exp(-t * t / (2 * deviation * deviation)) for t in range(radius + 1)]  # (multiscale.1)


def blur_matrix(size: int, weights: Weights) -> list[list[Number]]:
    """Return w(m - m') / Z(m) along an axis, rows m, columns m' (multiscale.2)."""

    def weight(t: int) -> Number:
        return weights[abs(t)] if abs(t) < len(weights) else 0

    norms = [sum(weight(m - near) for near in range(size)) for m in range(size)]
    return [[weight(m - near) / norms[m] for near in range(size)] for m in range(size)]  # (multiscale.2)


def blur(plane: Plane, weights: Weights, transposed: bool = False) -> list[list[Sum]]:
    """Return the blurred map (multiscale.2), or its transpose (multiscale.4).

    The elements of `plane` may be `Sum`: then their M is carried along.
    """
    height, width = len(plane), len(plane[0])
    rows, columns = blur_matrix(height, weights), blur_matrix(width, weights)
    result = []
    for n in range(height):
        line = []
        for m in range(width):
            total = Sum()
            for i in range(height):
                for j in range(width):
                    factor = rows[i][n] * columns[j][m] if transposed else rows[n][i] * columns[m][j]
                    element = plane[i][j]
                    if isinstance(element, Sum):
                        total.add(factor * element.value, factor * element.M)
                    else:
                        total.add(factor * element)
            line.append(total)
        result.append(line)
    return result


def _parts(planes: Sums) -> tuple[list[list[list[Number]]], list[list[list[Number]]]]:
    """Return the values of sums, and their M."""
    values = [[[total.value for total in row] for row in plane] for plane in planes]
    return values, [[[total.M for total in row] for row in plane] for plane in planes]


def _accumulate(totals: Sums, values: Sums, sizes: Sums, share: Number) -> Sums:
    """Add `share` times sums to others; those of the second kind, of the same shape, hold their M."""
    if not totals:
        totals = [[[Sum() for _ in row] for row in plane] for plane in values]
    for planes in zip(totals, values, sizes, strict=True):
        for rows in zip(*planes, strict=True):
            for total, value, size in zip(*rows, strict=True):
                total.add(share * value.value, share * size.M)
    return totals


def multiscale_sample(
    input: Planes, grid: Planes, levels: Sequence[Weights], share: Number, align_corners: bool
) -> Sums:
    """Return the samples of one image, (C, H_out, W_out) (multiscale.3).

    Parameters
    ----------
    input : nested list (C, H, W) of numbers
    grid : nested list (H_out, W_out, 2) of numbers
    levels : sequence of sequences of numbers
        The weights of each level (multiscale.1).
    share : number
        a of (multiscale.3).
    align_corners : bool
        See `bilinear.grid_sample`.
    """
    totals: Sums = []
    for weights in levels:
        values, sizes = _parts([blur(plane, weights) for plane in input])
        samples = bilinear.grid_sample(values, grid, align_corners)
        bounds = bilinear.grid_sample(sizes, grid, align_corners)
        totals = _accumulate(totals, samples, bounds, share)  # (multiscale.3)
    return totals


def multiscale_sample_gradient(
    gout: Planes,
    input: Planes,
    grid: Planes,
    levels: Sequence[Weights],
    share: Number,
    align_corners: bool,
    kink: str = "right",
) -> Gradients:
    """Return the gradients for the cotangent `gout` (C, H_out, W_out) (multiscale.4)."""
    ginput: Sums = []
    ggrid: Sums = []
    for weights in levels:
        values, sizes = _parts([blur(plane, weights) for plane in input])
        first = bilinear.grid_sample_gradient(gout, values, grid, align_corners, kink)
        bounds = bilinear.grid_sample_gradient(gout, sizes, grid, align_corners, kink)
        back = [blur(plane, weights, transposed=True) for plane in first.ginput]  # (multiscale.4)
        ginput = _accumulate(ginput, back, back, share)
        ggrid = _accumulate(ggrid, first.ggrid, bounds.ggrid, share)
    return Gradients(ginput, ggrid)


def multiscale_sample_second_gradient(
    cotangents: Cotangents,
    gout: Planes,
    input: Planes,
    grid: Planes,
    levels: Sequence[Weights],
    share: Number,
    align_corners: bool,
    kink: str = "right",
) -> SecondGradients:
    """Return the gradients of A . ginput + b . ggrid for the cotangents A and b (multiscale.5)."""
    parts: list[Sums] = [[], [], []]
    for weights in levels:
        u, u_sizes = _parts([blur(plane, weights) for plane in input])
        a, a_sizes = _parts([blur(plane, weights) for plane in cotangents.input])
        blurred, sizes = cotangents._replace(input=a), cotangents._replace(input=a_sizes)
        second = bilinear.grid_sample_second_gradient(blurred, gout, u, grid, align_corners, kink)
        bounds = bilinear.grid_sample_second_gradient(sizes, gout, u_sizes, grid, align_corners, kink)
        back = [blur(plane, weights, transposed=True) for plane in second.ginput]
        pairs = [(second.ggout, bounds.ggout), (back, back), (second.ggrid, bounds.ggrid)]
        parts = [_accumulate(part, *pair, share) for part, pair in zip(parts, pairs, strict=True)]  # (multiscale.5)
    return SecondGradients(*parts)


LEDGER = (
    Equation(
        "LMS",
        "multi-scale baseline",
        "samples at scales of deviations 1, 5, 10, aggregated",
        "ambiguous",
        "the aggregation is not specified: `aggregate` is mean, sum or stack. Nor is where the Gaussians end "
        "(`truncate`), nor the border (the weights of pixels inside are divided by their sum)",
        ("refwarp.exact.multiscale.multiscale_sample", "refwarp.samplers.multiscale.multiscale_sample"),
        (
            "tests/exact/test_multiscale.py::test_the_gradients_are_the_derivatives_of_the_forward",
            "tests/exact/test_multiscale.py::test_a_constant_map_stays_what_it_is_only_with_weights_that_sum_to_1",
            "tests/samplers/test_multiscale.py::test_levels_are_stacked_summed_or_averaged",
        ),
    ),
    Equation(
        "LMS",
        "mipmaps (section 6)",
        'the multi-scale baseline "is similar to how multi-scale sampling with mipmaps is performed"',
        "ambiguous",
        "a mipmap halves the map at each level, so its samples depend on where the pairs of pixels start, and one "
        "level is selected by the scale of the transformation. The text mentions neither: here, as in the text, maps "
        "are blurred at full size, and all levels are sampled and aggregated",
        ("refwarp.exact.multiscale.multiscale_sample", "refwarp.samplers.multiscale.multiscale_sample"),
        ("tests/exact/test_multiscale.py::test_a_mipmap_depends_on_where_its_pixels_begin",),
    ),
)
