"""The text of an adapter that has affine grids, for tests of what adapters do."""

AFFINE = """
import numpy as np

def points(size, align_corners):
    axes = [(2 * np.arange(n) + 1 - n) / max(n - align_corners, 1) for n in (size[3], size[2])]
    return np.stack([*np.meshgrid(*axes), np.ones((size[2], size[3]))], axis=-1)

def affine_grid(theta, *, size, align_corners):
    if theta.shape[1:] != (2, 3) or len(theta) != size[0] or type(align_corners) is not bool:
        raise ValueError("no such grid")
    return np.einsum("hwk,nik->nhwi", points(size, align_corners), theta).astype(theta.dtype)

right = affine_grid

def affine_grid_vjp(ggrid, theta, *, size, align_corners):
    return np.einsum("hwk,nhwi->nik", points(size, align_corners), ggrid).astype(theta.dtype)
"""
