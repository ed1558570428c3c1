"""The geometry that convolution and pooling share: windows of kh x kw pixels, moved by a stride."""

from __future__ import annotations

from autograd_core.arguments import is_integer

Pair = tuple[int, int]
Frame = tuple[Pair, Pair]  # rows above and below, columns on the left and right
Padding = int | Pair | str


def pair(name: str, value: int | Pair, least: int) -> Pair:
    """Return (down, across) from one integer or two; `least` is the smallest that makes sense."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(is_integer(number, least) for number in both):
        raise ValueError(f"{name}: given {value!r}, expected an integer >= {least}, or two, down and across")
    return int(both[0]), int(both[1])


def positions(shape: tuple[int, ...], size: Pair, stride: Pair) -> Pair:
    """Return how many windows of `size` fit down and across maps (N, C, H, W)."""
    if len(shape) != 4 or shape[2] < size[0] or shape[3] < size[1]:
        raise ValueError(
            f"input: given shape {shape}, expected (N, C, H, W) with H >= {size[0]} and W >= {size[1]}, "
            "the size of the window"
        )
    return (shape[2] - size[0]) // stride[0] + 1, (shape[3] - size[1]) // stride[1] + 1


def frame_of(padding: Padding, size: Pair, stride: Pair) -> Frame:
    """Return the frame of zeros that `padding` says: of one width or two, or "same" or "valid"."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(f"padding: given 'same' with stride {stride}, expected stride 1; give a width")
        before = [(side - 1) // 2 for side in size]
        return (before[0], size[0] - 1 - before[0]), (before[1], size[1] - 1 - before[1])
    if isinstance(padding, str):
        raise ValueError(f"padding: given {padding!r}, expected 'same', 'valid', an integer >= 0, or two")
    rows, columns = pair("padding", padding, least=0)
    return (rows, rows), (columns, columns)


def framed(height: int, width: int, frame: Frame) -> Pair:
    """Return the size of maps with their frame."""
    return height + sum(frame[0]), width + sum(frame[1])
