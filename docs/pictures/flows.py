"""Pictures of the classical flows: how they go from size to size, what leads them, and what they lose."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from refwarp.classical.brox import BroxSettings, coarse_to_fine
from refwarp.classical.ldof import LdofSettings, descriptor_matches, ldof_flow
from refwarp.classical.sift_flow import sift_flow
from refwarp.drawing.flows import flow_colours
from refwarp.drawing.style import INK

Array = np.ndarray[Any, Any]

# A large thing and a small one, their places (row, column, height, width) and motions (u, v).
THINGS = (((16, 70, 44, 44), (7, 4)), ((60, 14, 16, 16), (44, -10)))
LARGEST = 46.0


def scene() -> tuple[Array, Array, Array]:
    """Return two frames (1, 96, 128), in which two things move before a background at rest, and the true flow."""
    rng = np.random.default_rng(4)

    def texture(height: int, width: int) -> Array:
        waves = gaussian_filter(rng.normal(size=(height, width)), 1.5)
        return np.asarray((waves - waves.min()) / np.ptp(waves))

    first = texture(96, 128)
    second, flow = first.copy(), np.zeros((2, 96, 128))
    for (row, column, height, width), (u, v) in THINGS:
        thing = texture(height, width)
        first[row : row + height, column : column + width] = thing
        second[row + v : row + v + height, column + u : column + u + width] = thing
        flow[:, row : row + height, column : column + width] = np.reshape((u, v), (2, 1, 1))
    return first[None], second[None], flow


def _figure(panels: list[tuple[str, Array]], columns: int) -> Figure:
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(7.2, 7.2 / columns * 0.9 * rows), layout="constrained")
    for axes, (title, image) in zip(figure.subplots(rows, columns, squeeze=False).flat, panels, strict=True):
        axes.set_title(title)
        axes.tick_params(labelbottom=False, labelleft=False, length=0)
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    return figure


def brox() -> Figure:
    """Draw the flow at some sizes of the pyramid: the small thing is lost from the first one on."""
    first, second, truth = scene()
    found = list(coarse_to_fine(first, second, BroxSettings()))
    panels = [("first frame", first[0]), ("second frame", second[0]), ("true flow", flow_colours(truth, LARGEST))]
    for flow in (found[0], found[len(found) // 2], found[-1]):
        _, height, width = flow.shape
        panels.append((f"{height} x {width} pixels", flow_colours(flow, LARGEST * width / truth.shape[2])))
    return _figure(panels, 3)


def sift_flow_picture() -> Figure:
    """Draw what SIFT flow finds: whole pixels, with the large thing; the small one is smoothed away."""
    first, second, truth = scene()
    panels = [
        ("second frame", second[0]),
        ("true flow", flow_colours(truth, LARGEST)),
        ("SIFT flow", flow_colours(sift_flow(first, second), LARGEST)),
    ]
    return _figure(panels, 3)


def ldof() -> Figure:
    """Draw the matches that count, and the flow that they lead."""
    first, second, truth = scene()
    settings = LdofSettings()
    matches = descriptor_matches(first, second, settings.step, settings.cell)
    found = ldof_flow(first, second, settings)
    figure = _figure(
        [
            ("true flow", flow_colours(truth, LARGEST)),
            ("matches", 0.6 + 0.4 * first[0]),
            ("large displacement flow", flow_colours(found, LARGEST)),
        ],
        3,
    )
    y, x = np.nonzero(matches.weights > 0.3)
    y, x = y[::7], x[::7]
    u, v = matches.motions[:, y, x]
    figure.axes[1].quiver(x, y, u, v, color=INK, angles="xy", scale_units="xy", scale=1, width=0.004)
    return figure


sift_flow_picture.__name__ = "sift_flow"
