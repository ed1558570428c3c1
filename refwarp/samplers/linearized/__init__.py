"""Linearized multi-sampling: the plane fit (`kernels`), its vectors (`cpu`), auxiliary samples, and the Functions."""
