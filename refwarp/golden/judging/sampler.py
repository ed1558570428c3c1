"""One call of grid_sample on one image, and what it computes, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from refwarp.exact import bicubic, bilinear, nearest, sampling
from refwarp.exact.arithmetic.numbers import Number
from refwarp.golden import operations
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import numbers

# Each output, and the argument whose shape it has.
OUTPUTS = operations.outputs("grid_sample")


class Image(NamedTuple):
    """The arguments of grid_sample and of its gradients, of one image: nested lists of numbers."""

    cotangent_input: Any
    cotangent_grid: Any
    gout: Any
    input: Any
    grid: Any


class Call(NamedTuple):
    """The options of a call, and the size of its map."""

    mode: str
    padding: str
    align_corners: bool
    height: int
    width: int

    @staticmethod
    def of(case: Case) -> Call:
        """Return those of a case."""
        options = case.options
        return Call(options["mode"], options["padding_mode"], options["align_corners"], *case.inputs["input"].shape[2:])

    @property
    def sizes(self) -> tuple[int, int]:
        """The pixels of the map in x and in y."""
        return self.width, self.height

    @property
    def scales(self) -> tuple[Number, Number]:
        """dx/dg and dy/dg (bilinear.1)."""
        x, y = (bilinear.coordinate_scale(size, self.align_corners) * bilinear.HALF for size in self.sizes)
        return x, y

    def coordinate(self, g: Number, size: int) -> Number:
        """Return the pixel coordinate of a finite g."""
        return bilinear.pixel_coordinate(g, size, self.align_corners)

    def samples(self, grid: Any, convention: str) -> sampling.Samples:
        """Return what the samples of a grid read, by a rule for kinks or ties."""
        where = grid, self.height, self.width, self.align_corners
        if self.mode == "bilinear":
            return bilinear.samples_at(*where, convention, self.padding)
        if self.mode == "nearest":
            return nearest.samples_at(*where, self.padding, convention)
        return bicubic.samples_at(*where, self.padding)


def outputs(image: Image, samples: sampling.Samples, scales: tuple[Number, ...]) -> dict[str, Any]:
    """Return the exact sums of each output of one image, by "part/output"; `scales` are dx/dg and dy/dg."""
    first = sampling.sample_gradient(image.gout, image.input, samples, scales)
    second = sampling.sample_second_gradient(sampling.Cotangents(*image[:2]), *image[2:4], samples, scales)
    found = (sampling.sample(image.input, samples), *first, *second)
    return dict(zip(OUTPUTS, found, strict=True))


def in_balls(image: Image, balls: Callable[[Any], Any]) -> Image:
    """Return an image as balls, but for its coordinates."""
    a, b, gout, input = (balls(part) for part in image[:4])
    return Image(a, b, gout, input, image.grid)


def images(case: Case) -> list[Image]:
    """Return the images of a case."""
    return [Image(*parts) for parts in zip(*(numbers(case.inputs[name]) for name in Image._fields), strict=True)]
