"""Distorted pictures: a small picture laid onto a larger empty canvas, rotated, shifted and scaled at random.

A distortion draws its parameters from a Generator that it is given, and turns them into a sampling grid; refwarp's
own sampler renders it. The grid leads from the canvas to the picture, as everywhere: to rotate what is seen to the
left, the grid turns to the right. For a picture turned by the angle a (counterclockwise as seen, so with y down),
of side d on a canvas of side w, and centred at t in the canvas's normalised coordinates, that is

    theta = [A | -A t],   A = (w / d) [[cos a, -sin a], [sin a, cos a]]                       (distortion.1)

R is rotation alone, RTS rotation, translation and scale (STN, Sect. 4.1), with the angles and scales of STN's
supplement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from autograd_core import to_device
from autograd_core.arrays import device_of
from refwarp.grids.affine import affine_grid
from refwarp.samplers.grid_sample import grid_sample

Array = np.ndarray[Any, Any]


@runtime_checkable
class Distortion(Protocol):
    """What a distortion is: random parameters, and the sampling grid that they stand for."""

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return the parameters of `count` distortions, the first axis of length `count`."""
        ...

    def grid(self, parameters: Array) -> Array:
        """Return the sampling grid (N, H, W, 2) of the canvas, leading to the undistorted picture."""
        ...


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
class AffineDistortion:
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
        if not isinstance(self.canvas, int | np.integer) or self.canvas < 1:
            raise ValueError(f"canvas: given {self.canvas!r}, expected a positive integer")
        if not self.side > 0:
            raise ValueError(f"side: given {self.side!r}, expected a positive number")
        if not min(self.scale) > 0:
            raise ValueError(f"scale: given {self.scale!r}, expected two positive numbers")

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


DISTORTIONS: dict[str, Distortion] = {
    "R": AffineDistortion(),
    "RTS": AffineDistortion(side=20.0, angle=(-45.0, 45.0), scale=(0.7, 1.2), translation=1.0),
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
        What was drawn; affine distortions give theta (N, 2, 3), from the canvas to the picture.

    Raises
    ------
    TypeError
        If `distortion` is none, such as the name of one.
    """
    if not isinstance(distortion, Distortion):
        raise TypeError(f"distortion: given {distortion!r}, expected a Distortion, such as DISTORTIONS['R']")
    parameters = to_device(distortion.draw(len(images), rng), device_of(images))
    canvases: Array = grid_sample(images, distortion.grid(parameters))
    return canvases, parameters
