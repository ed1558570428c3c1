"""grid_sample: one name for bilinear, nearest and bicubic sampling, with PyTorch's arguments and defaults.

Each mode has its own folder: `bilinear`, `nearest`, `bicubic`.
"""

from __future__ import annotations

from typing import Any

from autograd_core import Tensor
from refwarp.arguments import apply_as_given, check_maps_and_grid, check_option, public
from refwarp.conventions import KINKS, PADDINGS, Rules
from refwarp.samplers.bicubic.function import Bicubic
from refwarp.samplers.bilinear.function import Bilinear
from refwarp.samplers.nearest.function import Nearest
from refwarp.samplers.nearest.kernels import EVEN

MODES = ("bilinear", "nearest", "bicubic")


@public
def grid_sample(
    input: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
    kink: str = "right",
) -> Any:
    """Sample a map at the points of a grid.

    Parameters
    ----------
    input : ndarray or Tensor, shape (N, C, H, W)
        The map; float16, float32 or float64. H and W are at least 1.
    grid : ndarray or Tensor, shape (N, H_out, W_out, 2)
        For each output pixel the point (x, y) to sample at, in [-1, 1] from one end of the map to the other; of
        the dtype of `input`.
    mode : {"bilinear", "nearest", "bicubic"}
        The kernel: the tent; the nearest pixel, ties to the even one; or Keys' cubic with a = -3/4.
    padding_mode : {"zeros", "border", "reflection"}
        What is outside the map: nothing, its outermost pixels, or its mirror images.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).
    kink : {"right", "left", "central", "literal"}
        The gradient with respect to the grid where a sample is exactly on the lattice. For "bilinear" only; the other
        modes accept "right".

    Returns
    -------
    ndarray or Tensor, shape (N, C, H_out, W_out)
        The samples, of the dtype of `input`; a Tensor if one of the arguments is.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype, shape or value; the message says which, and what is expected.

    Notes
    -----
    STN Eqs. (3) to (5). Values and gradients are within (c + log2 k) u M + k eta of the exact value for the given
    floats (k, M: number and sum of absolute values of the non-zero terms; u: unit roundoff; eta: smallest subnormal; c:
    4 for bilinear, 12 for bicubic, 0 for the copies of nearest). Can be differentiated twice. See docs/bilinear.md,
    docs/bicubic.md, docs/nearest.md, and `refwarp.conventions` for what the papers do not specify.

    Examples
    --------
    >>> import numpy as np
    >>> row = np.array([[[[1.0, 5.0, 2.0, 9.0]]]])
    >>> grid_sample(row, np.array([[[[-0.25, 0.0], [0.0, 0.0]]]])).tolist()
    [[[[5.0, 3.5]]]]
    """
    check_maps_and_grid(input, grid)
    check_option("mode", mode, MODES)
    check_option("padding_mode", padding_mode, PADDINGS)
    check_option("align_corners", align_corners, (False, True))
    check_option("kink", kink, KINKS if mode == "bilinear" else ("right",))
    rules = Rules(align_corners, PADDINGS.index(padding_mode), KINKS.index(kink))

    def sample(input: Tensor, grid: Tensor) -> Tensor:
        if mode == "bilinear":
            return Bilinear.apply(input, grid, rules=rules)
        if mode == "nearest":
            return Nearest.apply(input, grid, rules=rules, ties=EVEN)
        return Bicubic.apply(input, grid, rules=rules)

    return apply_as_given(sample, input, grid)
