"""The U-Net: down to few large pixels and up again, beside what was seen on the way down.

    level 0   width channels            convolutions ------------- skip ------------> convolutions -> last
    level 1   2 width channels            | descent, convolutions --- skip --> convolutions | ascent
    ...
    depth     2^depth width channels              descent, convolutions, bottleneck

A descent halves a map's height and width, odd ones rounded up; an ascent doubles them, and cuts off the last row or
column where the level above has an odd number of them. So pictures of every size fit.

O. Ronneberger, P. Fischer and T. Brox, "U-Net", MICCAI 2015, has four descents by pooling and two convolutions at each
level. HSTN (Sect. 3.2, Fig. 5) has transposed convolutions for the ascents, as the paper of the U-Net itself has, and
at the bottom a convolution of 1x1 pixel.

What stands at a level in `pairs` works on both ways: `encode` on the way down, `decode` on the way up, given what the
former remembers. So an encoder and a decoder can share a warp (DTN, Sect. 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from autograd_core import Tensor
from autograd_core.functions import concatenate
from autograd_core.layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Module,
    ReLU,
    Sequential,
    max_pool2d,
    resize2d,
)
from refwarp.arguments import check_array, check_count, check_option

DESCENTS = ("strided", "pooled")
ASCENTS = ("transposed", "resized")


class Architecture(NamedTuple):
    """What a U-Net is like.

    Attributes
    ----------
    depth : int
        How many descents there are, and ascents.
    width : int
        Channels at full size; they double with each descent and halve with each ascent.
    convolutions : int
        Convolutions of 3x3 pixels at each level, on either way.
    descent : {"strided", "pooled"}
        The first convolution of the next level takes steps of two pixels; or the largest of 2x2 pixels is kept before
        it (where one row or column is left over, the largest of those pixels).
    ascent : {"transposed", "resized"}
        A transposed convolution of 4x4 pixels with steps of two; or a bilinear interpolation, and a convolution of 3x3.
    bottleneck : int, optional
        Side of the kernels of one more convolution at the bottom, an odd number.
    batch_norm : bool
        Whether batch normalisation follows each convolution but the last.
    skips : bool
        Whether what was seen on the way down is put beside what is on the way up.
    """

    depth: int = 4
    width: int = 8
    convolutions: int = 2
    descent: str = "pooled"
    ascent: str = "transposed"
    bottleneck: int | None = None
    batch_norm: bool = False
    skips: bool = True

    def check(self) -> None:
        """Raise ValueError if there is no such U-Net."""
        for name, least in (("depth", 0), ("width", 1), ("convolutions", 1)):
            check_count(name, getattr(self, name), least=least)
        check_option("descent", self.descent, DESCENTS)
        check_option("ascent", self.ascent, ASCENTS)
        for name in ("batch_norm", "skips"):
            check_option(name, getattr(self, name), (False, True))
        if self.bottleneck is not None:
            check_count("bottleneck", self.bottleneck)
            if self.bottleneck % 2 == 0:
                raise ValueError(f"bottleneck: given {self.bottleneck}, expected an odd number, or None")

    def channels(self, level: int) -> int:
        """Return how many channels a level has, on either way."""
        return self.width << level


class Pair(Protocol):
    """What works at a level on the way down, and on the way up again. It is a `Module`, if it has parameters."""

    def encode(self, input: Tensor) -> tuple[Tensor, Any]:
        """Return what becomes of maps (N, C, H, W) after the level's first convolution, and what `decode` needs."""
        ...

    def decode(self, input: Tensor, memory: Any) -> Tensor:
        """Return what becomes of maps (N, C, H, W), after the level's first convolution on the way up."""
        ...


