"""How kernels are compiled, cached and run: what every room above is built on, and which knows no picture."""

from refwarp.backend.environment import check_environment

check_environment()  # before Numba reads it
