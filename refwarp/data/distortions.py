"""Distorted pictures: a picture laid onto an empty canvas, turned, shifted, scaled, bent or cluttered at random.

A distortion draws its parameters from a Generator that it is given, and renders pictures with them; refwarp's own
grids and sampler render all but the clutter. A grid leads from the canvas to the picture, as everywhere: to rotate
what is seen to the left, the grid turns to the right. For a picture turned by the angle a (counterclockwise as seen,
so with y down), of side d on a canvas of side w, and centred at t in the canvas's normalised coordinates, that is

    theta = [A | -A t],   A = (w / d) [[cos a, -sin a], [sin a, cos a]]                       (distortion.1)

A projective distortion takes the corners c_k of the scaled picture to c_k + n_k on the canvas. Its grid is the
homography H that leads back, whose eight parameters solve two linear equations for each corner,

    (h_1 x + h_2 y + h_3) - u (h_7 x + h_8 y) = u,   (h_4 x + h_5 y + h_6) - v (h_7 x + h_8 y) = v   (distortion.2)

with (x, y) = c_k + n_k and (u, v) the corner of the picture. An elastic distortion is the thin plate spline that takes
a regular grid of control points g_k of the canvas to (g_k + n_k) / s in the picture.

`stn_distortions` has the five of STN, Sect. 4.1, for MNIST: R, RTS, P, E and TC.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from autograd_core import to_device
from autograd_core.arrays import array_module, device_of
from refwarp.arguments import check_array, check_count
from refwarp.grids.affine import affine_grid
from refwarp.grids.projective import projective_grid
from refwarp.grids.thin_plate_spline.function import tps_grid
from refwarp.samplers.grid_sample import grid_sample

Array = np.ndarray[Any, Any]


@runtime_checkable
class Distortion(Protocol):
    """What a distortion is: random parameters, and the pictures that they stand for."""

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return the parameters of `count` distortions, the first axis of length `count`."""
        ...

    def render(self, images: Array, parameters: Array) -> Array:
        """Return the canvases (N, C, H, W) of pictures (N, C, h, w), distorted with parameters of `draw`."""
        ...


class GridDistortion(ABC):
    """A distortion that is a sampling grid."""

    @abstractmethod
    def grid(self, parameters: Array) -> Array:
        """Return the sampling grid (N, H, W, 2) of the canvas, leading to the undistorted picture."""

    def render(self, images: Array, parameters: Array) -> Array:
        """Return the canvases (N, C, H, W) of pictures (N, C, h, w): bilinear samples, zeros outside."""
        canvases: Array = grid_sample(images, self.grid(parameters))
        return canvases


def _check_sizes(canvas: Any, side: float, scale: tuple[float, float]) -> None:
    """Refuse what has no size."""
    check_count("canvas", canvas)
    if not side > 0:
        raise ValueError(f"side: given {side!r}, expected a positive number")
    if not min(scale) > 0:
        raise ValueError(f"scale: given {scale!r}, expected two positive numbers")


def _cos_sin(degrees: Array) -> tuple[Array, Array]:
    """Return cosine and sine of an angle in degrees, exact at multiples of 90."""
    quarters = np.round(degrees / 90.0)
    rest = np.radians(degrees - 90.0 * quarters)
    turn = np.array([1, 1j, -1, -1j])[quarters.astype(np.int64) % 4]
    point = turn * (np.cos(rest) + 1j * np.sin(rest))
    return point.real, point.imag


def similarity(angle: Any, magnification: Any, x: Any, y: Any) -> Array:
    """Return the affine parameters that turn, magnify and shift a picture on a canvas (distortion.1).

    Parameters
    ----------
    angle : array_like, shape (N,)
        In degrees, counterclockwise as seen; multiples of 90 are exact.
    magnification : array_like, shape (N,)
        Side of the picture divided by side of the canvas: 1 fills it.
    x, y : array_like, shape (N,)
        The picture's centre in the canvas's normalised coordinates, y down: (0, 0) is the middle, and 1 is half
        the side of the canvas.

    Returns
    -------
    ndarray, shape (N, 2, 3)
        theta, from coordinates of the canvas to those of the picture; float64.
    """
    angle, magnification, x, y = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(value, np.float64)) for value in (angle, magnification, x, y))
    )
    cos, sin = (part / magnification for part in _cos_sin(angle))
    rows = [[cos, -sin, sin * y - cos * x], [sin, cos, -sin * x - cos * y]]
    return np.moveaxis(np.array(rows), -1, 0)


