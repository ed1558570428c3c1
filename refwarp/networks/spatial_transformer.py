"""The spatial transformer: a layer that warps each map as it sees fit (STN, Sect. 3).

    map U --localisation--> theta --transformation--> grid --sampler--> map V

One warp serves all channels of a map. Nothing but the loss teaches it: the gradient reaches the localisation
through the sampler's gradient with respect to the grid.

With the identity theta and maps of the input's size, V is U up to the rounding of the grid: x_t is rounded to the
dtype, and moves by at most u (unit roundoff) at g = 1, so a sample moves by at most s u / 2 pixels along each axis.
Where width and height are powers of two and align_corners is False, every x_t of an affine grid is a float, and V is U
exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from autograd_core import Tensor
from autograd_core.functions import reshape, stack
from autograd_core.layers import Module
from refwarp.networks.samplers import Sampler
from refwarp.networks.transformations import AFFINE, Transformation
from refwarp.samplers.grid_sample import grid_sample


class Warp(NamedTuple):
    """What a transformer did to a batch of maps.

    Attributes
    ----------
    input : Tensor, shape (N, C, H, W)
        The maps.
    output : Tensor, shape (N, C, H', W')
        The warped maps.
    theta : Tensor, shape (N, count)
        The parameters of the transformations.
    grid : Tensor, shape (N, H', W', 2)
        The points (x, y) of the input that were sampled.
    align_corners : bool
        What -1 and 1 mean in the grid.
    flow : Tensor, shape (N, 2, H', W'), optional
        The motion that is added to that of theta, in pixels of the output, of a transformer that has one.
    """

    input: Tensor
    output: Tensor
    theta: Tensor
    grid: Tensor
    align_corners: bool
    flow: Tensor | None = None


class Transformer(Module):
    """What all transformers share: an output's size, a sampler, and who watches them.

    Parameters
    ----------
    transformation : Transformation
        What the parameters mean that are predicted.
    sampler : callable
        Called as ``sampler(input, grid, align_corners=...)``, see `refwarp.networks.samplers`.
    size : int or (int, int), optional
        Height and width of the output; those of the input by default.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Attributes
    ----------
    observer : callable, optional
        Is given every `Warp`, see `observed`.

    Raises
    ------
    ValueError
        If `size` is not one or two positive integers.
    """

    def __init__(
        self,
        transformation: Transformation,
        sampler: Sampler,
        size: int | tuple[int, int] | None,
        align_corners: bool,
    ) -> None:
        both = (size, size) if isinstance(size, int) else size
        if both is not None and (len(both) != 2 or not all(isinstance(n, int) and n >= 1 for n in both)):
            raise ValueError(f"size: given {size!r}, expected a positive integer, two of them (height, width), or None")
        self.transformation, self.sampler = transformation, sampler
        self.size, self.align_corners = both, align_corners
        self.observer: Callable[[Warp], None] | None = None

    def predicted(self, localisation: Module, input: Tensor) -> Tensor:
        """Return what a localisation predicts for maps, as theta (N, count); ValueError if it is of another length."""
        batch, count = input.shape[0], self.transformation.count
        theta: Tensor = localisation(input)
        if theta.ndim < 2 or theta.shape[0] != batch or theta.size != batch * count:
            raise ValueError(
                f"localisation: it returned theta of shape {theta.shape} for {batch} maps, expected ({batch}, {count}) "
                f"for {type(self.transformation).__name__}"
            )
        return theta if theta.ndim == 2 else reshape(theta, (batch, count))

    def sampled(self, sampler: Sampler, input: Tensor, theta: Tensor, grid: Tensor) -> Warp:
        """Sample maps (N, C, H, W) at the grid of theta (N, count), and show the warp to the observer."""
        output = sampler(input, grid, align_corners=self.align_corners)
        warp = Warp(input, output, theta, grid, self.align_corners)
        if self.observer:
            self.observer(warp)
        return warp


class SpatialTransformer(Transformer):
    """Warp each map by a transformation that a localisation network reads from it.

    Parameters
    ----------
    localisation : Module
        Maps the input (N, C, H, W) to theta, (N, count) or those numbers in other axes, in the input's dtype. See
        `convolutional_localisation` and `fully_connected_localisation`, and `regression` for the last layer of another.
    transformation : Transformation
        What theta means.
    sampler : callable
        Called as ``sampler(input, grid, align_corners=...)``, see `refwarp.networks.samplers`. For another mode or
        padding of `grid_sample`, ``functools.partial(grid_sample, mode="bicubic")``.
    size : int or (int, int), optional
        Height and width of the output; those of the input by default.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).

    Raises
    ------
    ValueError
        If `size` is not one or two positive integers.
    """

    def __init__(
        self,
        localisation: Module,
        transformation: Transformation = AFFINE,
        sampler: Sampler = grid_sample,
        size: int | tuple[int, int] | None = None,
        align_corners: bool = False,
    ) -> None:
        self.localisation = localisation  # its parameters come first
        super().__init__(transformation, sampler, size, align_corners)

    def warp(self, input: Tensor, theta: Tensor) -> Warp:
        """Warp maps (N, C, H, W) by the transformations of theta (N, count)."""
        batch, channels, *own = input.shape
        height, width = self.size or own
        grid = self.transformation.grid(theta, (batch, channels, height, width), self.align_corners)
        return self.sampled(self.sampler, input, theta, grid)

    def transform(self, input: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the transformer makes of its input, and how.

        Parameters
        ----------
        input : Tensor, shape (N, C, H, W)
            The maps.

        Returns
        -------
        output : Tensor, shape (N, C, H', W')
            The warped maps.
        theta : Tensor, shape (N, count)
            The parameters of the transformations, from the output's coordinates to the input's.
        grid : Tensor, shape (N, H', W', 2)
            The points (x, y) of the input that are sampled.

        Raises
        ------
        ValueError
            If the input has not four axes, or the localisation returns another number of parameters.
        TypeError
            If the localisation's dtype is another than the input's.
        """
        check_is_maps(input)
        warp = self.warp(input, self.predicted(self.localisation, input))
        return warp.output, warp.theta, warp.grid

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H', W')."""
        return self.transform(input)[0]


def check_is_maps(input: Tensor) -> None:
    """Raise ValueError unless a transformer's input has four axes."""
    if input.ndim != 4:
        raise ValueError(f"input: given shape {input.shape}, expected (N, C, H, W)")


