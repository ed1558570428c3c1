"""A call of every differentiable operation where it is smooth, for the gradient checks of other libraries.

Samples stay off the lattice by more than a finite difference steps, and no two pixels or points coincide.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

import refwarp

SIZE = (2, 2, 3, 4)


class SmoothCall(NamedTuple):
    """What an operation is differentiated with respect to, its other arguments, and the arrays that differences check.

    The slope of a linearised sample along the grid is that of a plane through other samples: no difference shows it.
    """

    operation: str
    arrays: Mapping[str, Any]
    others: Mapping[str, Any]

    @property
    def checked(self) -> tuple[str, ...]:
        """The names of the arrays along which finite differences approach the derivative."""
        return ("input",) if self.operation == "linearized_sample" else tuple(self.arrays)


def _normal(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def _around_identity(*shape: int) -> Any:
    return np.eye(*shape[-2:]) + 0.1 * _normal(*shape)


def _points(width: int, height: int) -> Any:
    """Return a grid over a map of that size, a quarter to three quarters between its pixels, align_corners=False."""
    rng = np.random.default_rng(3)
    cells = np.stack([rng.integers(0, length - 1, (2, 3, 2)) for length in (width, height)], axis=-1)
    pixels = cells + rng.uniform(0.25, 0.45, cells.shape)  # nor halfway, where the nearest pixel changes
    return (2 * pixels + 1) / np.array([width, height]) - 1


def _sampler(**others: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return {"input": _normal(2, 2, 4, 5), "grid": _points(5, 4)}, others


def _grid(**arrays: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return arrays, {"size": SIZE}


_CALLS: Mapping[str, Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]]] = {
    "affine_grid": lambda: _grid(theta=_around_identity(2, 2, 3)),
    "attention_matrix": lambda: ({"theta": _normal(2, 3)}, {}),
    "translation_matrix": lambda: ({"theta": _normal(2, 2)}, {}),
    "similarity_matrix": lambda: ({"theta": _normal(2, 4)}, {}),
    "rotation_scale_translation_matrix": lambda: ({"theta": _normal(2, 5)}, {}),
    "kurbiel_matrix": lambda: ({"theta": _normal(2, 6)}, {}),
    "attention_grid": lambda: _grid(theta=_normal(2, 3)),
    "translation_grid": lambda: _grid(theta=_normal(2, 2)),
    "similarity_grid": lambda: _grid(theta=_normal(2, 4)),
    "rotation_scale_translation_grid": lambda: _grid(theta=_normal(2, 5)),
    "homography_matrix": lambda: ({"theta": _normal(2, 8)}, {}),
    "projective_grid": lambda: _grid(theta=_around_identity(2, 3, 3)),
    "piecewise_affine_grid": lambda: _grid(vertices=_normal(2, 3, 4, 2)),
    "linear_basis_grid": lambda: ({"M": _normal(2, 2, 4), "B": _normal(4, 3, 4)}, {}),
    "tps_grid": lambda: _grid(points=_normal(2, 9, 2), control=_normal(9, 2)),
    "flow_grid": lambda: ({"flow": _normal(2, 2, 3, 4)}, {}),
    "affine_motion": lambda: _grid(theta=_around_identity(2, 2, 3)),
    "compose": lambda: ({"outer": _around_identity(2, 2, 3), "inner": _around_identity(2, 2, 3)[::-1].copy()}, {}),
    "invert": lambda: ({"theta": _around_identity(2, 2, 3)}, {}),
    "inverse_compositional_update": lambda: (
        {"theta": _around_identity(2, 2, 3), "delta": 0.1 * _around_identity(2, 2, 3)[::-1]},
        {},
    ),
    "grid_sample": lambda: _sampler(mode="bicubic", padding_mode="border"),
    "separable_sample": lambda: _sampler(kernel=refwarp.kernel_functions.CUBIC_B_SPLINE),
    "dense_decode": lambda: (
        {"values": _normal(2, 2, 3, 2), "grid": _points(4, 3), "previous": _normal(2, 2, 3, 4)},
        {"size": SIZE, "fill": "previous"},
    ),
    "linearized_sample": lambda: _sampler(
        auxiliary=refwarp.auxiliary_grid(_points(5, 4), (4, 5), np.random.default_rng(5)), input_gradient="fit"
    ),
    "multiscale_sample": lambda: _sampler(deviations=(0.5, 1.0)),
    "smoothness": lambda: ({"field": _normal(2, 2, 4, 5)}, {"norm": "squared"}),
    "bending_energy": lambda: ({"field": _normal(2, 2, 4, 5)}, {"norm": "squared"}),
}
OPERATIONS = tuple(_CALLS)


def smooth_call(operation: str) -> SmoothCall:
    """Return the call of an operation, in float64."""
    return SmoothCall(operation, *_CALLS[operation]())