@dataclass(frozen=True)
class AffineDistortion(GridDistortion):
    """Random rotation, scale and translation of a square picture on a square canvas.

    Attributes
    ----------
    canvas : int
        Side of the canvas in pixels.
    side : float
        Side of the picture at scale 1, in pixels of the canvas.
    angle : tuple of float
        Least and largest rotation in degrees, counterclockwise as seen; uniform.
    scale : tuple of float
        Least and largest factor on `side`; uniform.
    translation : float
        Largest shift, as a share of the room that the rotated and scaled picture leaves on the canvas on each
        side: 0 keeps it in the middle, with 1 it goes anywhere where its corners are still on the canvas. x and y
        are uniform and independent.

    Raises
    ------
    ValueError
        If the canvas has no pixel, or the picture no size.
    """

    canvas: int = 40
    side: float = 24.0
    angle: tuple[float, float] = (-90.0, 90.0)
    scale: tuple[float, float] = (1.0, 1.0)
    translation: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what has no size."""
        _check_sizes(self.canvas, self.side, self.scale)

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return the affine parameters of `count` distortions: theta (count, 2, 3), float32."""
        angle = rng.uniform(*self.angle, count)
        magnification = self.side / self.canvas * rng.uniform(*self.scale, count)
        cos, sin = _cos_sin(angle)
        room = np.maximum(1.0 - magnification * (abs(cos) + abs(sin)), 0.0)  # half the side of the canvas is 1
        x, y = self.translation * room * rng.uniform(-1.0, 1.0, (2, count))
        return similarity(angle, magnification, x, y).astype(np.float32)

    def grid(self, parameters: Array) -> Array:
        """Return the sampling grid (N, canvas, canvas, 2) of affine parameters (N, 2, 3)."""
        grid: Array = affine_grid(parameters, (len(parameters), 1, self.canvas, self.canvas))
        return grid


# The corners of a map, in the order in which one goes around it.
_CORNERS = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def _is_convex(corners: Array) -> Array:
    """Tell which quadrilaterals (N, 4, 2), gone around as `_CORNERS`, are convex and not turned over."""
    edges = np.roll(corners, -1, axis=1) - corners
    following = np.roll(edges, -1, axis=1)
    turns = edges[..., 0] * following[..., 1] - edges[..., 1] * following[..., 0]
    convex: Array = (turns > 0).all(axis=1)
    return convex


@dataclass(frozen=True)
class ProjectiveDistortion(GridDistortion):
    """Random scale, and a random shift of each corner, of a square picture on a square canvas.

    Attributes
    ----------
    canvas : int
        Side of the canvas in pixels.
    side : float
        Side of the picture at scale 1, in pixels of the canvas; it lies in the middle.
    scale : tuple of float
        Least and largest factor on `side`; uniform.
    corner_deviation : float
        Standard deviation of each corner's shift along each axis, in pixels; normal. Shifts that leave no convex
        quadrilateral are drawn again: across the horizon of such a homography a picture would show twice.

    Raises
    ------
    ValueError
        If the canvas has no pixel, the picture no size, or the deviation is negative.
    """

    canvas: int = 28
    side: float = 28.0
    scale: tuple[float, float] = (0.75, 1.0)
    corner_deviation: float = 3.0

    def __post_init__(self) -> None:
        """Refuse what has no size."""
        _check_sizes(self.canvas, self.side, self.scale)
        if not self.corner_deviation >= 0:
            raise ValueError(f"corner_deviation: given {self.corner_deviation!r}, expected a number >= 0")

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return the parameters of `count` homographies (count, 8), float32; the ninth entry is 1."""
        magnification = self.side / self.canvas * rng.uniform(*self.scale, count)
        at_rest = magnification[:, None, None] * _CORNERS
        corners = np.zeros(at_rest.shape)
        left = np.arange(count)
        while len(left):
            shifts = rng.normal(0.0, self.corner_deviation / (self.canvas / 2), (len(left), 4, 2))
            corners[left] = at_rest[left] + shifts
            left = left[~_is_convex(corners[left])]
        return _homographies(corners).astype(np.float32)

    def grid(self, parameters: Array) -> Array:
        """Return the sampling grid (N, canvas, canvas, 2) of homographies (N, 8)."""
        grid: Array = projective_grid(parameters, (len(parameters), 1, self.canvas, self.canvas))
        return grid


def _homographies(corners: Array) -> Array:
    """Return the parameters (N, 8) of the homographies that lead from corners (N, 4, 2) back to `_CORNERS`."""
    x, y = np.moveaxis(corners, -1, 0)
    one, zero = np.ones(x.shape), np.zeros(x.shape)
    u, v = _CORNERS.T
    rows_of_u = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=-1)  # (distortion.2)
    rows_of_v = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=-1)  # (distortion.2)
    equations = np.concatenate([rows_of_u, rows_of_v], axis=1)
    homographies: Array = np.linalg.solve(equations, np.tile(np.concatenate([u, v])[:, None], (len(x), 1, 1)))[..., 0]
    return homographies


@dataclass(frozen=True)
class ElasticDistortion(GridDistortion):
    """Random scale of a picture as large as its canvas, and a thin plate spline that bends it at random.

    Attributes
    ----------
    canvas : int
        Side of the canvas in pixels.
    scale : tuple of float
        Least and largest factor on the picture's side; uniform.
    points : int
        Control points along each axis, a regular grid from edge to edge of the canvas.
    point_deviation : float
        Standard deviation of each control point's shift along each axis, in pixels; normal.

    Raises
    ------
    ValueError
        If the canvas has no pixel, the picture no size, there are fewer than two points, or the deviation is negative.
    """

    canvas: int = 28
    scale: tuple[float, float] = (0.75, 1.0)
    points: int = 4
    point_deviation: float = 1.5

    def __post_init__(self) -> None:
        """Refuse what has no size."""
        _check_sizes(self.canvas, self.canvas, self.scale)
        check_count("points", self.points, least=2)
        if not self.point_deviation >= 0:
            raise ValueError(f"point_deviation: given {self.point_deviation!r}, expected a number >= 0")

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return the points (count, points^2, 2) of the picture that the control points lead to; float32."""
        along = np.linspace(-1.0, 1.0, self.points)
        at_rest = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)  # row after row, x running fastest
        scale = rng.uniform(*self.scale, (count, 1, 1))
        shifts = rng.normal(0.0, self.point_deviation / (self.canvas / 2), (count, len(at_rest), 2))
        targets: Array = (at_rest + shifts) / scale
        return targets.astype(np.float32)

    def grid(self, parameters: Array) -> Array:
        """Return the sampling grid (N, canvas, canvas, 2) of splines (N, points^2, 2)."""
        grid: Array = tps_grid(parameters, (len(parameters), 1, self.canvas, self.canvas))
        return grid


