"""The truth about dense_decode, the paper's decoder and the released ones.

**G of the paper's decoder.** If the pixel coordinates of all sources move by at most e times their reach, the size of
their axis times max(1, |g|), to first order in e each weight w = k k of a source moves by at most e times

    mu = reach_x [|d_x| <= 1] k(d_y) + reach_y [|d_y| <= 1] k(d_x)                          (decode.1)

and S by sum of mu. A quotient of sums does not move where all weights grow alike, and so U and a share w_i/S do by

    sum over j of |V_j - U| mu_j / S,    ((1 - w_i/S) mu_i + w_i/S sum over j != i of mu_j) / S       (decode.2)

In the slopes w_x = s_x/2 k' k the factor k' is held, and w_x/S moves by

    (s_x/2 |k'| reach_y [|d_y| <= 1] + |w_x|/S sum over j of mu_j) / S

All else is made of these by sums and products, so that the rules of `Bounded`, with G in the place of M, do the rest.
Where S itself is but a few e the first order says too little: only for a source that is all but on the lattice.

**Seams.** On the lattice pixels turn from hole to covered, and slopes jump. For a case with sources next to it, what
moves them across is tried out: each such coordinate is taken on the lattice, and just as far on its other side.

**The released programs** have no gradients but those of their steps: `Dual` numbers take them from the transcription,
and a second pair those of the gradients. The rules of `Bounded` along the same steps give M, and G where they start
from the coordinates' moves instead. c counts the longest path, on which every source of a pixel is one addition.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from refwarp.exact import bilinear
from refwarp.exact.arithmetic.budget import UNIT_ROUNDOFF
from refwarp.exact.arithmetic.numbers import Dual, Number, Sum
from refwarp.exact.arithmetic.running_error import Bounded
from refwarp.exact.dense_decode import decode as decoder
from refwarp.exact.dense_decode import holes as decoder_holes
from refwarp.exact.dense_decode import released as decoder_released
from refwarp.exact.dense_decode.second import decode_second_gradient
from refwarp.golden.case import Case
from refwarp.golden.grades import COORDINATE_ROUNDINGS
from refwarp.golden.judging import answer, slopes
from refwarp.golden.judging.answer import Answer, numbers
from refwarp.golden.judging.judge import Answers, Judge, Seams, every_convention
from refwarp.golden.judging.running import Displaced, as_sum, elements, zeros
from refwarp.golden.operations import OPERATIONS, outputs

Objects = npt.NDArray[np.object_]

# c of the budgets (docs/dense_decode.md): the map and the gradients of values and previous map; all others.
VALUE, GRID = 4.0, 12.0
# c of the released programs: the operations on its longest path, beside one for each source.
RELEASED = 32.0

# Beside the middle of a map 1/S, and with it G, may be larger than any double; this one says as much.
LARGEST = Fraction(sys.float_info.max)

# How many coordinates of a case may lie next to the lattice: all combinations of their sides are tried.
MOST = 4

# Each output, and the argument whose shape it has.
OUTPUTS = outputs("dense_decode")


class Image(NamedTuple):
    """The arguments of dense_decode and of its gradients, of one image; the previous map may be None."""

    cotangent_values: Any
    cotangent_grid: Any
    cotangent_previous: Any
    gout: Any
    values: Any
    grid: Any
    previous: Any


def images(case: Case) -> list[Image]:
    """Return the images of a case, as nested lists of rational numbers; cotangents that it lacks are 0."""
    given = {name: numbers(array) for name, array in case.inputs.items()}
    for name in ("values", "grid", "previous"):
        if name in given:
            given.setdefault(f"cotangent_{name}", numbers(np.zeros(case.inputs[name].shape)))
    count = case.inputs["values"].shape[0]
    return [Image(*(given[name][b] if name in given else None for name in Image._fields)) for b in range(count)]


def is_released(case: Case) -> bool:
    """Tell whether one of the released programs is asked for."""
    return bool(case.options.get("variant", "paper") != "paper")


# ---- the paper's decoder ----


def paper(image: Image, fill: str, align_corners: bool, kink: str) -> dict[str, Any]:
    """Return the sums of each output of one image."""
    height, width = len(image.gout[0]), len(image.gout[0][0])
    decoded = decoder.decode(image.values, image.grid, height, width, align_corners)
    first = decoder.decode_gradient(image.gout, image.values, image.grid, align_corners, kink)
    cotangents = image.cotangent_values, image.cotangent_grid
    second = decode_second_gradient(*cotangents, image.gout, image.values, image.grid, align_corners, kink)
    found = {
        "forward/output": decoded.maps,
        "vjp/gvalues": first.gvalues,
        "vjp/ggrid": first.ggrid,
        "second_vjp/ggout": second.ggout,
        "second_vjp/gvalues": second.gvalues,
        "second_vjp/ggrid": second.ggrid,
    }
    if image.previous is not None:
        changes = decoder.Decoded(decoded.normalisation, second.ggout)
        found["forward/output"] = decoder_holes.filled(decoded, image.previous, fill)
        found["second_vjp/ggout"] = decoder_holes.filled(changes, image.cotangent_previous, fill)
        found["vjp/gprevious"] = decoder_holes.fill_gradient(decoded, image.gout, fill)
        found["second_vjp/gprevious"] = [[[Sum() for _ in row] for row in plane] for plane in image.gout]
    return found


class Share(NamedTuple):
    """What a source gives to a pixel, over S, each with its G: w/S and its slopes by g_x, by g_y and by both."""

    pixel: tuple[int, int]
    w: Displaced
    wx: Displaced
    wy: Displaced
    wxy: Displaced
    move: Number  # mu / S of (decode.1)


def shares(image: Image, align_corners: bool, kink: str) -> dict[tuple[int, int], list[Share]]:
    """Return, for each source at finite coordinates, its shares of the pixels that are no holes."""
    height, width = len(image.gout[0]), len(image.gout[0][0])
    scales = [bilinear.coordinate_scale(size, align_corners) * bilinear.HALF for size in (width, height)]
    raw: dict[tuple[int, int], list[tuple[tuple[int, int], list[Number]]]] = {}
    totals: dict[tuple[int, int], Number] = {}
    moves: dict[tuple[int, int], Number] = {}
    for i, j, x, y in bilinear.finite_samples(image.grid, height, width, align_corners):
        window = bilinear.support(x, y, height, width)
        axes = zip(image.grid[i][j], (width, height), scales, strict=True)
        reach_x, reach_y = (slopes.reach(*axis) for axis in axes)
        for n, m in product(window.rows, window.columns):
            kx, ky = bilinear.tent(x - m), bilinear.tent(y - n)
            sx = scales[0] * bilinear.tent_derivative(x - m, kink)
            sy = scales[1] * bilinear.tent_derivative(y - n, kink)
            move_x, move_y = reach_x * (abs(x - m) <= 1), reach_y * (abs(y - n) <= 1)
            move = move_x * ky + move_y * kx  # (decode.1)
            raw.setdefault((i, j), []).append(
                ((n, m), [kx * ky, sx * ky, kx * sy, sx * sy, move, abs(sx) * move_y, abs(sy) * move_x])
            )
            totals[n, m] = totals.get((n, m), 0) + kx * ky
            moves[n, m] = moves.get((n, m), 0) + move
    found = {}
    for source, pixels in raw.items():
        found[source] = [
            Share(
                pixel,
                Displaced(w / s, ((s - w) * move + w * (moves[pixel] - move)) / s**2),  # (decode.2)
                Displaced(wx / s, (move_wx + abs(wx) / s * moves[pixel]) / s),
                Displaced(wy / s, (move_wy + abs(wy) / s * moves[pixel]) / s),
                Displaced(wxy / s, abs(wxy) / s**2 * moves[pixel]),
                move / s,
            )
            for pixel, (w, wx, wy, wxy, move, move_wx, move_wy) in pixels
            if (s := totals[pixel])
        ]
    return found


def sensitivities(image: Image, align_corners: bool, kink: str) -> dict[str, Objects]:
    """Return each element of each output as a number with its G; 0 in holes, whatever their filling."""
    channels, height, width = len(image.gout), len(image.gout[0]), len(image.gout[0][0])
    found = shares(image, align_corners, kink)
    u, t = zeros(Displaced, channels, height, width), zeros(Displaced, channels, height, width)
    r = zeros(Displaced, height, width)
    rows, columns = len(image.grid), len(image.grid[0])
    gvalues, second_gvalues = zeros(Displaced, channels, rows, columns), zeros(Displaced, channels, rows, columns)
    ggrid, second_ggrid = zeros(Displaced, rows, columns, 2), zeros(Displaced, rows, columns, 2)
    for c, source, share in _each(found, channels):
        value = image.values[c][source[0]][source[1]]
        if share.w.value:
            u[c, *share.pixel] += Displaced(share.w.value * value)
    middle = np.array([[[element.value for element in row] for row in plane] for plane in u], object).reshape(u.shape)
    for c, source, share in _each(found, channels):
        if share.move:
            apart = abs(image.values[c][source[0]][source[1]] - middle[c, *share.pixel])
            u[c, *share.pixel] += Displaced(0, apart * share.move)  # (decode.2)
    for source, pixels in found.items():
        for share in pixels:
            r[share.pixel] += _change(image, source, share)
    for c, (i, j), share in _each(found, channels):
        apart = Displaced(image.values[c][i][j]) - u[c, *share.pixel]
        t[c, *share.pixel] += share.w * image.cotangent_values[c][i][j] + apart * _change(image, (i, j), share)
    for c, (i, j), share in _each(found, channels):
        g, (bx, by) = image.gout[c][share.pixel[0]][share.pixel[1]], image.cotangent_grid[i][j]
        apart = Displaced(image.values[c][i][j]) - u[c, *share.pixel]
        inner = Displaced(image.cotangent_values[c][i][j]) - t[c, *share.pixel] - apart * r[share.pixel]
        gvalues[c, i, j] += share.w * g
        second_gvalues[c, i, j] += (_change(image, (i, j), share) - share.w * r[share.pixel]) * g
        for axis, (slope, other) in enumerate(((share.wx, by), (share.wy, bx))):
            ggrid[i, j, axis] += apart * slope * g
            second_ggrid[i, j, axis] += (inner * slope + apart * share.wxy * other) * g
    return {
        "forward/output": u,
        "vjp/gvalues": gvalues,
        "vjp/ggrid": ggrid,
        "second_vjp/ggout": t,
        "second_vjp/gvalues": second_gvalues,
        "second_vjp/ggrid": second_ggrid,
        "vjp/gprevious": zeros(Displaced, channels, height, width),
        "second_vjp/gprevious": zeros(Displaced, channels, height, width),
    }


def _each(found: dict[tuple[int, int], list[Share]], channels: int) -> Iterator[tuple[int, tuple[int, int], Share]]:
    for c in range(channels):
        for source, pixels in found.items():
            for share in pixels:
                yield c, source, share


def _change(image: Image, source: tuple[int, int], share: Share) -> Any:
    """Return D_i / S, the change of w_i in the direction of the cotangent of the grid."""
    bx, by = image.cotangent_grid[source[0]][source[1]]
    return share.wx * bx + share.wy * by


# ---- the released programs ----


def released(
    image: Image, first_release: bool, number: type[Bounded], coordinate: Callable[[Number], Bounded]
) -> dict[str, Any]:
    """Return each element of each output of one image, of the kind of numbers that it is given.

    The second derivatives are those of the first in the direction of the cotangents.
    """
    previous = image.previous or _nothing(image.gout), image.cotangent_previous or _nothing(image.gout)
    finite = [(i, j) for i, j, _, _ in bilinear.finite_samples(image.grid, 1, 1, False)]

    def decode(seed: tuple[Any, ...]) -> list[list[list[Dual]]]:
        """Return the map; its outer derivative is by the input that `seed` names, its inner one in the direction."""

        def dual(given: Bounded, turned: Number, *place: Any) -> Dual:
            return Dual(Dual(given, number(turned)), Dual(number(int(place == seed))))

        values = [
            [[dual(number(plane[i][j]), turned[i][j], "values", c, i, j) for i, j in finite]]
            for c, (plane, turned) in enumerate(zip(image.values, image.cotangent_values, strict=True))
        ]
        points = [
            [dual(coordinate(image.grid[i][j][a]), image.cotangent_grid[i][j][a], "grid", i, j, a) for a in range(2)]
            for i, j in finite
        ]
        behind = [
            [
                [dual(number(p), q, "previous", c, n, m) for m, (p, q) in enumerate(zip(*rows, strict=True))]
                for n, rows in enumerate(zip(*planes, strict=True))
            ]
            for c, planes in enumerate(zip(*previous, strict=True))
        ]
        return decoder_released.released(values, [points], behind, first_release)

    def derivative(*seed: Any) -> tuple[Bounded, Bounded]:
        """Return that of the sum of output times gout, and its change in the direction."""
        first, second = number(0), number(0)
        for (c, n, m), element in np.ndenumerate(np.array(decode(seed), object)):
            change = Dual.of(element.derivative)
            first, second = first + change.value * image.gout[c][n][m], second + change.derivative * image.gout[c][n][m]
        return first, second

    out = [[[element.value for element in row] for row in plane] for plane in decode(())]
    found: dict[str, Any] = {
        "forward/output": [[[element.value for element in row] for row in plane] for plane in out],
        "second_vjp/ggout": [[[element.derivative for element in row] for row in plane] for plane in out],
    }
    seeds = {
        "values": [(c, i, j) for c in range(len(image.values)) for i, j in finite],
        "grid": [(i, j, axis) for i, j in finite for axis in range(2)],
    }
    if image.previous is not None:
        seeds["previous"] = list(np.ndindex(np.shape(image.gout)))
    for name, places in seeds.items():
        first, second = (zeros(number, *np.shape(getattr(image, name))) for _ in range(2))
        for place in places:
            first[place], second[place] = derivative(name, *place)
        found |= {f"vjp/g{name}": first, f"second_vjp/g{name}": second}
    return found


def _nothing(maps: Any) -> Any:
    return [[[Fraction(0) for _ in row] for row in plane] for plane in maps]


# ---- both ----


def evaluated(image: Image, case: Case, convention: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return each output of one image: its sums, and the same as numbers with their G."""
    if not is_released(case):
        options = case.options["align_corners"], convention
        return paper(image, case.options["fill"], *options), sensitivities(image, *options)
    count = len(image.grid) * len(image.grid[0])  # k: all sources may share a pixel
    first_release = case.options["variant"] == "first_release"
    exact = released(image, first_release, Bounded, Bounded)
    sums = {path: [as_sum(number, count) for number in elements(found)] for path, found in exact.items()}
    # e times the axis is 2 e in [-1, 1].
    return sums, released(image, first_release, Displaced, lambda g: Displaced(g, 2 * max(1, abs(g))))


