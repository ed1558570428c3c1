"""Samplers: (map, grid) -> warped map."""

from refwarp.samplers import kernel_functions as kernel_functions  # a module that is a public name, too