@dataclass(frozen=True)
class ClutterDistortion:
    """A picture anywhere on a larger canvas, among patches of other pictures.

    Patches are cut from the middle of pictures of the pool, and lie anywhere on the canvas; where things overlap, the
    brighter one is seen.

    Attributes
    ----------
    pool : ndarray, shape (M, C, h, w)
        What patches are cut from; float32.
    canvas : int
        Side of the canvas in pixels.
    patches : int
        How many patches there are on each canvas.
    side : int
        Side of a patch in pixels.
    margin : int
        Pixels at the edges of a picture, usually empty, in which no patch begins or ends.

    Raises
    ------
    ValueError
        If the pool has not four axes or no pictures, or these are larger than the canvas, or smaller than a patch and
        its margins; or if a number is out of its range.
    """

    pool: Array = field(repr=False, compare=False)
    canvas: int = 60
    patches: int = 6
    side: int = 6
    margin: int = 4

    def __post_init__(self) -> None:
        """Refuse what does not fit."""
        check_array("pool", self.pool, "(M, C, h, w)", (None, None, None, None))
        check_count("len(pool)", len(self.pool))
        for name, least in (("canvas", 1), ("patches", 0), ("side", 1), ("margin", 0)):
            check_count(name, getattr(self, name), least=least)
        sides = self.pool.shape[2:]
        if max(sides) > self.canvas:
            raise ValueError(f"pool: given pictures of {sides} pixels, expected at most the canvas's, {self.canvas}")
        if min(sides) < self.side + 2 * self.margin:
            raise ValueError(
                f"pool: given pictures of {sides} pixels, expected at least {self.side + 2 * self.margin}, those of a "
                "patch and its margins"
            )

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return the row and column of each picture, and for each patch its place, its source and the place there.

        Integers, shape (count, 2 + 5 patches).
        """
        height, width = self.pool.shape[2:]
        last = self.canvas - self.side + 1
        ends = [last, last, len(self.pool), *(side - self.side - 2 * self.margin + 1 for side in (height, width))]
        place = rng.integers([self.canvas - height + 1, self.canvas - width + 1], size=(count, 2))
        patches = rng.integers(ends, size=(count, self.patches, 5)) + [0, 0, 0, self.margin, self.margin]
        parameters: Array = np.concatenate([place, patches.reshape(count, -1)], axis=1)
        return parameters

    def render(self, images: Array, parameters: Array) -> Array:
        """Return the canvases (N, C, canvas, canvas) of pictures (N, C, h, w)."""
        xp = array_module(images)
        count, channels, height, width = images.shape
        canvases: Array = xp.zeros((count, channels, self.canvas, self.canvas), images.dtype)
        pool = to_device(self.pool, device_of(images))
        own, all_channels = xp.arange(count), slice(None)

        def window(top: Array, left: Array, down: int, across: int) -> tuple[Array, Array]:
            rows = top[:, None, None] + xp.arange(down)[None, :, None]
            columns = left[:, None, None] + xp.arange(across)[None, None, :]
            return rows, columns

        # Indexed so, the axes are (N, rows, columns, C).
        at = (own[:, None, None], all_channels, *window(parameters[:, 0], parameters[:, 1], height, width))
        canvases[at] = images.transpose(0, 2, 3, 1)
        for patch in parameters[:, 2:].reshape(count, -1, 5).swapaxes(0, 1):
            top, left, source, from_top, from_left = patch.T
            cut = pool[(source[:, None, None], all_channels, *window(from_top, from_left, self.side, self.side))]
            at = (own[:, None, None], all_channels, *window(top, left, self.side, self.side))
            canvases[at] = xp.maximum(canvases[at], cut)
        return canvases


# Of the tour: scikit-learn's digits of 8x8 pixels on a canvas of 40x40.
DISTORTIONS: dict[str, Distortion] = {
    "R": AffineDistortion(),
    "RTS": AffineDistortion(side=20.0, angle=(-45.0, 45.0), scale=(0.7, 1.2), translation=1.0),
}


def stn_distortions(pool: Array) -> Mapping[str, Distortion]:
    """Return the distortions of MNIST in STN, Sect. 4.1, by their names there.

    R turns by -90 to 90 degrees. RTS turns by -45 to 45, scales by 0.7 to 1.2, and puts the digit anywhere on a canvas
    of 42x42 pixels. P scales by 0.75 to 1, and shifts each corner with a standard deviation of 3 pixels. E scales by
    0.75 to 1, and shifts 16 control points of a thin plate spline with a standard deviation of 1.5 pixels. TC puts the
    digit anywhere on a canvas of 60x60, with six patches of 6x6 pixels of other digits as clutter.

    Parameters
    ----------
    pool : ndarray, shape (M, C, n, n)
        The pictures that clutter is cut from. If their side is not 28, all lengths change in proportion, those in whole
        pixels rounded.

    Returns
    -------
    mapping of str to Distortion
        R, RTS, P, E and TC.

    Raises
    ------
    ValueError
        If the pool has not four axes or no pictures, or these are not square.
    """
    check_array("pool", pool, "(M, C, n, n)", (None, None, None, None))
    side, width = pool.shape[2:]
    if side != width:
        raise ValueError(f"pool: given pictures of {side} x {width} pixels, expected square ones")
    unit = side / 28
    return {
        "R": AffineDistortion(canvas=side, side=float(side)),
        "RTS": AffineDistortion(round(42 * unit), float(side), (-45.0, 45.0), scale=(0.7, 1.2), translation=1.0),
        "P": ProjectiveDistortion(side, float(side), corner_deviation=ProjectiveDistortion.corner_deviation * unit),
        "E": ElasticDistortion(side, point_deviation=ElasticDistortion.point_deviation * unit),
        "TC": ClutterDistortion(
            pool,
            round(ClutterDistortion.canvas * unit),
            side=max(1, round(ClutterDistortion.side * unit)),
            margin=round(ClutterDistortion.margin * unit),
        ),
    }


def distort(images: Array, distortion: Distortion, rng: np.random.Generator) -> tuple[Array, Array]:
    """Lay each picture onto its canvas, with parameters of its own.

    Parameters
    ----------
    images : ndarray, shape (N, C, h, w)
        The pictures; float32. CuPy's are distorted on their GPU.
    distortion : Distortion
        Which distortions, one of `DISTORTIONS` for instance.
    rng : numpy.random.Generator
        Draws the parameters: the same state gives the same pictures, bit for bit.

    Returns
    -------
    canvases : ndarray, shape (N, C, H, W)
        The distorted pictures, of the images' dtype.
    parameters : ndarray, shape (N, ...)
        What was drawn: theta (N, 2, 3), from the canvas to the picture, for affine distortions.

    Raises
    ------
    TypeError
        If `distortion` is none, such as the name of one.
    """
    if not isinstance(distortion, Distortion):
        raise TypeError(f"distortion: given {distortion!r}, expected a Distortion, such as DISTORTIONS['R']")
    parameters = to_device(distortion.draw(len(images), rng), device_of(images))
    return distortion.render(images, parameters), parameters
