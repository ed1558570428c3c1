"""Messages over a pipe: a header in JSON and arrays as raw bytes, so that nothing is ever unpickled.

    8 bytes   the length of the header, big-endian
    header    JSON: {"content": ..., "items": [...]}
    bytes     the arrays' elements, row by row, one array after the other

An item is null, text, or an array's {"dtype": as "<f4", "shape": [...]}. Only arrays of numbers of a sensible size
have their bytes sent. Any other arrives as one element, repeated to its shape: enough to say what is wrong with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import MOST_ELEMENTS

Item = npt.NDArray[Any] | str | None

_LONGEST_HEADER = 2**24


def send(stream: IO[bytes], content: Mapping[str, Any], items: Sequence[Item] = ()) -> None:
    """Write one message: content that JSON knows, and items."""
    described = [
        {"dtype": item.dtype.str, "shape": item.shape} if isinstance(item, np.ndarray) else item for item in items
    ]
    header = json.dumps({"content": content, "items": described}).encode()
    stream.write(len(header).to_bytes(8, "big") + header)
    for item in items:
        if isinstance(item, np.ndarray) and _is_sent(item.dtype, item.shape):
            stream.write(item.tobytes())
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[Item]]:
    """Read one message, and return its content and its items; arrays are fresh and writable.

    Raises
    ------
    EOFError
        If the stream ends before the message does.
    ValueError
        If this is no message.
    """
    length = int.from_bytes(_read(stream, 8), "big")
    if length > _LONGEST_HEADER:
        raise ValueError("no message: its header is too long")
    header = json.loads(_read(stream, length))
    return header["content"], [
        _receive_array(stream, np.dtype(item["dtype"]), tuple(item["shape"])) if isinstance(item, dict) else item
        for item in header["items"]
    ]


def _receive_array(stream: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if not _is_sent(dtype, shape):
        return np.broadcast_to(np.zeros((), dtype), shape)
    content = bytearray(_read(stream, math.prod(shape) * dtype.itemsize))
    return np.frombuffer(content, dtype).reshape(shape)


def _is_sent(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    return dtype.kind in "biuf" and math.prod(shape) <= MOST_ELEMENTS


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the stream ended within a message")
    return data