def dense_decode(case: Case, convention: str) -> Answers:
    """Return the answers of dense_decode."""
    found = [evaluated(image, case, convention) for image in images(case)]
    answers = {}
    for path, shape in asked(case).items():
        c = VALUE if path in ("forward/output", "vjp/gvalues", "vjp/gprevious") else GRID
        if is_released(case):
            c = RELEASED + math.prod(case.inputs["grid"].shape[1:3])
        sums = [sums[path] for sums, _ in found]
        moves = [[min(number.M, LARGEST) for number in elements(moved[path])] for _, moved in found]
        answers[path] = Answer.of(c, shape, sums, moves)
    return answers


def asked(case: Case) -> dict[str, tuple[int, ...]]:
    """Return the outputs that a case has the inputs for, with their shapes."""
    return {
        path: case.inputs[OUTPUTS[path]].shape
        for call in OPERATIONS["dense_decode"]
        if set(call.arguments) - set(case.inputs) <= {"previous", "cotangent_previous"}
        for path in call.paths()
        if OUTPUTS[path] in case.inputs
    }


def on_axes(case: Case) -> Iterator[tuple[tuple[int, ...], Number, int]]:
    """Yield the finite coordinates that can move: their place in the grid, in pixels, and the size of the axis."""
    height, width = case.options["size"][2:]
    align_corners = case.options["align_corners"]
    for place, g in np.ndenumerate(case.inputs["grid"]):
        size = (width, height)[place[-1]]
        if math.isfinite(g) and bilinear.coordinate_scale(size, align_corners):
            yield place, bilinear.pixel_coordinate(Fraction(g), size, align_corners), size


