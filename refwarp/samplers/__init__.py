"""Samplers: (map, grid) -> warped map."""

from refwarp.samplers import kernel_functions
from refwarp.samplers.dense_decode.function import dense_decode
from refwarp.samplers.grid_sample import grid_sample
from refwarp.samplers.kernel_functions import KernelFunction
from refwarp.samplers.linearized.auxiliary import auxiliary_grid
from refwarp.samplers.linearized.function import linearized_sample
from refwarp.samplers.multiscale import multiscale_sample
from refwarp.samplers.separable import separable_sample

__all__ = [
    "KernelFunction",
    "auxiliary_grid",
    "dense_decode",
    "grid_sample",
    "kernel_functions",
    "linearized_sample",
    "multiscale_sample",
    "separable_sample",
]
