"""Pictures of the samplers that read a window around a point: values, slopes, and what they do at kinks and borders."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import refwarp
from autograd_core import Tensor, grad
from refwarp.drawing.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PURPLE
from refwarp.samplers.kernel_functions import CUBIC_B_SPLINE, INTEGER, TENT, KernelFunction, gaussian, keys, lanczos

Array = np.ndarray[Any, Any]
ROW = np.array([1.0, 5.0, 2.0, 9.0])


def _sampled(x: Array, **options: Any) -> tuple[Array, Array]:
    """Return value and slope per pixel of the row 1, 5, 2, 9 at pixel coordinates."""
    scale = len(ROW) - 1 if options.get("align_corners") else len(ROW)
    g = (2 * x - (len(ROW) - 1)) / scale
    grid = Tensor(np.stack([g, 0 * g], axis=-1)[None, None], requires_grad=True)
    value = refwarp.grid_sample(ROW[None, None, None], grid, **options)
    (slope,) = grad(value.sum(), grid)
    return value.data[0, 0, 0], slope.data[0, 0, :, 0] * 2 / scale


def _pieces(axes: Axes, low: int, high: int, colour: str, which: int, label: str = "", **options: Any) -> None:
    """Draw value (0) or slope (1) between half-integers, cell by cell, so that jumps stay open."""
    for start in np.arange(low, high, 0.5):
        x = np.linspace(start + 1e-6, start + 0.5 - 1e-6, 41)
        axes.plot(x, _sampled(x, **options)[which], color=colour, label=label if start == low else None)


def _pixels(axes: Axes) -> None:
    axes.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    axes.set_xlabel("x in pixels")
    for m in range(len(ROW)):
        axes.axvline(m, color=FAINT, linewidth=0.7, zorder=0)


def bilinear() -> Figure:
    """Draw a row of pixels sampled with the tent, and the four rules for its slope at a lattice point."""
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    value, slope = figure.subplots(1, 2)
    _pieces(value, -1, 4, BLUE, 0)
    value.plot(range(4), ROW, "o", color=INK, markersize=5)
    value.set_title("V(x) in the row 1, 5, 2, 9")
    _pieces(slope, -1, 4, BLUE, 1)
    slope.set_title("its slope, and what kink= takes at x = 1")
    for kink, colour in (("right", BLUE), ("left", GREEN), ("central", ORANGE), ("literal", PURPLE)):
        (there,) = _sampled(np.array([1.0]), kink=kink)[1]
        slope.plot(1, there, "o", color=colour, markersize=5)
        slope.annotate(
            f"{kink} {there:g}",
            (1, there),
            (7, -9 if kink == "right" else 0),
            textcoords="offset points",
            va="center",
            color=colour,
        )
    for axes in (value, slope):
        _pixels(axes)
    return figure


def padding() -> Figure:
    """Draw what lies around a row of four pixels, for each padding."""
    rules = [
        ("zeros", {"padding_mode": "zeros"}),
        ("border", {"padding_mode": "border"}),
        ("reflection", {"padding_mode": "reflection"}),
        ("reflection,\nalign_corners", {"padding_mode": "reflection", "align_corners": True}),
    ]
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    for axes, (name, options) in zip(figure.subplots(len(rules), 1, sharex=True), rules, strict=True):
        x = np.arange(-5, 9)
        values = _sampled(x.astype(float), **options)[0]
        axes.imshow(values[None], cmap="Blues", vmin=0, vmax=14, extent=(-5.5, 8.5, -0.5, 0.5), aspect="auto")
        for m, number in zip(x, values, strict=True):
            inside = 0 <= m < len(ROW)
            axes.text(m, 0, f"{number:g}", ha="center", va="center", color=INK,
                      fontweight="bold" if inside else "normal")  # fmt: skip
        fine = np.linspace(-5.5, 8.5, 2001)
        still = np.abs(_sampled(fine, **options)[1]) < 1e-12
        axes.fill_between(fine, -0.66, -0.5, where=still, color=ORANGE, linewidth=0, clip_on=False)
        for edge in (-0.5, 3.5):
            axes.axvline(edge, color=INK, linewidth=1.6)
        axes.set_ylim(-0.66, 0.5)
        axes.set_yticks([0], [name])
        axes.set_xticks(x)
        axes.tick_params(length=0, axis="both")
        for side in axes.spines.values():
            side.set_visible(False)
    figure.supxlabel("pixel; orange: the slope is 0", fontsize=9, color=MUTED)
    return figure


def bicubic() -> Figure:
    """Draw a row sampled with Keys' kernel, beside the tent, and both slopes."""
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    value, slope = figure.subplots(1, 2)
    for which, axes in enumerate((value, slope)):
        _pieces(axes, -1, 4, MUTED, which, "bilinear", padding_mode="border")
        _pieces(axes, -1, 4, BLUE, which, "bicubic", padding_mode="border", mode="bicubic")
        _pixels(axes)
    value.plot(range(4), ROW, "o", color=INK, markersize=5)
    value.set_title("V(x) in the row 1, 5, 2, 9")
    slope.set_title("its slope")
    value.legend()
    return figure


