"""Samplers: (map, grid) -> warped map."""

from refwarp.samplers.bilinear import grid_sample

__all__ = ["grid_sample"]
