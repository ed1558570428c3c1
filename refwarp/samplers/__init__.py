"""Samplers: (map, grid) -> warped map."""

from refwarp.samplers.auxiliary import auxiliary_grid
from refwarp.samplers.linearized import linearized_sample
from refwarp.samplers.modes import grid_sample

__all__ = ["auxiliary_grid", "grid_sample", "linearized_sample"]
