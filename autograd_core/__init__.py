"""A small differentiation engine on NumPy arrays (CuPy's where CuPy is installed).

It knows nothing of pictures: Tensors, Functions with hand-derived backwards, the reverse sweep, layers,
optimizers, and the check that a backward is right.
"""

from autograd_core import functions, layers, optimizers, schedules
from autograd_core.arrays import to_device
from autograd_core.function import Context, Function, no_grad, recording
from autograd_core.gradcheck import GradientError, KinkError, gradcheck
from autograd_core.sweep import backward, grad
from autograd_core.tensor import Tensor, as_tensor
from autograd_core.threads import get_num_threads, set_num_threads

__all__ = [
    "Context",
    "Function",
    "GradientError",
    "KinkError",
    "Tensor",
    "as_tensor",
    "backward",
    "functions",
    "get_num_threads",
    "grad",
    "gradcheck",
    "layers",
    "no_grad",
    "optimizers",
    "recording",
    "schedules",
    "set_num_threads",
    "to_device",
]
