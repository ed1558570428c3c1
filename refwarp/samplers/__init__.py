"""Samplers: (map, grid) -> warped map."""

from refwarp.samplers import sampling_kernels
from refwarp.samplers.auxiliary import auxiliary_grid
from refwarp.samplers.decoding import dense_decode
from refwarp.samplers.linearized import linearized_sample
from refwarp.samplers.modes import grid_sample
from refwarp.samplers.multiscale import multiscale_sample
from refwarp.samplers.sampling_kernels import Kernel
from refwarp.samplers.separable import separable_sample

__all__ = [
    "Kernel",
    "auxiliary_grid",
    "dense_decode",
    "grid_sample",
    "linearized_sample",
    "multiscale_sample",
    "sampling_kernels",
    "separable_sample",
]
