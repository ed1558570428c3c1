"""Pictures of the dense decoder and of linearized sampling: from sources to pixels, from samples to a slope."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import refwarp
from autograd_core import Tensor, grad
from refwarp.drawing.style import BLUE, FAINT, INK, ORANGE


def dense_decode() -> Figure:
    """Draw sources, the weights that they give to pixels, and the decoded map with its holes."""
    # Multiples of 1/8 on four pixels: exact, so that a source on a pixel has no weight beside it.
    points = np.array([[0.25, 0.375], [1.25, 0.5], [1.75, 1.25], [3.0, 1.0], [0.5, 2.75], [2.75, 2.0]])
    values = np.array([1.0, 4.0, 8.0, 6.0, 3.0, 9.0])
    size = 4
    grid = ((2 * points - (size - 1)) / size)[None, None]
    shape = (1, 1, size, size)
    decoded = refwarp.dense_decode(values[None, None, None], grid, shape)[0, 0]
    covered = refwarp.dense_decode(np.ones((1, 1, 1, len(values))), grid, shape)[0, 0] > 0
    figure = Figure(figsize=(7.2, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.set_title("sources, and their weights")
    right.set_title("the decoded map, and its holes")
    for (x, y), value in zip(points, values, strict=True):
        for m in (int(x), int(x) + 1):
            for n in (int(y), int(y) + 1):
                weight = (1 - abs(x - m)) * (1 - abs(y - n))
                if weight > 0:
                    left.plot([x, m], [y, n], color=BLUE, linewidth=5 * weight, alpha=0.55, solid_capstyle="round")
        left.plot(x, y, "o", color=ORANGE, markersize=13)
        left.text(x, y, f"{value:g}", ha="center", va="center", color="white", fontweight="bold", fontsize=9)
    for n in range(size):
        for m in range(size):
            left.plot(m, n, "s", color=INK if covered[n, m] else FAINT, markersize=4, zorder=0)
            patch = {"facecolor": "white", "edgecolor": FAINT}
            if not covered[n, m]:
                patch = {"facecolor": "white", "edgecolor": FAINT, "hatch": "////"}
            right.add_patch(Rectangle((m - 0.5, n - 0.5), 1, 1, **patch))
            if covered[n, m]:
                shade = 0.75 * decoded[n, m] / values.max()
                right.add_patch(Rectangle((m - 0.5, n - 0.5), 1, 1, facecolor=BLUE, alpha=shade, edgecolor=FAINT))
                right.text(m, n, f"{decoded[n, m]:.3g}", ha="center", va="center", fontsize=9)
    for axes in (left, right):
        axes.set_xlim(-0.6, size - 0.4)
        axes.set_ylim(size - 0.4, -0.6)
        axes.set_aspect("equal")
        axes.set_xticks(range(size))
        axes.set_yticks(range(size))
    return figure


def linearized() -> Figure:
    """Draw the samples around one pixel, and the plane fitted to them, cut along x."""
    size = 16
    position = np.arange(size)
    hill = np.exp(-((position[None, :] - 11) ** 2 + (position[:, None] - 7) ** 2) / 18) + 0.2 * (
        (position[None, :] + position[:, None]) % 2
    )
    centre = np.array([5.3, 7.4])
    offsets = np.random.default_rng(3).normal(scale=1.6, size=(8, 2))
    samples = centre + offsets
    normalised = (2 * samples - (size - 1)) / size
    grid = Tensor(((2 * centre - (size - 1)) / size)[None, None, None], requires_grad=True)
    picture = hill[None, None]
    out = refwarp.linearized_sample(picture, grid, normalised[None, None, None], tikhonov=0.0)
    slope = grad(out.sum(), grid)[0].data[0, 0, 0] * 2 / size
    plain = refwarp.grid_sample(picture, grid)
    steep = grad(plain.sum(), grid)[0].data[0, 0, 0] * 2 / size
    heights = refwarp.grid_sample(picture, normalised[None, None])[0, 0, 0]

    figure = Figure(figsize=(7.2, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.2])
    left.imshow(hill, cmap="gray_r", vmin=0, vmax=1.6)
    left.plot(*samples.T, "o", color=ORANGE, markersize=4.5)
    left.plot(*centre, "o", color=BLUE, markersize=6.5)
    for direction, colour in ((slope, ORANGE), (steep, BLUE)):
        end = centre + 4 * direction / np.hypot(*direction)
        left.annotate("", end, centre, arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.8})
    left.set_title("directions of ascent")
    left.set_xticks([])
    left.set_yticks([])
    span = np.array([-4.0, 4.0])
    right.plot(offsets[:, 0], heights, "o", color=ORANGE, label="auxiliary samples")
    right.plot(span, out.item() + slope[0] * span, color=ORANGE, label="the fitted plane, at dy = 0")
    right.plot(0, plain.item(), "o", color=BLUE, markersize=7, label="bilinear sample")
    right.plot(span / 4, plain.item() + steep[0] * span / 4, color=BLUE, label="its slope")
    right.set_xlabel("dx in pixels")
    right.set_title("values, and the plane")
    right.legend(loc="upper left", fontsize=8)
    right.set_ylim(0.05, 0.65)
    right.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    return figure
