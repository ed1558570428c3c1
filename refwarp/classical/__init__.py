"""Optical flows that need no training, written from their papers."""

from refwarp.classical.brox import BroxSettings, brox_energy, brox_flow, brox_gradient
from refwarp.classical.ldof import LdofSettings, ldof_flow
from refwarp.classical.sift_flow import SiftFlowSettings, sift_flow, sift_flow_energy

__all__ = [
    "BroxSettings",
    "LdofSettings",
    "SiftFlowSettings",
    "brox_energy",
    "brox_flow",
    "brox_gradient",
    "ldof_flow",
    "sift_flow",
    "sift_flow_energy",
]
