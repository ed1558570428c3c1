"""Grid generators: parameters -> sampling grid (N, H, W, 2)."""

from refwarp.grids.affine import affine_grid
from refwarp.grids.affine_parameters import (
    attention_grid,
    attention_matrix,
    kurbiel_matrix,
    rotation_scale_translation_grid,
    rotation_scale_translation_matrix,
    similarity_grid,
    similarity_matrix,
    translation_grid,
    translation_matrix,
)
from refwarp.grids.composition import compose, inverse_compositional_update, invert
from refwarp.grids.flow import affine_motion, flow_grid
from refwarp.grids.linear_basis import affine_basis, bernstein_basis, linear_basis_grid
from refwarp.grids.piecewise_affine import piecewise_affine_grid
from refwarp.grids.projective import homography_matrix, projective_grid
from refwarp.grids.thin_plate_spline.function import thin_plate_spline_basis, tps_grid

__all__ = [
    "affine_basis",
    "affine_grid",
    "affine_motion",
    "attention_grid",
    "attention_matrix",
    "bernstein_basis",
    "compose",
    "flow_grid",
    "homography_matrix",
    "inverse_compositional_update",
    "invert",
    "kurbiel_matrix",
    "linear_basis_grid",
    "piecewise_affine_grid",
    "projective_grid",
    "rotation_scale_translation_grid",
    "rotation_scale_translation_matrix",
    "similarity_grid",
    "similarity_matrix",
    "thin_plate_spline_basis",
    "tps_grid",
    "translation_grid",
    "translation_matrix",
]
