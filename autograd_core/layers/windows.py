"""The geometry that convolution and pooling share: windows of kh x kw pixels, moved by a stride."""

from __future__ import annotations

Pair = tuple[int, int]


def pair(name: str, value: int | Pair, least: int) -> Pair:
    """Return (vertical, horizontal) from one integer or two; `least` is the smallest that makes sense."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2 or not all(isinstance(number, int) and number >= least for number in both):
        raise ValueError(
            f"{name}: given {value!r}, expected an integer >= {least}, or two of them (vertical, horizontal)"
        )
    return both


def positions(shape: tuple[int, ...], size: Pair, stride: Pair) -> Pair:
    """Return how many windows of `size` fit down and across maps (N, C, H, W)."""
    if len(shape) != 4 or shape[2] < size[0] or shape[3] < size[1]:
        raise ValueError(
            f"input: given shape {shape}, expected (N, C, H, W) with H >= {size[0]} and W >= {size[1]}, "
            "the size of the window"
        )
    return (shape[2] - size[0]) // stride[0] + 1, (shape[3] - size[1]) // stride[1] + 1
