"""Optical flows that need no training, written from their papers."""

from refwarp.classical.brox import BroxSettings, brox_energy, brox_flow, brox_gradient

__all__ = ["BroxSettings", "brox_energy", "brox_flow", "brox_gradient"]
