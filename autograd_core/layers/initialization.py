"""Random initial weights. The Generator is passed in: the same seed gives the same network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_core.tensor import Tensor


def he_normal(rng: np.random.Generator, shape: Sequence[int], fan_in: float, dtype: Any) -> Tensor:
    """Draw weights from a normal distribution with standard deviation sqrt(2 / fan_in).

    That keeps the second moment of activations through layers followed by ReLU: K. He, X. Zhang, S. Ren and
    J. Sun, "Delving deep into rectifiers", ICCV 2015, Eq. 10. The draw is made in float64, so a float32 network
    starts at the rounded weights of its float64 twin.
    """
    return Tensor((rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)).astype(dtype), requires_grad=True)
