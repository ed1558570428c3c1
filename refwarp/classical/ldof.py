"""Large displacement optical flow (T. Brox and J. Malik, TPAMI 2011): the variational flow, led by matches.

What is small and moves far is gone from the frames of a pyramid before its motion is short. So descriptors are matched
first, wherever they went, and the flow is pulled towards what was matched:

    E(w) = (brox.1) + beta sum over p of rho_p psi(|w_p - m_p|^2)                                             (ldof.1)

with the motion m_p of a match and its weight rho_p, 0 where there is none. In the linear system (brox.4) that adds

    beta rho psi'(|W - m|^2) to the diagonal of A, and that times m to the right side                         (ldof.2)

A descriptor of `dense_sift` on a grid of the first frame is matched with the nearest one of the second frame's grid.
It counts if there is structure and if the way back ends next to where it began; its weight is how much better it is
than the best one elsewhere, with distances d1 and d2 of descriptors,

    rho = min(1, (d2 - d1) / d1)                                                                              (ldof.3)

Matches are of whole steps of the grid, so beta falls from the smallest frames of the pyramid to the full size, where it
is 0: the matches say which way, and the frames how far. docs/ldof.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refwarp.classical.brox import BroxSettings, Matches, coarse_to_fine
from refwarp.classical.checks import check_cell, check_counts, check_weights, frames_of
from refwarp.classical.descriptors import dense_sift
from refwarp.classical.pyramid import Size

# So many distances are computed at a time: 64 MB.
_DISTANCES = 2**24
# A descriptor shorter than this has no structure to be found by.
_SHORTEST = 0.5


@dataclass(frozen=True)
class LdofSettings:
    """What the energy weighs, and what is matched.

    Attributes
    ----------
    variational : BroxSettings
        Weights and iterations of the variational flow.
    match_weight : float
        beta at the smallest frames.
    step : int
        Of the grids whose descriptors are matched, in pixels.
    cell : int
        The side of the descriptors' cells in pixels, even.
    """

    variational: BroxSettings = field(default_factory=BroxSettings)
    match_weight: float = 3.0
    step: int = 4
    cell: int = 4

    def __post_init__(self) -> None:
        check_weights(self, ("match_weight",))
        check_counts(self, ("step",), 1)
        check_cell(self.cell)


def ldof_flow(first: Any, second: Any, settings: LdofSettings | None = None) -> Any:
    """Return the optical flow from a frame to another, where small things move far.

    Parameters
    ----------
    first, second : ndarray, shape (C, H, W)
        The frames, of the same shape; about in [0, 1].
    settings : LdofSettings, optional
        Weights and numbers of iterations.

    Returns
    -------
    ndarray, shape (2, H, W)
        The motion of each pixel of the first frame, u (to the right) before v (down), in pixels; float64.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are no pixels, or a number is not finite.
    TypeError
        If the frames do not hold real numbers.

    Notes
    -----
    The same bits on any number of threads. (ldof.1) to (ldof.3); docs/ldof.md.
    """
    settings = settings or LdofSettings()
    first, second = frames_of(first, second)
    matches = descriptor_matches(first, second, settings.step, settings.cell)
    height, width = first.shape[1:]

    def known(size: Size) -> Matches:
        return _at_size(matches, size, settings.match_weight * (1 - size[0] * size[1] / (height * width)))

    *_, flow = coarse_to_fine(first, second, settings.variational, known)
    return flow


def descriptor_matches(first: Any, second: Any, step: int, cell: int) -> Matches:
    """Return matches (ldof.3) of descriptors, at the pixels of a grid of the first frame.

    Parameters
    ----------
    first, second : ndarray, shape (C, H, W)
        The frames, float64.
    step : int
        Of the grids in both frames.
    cell : int
        As in `dense_sift`.

    Returns
    -------
    Matches
    """
    height, width = first.shape[1:]
    points = np.stack(np.meshgrid(np.arange(0, width, step), np.arange(0, height, step)), axis=-1).reshape(-1, 2)
    one, other = (dense_sift(frame, cell)[points[:, 1], points[:, 0]] for frame in (first, second))
    there, nearest, second_nearest = _nearest(one, other, points, 2 * cell)
    back, _, _ = _nearest(other, one, points, 2 * cell)
    returned = abs(points[back[there]] - points).max(axis=1) <= step
    structured = np.linalg.norm(one, axis=1) >= _SHORTEST
    weight = np.minimum(1.0, (second_nearest - nearest) / np.maximum(nearest, np.finfo(np.float32).tiny))  # (ldof.3)
    motions, weights = np.zeros((2, height, width)), np.zeros((height, width))
    x, y = points.T
    motions[:, y, x] = (points[there] - points).T
    weights[y, x] = np.where(returned & structured, weight, 0.0)
    return Matches(motions, weights)


def _nearest(one: Any, other: Any, points: Any, apart: int) -> tuple[Any, Any, Any]:
    """Return for each descriptor the place of the nearest one, its distance, and the least distance of those elsewhere.

    Elsewhere is further than `apart` pixels from the nearest one, along an axis.
    """
    found = np.empty(len(one), np.intp)
    nearest, elsewhere = np.empty(len(one)), np.empty(len(one))
    squares = (other**2).sum(axis=1)
    for start in range(0, len(one), max(1, _DISTANCES // len(other))):
        some = slice(start, start + max(1, _DISTANCES // len(other)))
        distances = squares - 2 * (one[some] @ other.T) + (one[some] ** 2).sum(axis=1)[:, None]
        found[some] = distances.argmin(axis=1)
        nearest[some] = distances.min(axis=1)
        near = abs(points[None] - points[found[some]][:, None]).max(axis=-1) <= apart
        elsewhere[some] = np.where(near, np.inf, distances).min(axis=1)
    return found, np.sqrt(np.maximum(nearest, 0.0)), np.sqrt(np.maximum(elsewhere, 0.0))


def _at_size(matches: Matches, size: Size, beta: float) -> Matches:
    """Return matches on the pixels of a reduced frame, times beta; of several on a pixel, the one that counts most."""
    height, width = matches.weights.shape
    scale_x, scale_y = size[1] / width, size[0] / height
    y, x = np.nonzero(matches.weights)
    order = np.argsort(matches.weights[y, x], kind="stable")  # what is written last stays
    y, x = y[order], x[order]
    row = np.minimum((y * scale_y + 0.5 * (scale_y - 1)).round().clip(0).astype(int), size[0] - 1)
    column = np.minimum((x * scale_x + 0.5 * (scale_x - 1)).round().clip(0).astype(int), size[1] - 1)
    motions, weights = np.zeros((2, *size)), np.zeros(size)
    motions[0, row, column] = matches.motions[0, y, x] * scale_x
    motions[1, row, column] = matches.motions[1, y, x] * scale_y
    weights[row, column] = beta * matches.weights[y, x]
    return Matches(motions, weights)
