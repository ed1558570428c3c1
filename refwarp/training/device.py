"""Where networks are trained: on the CPU, or with CuPy's arrays on a GPU."""

from __future__ import annotations

import numpy as np

from autograd_core import to_device


def check_device(device: str) -> None:
    """Make sure that networks can be trained on a device, "cpu" or "cuda".

    Raises
    ------
    ImportError
        If it is "cuda", and CuPy is not installed.
    ValueError
        If it is none, or there is no GPU that both CuPy and Numba can use; the message says what to do.
    """
    try:
        to_device(np.zeros(1), device)
    except RuntimeError as error:  # of the driver, which has many words for it
        raise ValueError(
            f"device: given {device!r}, but CuPy finds no GPU ({error}); install a driver, or give 'cpu'"
        ) from error
    if device == "cuda":
        from refwarp.backend.cuda import SIMULATED, check_cuda

        try:
            check_cuda("device")
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        if SIMULATED:
            raise ValueError(
                "device: given 'cuda', but CUDA's simulator cannot take CuPy's arrays; unset NUMBA_ENABLE_CUDASIM"
            )
