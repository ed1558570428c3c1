"""Grid generators: parameters -> sampling grid (N, H, W, 2)."""

from refwarp.grids.affine import affine_grid

__all__ = ["affine_grid"]
