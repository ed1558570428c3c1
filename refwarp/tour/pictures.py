"""What a spatial transformer sees: pictures of its input, its sampling grid and its output."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from refwarp.drawing.style import BLUE, FAINT, INK, MUTED, ORANGE
from refwarp.tour.results import Array, Gallery, Poses

# How far around the canvas a picture with a grid reaches, as a share of the canvas: grids may leave it.
_MARGIN = 0.3
# How many lines of a sampling grid are drawn each way.
_LINES = 6


class Sheet:
    """A figure on which square pictures and text are placed in inches, from the upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height))
        self.width, self.height = width, height

    def picture(self, left: float, top: float, side: float, image: Array, margin: float = 0.0) -> Axes:
        """Show a picture in dark on light, in a frame, with room around it."""
        height, width = image.shape
        box = (left / self.width, 1 - (top + side) / self.height, side / self.width, side / self.height)
        axes = self.figure.add_axes(box)
        axes.set_axis_off()
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        axes.add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, edgecolor=FAINT, linewidth=0.9))
        axes.set_xlim(-0.5 - margin * width, width - 0.5 + margin * width)
        axes.set_ylim(height - 0.5 + margin * height, -0.5 - margin * height)
        return axes

    def text(self, x: float, y: float, text: str, colour: str = INK, bold: bool = False, size: float = 11.5,
             align: str = "center") -> None:  # fmt: skip
        """Write text around a point: centred in height, and aligned in width."""
        self.figure.text(x / self.width, 1 - y / self.height, text, color=colour, fontsize=size, va="center",
                         ha=align, fontweight="bold" if bold else "normal", linespacing=1.35)  # fmt: skip


def draw_grid(axes: Axes, grid: Array, shape: tuple[int, ...], colour: str, alpha: float) -> None:
    """Draw a sampling grid (h, w, 2) over a picture of this shape; its first row heavy, its first point a dot."""
    height, width = shape
    points = (grid * (width, height) + (width - 1, height - 1)) / 2  # in pixels, align_corners=False
    rows, columns = (np.unique(np.linspace(0, n - 1, _LINES).round().astype(int)) for n in points.shape[:2])
    for line in [*points[rows[1:]], *points[:, columns].swapaxes(0, 1)]:
        axes.plot(line[:, 0], line[:, 1], color=colour, linewidth=0.75, alpha=alpha)
    axes.plot(points[0, :, 0], points[0, :, 1], color=colour, linewidth=2.2, solid_capstyle="round")
    axes.plot(points[0, 0, 0], points[0, 0, 1], "o", color=colour, markersize=4.5)


def draw_gallery(gallery: Gallery) -> Figure:
    """Draw test digits: input and grid, then output, before and after training."""
    outer, inner, label, top = 1.45, 1.12, 1.3, 0.34
    block = outer + inner + 0.48
    sheet = Sheet(label + len(gallery.images) * outer + 0.05, top + 2 * block - 0.12)
    for column, name in enumerate(gallery.labels):
        sheet.text(label + (column + 0.5) * outer, 0.17, f"{name}", bold=True, size=14)
    states = (("untrained", gallery.before, MUTED, 0.45), ("trained", gallery.after, BLUE, 0.85))
    for row, (state, view, colour, alpha) in enumerate(states):
        y = top + row * block
        sheet.text(0.08, y + outer / 2, f"{state}:\ninput and\nsampling grid", align="left", colour=colour)
        sheet.text(0.08, y + outer + inner / 2, f"{state}:\noutput", align="left", colour=colour)
        for column, image in enumerate(gallery.images):
            x = label + column * outer
            draw_grid(sheet.picture(x, y, outer, image, _MARGIN), view.grid[column], image.shape, colour, alpha)
            sheet.picture(x + (outer - inner) / 2, y + outer, inner, view.output[column])
            wrong = bool(view.predicted[column] != gallery.labels[column])
            sheet.text(
                x + outer / 2,
                y + outer + inner + 0.16,
                f"read as {view.predicted[column]}",
                colour=ORANGE if wrong else MUTED,
                bold=wrong,
                size=10.5,
            )
    return sheet.figure


def draw_poses(poses: Poses) -> Figure:
    """Draw each digit's poses above what the transformer makes of them; at the right the mean over the poses."""
    digits, count = poses.images.shape[:2]
    side, gap, label, top = 1.0, 0.08, 0.8, 0.36
    step = side + gap
    block = 2 * step + 0.12
    sheet = Sheet(label + (count + 1) * step + 0.17, top + digits * block)
    mean_x = label + count * step + 0.12
    sheet.text(label, 0.16, f"{count} poses of each digit", bold=True, align="left", size=12)
    sheet.text(mean_x, 0.16, "their mean", bold=True, align="left", size=12)
    for digit in range(digits):
        for part, (name, pictures) in enumerate((("input", poses.images[digit]), ("output", poses.outputs[digit]))):
            y = top + digit * block + part * step
            sheet.text(0.08, y + side / 2, name, align="left", colour=BLUE if name == "output" else MUTED)
            for column, image in enumerate(pictures):
                sheet.picture(label + column * step, y, side, image)
            mean = pictures.mean(axis=0)
            sheet.picture(mean_x, y, side, mean / max(float(mean.max()), 1e-6))
    return sheet.figure
