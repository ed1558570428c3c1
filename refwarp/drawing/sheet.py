"""Figures of maps in rows and columns, and sampling grids over them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from refwarp.drawing.style import FAINT, INK

Array = np.ndarray[Any, Any]

# How many lines of a sampling grid are drawn each way.
_LINES = 6


class Sheet:
    """A figure on which square pictures and text are placed in inches, from the upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height))
        self.width, self.height = width, height

    def picture(
        self,
        left: float,
        top: float,
        side: float,
        image: Array,
        margin: float = 0.0,
        span: tuple[float, float] = (0.0, 1.0),
    ) -> Axes:
        """Show a picture (H, W) in dark on light, or (H, W, 3) in colours, in a frame, with room around it.

        `span` is which values are white and black.
        """
        height, width = image.shape[:2]
        box = (left / self.width, 1 - (top + side) / self.height, side / self.width, side / self.height)
        axes = self.figure.add_axes(box)
        axes.set_axis_off()
        low, high = span
        axes.imshow(image, cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
        axes.add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, edgecolor=FAINT, linewidth=0.9))
        axes.set_xlim(-0.5 - margin * width, width - 0.5 + margin * width)
        axes.set_ylim(height - 0.5 + margin * height, -0.5 - margin * height)
        return axes

    def text(self, x: float, y: float, text: str, colour: str = INK, bold: bool = False, size: float = 11.5,
             align: str = "center") -> None:  # fmt: skip
        """Write text around a point: centred in height, and aligned in width."""
        self.figure.text(x / self.width, 1 - y / self.height, text, color=colour, fontsize=size, va="center",
                         ha=align, fontweight="bold" if bold else "normal", linespacing=1.35)  # fmt: skip


def draw_grid(
    axes: Axes, grid: Array, shape: tuple[int, ...], colour: str, alpha: float = 0.85, align_corners: bool = False
) -> None:
    """Draw a sampling grid (h, w, 2) over a picture of this shape; its first row heavy, its first point a dot."""
    size = np.array(shape[1::-1])
    points = (grid * (size - align_corners) + (size - 1)) / 2  # in pixels
    rows, columns = (np.unique(np.linspace(0, n - 1, _LINES).round().astype(int)) for n in points.shape[:2])
    for line in [*points[rows[1:]], *points[:, columns].swapaxes(0, 1)]:
        axes.plot(line[:, 0], line[:, 1], color=colour, linewidth=0.75, alpha=alpha)
    axes.plot(points[0, :, 0], points[0, :, 1], color=colour, linewidth=2.2, solid_capstyle="round")
    axes.plot(points[0, 0, 0], points[0, 0, 1], "o", color=colour, markersize=4.5)
