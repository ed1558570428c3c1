"""A batch of maps in pieces that stay in the cache, on several threads if it is worth it; a GPU takes it whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from autograd_core.arrays import Array, array_module
from autograd_core.threads import share

# Numbers that a piece needs at a time, two megabytes in float32: less than the cache, more than a few calls.
PIECE = 2**19


def pieces_of(batch: Array, scratch: int) -> list[slice]:
    """Cut a batch, of which each image needs `scratch` numbers, into pieces.

    Their number is a power of two, so that two or four threads get the same share.
    """
    least = -(-len(batch) * scratch // PIECE) if array_module(batch) is np else 1
    step = max(1, -(-len(batch) >> max(0, least - 1).bit_length()))
    return [slice(start, start + step) for start in range(0, len(batch), step)]


def share_pieces(work: Callable[[slice], None], pieces: Sequence[slice], worthwhile: bool) -> None:
    """Call `work(piece)` on each piece, on several threads if they are worthwhile."""

    def some(start: int, stop: int) -> None:
        for piece in pieces[start:stop]:
            work(piece)

    share(some, len(pieces), worthwhile)
