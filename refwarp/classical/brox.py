r"""The variational flow of Brox, Bruhn, Papenberg and Weickert (ECCV 2004).

The flow w = (u, v) from one frame to another is where the energy

    E(w) = sum over p of m_p psi(sum over c of r_c(p)^2) + alpha sum over p of psi(|grad u|^2 + |grad v|^2)     (brox.1)

is small, with psi(s) = sqrt(s + epsilon^2), which grows like |.|, so that edges and errors cost little;

    r_c(p) = F2_c(p + w_p) - F1_c(p),   F = (I, sqrt(gamma) I_x, sqrt(gamma) I_y)                          (brox.2)

of all channels: brightness and its gradient stay the same. F2 is sampled with the bicubic kernel, and m_p is 1 where
p + w_p lies in the frame, 0 elsewhere. grad is the difference to the next pixel on the right and to the one below.

Outer iteration: the warp is made linear where the flow is. With z = r at w and the slopes (X, Y) of F2 there,

    r_c(w + d) = z_c + X_c d_u + Y_c d_v                                                                       (brox.3)

Inner iteration: psi' is taken from the flow so far, W = w + d. So E is quadratic in W, and smallest where at each pixel

    A W_p + sum over q of k_pq (W_p - W_q) = A w_p - b                                                         (brox.4)
    A = m psi'(|r|^2) sum over c of (X, Y)^T (X, Y),   b = m psi'(|r|^2) sum over c of (X, Y) z                (brox.5)
    k_pq = alpha psi'(|grad u|^2 + |grad v|^2) of the one of p and q that is further left or up                (brox.6)

for the four neighbours q. Successive over-relaxation solves it: for all pixels of one colour of a chess board, whose
neighbours are of the other, so that the bits do not depend on the order or on the number of threads,

    W_p <- W_p + omega ((A + sum k)^-1 (A w - b + sum of k W_q) - W_p)                                         (brox.7)

At d = 0 the left side of (brox.4) minus its right side is half the gradient of E. docs/brox.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from autograd_core import Tensor, grad
from refwarp.arguments import number
from refwarp.backend.jit import items, kernel, scalar
from refwarp.backend.launch import argument, run
from refwarp.classical.checks import check_counts, check_flow, check_weights, frames_of
from refwarp.classical.pyramid import Size, reduced, resized_flow, sizes
from refwarp.grids.flow import flow_grid
from refwarp.samplers.grid_sample import grid_sample

# How far beyond the solution of each pixel's own equations a sweep goes; 2 would not converge.
OMEGA = 1.9


@dataclass(frozen=True)
class BroxSettings:
    """What the energy weighs, and how long it is worked on.

    Attributes
    ----------
    smoothness : float
        alpha, for frames in [0, 1]; the paper's 80 is for frames in [0, 255].
    gradient_constancy : float
        gamma.
    epsilon : float
        Where psi turns from a parabola to a line.
    blur : float
        Standard deviation of the blur of the frames at first, in pixels.
    ratio : float
        Of the sizes of the pyramid, below 1.
    warps, reweightings, sweeps : int
        Outer iterations at each size, inner ones in each, and sweeps over all pixels in each of those.
    """

    smoothness: float = 80 / 255
    gradient_constancy: float = 100.0
    epsilon: float = 1e-3
    blur: float = 0.5
    ratio: float = 0.8
    warps: int = 5
    reweightings: int = 2
    sweeps: int = 15

    def __post_init__(self) -> None:
        check_weights(self, ("smoothness", "gradient_constancy", "blur"))
        check_counts(self, ("warps", "reweightings", "sweeps"), 1)
        number("epsilon", self.epsilon, "a finite number > 0", lambda value: 0 < value < math.inf)
        number("ratio", self.ratio, "a number between 0 and 1", lambda value: 0 < value < 1)


# The shorter side of the smallest frames of the pyramid.
SMALLEST = 16


class Linear(NamedTuple):
    """The warp made linear, of all features: z, X and Y (K, H, W), and m (H, W)."""

    z: Any
    x: Any
    y: Any
    inside: Any


class System(NamedTuple):
    """(brox.4) at each pixel, each (H, W): A, A w - b, k to the right and down, and the inverse of A + sum of k."""

    a11: Any
    a12: Any
    a22: Any
    c1: Any
    c2: Any
    k: Any
    i11: Any
    i12: Any
    i22: Any


class Weights(NamedTuple):
    """alpha and epsilon^2."""

    alpha: float
    epsilon2: float


@scalar
def slope_of_psi(s: float, epsilon2: float) -> float:
    """Return psi'(s)."""
    return 0.5 / math.sqrt(s + epsilon2)


