"""Pictures of the grids: warps as fields of arrows, from a point of the output to the point that is sampled there."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import refwarp
from autograd_core import Tensor, grad
from refwarp.drawing.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PINK, PURPLE

Array = np.ndarray[Any, Any]
SIZE = (1, 1, 9, 9)


def _square(axes: Axes, title: str, reach: float = 1.45) -> None:
    axes.add_patch(Rectangle((-1, -1), 2, 2, fill=False, edgecolor=MUTED, linewidth=1.2))
    axes.set_title(title, fontsize=9.5)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(reach, -reach)
    axes.set_aspect("equal")
    axes.set_xticks([-1, 0, 1])
    axes.set_yticks([-1, 0, 1])


def _arrows(axes: Axes, grid: Array, title: str, reach: float = 1.45) -> None:
    """Draw a grid (1, h, w, 2) as arrows, and the square from -1 to 1."""
    still = refwarp.affine_grid(np.eye(2, 3)[None], (1, 1, *grid.shape[1:3]), align_corners=True)[0]
    moved = grid[0]
    step = moved - still
    axes.quiver(still[..., 0], still[..., 1], step[..., 0], step[..., 1], angles="xy", scale_units="xy", scale=1,
                color=BLUE, width=0.006, headwidth=4)  # fmt: skip
    axes.plot(still[..., 0].ravel(), still[..., 1].ravel(), ".", color=MUTED, markersize=2)
    _square(axes, title, reach)


def _row(count: int, height: float = 2.7) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.2, height), layout="constrained")
    return figure, figure.subplots(1, count)


def affine() -> Figure:
    """Draw three affine grids."""
    shift = np.array([[[1, 0, 0.25], [0, 1, -0.125]]])
    turn = refwarp.similarity_matrix(np.array([[0.8, np.pi / 6, 0.0, 0.0]]))
    shear = np.array([[[1, 0.3, 0], [0, 0.7, 0]]])
    figure, panels = _row(3)
    for axes, theta, title in zip(
        panels, (shift, turn, shear), ("a shift", "a turn and a scale", "a shear"), strict=True
    ):
        _arrows(axes, refwarp.affine_grid(theta, SIZE, align_corners=True), title)
    return figure


def affine_parameters() -> Figure:
    """Draw the grids that have fewer parameters."""
    figure, panels = _row(3)
    grids = [
        ("attention, s = 1/2", refwarp.attention_grid(np.array([[0.5, 0.25, 0.25]]), SIZE, True)),
        ("similarity, s = 3/4, a = 1/2", refwarp.similarity_grid(np.array([[0.75, 0.5, 0, 0]]), SIZE, True)),
        ("two scales, a = 1/2",
         refwarp.rotation_scale_translation_grid(np.array([[0.5, -1, 0.25, 0, 0]]), SIZE, align_corners=True)),
    ]  # fmt: skip
    for axes, (title, grid) in zip(panels, grids, strict=True):
        _arrows(axes, grid, title)
    return figure


def projective() -> Figure:
    """Draw two homographies; the horizon of the second crosses the output."""
    figure, (left, right) = _row(2, 3.5)
    _arrows(
        left, refwarp.projective_grid(np.array([[1.0, 0, 0, 0, 1, 0, 0.3, 0.1]]), SIZE, True), "h_31 = 0.3, h_32 = 0.1"
    )
    steep = np.array([[1.0, 0, 0, 0, 1, 0, 1.4, 0]])
    x_t = (2 * np.arange(400) + 1 - 400) / 400
    x_s = refwarp.projective_grid(steep, (1, 1, 1, 400))[0, 0, :, 0]
    for side in (x_t < -1 / 1.4, x_t > -1 / 1.4):
        right.plot(x_t[side], x_s[side], color=BLUE)
    right.axvline(-1 / 1.4, color=ORANGE)
    right.text(-0.68, 5.2, "the horizon, D = 0", color=ORANGE)
    right.axhspan(-1, 1, color=FAINT, zorder=0)
    right.set_ylim(-6, 6)
    right.set_title("x_s along a row, h_31 = 1.4", fontsize=9.5)
    right.set_xlabel("x_t")
    return figure


def piecewise_affine() -> Figure:
    """Draw a mesh of which one vertex has moved: the triangles, and the grid."""
    x, y = np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0])
    vertices = np.stack([x, y], axis=-1)[None]
    vertices[0, 1, 1] = 0.375, 0.5
    figure, (left, right) = _row(2, 3.5)
    for n in range(2):
        for m in range(2):
            corners = vertices[0, [n, n, n + 1, n], [m, m + 1, m + 1, m]]
            left.plot(*corners.T, color=BLUE)
            corners = vertices[0, [n, n + 1, n + 1], [m, m, m + 1]]
            left.plot(*corners.T, color=BLUE)
    left.plot(vertices[..., 0].ravel(), vertices[..., 1].ravel(), "o", color=ORANGE, markersize=5)
    _square(left, "the mesh in the input", 1.25)
    _arrows(right, refwarp.piecewise_affine_grid(vertices, SIZE, True), "the grid", 1.25)
    return figure


def linear_basis() -> Figure:
    """Draw the Bernstein polynomials of degree 3, and a free-form deformation by one of its points."""
    figure, (left, right) = _row(2, 3.3)
    basis = refwarp.bernstein_basis(3, (1, 1, 101, 101), True)[:, 0, :]
    t = np.linspace(0, 1, 101)
    for k, colour in enumerate((BLUE, GREEN, ORANGE, PURPLE)):
        left.plot(t, basis[k], color=colour, label=f"k = {k}")
    left.set_title("b_k(t), degree 3", fontsize=9.5)
    left.set_xlabel("t")
    left.legend()
    net = np.stack(np.meshgrid(*[np.linspace(-1, 1, 4)] * 2), axis=0).reshape(1, 2, 16)
    net[0, :, 5] += 0.9, 0.7
    _arrows(
        right, refwarp.linear_basis_grid(net, refwarp.bernstein_basis(3, SIZE, True)), "one of 16 points moved", 1.25
    )
    right.plot(*net[0], "o", color=ORANGE, markersize=4)
    return figure


def thin_plate_spline() -> Figure:
    """Draw cardinal functions of nine control points, and the grid when one of them has moved."""
    control = np.stack(np.meshgrid(*[np.linspace(-1, 1, 3)] * 2), axis=-1).reshape(9, 2)
    basis = refwarp.thin_plate_spline_basis(control, (1, 1, 101, 101), True)
    figure, panels = _row(4, 2.2)
    for axes, k, title in zip(panels, (0, 1, 4), ("b of a corner", "b of an edge", "b of the middle"), strict=False):
        levels, extent = np.linspace(-0.3, 1.0, 14), (-1, 1, -1, 1)
        axes.contourf(basis[k], levels=levels, cmap="RdBu_r", vmin=-1, vmax=1, extent=extent, extend="both")
        axes.contour(basis[k], levels=[0], colors=INK, linewidths=0.8, extent=extent)
        axes.plot(*control.T, "o", color=INK, markersize=2.5, clip_on=False)
        axes.plot(*control[k], "o", color=ORANGE, markersize=5, clip_on=False)
        _square(axes, title, 1.1)
    points = control[None].copy()
    points[0, 4] = 0.375, -0.5
    _arrows(panels[3], refwarp.tps_grid(points, SIZE, align_corners=True), "the middle moved", 1.1)
    panels[3].plot(*points[0].T, "o", color=ORANGE, markersize=3.5)
    return figure


def flow() -> Figure:
    """Draw a sum of motions: an affine one, a local one, and both."""
    theta = np.array([[[1.0, -0.2, 0.1], [0.2, 1.0, 0.0]]])
    turn = refwarp.affine_motion(theta, SIZE, True)
    at = np.arange(9) - 4.0
    local = np.stack([np.exp(-(at[None, :] ** 2 + (at[:, None] - 2) ** 2) / 4), np.zeros((9, 9))])[None]
    figure, panels = _row(3)
    for axes, motion, title in zip(panels, (turn, local, turn + local), ("H x", "w", "H x + w"), strict=True):
        _arrows(axes, refwarp.flow_grid(motion, True), title)
    return figure


def composition() -> Figure:
    """Draw two warps, and their compositions in both orders."""
    turn = np.array([[[0.0, -1.0, 0], [1.0, 0.0, 0]]])
    squeeze = np.array([[[0.5, 0, 0.25], [0, 1.0, 0]]])
    figure, panels = _row(4, 2.2)
    shown = [
        ("a", turn),
        ("b", squeeze),
        ("a o b", refwarp.compose(turn, squeeze)),
        ("b o a", refwarp.compose(squeeze, turn)),
    ]
    start = np.array([[-0.75, -0.75], [0.75, -0.75], [0.75, 0.75], [-0.75, 0.75]])
    for axes, (title, theta) in zip(panels, shown, strict=True):
        corners = start @ theta[0, :, :2].T + theta[0, :, 2]
        for points, colour in ((start, FAINT), (corners, BLUE)):
            axes.plot(*np.vstack([points, points[:1]]).T, color=colour, linewidth=2)
            axes.plot(*points[:2].T, color=colour, linewidth=4)
            axes.plot(*points[0], "o", color=PINK if colour == BLUE else colour, markersize=6)
        _square(axes, title, 1.2)
    return figure


def penalties() -> Figure:
    """Draw the norms of a pair of differences, of which one is 1/2, and their gradients."""
    figure, (value, slope) = _row(2)
    steps = np.linspace(-2, 2, 401)
    for norm, colour in (("1", BLUE), ("2", GREEN), ("squared", ORANGE)):
        fields = [Tensor(np.array([[[[0.0, step], [0.5, 0.0]]]]), requires_grad=True) for step in steps]
        outs = [refwarp.smoothness(field, norm) for field in fields]
        slopes = [grad(out, field)[0].data[0, 0, 0, 1] for out, field in zip(outs, fields, strict=True)]
        value.plot(steps, [out.item() for out in outs], color=colour, label=f'norm "{norm}"')
        for side in (slice(0, 200), slice(201, None)):  # the kink is between them
            slope.plot(steps[side], slopes[side], color=colour)
    value.set_title("penalty of w_x, with w_y = 1/2", fontsize=9.5)
    slope.set_title("its derivative", fontsize=9.5)
    value.legend()
    for axes in (value, slope):
        axes.set_xlabel("w_x")
        axes.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    return figure
