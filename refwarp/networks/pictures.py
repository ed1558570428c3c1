"""Pictures of what transformers do: their sampling grids over inputs, their outputs, the mean picture of a class.

`views` asks a network once, and returns plain arrays, which can be kept with the results of a run. `rows_of` makes rows
of pictures from them, `class_means` the means (the sharper, the more alike are the pictures of a class), and
`draw_rows` a figure from any rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from autograd_core import Tensor, no_grad
from autograd_core.layers import Module
from refwarp.arguments import check_array, check_count
from refwarp.drawing.sheet import Sheet, draw_grid
from refwarp.drawing.style import BLUE, GREEN, ORANGE, PURPLE
from refwarp.networks.spatial_transformer import Warp, observed

Array = np.ndarray[Any, Any]

# Grids of transformers in parallel, over one picture.
COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
# How far around a map a picture with a grid reaches, as a share of the map: grids may leave it.
_MARGIN = 0.2
# Inches: the side of a picture, of one with a grid; the gap after it; the room for a label, and for a line of text.
_SIDE, _WIDE, _GAP, _LABEL, _LINE = 0.92, 1.2, 0.06, 1.3, 0.3


class View(NamedTuple):
    """What one transformer did to pictures.

    Attributes
    ----------
    inputs : ndarray, shape (N, C, H, W)
        The maps that it was given: the pictures themselves, for one that is the first layer.
    outputs : ndarray, shape (N, C, H', W')
        The warped maps.
    thetas : ndarray, shape (N, count)
        The parameters of the transformations.
    grids : ndarray, shape (N, H', W', 2)
        The points (x, y) that were sampled.
    align_corners : bool
        What -1 and 1 mean in the grids.
    """

    inputs: Array
    outputs: Array
    thetas: Array
    grids: Array
    align_corners: bool


class Row(NamedTuple):
    """A row of pictures.

    Attributes
    ----------
    label : str
        What they are; several lines are separated by newlines.
    maps : ndarray, shape (K, C, H, W)
        The pictures: of one channel in dark on light, of three in colours, of others their mean over the channels.
        White is 0, or the smallest value of the row if that is negative, and black the largest.
    grids : sequence of ndarray, shape (K, h, w, 2)
        Sampling grids to be drawn over them, each in a colour of its own.
    align_corners : bool
        What -1 and 1 mean in the grids.
    """

    label: str
    maps: Array
    grids: Sequence[Array] = ()
    align_corners: bool = False


@no_grad()
def views(model: Module, images: Any, batch_size: int = 256) -> dict[str, View]:
    """Return what every transformer in a network does to pictures, as the network behaves in evaluation.

    Parameters
    ----------
    model : Module
        The network.
    images : ndarray, shape (N, C, H, W)
        The pictures, where the model lies.
    batch_size : int
        How many it is given at once; it bounds the memory.

    Returns
    -------
    dict of str to View
        By the name of the transformer in the network; if it warps its input several times, with the number of the warp
        ("transformer[0]" is the first glimpse).

    Raises
    ------
    ValueError
        If there are no pictures, or `batch_size` is not a positive integer.
    """
    check_count("batch_size", batch_size)
    check_array("images", images, "(N, C, H, W)", (None, None, None, None))
    check_count("len(images)", len(images))
    batches: list[dict[str, Warp]] = []
    with model.evaluation():
        for start in range(0, len(images), batch_size):
            with observed(model) as seen:
                model(Tensor(images[start : start + batch_size]))
            batches.append(
                {
                    f"{name}[{t}]" if len(warps) > 1 else name: warp
                    for name, warps in seen.items()
                    for t, warp in enumerate(warps)
                }
            )

    def joined(name: str) -> View:
        warps = [batch[name] for batch in batches]
        inputs, outputs, thetas, grids = (
            np.concatenate([getattr(warp, part).numpy() for warp in warps])
            for part in ("input", "output", "theta", "grid")
        )
        return View(inputs, outputs, thetas, grids, warps[0].align_corners)

    return {name: joined(name) for name in batches[0]}


def class_means(maps: Array, labels: Array) -> Array:
    """Return the mean map of each class.

    Parameters
    ----------
    maps : ndarray, shape (N, C, H, W)
        The maps.
    labels : ndarray, shape (N,)
        The class of each.

    Returns
    -------
    ndarray, shape (K, C, H, W)
        The means of the classes that there are, in ascending order, in float64.
    """
    return np.stack([maps[labels == label].mean(axis=0, dtype=np.float64) for label in np.unique(labels)])


def rows_of(view: View, name: str = "", chosen: Any = slice(None)) -> list[Row]:
    """Return two rows of pictures: inputs with sampling grids, and outputs.

    Parameters
    ----------
    view : View
        What a transformer did.
    name : str
        What it is called.
    chosen : slice or array of int
        Which pictures.
    """
    head = f"{name}\n" if name else ""
    return [
        Row(f"{head}input, grid", view.inputs[chosen], [view.grids[chosen]], view.align_corners),
        Row("output", view.outputs[chosen]),
    ]


def draw_rows(rows: Sequence[Row], titles: Sequence[str] = ()) -> Figure:
    """Draw rows of pictures below one another.

    Parameters
    ----------
    rows : sequence of Row
        The rows, each of as many pictures.
    titles : sequence of str
        What stands above the columns.

    Raises
    ------
    ValueError
        If there are no rows, or they, or the titles, are not of one length.
    """
    lengths = {len(row.maps) for row in rows} | {len(grid) for row in rows for grid in row.grids}
    if titles:
        lengths.add(len(titles))
    if len(lengths) != 1:
        raise ValueError(f"rows: given {len(rows)} rows, grids and titles of lengths {sorted(lengths)}, expected one")
    (count,) = lengths
    sides = [_WIDE if row.grids else _SIDE for row in rows]
    column, top = max(sides) + _GAP, _LINE if titles else 0.0
    sheet = Sheet(_LABEL + count * column, top + sum(sides) + len(rows) * _GAP)
    centres = [_LABEL + (k + 0.5) * column for k in range(count)]
    for x, title in zip(centres, titles, strict=False):
        sheet.text(x, _LINE / 2, title, bold=True)
    for row, side in zip(rows, sides, strict=True):
        sheet.text(_LABEL - 0.1, top + side / 2, row.label, size=9.5, align="right")
        pictures = _shown(row.maps)
        span = min(0.0, float(pictures.min(initial=0.0))), max(float(pictures.max(initial=0.0)), 1e-6)
        for k, (x, picture) in enumerate(zip(centres, pictures, strict=True)):
            axes = sheet.picture(x - side / 2, top, side, picture, _MARGIN if row.grids else 0.0, span)
            for grids, colour in zip(row.grids, cycle(COLOURS), strict=False):
                draw_grid(axes, grids[k].astype(np.float64), picture.shape, colour, align_corners=row.align_corners)
        top += side + _GAP
    return sheet.figure


def _shown(maps: Array) -> Array:
    """Return maps (K, C, H, W) as pictures (K, H, W), or (K, H, W, 3) in [0, 1] for three channels."""
    if maps.shape[1] == 3:
        colours: Array = np.clip(maps.transpose(0, 2, 3, 1).astype(np.float64), 0.0, 1.0)
        return colours
    mean: Array = maps.mean(axis=1, dtype=np.float64)
    return mean
