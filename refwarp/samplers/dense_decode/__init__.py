"""The decoder of dense transformer networks: the equations (`kernels`), their vectors (`cpu`), and the Functions."""
