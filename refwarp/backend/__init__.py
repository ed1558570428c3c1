"""How kernels are compiled, cached and run, independent of what they compute."""

from autograd_core.threads import get_num_threads as get_num_threads
from autograd_core.threads import set_num_threads as set_num_threads
from refwarp.backend.environment import check_environment

check_environment()  # before Numba reads it