class GlimpseTransformer(SpatialTransformer):
    """Warp each map several times, by as many transformations as the localisation reads from it.

    Its parameters are those of `SpatialTransformer`, but that the localisation maps (N, C, H, W) to theta
    (N, T, count): one that looks at a map step by step, as `RecurrentLocalisation` does, or at once.
    """

    def transform(self, input: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the transformer makes of its input, and how.

        Parameters
        ----------
        input : Tensor, shape (N, C, H, W)
            The maps.

        Returns
        -------
        output : Tensor, shape (N, T, C, H', W')
            The warped maps, T of each.
        theta : Tensor, shape (N, T, count)
            The parameters of the transformations.
        grid : Tensor, shape (N, T, H', W', 2)
            The points (x, y) of the input that are sampled.

        Raises
        ------
        ValueError
            If the input has not four axes, or the localisation returns another shape.
        TypeError
            If the localisation's dtype is another than the input's.
        """
        check_is_maps(input)
        batch, count = input.shape[0], self.transformation.count
        theta = self.localisation(input)
        if theta.ndim != 3 or theta.shape[0] != batch or theta.shape[1] < 1 or theta.shape[2] != count:
            raise ValueError(
                f"localisation: it returned theta of shape {theta.shape} for {batch} maps, expected ({batch}, T, "
                f"{count}) for {type(self.transformation).__name__}, T at least 1"
            )
        warps = [self.warp(input, theta[:, t]) for t in range(theta.shape[1])]
        output, grid = (stack([getattr(warp, name) for warp in warps], axis=1) for name in ("output", "grid"))
        return output, theta, grid


@contextmanager
def observed(model: Module) -> Iterator[dict[str, list[Warp]]]:
    """Keep, within a `with` block, what every spatial transformer in a model does.

    Parameters
    ----------
    model : Module
        A network with transformers in it: in series, in parallel or recurrent.

    Yields
    ------
    dict of str to list of Warp
        For each transformer, by its name in the model ("" for the model itself), each warp in the order of time.
    """
    transformers = {
        name.removesuffix("."): module for name, module in model.named_modules() if isinstance(module, Transformer)
    }
    seen: dict[str, list[Warp]] = {name: [] for name in transformers}
    before = {name: transformer.observer for name, transformer in transformers.items()}
    for name, transformer in transformers.items():
        transformer.observer = seen[name].append
    try:
        yield seen
    finally:
        for name, transformer in transformers.items():
            transformer.observer = before[name]
