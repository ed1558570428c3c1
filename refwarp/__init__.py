"""Differentiable image warps with hand-derived gradients, proven in exact arithmetic."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what type checkers and editors see; at run time a room opens when something in it is asked for
    from autograd_core.threads import get_num_threads, set_num_threads
    from refwarp.backend.cache import CacheWarning
    from refwarp.backend.launch import use_backend
    from refwarp.grids import *
    from refwarp.penalties import bending_energy, smoothness
    from refwarp.samplers import *

__version__ = "0.1.0"

__all__ = [
    "CacheWarning",
    "KernelFunction",
    "affine_basis",
    "affine_grid",
    "affine_motion",
    "attention_grid",
    "attention_matrix",
    "auxiliary_grid",
    "bending_energy",
    "bernstein_basis",
    "compose",
    "dense_decode",
    "flow_grid",
    "get_num_threads",
    "grid_sample",
    "homography_matrix",
    "inverse_compositional_update",
    "invert",
    "kernel_functions",
    "kurbiel_matrix",
    "linear_basis_grid",
    "linearized_sample",
    "multiscale_sample",
    "piecewise_affine_grid",
    "projective_grid",
    "rotation_scale_translation_grid",
    "rotation_scale_translation_matrix",
    "separable_sample",
    "set_num_threads",
    "similarity_grid",
    "similarity_matrix",
    "smoothness",
    "thin_plate_spline_basis",
    "tps_grid",
    "translation_grid",
    "translation_matrix",
    "use_backend",
]

_ROOMS = (
    "refwarp.grids",
    "refwarp.samplers",
    "refwarp.penalties",
    "refwarp.backend.launch",
    "refwarp.backend.cache",
    "autograd_core.threads",
)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: Numba takes most of a second, and `refwarp --help` needs none."""
    for room in _ROOMS if name in __all__ else ():
        module = import_module(room)
        if hasattr(module, name):
            globals()[name] = getattr(module, name)
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return [*globals(), *__all__]