def conventions(case: Case) -> tuple[str, ...]:
    """Return all rules at kinks if a source has an integer coordinate, else one; the released programs have none."""
    if is_released(case):
        return ("",)
    rules = every_convention(case)
    return rules if any(x % 1 == 0 for _, x, _ in on_axes(case)) else rules[:1]


def seams(case: Case) -> Seams:
    """Return the hulls for a case that has sources next to the lattice."""
    align_corners, size = case.options["align_corners"], case.options["size"][:1:-1]
    near = COORDINATE_ROUNDINGS * min(UNIT_ROUNDOFF[case.dtype], UNIT_ROUNDOFF["float16"])
    off = {place: (x - round(x), width) for place, x, width in on_axes(case) if 0 < abs(x - round(x)) <= near * width}
    if is_released(case) or not off:
        return {}
    if len(off) > MOST:
        raise ValueError(f"{case.name}: has {len(off)} coordinates next to the lattice, expected at most {MOST}")
    distance = min(abs(step) / width for step, width in off.values())
    hulls: dict[str, Any] = {}
    for moves in product(range(3), repeat=len(off)):
        moved = images(case)
        for ((b, i, j, axis), (step, _)), times in zip(off.items(), moves, strict=True):
            scale = bilinear.coordinate_scale(size[axis], align_corners)
            moved[b].grid[i][j][axis] -= times * step * 2 / scale  # where it is, on the lattice, beyond it
        for convention in every_convention(case):
            for path, found in paper_of_all(moved, case, convention).items():
                hulls.setdefault(path, []).append([number.value for number in elements(found)])
    return {
        path: answer.seams(
            shape, [answer.seam(min(values), max(values), distance) for values in zip(*hulls[path], strict=True)]
        )
        for path, shape in asked(case).items()
    }


def paper_of_all(parts: Sequence[Image], case: Case, convention: str) -> dict[str, Any]:
    """Return the sums of each output of all images."""
    options = case.options["fill"], case.options["align_corners"], convention
    found = [paper(image, *options) for image in parts]
    return {path: [of_one[path] for of_one in found] for path in found[0]}


JUDGES = {"dense_decode": Judge(dense_decode, conventions, seams)}
