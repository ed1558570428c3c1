"""The truth about grid_sample."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from refwarp.exact import bilinear
from refwarp.golden.case import Case
from refwarp.golden.operations import CHOICES
from refwarp.golden.truth.answer import Answer, numbers
from refwarp.golden.truth.judge import Answers, Judge
from refwarp.golden.truth.slopes import Neighbourhood

# Sensitivities of one output of one image.
Numbers = npt.NDArray[np.object_]


class Image(NamedTuple):
    """The arguments of grid_sample and of its gradients, of one image: nested lists of numbers."""

    cotangent_input: Any
    cotangent_grid: Any
    gout: Any
    input: Any
    grid: Any


def sensitivities(image: Image, align_corners: bool, kink: str) -> dict[str, Numbers]:
    """Return G for each element of each output of grid_sample, of one image, by "part/output"."""
    channels, height, width = len(image.input), len(image.input[0]), len(image.input[0][0])
    shape = len(image.gout[0]), len(image.gout[0][0]) if image.gout[0] else 0
    scale_x = bilinear.coordinate_scale(width, align_corners) * bilinear.HALF
    scale_y = bilinear.coordinate_scale(height, align_corners) * bilinear.HALF
    output, ggout = (np.zeros((channels, *shape), object) for _ in range(2))
    ginput, second_ginput = (np.zeros((channels, height, width), object) for _ in range(2))
    ggrid, second_ggrid = (np.zeros((*shape, 2), object) for _ in range(2))
    for i, j in np.ndindex(shape):
        gx, gy = image.grid[i][j]
        if not isinstance(gx, Fraction) or not isinstance(gy, Fraction):
            continue  # NaN or infinite, and stays so
        x = bilinear.pixel_coordinate(gx, width, align_corners)
        y = bilinear.pixel_coordinate(gy, height, align_corners)
        near = Neighbourhood(x, y, height, width, kink)
        bx, by = (b * s for b, s in zip(image.cotangent_grid[i][j], (scale_x, scale_y), strict=True))
        for c in range(channels):
            g, u, a = image.gout[c][i][j], image.input[c], image.cotangent_input[c]
            slope_x, slope_y = near.gathered(u, along_x=True), near.gathered(u, along_y=True)
            output[c, i, j] = near.gathered(u)  # (STN 5)
            near.scatter(ginput[c], g)  # (bilinear.5)
            ggrid[i, j, 0] += abs(scale_x * g) * slope_x  # (bilinear.6)
            ggrid[i, j, 1] += abs(scale_y * g) * slope_y
            ggout[c, i, j] = near.gathered(a) + abs(bx) * slope_x + abs(by) * slope_y  # (bilinear.7)
            near.scatter(second_ginput[c], g * bx, along_x=True)  # (bilinear.8)
            near.scatter(second_ginput[c], g * by, along_y=True)
            # Of (bilinear.9) the terms with k' k' stay as they are.
            second_ggrid[i, j, 0] += abs(scale_x * g) * near.gathered(a, along_x=True)
            second_ggrid[i, j, 1] += abs(scale_y * g) * near.gathered(a, along_y=True)
    return {
        "forward/output": output,
        "vjp/ginput": ginput,
        "vjp/ggrid": ggrid,
        "second_vjp/ggout": ggout,
        "second_vjp/ginput": second_ginput,
        "second_vjp/ggrid": second_ggrid,
    }


def grid_sample(case: Case, kink: str) -> Answers:
    """Return the answers of grid_sample."""
    align_corners = case.options["align_corners"]
    sums: dict[str, list[Any]] = {}
    moves: dict[str, list[Numbers]] = {}
    for parts in zip(*(numbers(case.inputs[name]) for name in Image._fields), strict=True):
        image = Image(*parts)
        first = bilinear.grid_sample_gradient(image.gout, image.input, image.grid, align_corners, kink)
        second = bilinear.grid_sample_second_gradient(*image, align_corners, kink)
        found = {
            "forward/output": bilinear.grid_sample(image.input, image.grid, align_corners),
            "vjp/ginput": first.ginput,
            "vjp/ggrid": first.ggrid,
            "second_vjp/ggout": second.ggout,
            "second_vjp/ginput": second.ginput,
            "second_vjp/ggrid": second.ggrid,
        }
        for path, move in sensitivities(image, align_corners, kink).items():
            sums.setdefault(path, []).append(found[path])
            moves.setdefault(path, []).append(move)
    shapes = {"output": "gout", "ggout": "gout", "ginput": "input", "ggrid": "grid"}
    constants = {"forward": 4.0, "vjp": 4.0, "second_vjp": 8.0}
    return {
        f"{part}/{name}": Answer.of(
            constants[part], case.inputs[shapes[name]].shape, sums.get(f"{part}/{name}", []), moves.get(f"{part}/{name}", [])
        )
        for part, name in (path.split("/") for path in PATHS)
    }


def conventions(case: Case) -> tuple[str, ...]:
    """Return all rules at kinks if a sample has an integer coordinate that its gradient depends on, else one."""
    align_corners, (height, width) = case.options["align_corners"], case.inputs["input"].shape[2:]
    on_lattice = any(
        isinstance(g, Fraction)
        and bilinear.coordinate_scale(size, align_corners) != 0
        and bilinear.pixel_coordinate(g, size, align_corners) % 1 == 0
        for point in numbers(case.inputs["grid"].reshape(-1, 2))
        for g, size in zip(point, (width, height), strict=True)
    )
    return CHOICES["kink"] if on_lattice else CHOICES["kink"][:1]


PATHS = (
    "forward/output",
    "vjp/ginput",
    "vjp/ggrid",
    "second_vjp/ggout",
    "second_vjp/ginput",
    "second_vjp/ggrid",
)

JUDGES = {"grid_sample": Judge(grid_sample, conventions)}
