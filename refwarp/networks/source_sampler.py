"""A source and a target in one map: transformers see both, and warp the source alone (HSTN, Sect. 4.2).

    input (N, C + C', H, W)  ->  [the source, sampled at the grid; the target as it is]

With it as its sampler, any transformer aligns pictures: its localisation reads source and target, each further step of
a transformer in several steps sees what has become of the source beside the target, and the loss compares the two parts
of the output.
"""

from __future__ import annotations

from functools import partial

from autograd_core import Tensor
from autograd_core.functions import concatenate
from autograd_core.layers import Module
from refwarp.arguments import check_count
from refwarp.networks.samplers import Sampler
from refwarp.samplers.grid_sample import grid_sample

_BORDER = partial(grid_sample, padding_mode="border")


class SourceSampler(Module):
    """Sample the first channels of a map, and leave the others as they are.

    Parameters
    ----------
    sampler : callable
        Samples the source; called as ``sampler(input, grid, align_corners=...)``.
    channels : int
        How many channels the source has.

    Raises
    ------
    ValueError
        If `channels` is not a positive integer.
    """

    def __init__(self, sampler: Sampler = _BORDER, channels: int = 1) -> None:
        check_count("channels", channels)
        self.sampler, self.channels = sampler, channels

    def forward(self, input: Tensor, grid: Tensor, *, align_corners: bool = False) -> Tensor:
        """Map (N, C + C', H, W), at a grid (N, H, W, 2), to the same shape.

        Raises
        ------
        ValueError
            If the grid has another height or width than the target.
        """
        if grid.shape[1:3] != input.shape[2:]:
            raise ValueError(
                f"grid: given {grid.shape[1]} x {grid.shape[2]} points for a target of {input.shape[2]} x "
                f"{input.shape[3]} pixels, expected as many; a transformer that aligns has no size of its own"
            )
        source, target = input[:, : self.channels], input[:, self.channels :]
        return concatenate([self.sampler(source, grid, align_corners=align_corners), target], axis=1)
