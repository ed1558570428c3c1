"""Nearest-neighbour sampling: the equations (`kernels`), their vectors (`cpu`), and the Functions (`function`)."""
