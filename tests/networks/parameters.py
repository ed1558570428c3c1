"""Parameters of a network that other Tensors are put in the place of, to be differentiated."""

from autograd_core import Tensor


def assign(module, name, tensor):
    """Put a Tensor in the place of the parameter `name`."""
    *path, last = name.split(".")
    for part in path:
        if isinstance(module, dict):
            module = module[int(part)]
        else:
            module = module[int(part)] if part.isdigit() else getattr(module, part)
    setattr(module, last, tensor)


def move(module, rng):
    """Return how many parameters a module has, and what moves each along a random direction, by a number of t (K,).

    So all elements of all parameters are in the derivatives with respect to a few numbers.
    """
    lines = [
        (name, parameter.data.copy(), rng.standard_normal(parameter.shape))
        for name, parameter in module.named_parameters()
    ]

    def moved(t):
        for k, (name, start, direction) in enumerate(lines):
            assign(module, name, Tensor(start) + t[k] * Tensor(direction))

    return len(lines), moved
