"""What a spatial transformer sees: pictures of its input, its sampling grid and its output."""

from __future__ import annotations

from matplotlib.figure import Figure

from refwarp.drawing.sheet import Sheet, draw_grid
from refwarp.drawing.style import BLUE, MUTED, ORANGE
from refwarp.tour.results import Gallery, Poses

# How far around the canvas a picture with a grid reaches, as a share of the canvas: grids may leave it.
_MARGIN = 0.3


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
