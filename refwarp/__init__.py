"""Differentiable image warps with hand-derived gradients, proven in exact arithmetic."""

import lazy_loader

__version__ = "0.1.0"

# Public names and the modules that they come from are in __init__.pyi, which type checkers and editors read as well. A
# module is imported when its name is first used: Numba takes most of a second, and `refwarp --help` needs none.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
