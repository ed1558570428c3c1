"""The dense transformer's decoder: the equations (`kernels`), their vectors (`cpu`), and the Functions."""
