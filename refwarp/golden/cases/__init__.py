"""The cases: what is asked of each operation, and why. One file for each family, or for a part of it."""

from __future__ import annotations

from refwarp.golden.case import Case
from refwarp.golden.cases import (
    affine,
    affine_parameters,
    auxiliary,
    bicubic,
    bilinear,
    bilinear_extremes,
    composition,
    decoder,
    decoder_extremes,
    decoder_released,
    flow,
    grid_sample_padding,
    linear_basis,
    linearized,
    linearized_conventions,
    multiscale,
    museum,
    museum_grids,
    nearest,
    penalties,
    piecewise_affine,
    projective,
    separable,
    thin_plate_spline,
)

FAMILIES = (
    affine,
    affine_parameters,
    auxiliary,
    bicubic,
    bilinear,
    bilinear_extremes,
    composition,
    decoder,
    decoder_extremes,
    decoder_released,
    flow,
    grid_sample_padding,
    linear_basis,
    linearized,
    linearized_conventions,
    multiscale,
    museum,
    museum_grids,
    nearest,
    penalties,
    piecewise_affine,
    projective,
    separable,
    thin_plate_spline,
)


def all_cases() -> list[Case]:
    """Return every case, without outputs."""
    return [case for family in FAMILIES for case in family.cases()]
