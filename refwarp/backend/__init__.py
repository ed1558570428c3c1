"""How kernels are compiled, cached and run: what every room above is built on, and which knows no picture."""

from autograd_core.threads import get_num_threads as get_num_threads
from autograd_core.threads import set_num_threads as set_num_threads
from refwarp.backend.environment import check_environment

check_environment()  # before Numba reads it
