"""How the pictures look: colours that colour-blind readers tell apart too (Okabe and Ito's), type, and PNG."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.figure import Figure

INK, MUTED, FAINT, PAPER = "#1f2328", "#59636e", "#d8dee4", "#ffffff"
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#a8548a"
SKY, YELLOW, PINK = "#56b4e9", "#c9a800", "#cc79a7"

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": PAPER,
    "lines.linewidth": 1.6,
}


def render(draw: Callable[..., Figure], *arguments: Any, dots_per_inch: int = 160) -> bytes:
    """Return the picture that `draw(*arguments)` makes, as the bytes of a PNG file."""
    with matplotlib.rc_context(_STYLE):
        figure = draw(*arguments)
        file = io.BytesIO()
        options: dict[str, Any] = {"metadata": {"Software": None}, "pil_kwargs": {"optimize": True}}
        figure.savefig(file, format="png", dpi=dots_per_inch, **options)
    return file.getvalue()
