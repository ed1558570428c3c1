"""Thin plate splines: their system, its basis, and the grid."""
