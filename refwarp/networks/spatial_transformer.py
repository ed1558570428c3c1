"""The spatial transformer: a layer that warps each map as it sees fit (STN, Sect. 3).

    map U --localisation--> theta --affine grid--> grid --bilinear sampler--> map V

One warp serves all channels of a map. Nothing but the loss teaches it: the gradient reaches the localisation
through the sampler's gradient with respect to the grid.

With the identity theta and maps of the input's size, V is U up to the rounding of the grid: x_t is rounded to the
dtype, and moves by at most u (unit roundoff) at g = 1, so a sample moves by at most s u / 2 pixels along each axis.
Where width and height are powers of two and align_corners is False, every x_t is a float, and V is U exactly.
"""

from __future__ import annotations

from autograd_core import Tensor
from autograd_core.layers import Module
from refwarp.grids.affine import affine_grid
from refwarp.samplers.grid_sample import grid_sample


class SpatialTransformer(Module):
    """Warp each map by an affine transformation that a localisation network reads from it.

    Parameters
    ----------
    localisation : Module
        Maps the input (N, C, H, W) to theta, (N, 6) or (N, 2, 3), in the input's dtype. See
        `AffineLocalisation`, and `affine_regression` for the last layer of another.
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
        size: int | tuple[int, int] | None = None,
        align_corners: bool = False,
    ) -> None:
        both = (size, size) if isinstance(size, int) else size
        if both is not None and (len(both) != 2 or not all(isinstance(n, int) and n >= 1 for n in both)):
            raise ValueError(f"size: given {size!r}, expected a positive integer, two of them (height, width), or None")
        self.localisation, self.size, self.align_corners = localisation, both, align_corners

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
        theta : Tensor, shape (N, 2, 3)
            The transformations, from the output's coordinates to the input's.
        grid : Tensor, shape (N, H', W', 2)
            The points (x, y) of the input that are sampled.

        Raises
        ------
        ValueError
            If the input has not four axes, or the localisation returns anything but (N, 6) or (N, 2, 3).
        TypeError
            If the localisation's dtype is another than the input's.
        """
        if input.ndim != 4:
            raise ValueError(f"input: given shape {input.shape}, expected (N, C, H, W)")
        batch = input.shape[0]
        theta = self.localisation(input)
        if theta.shape not in ((batch, 6), (batch, 2, 3)):
            raise ValueError(
                f"localisation: it returned theta of shape {theta.shape} for {batch} maps, expected ({batch}, 6) or "
                f"({batch}, 2, 3)"
            )
        theta = theta.reshape(batch, 2, 3)
        grid = affine_grid(theta, (*input.shape[:2], *(self.size or input.shape[2:])), self.align_corners)
        return grid_sample(input, grid, align_corners=self.align_corners), theta, grid

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H', W')."""
        return self.transform(input)[0]