@kernel
def weigh(start: int, stop: int, total: Any, linear: Linear, flow: Any, weights: Weights, system: System) -> None:
    """Compute A, A w - b (brox.5) and k (brox.6) for the rows start to stop."""
    count, height, width = linear.z.shape
    for i in items(start, stop):
        for j in range(width):
            u, v = flow[0, i, j], flow[1, i, j]
            du, dv = total[0, i, j] - u, total[1, i, j] - v
            s, xx, xy, yy, xz, yz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for c in range(count):
                x, y, z = linear.x[c, i, j], linear.y[c, i, j], linear.z[c, i, j]
                r = z + x * du + y * dv  # (brox.3)
                s += r * r
                xx, xy, yy = xx + x * x, xy + x * y, yy + y * y
                xz, yz = xz + x * z, yz + y * z
            p = linear.inside[i, j] * slope_of_psi(s, weights.epsilon2)
            system.a11[i, j], system.a12[i, j], system.a22[i, j] = p * xx, p * xy, p * yy  # (brox.5)
            system.c1[i, j] = p * (xx * u + xy * v - xz)  # (brox.5)
            system.c2[i, j] = p * (xy * u + yy * v - yz)  # (brox.5)
            s = 0.0
            for r in range(2):
                if j + 1 < width:
                    s += (total[r, i, j + 1] - total[r, i, j]) ** 2
                if i + 1 < height:
                    s += (total[r, i + 1, j] - total[r, i, j]) ** 2
            system.k[i, j] = weights.alpha * slope_of_psi(s, weights.epsilon2)  # (brox.6)


@kernel
def pull(start: int, stop: int, total: Any, matches: Matches, epsilon2: float, system: System) -> None:
    """Add (ldof.2) for the rows start to stop."""
    height, width = system.k.shape
    for i in items(start, stop):
        for j in range(width):
            if matches.weights[i, j] > 0.0:
                u, v = matches.motions[0, i, j], matches.motions[1, i, j]
                s = (total[0, i, j] - u) ** 2 + (total[1, i, j] - v) ** 2
                p = matches.weights[i, j] * slope_of_psi(s, epsilon2)
                system.a11[i, j] += p  # (ldof.2)
                system.a22[i, j] += p  # (ldof.2)
                system.c1[i, j] += p * u  # (ldof.2)
                system.c2[i, j] += p * v  # (ldof.2)


@kernel
def invert(start: int, stop: int, system: System) -> None:
    """Compute the inverse of A + sum of k for the rows start to stop; 0 for a pixel that nothing determines."""
    height, width = system.k.shape
    for i in items(start, stop):
        for j in range(width):
            k = 0.0
            if j + 1 < width:
                k += system.k[i, j]
            if i + 1 < height:
                k += system.k[i, j]
            if j > 0:
                k += system.k[i, j - 1]
            if i > 0:
                k += system.k[i - 1, j]
            a11, a12, a22 = system.a11[i, j] + k, system.a12[i, j], system.a22[i, j] + k
            determinant = a11 * a22 - a12 * a12
            inverse = 1.0 / determinant if determinant > 0.0 else 0.0
            system.i11[i, j], system.i12[i, j], system.i22[i, j] = a22 * inverse, -a12 * inverse, a11 * inverse


@scalar
def neighbours(k: Any, field: Any, r: int, i: int, j: int) -> float:
    """Return the sum of k W_q over the neighbours of a pixel, of one component."""
    height, width = k.shape
    total = 0.0
    if j + 1 < width:
        total += k[i, j] * field[r, i, j + 1]
    if i + 1 < height:
        total += k[i, j] * field[r, i + 1, j]
    if j > 0:
        total += k[i, j - 1] * field[r, i, j - 1]
    if i > 0:
        total += k[i - 1, j] * field[r, i - 1, j]
    return total