class UNet(Module):
    """A network from maps to maps of the same height and width.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the maps before and after.
    architecture : Architecture
        What is between them.
    pairs : mapping of int to Pair
        What works at a level, on both ways. A level below `depth`, as there is one way at the bottom; level 0 is that
        of the input's size, and level k has 2^k `width` channels.
    rng : numpy.random.Generator
        Draws the weights.
    dtype : dtype
        Of the parameters.

    Attributes
    ----------
    last : Conv2d
        The last layer, a convolution of 3x3 pixels without ReLU.

    Raises
    ------
    ValueError
        If a number is none that it can be, or a level of `pairs` is none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        architecture: Architecture = Architecture(),  # noqa: B008 - it cannot be changed
        *,
        pairs: Mapping[int, Pair] | None = None,
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        architecture.check()
        for level in pairs or ():
            if level not in range(architecture.depth):
                raise ValueError(f"pairs: given level {level!r}, expected levels from 0 to {architecture.depth - 1}")
        self.architecture, self.in_channels = architecture, in_channels
        depth, channels = architecture.depth, architecture.channels
        draws: dict[str, Any] = {"rng": rng, "dtype": dtype}
        strided = architecture.descent == "strided"
        self.down = [self._level(in_channels, 0, 1, draws)]
        self.down += [self._level(channels(k - 1), k, 2 if strided else 1, draws) for k in range(1, depth + 1)]
        side, bottom = architecture.bottleneck, channels(depth)
        self.bottleneck = [self._convolution(bottom, bottom, side, 1, draws)] if side else []
        self.ascents = [self._ascent(k, draws) for k in range(depth)]
        self.up = [self._level((1 + architecture.skips) * channels(k), k, 1, draws) for k in range(depth)]
        self.last = Conv2d(channels(0), out_channels, 3, padding=1, **draws)
        self.pairs = dict(pairs or {})

    def _with_activation(self, layer: Module, channels: int, draws: Mapping[str, Any]) -> Sequential:
        norm = [BatchNorm(channels, dtype=draws["dtype"])] if self.architecture.batch_norm else []
        return Sequential(layer, *norm, ReLU())

    def _convolution(self, before: int, after: int, side: int, stride: int, draws: Mapping[str, Any]) -> Sequential:
        return self._with_activation(Conv2d(before, after, side, stride, side // 2, **draws), after, draws)

    def _level(self, before: int, level: int, stride: int, draws: Mapping[str, Any]) -> list[Sequential]:
        """Return the convolutions of a level on one of the ways."""
        after = self.architecture.channels(level)
        first = self._convolution(before, after, 3, stride, draws)
        return [
            first,
            *(self._convolution(after, after, 3, 1, draws) for _ in range(self.architecture.convolutions - 1)),
        ]

    def _ascent(self, level: int, draws: Mapping[str, Any]) -> Sequential:
        """Return the layers that lead up to a level, without the interpolation."""
        before, after = (self.architecture.channels(k) for k in (level + 1, level))
        if self.architecture.ascent == "resized":
            return self._convolution(before, after, 3, 1, draws)
        return self._with_activation(ConvTranspose2d(before, after, 4, 2, 1, **draws), after, draws)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W).

        Raises
        ------
        ValueError
            If the maps have another number of channels, or no pixels.
        TypeError
            If they have another dtype than the parameters.
        """
        check_array("input", input, f"(N, {self.in_channels}, H, W)", (None, self.in_channels, None, None))
        if 0 in input.shape[2:]:
            raise ValueError(f"input: given shape {tuple(input.shape)}, expected H and W of at least 1")
        maps, seen, memories = input, [], {}
        for level, (first, *rest) in enumerate(self.down):
            if level and self.architecture.descent == "pooled":
                maps = max_pool2d(_even(maps), 2)
            maps = first(maps)
            if level in self.pairs:
                maps, memories[level] = self.pairs[level].encode(maps)
            for layer in rest:
                maps = layer(maps)
            seen.append(maps)
        for layer in self.bottleneck:
            maps = layer(maps)
        for level in reversed(range(self.architecture.depth)):
            maps = self._ascended(maps, seen[level], level)
            first, *rest = self.up[level]
            maps = first(maps)
            if level in self.pairs:
                maps = self.pairs[level].decode(maps, memories[level])
            for layer in rest:
                maps = layer(maps)
        output: Tensor = self.last(maps)
        return output

    def _ascended(self, maps: Tensor, skip: Tensor, level: int) -> Tensor:
        """Return maps in the size of the level above, with what was seen there on the way down."""
        height, width = skip.shape[2:]
        if self.architecture.ascent == "resized":
            maps = resize2d(maps, (height, width))
        maps = self.ascents[level](maps)
        if maps.shape[2:] != (height, width):
            maps = maps[:, :, :height, :width]
        return concatenate([maps, skip], axis=1) if self.architecture.skips else maps


def _even(maps: Tensor) -> Tensor:
    """Return maps with an even number of rows and columns: the last one again, where it is odd."""
    for axis in (2, 3):
        if maps.shape[axis] % 2:
            last = maps[(slice(None),) * axis + (slice(-1, None),)]
            maps = concatenate([maps, last], axis=axis)
    return maps
