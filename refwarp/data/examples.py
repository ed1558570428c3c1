"""Labelled pictures, as every reader of a set for classification returns them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_core import to_device

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Examples:
    """Pictures and what they show.

    Attributes
    ----------
    images : ndarray, shape (N, C, H, W)
        The pictures; float32 in [0, 1], 0 is the background.
    labels : ndarray, shape (N,)
        The class of each, int64.
    """

    images: Array
    labels: Array

    def __post_init__(self) -> None:
        """Refuse pictures and labels that do not belong together."""
        if self.images.ndim != 4 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"Examples: given images of shape {self.images.shape} and labels of shape {self.labels.shape}, "
                "expected (N, C, H, W) and (N,)"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def repeat(self, times: int) -> Examples:
        """Return each example `times` times, side by side, so that each can be distorted in several ways."""
        return Examples(self.images.repeat(times, axis=0), self.labels.repeat(times))

    def select(self, which: slice | Array) -> Examples:
        """Return some of the examples: those of a slice, of indices, or where a mask is True."""
        return Examples(self.images[which], self.labels[which])

    def digest(self) -> str:
        """Return a digest of the pictures and labels, to record with results which data they came from.

        Returns
        -------
        str
            SHA-256, in hexadecimal, of dtypes, shapes and values, the same on every machine. MNIST takes some
            0.2 s.
        """
        hashed = hashlib.sha256()
        for array in (self.images, self.labels):
            plain = to_device(array, "cpu")
            little = np.ascontiguousarray(plain, plain.dtype.newbyteorder("<"))
            hashed.update(f"{little.dtype.str}{little.shape}".encode())
            hashed.update(little.data)
        return hashed.hexdigest()


@dataclass(frozen=True)
class Splits:
    """The two parts that a set is published in."""

    train: Examples
    test: Examples