def nearest() -> Figure:
    """Draw a row sampled at the nearest pixel, with the ties of both rules."""
    figure = Figure(figsize=(7.2, 2.7), layout="constrained")
    axes = figure.subplots()
    _pieces(axes, -1, 4, BLUE, 0, mode="nearest")
    ties = np.array([-0.5, 0.5, 1.5, 2.5, 3.5])
    axes.plot(ties, _sampled(ties, mode="nearest")[0], "o", color=BLUE, markersize=6, label="to the even pixel")
    grid = np.stack([(2 * ties - 3) / 4, 0 * ties], axis=-1)[None, None]
    up = refwarp.separable_sample(ROW[None, None, None], grid, INTEGER)[0, 0, 0]
    axes.plot(ties, up, "o", color=ORANGE, markersize=10, fillstyle="none", label="up, as in (STN 4)")
    axes.set_title("V(x) in the row 1, 5, 2, 9, and its ties")
    axes.legend(loc="upper left")
    _pixels(axes)
    return figure


def kernels() -> Figure:
    """Draw the kernels and their slopes; a dot is the value at a corner or a jump."""
    shown: list[tuple[str, KernelFunction]] = [
        ("tent", TENT), ("integer", INTEGER), ("Keys, a = -3/4", keys(-0.75)), ("cubic B-spline", CUBIC_B_SPLINE),
        ("Lanczos, a = 3", lanczos(3)), ("Gaussian, s = 1/2", gaussian(0.5)),
    ]  # fmt: skip
    figure = Figure(figsize=(7.2, 5.6), layout="constrained")
    panels = figure.subplots(4, 3)
    for column, (name, kernel) in enumerate(shown):
        above, below = panels[2 * (column // 3) : 2 * (column // 3) + 2, column % 3]
        for axes, profile, what in ((above, kernel.profiles[0], "k"), (below, _slope(kernel), "k'")):
            jumps = np.arange(-6, 7) / 2
            for start in jumps[:-1]:
                d = np.linspace(start + 1e-6, start + 0.5 - 1e-6, 41)
                axes.plot(d, profile(d), color=BLUE if what == "k" else GREEN)
            corners = [d for d in jumps if _breaks(profile, d)]
            axes.plot(corners, profile(np.array(corners)), "o", color=INK, markersize=3.5)
            axes.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
            axes.set_ylabel(what, rotation=0, labelpad=9)
            axes.set_xticks(range(-3, 4))
        above.set_title(name, fontsize=10)
        above.tick_params(labelbottom=False)
        if kernel is INTEGER:
            below.set_ylim(-1, 1)
    return figure


def _slope(kernel: KernelFunction) -> Any:
    """Return k', 0 where a kernel lists none."""
    return kernel.profiles[1] if len(kernel.profiles) > 1 else np.zeros_like


def _breaks(profile: Any, d: float) -> bool:
    """Tell whether a kernel or its slope jumps at a distance."""
    left, right = profile(np.array([d - 1e-9, d + 1e-9]))
    return bool(abs(right - left) > 1e-3)


def multiscale() -> Figure:
    """Draw an edge at the scales of multi-scale sampling, and the slope that a sample finds far from it."""
    edge = np.where(np.arange(64) >= 32, 1.0, 0.0)
    x = np.linspace(0, 63, 631)
    g = (2 * x - 63) / 64
    figure = Figure(figsize=(7.2, 2.7), layout="constrained")
    value, slope = figure.subplots(1, 2)
    for deviation, colour in ((0.0, MUTED), (1.0, BLUE), (5.0, GREEN), (10.0, ORANGE)):
        grid = Tensor(np.stack([g, 0 * g], axis=-1)[None, None], requires_grad=True)
        out = refwarp.multiscale_sample(edge[None, None, None], grid, (deviation,))
        (ggrid,) = grad(out.sum(), grid)
        label = f"deviation {deviation:g}"
        value.plot(x, out.data[0, 0, 0], color=colour, label=label)
        slope.plot(x, ggrid.data[0, 0, :, 0] / 32, color=colour, label=label)
    value.set_title("an edge, blurred")
    slope.set_title("its slope per pixel")
    slope.set_ylim(0, 0.45)
    slope.legend()
    for axes in (value, slope):
        axes.set_xlabel("x in pixels")
    return figure
