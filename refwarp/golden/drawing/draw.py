"""Numbers for the cases, the same on every machine: drawn by Python's generator, which is stable by promise."""

from __future__ import annotations

import math
import random
import zlib

import numpy as np

from refwarp.golden.case import Floats


def _uniform(name: str, shape: tuple[int, ...]) -> Floats:
    """Return multiples of 2^-53 in [0, 1), seeded by a name."""
    source = random.Random(zlib.crc32(name.encode()))
    return np.array([source.random() for _ in range(math.prod(shape))], dtype=np.float64).reshape(shape)


def dyadics(name: str, *shape: int) -> Floats:
    """Return odd multiples of 1/64 in (-4, 4): exact in float16 and in bfloat16, and never zero."""
    return _odd(name, shape, 256) / 64


def coordinates(name: str, *shape: int, reach: float = 1.25) -> Floats:
    """Return odd multiples of 1/1024 in (-reach, reach): exact in float16, on no lattice of up to 256 pixels."""
    return _odd(name, shape, int(1024 * reach)) / 1024


def full(name: str, *shape: int, dtype: str, reach: float = 1.0) -> Floats:
    """Return numbers in (-reach, reach) that use every bit of `dtype`."""
    return ((2 * _uniform(name, shape) - 1) * reach).astype(dtype).astype(np.float64)


def creeping(dtype: str, count: int) -> Floats:
    """Return 2^24 (2^53 for float64) and then 1.5, which a plain sum in `dtype` adds to it as 2, again and again."""
    numbers = np.full(count, 1.5)
    numbers[0] = 2.0 ** {"float32": 24, "float64": 53}[dtype]
    return numbers


def _odd(name: str, shape: tuple[int, ...], limit: int) -> Floats:
    """Return odd integers in (-limit, limit), for an even limit."""
    return 2 * np.floor(_uniform(name, shape) * limit) - limit + 1