@kernel
def relax(start: int, stop: int, system: System, colour: int, total: Any) -> None:
    """Compute (brox.7) for the pixels of one colour in the rows start to stop."""
    width = total.shape[2]
    for i in items(start, stop):
        for j in range((i + colour) % 2, width, 2):
            e1 = system.c1[i, j] + neighbours(system.k, total, 0, i, j)
            e2 = system.c2[i, j] + neighbours(system.k, total, 1, i, j)
            i11, i12, i22 = system.i11[i, j], system.i12[i, j], system.i22[i, j]
            if i11 + i22 > 0.0:
                total[0, i, j] += OMEGA * (i11 * e1 + i12 * e2 - total[0, i, j])  # (brox.7)
                total[1, i, j] += OMEGA * (i12 * e1 + i22 * e2 - total[1, i, j])  # (brox.7)


def brox_flow(first: Any, second: Any, settings: BroxSettings | None = None, initial: Any = None) -> Any:
    """Return the optical flow from a frame to another.

    Parameters
    ----------
    first, second : ndarray, shape (C, H, W)
        The frames, of the same shape; about in [0, 1].
    settings : BroxSettings, optional
        Weights and numbers of iterations.
    initial : ndarray, shape (2, H, W), optional
        A flow to start from, at full size; without it, the smallest frames of a pyramid are aligned first.

    Returns
    -------
    ndarray, shape (2, H, W)
        The motion of each pixel of the first frame, u (to the right) before v (down), in pixels; float64. The second
        frame, sampled at `flow_grid` of it, looks like the first.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are no pixels, or a number is not finite.
    TypeError
        If the frames do not hold real numbers.

    Notes
    -----
    The same bits on any number of threads. (brox.1) to (brox.7); docs/brox.md.
    """
    settings = settings or BroxSettings()
    first, second = frames_of(first, second)
    if initial is not None:
        start = check_flow("initial", initial, first)
        one, other = (reduced(frame, first.shape[1:], settings.blur) for frame in (first, second))
        return descend(start, one, other, settings)
    *_, flow = coarse_to_fine(first, second, settings)
    return flow


def coarse_to_fine(
    first: Any, second: Any, settings: BroxSettings, matches: Callable[[Size], Matches] | None = None
) -> Iterator[Any]:
    """Yield the flow at each size of the pyramid, the smallest first; `matches` says what is known at a size."""
    flow = np.zeros((2, 1, 1))
    for size in sizes(first.shape[1:], settings.ratio, SMALLEST):
        one, other = (reduced(frame, size, settings.blur) for frame in (first, second))
        flow = descend(resized_flow(flow, size), one, other, settings, matches and matches(size))
        yield flow


class Matches(NamedTuple):
    """Motions (2, H, W) that are known beside the frames, and how much each counts (H, W), 0 where there is none."""

    motions: Any
    weights: Any


def descend(flow: Any, first: Any, second: Any, settings: BroxSettings, matches: Matches | None = None) -> Any:
    """Return a flow of less energy, by `settings.warps` outer iterations at one size."""
    one, other = (features(frame, settings.gradient_constancy) for frame in (first, second))
    for _ in range(settings.warps):
        linear = linearised(other, one, flow)
        total = flow.copy()
        for _ in range(settings.reweightings):
            solve(system_at(total, linear, flow, settings, matches), settings.sweeps, total)
        flow = total
    return flow


def features(frame: Any, gamma: float) -> Any:
    """Return F (3 C, H, W) of a frame (brox.2), with the derivative of five points, (1, -8, 0, 8, -1) / 12."""
    height, width = frame.shape[1:]
    wide = np.pad(frame, ((0, 0), (2, 2), (2, 2)), mode="edge")
    along_x = [wide[:, 2:-2, k : k + width] for k in range(5)]
    along_y = [wide[:, k : k + height, 2:-2] for k in range(5)]
    slopes = [(a - e - 8 * (b - d)) / 12 for a, b, _, d, e in (along_x, along_y)]
    return np.concatenate([frame, *(math.sqrt(gamma) * slope for slope in slopes)])  # (brox.2)


def linearised(features: Any, wanted: Any, flow: Any) -> Linear:
    """Return the features at p + w, less those that are wanted, and their slopes (brox.3)."""
    count, (_, height, width) = len(features), flow.shape
    each = Tensor(np.broadcast_to(flow, (count, *flow.shape)), requires_grad=True)
    values = grid_sample(Tensor(features[:, None]), flow_grid(each), mode="bicubic", padding_mode="border")
    (slopes,) = grad(values, each, np.ones(values.shape))
    x, y = flow[0] + np.arange(width), flow[1] + np.arange(height)[:, None]
    inside = (0 <= x) & (x <= width - 1) & (0 <= y) & (y <= height - 1)
    z = values.data[:, 0] - wanted  # (brox.2)
    return Linear(z, slopes.data[:, 0].copy(), slopes.data[:, 1].copy(), inside.astype(float))


def system_at(total: Any, linear: Linear, flow: Any, settings: BroxSettings, matches: Matches | None = None) -> System:
    """Return (brox.4) with psi' of the flow W = `total`, made linear where `flow` is, and (ldof.2) if there are any."""
    size = total.shape[1:]
    system = System(*(np.empty(size) for _ in System._fields))
    weights = Weights(settings.smoothness, settings.epsilon**2)
    given = Linear(*map(argument, linear))
    run(weigh, size[0], linear.z.size, argument(total), given, argument(flow), weights, system)
    if matches is not None:
        run(pull, size[0], total.size, argument(total), Matches(*map(argument, matches)), weights.epsilon2, system)
    run(invert, size[0], total.size, system)
    return system


def solve(system: System, sweeps: int, total: Any) -> None:
    """Relax a flow, in place, towards the solution of (brox.4)."""
    given = System(*map(argument, system))
    for _ in range(sweeps):
        for colour in range(2):
            run(relax, total.shape[1], total.size, given, colour, total)


def brox_energy(flow: Any, first: Any, second: Any, settings: BroxSettings | None = None) -> float:
    """Return the energy of a flow (brox.1), at full size and without blur.

    Parameters
    ----------
    flow : ndarray, shape (2, H, W)
        The motion in pixels.
    first, second, settings
        As in `brox_flow`.

    Raises
    ------
    TypeError, ValueError
        As in `brox_flow`.
    """
    flow, linear, settings = _at(flow, first, second, settings)
    steps = np.zeros(flow.shape[1:])
    for component in flow:
        steps[:, :-1] += np.diff(component, axis=1) ** 2
        steps[:-1] += np.diff(component, axis=0) ** 2
    data = linear.inside * np.sqrt((linear.z**2).sum(axis=0) + settings.epsilon**2)
    smooth = settings.smoothness * np.sqrt(steps + settings.epsilon**2)
    return float(data.sum() + smooth.sum())  # (brox.1)


def brox_gradient(flow: Any, first: Any, second: Any, settings: BroxSettings | None = None) -> Any:
    """Return the gradient of `brox_energy` with respect to the flow, (2, H, W).

    It is taken from the system that `brox_flow` solves: twice what the flow leaves of (brox.4).
    """
    flow, linear, settings = _at(flow, first, second, settings)
    return 2 * residual(system_at(flow, linear, flow, settings), flow)


def _at(flow: Any, first: Any, second: Any, settings: BroxSettings | None) -> tuple[Any, Linear, BroxSettings]:
    """Return a flow that was checked, the warp made linear there, and the settings, or the usual ones."""
    settings = settings or BroxSettings()
    first, second = frames_of(first, second)
    flow = check_flow("flow", flow, first)
    one, other = (features(frame, settings.gradient_constancy) for frame in (first, second))
    return flow, linearised(other, one, flow), settings


def residual(system: System, total: Any) -> Any:
    """Return the left side of (brox.4) minus its right side, (2, H, W)."""
    u, v = total
    left = np.stack([system.a11 * u + system.a12 * v - system.c1, system.a12 * u + system.a22 * v - system.c2])
    for axis in (1, 2):
        ahead = (slice(None), *(slice(0, -1) if axis == k else slice(None) for k in (1, 2)))
        behind = (slice(None), *(slice(1, None) if axis == k else slice(None) for k in (1, 2)))
        flux = system.k[ahead[1:]] * (total[ahead] - total[behind])
        left[ahead] += flux  # (brox.4)
        left[behind] -= flux  # (brox.4)
    return left
