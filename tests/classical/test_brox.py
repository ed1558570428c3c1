"""The variational flow: its gradient, its linear system, what it finds, and what it refuses."""

import numpy as np
import pytest

from refwarp.classical import BroxSettings, brox_energy, brox_flow, brox_gradient
from refwarp.classical.brox import Linear, features, linearised, residual, solve, system_at
from refwarp.grids.flow import flow_grid
from refwarp.samplers.grid_sample import grid_sample
from tests.threads import threads


def rng(seed=0):
    return np.random.default_rng(seed)


def texture(channels, height, width, seed=0):
    """Return a smooth random picture about in [0, 1]."""
    y, x = np.mgrid[:height, :width]
    waves = rng(seed).normal(size=(channels, 12, 4)) * [0.3, 0.3, 2.0, 0.07]
    terms = np.sin(waves[..., 0, None, None] * x + waves[..., 1, None, None] * y + waves[..., 2, None, None])
    return 0.5 + (waves[..., 3, None, None] * terms).sum(axis=1)


def moved(picture, flow):
    """Return the frame before a flow leads to `picture`."""
    return grid_sample(picture[None], flow_grid(flow[None]), mode="bicubic", padding_mode="border")[0]


def test_the_gradient_is_that_of_the_energy():
    first, second = texture(2, 5, 6), texture(2, 5, 6, seed=1)
    # Some pixels leave the frame; none is within a thousandth of its edge, where the energy jumps.
    flow = rng(2).normal(size=(2, 5, 6)).round(2) + 0.003
    settings = BroxSettings(smoothness=0.2, gradient_constancy=3.0, epsilon=0.1)
    gradient = brox_gradient(flow, first, second, settings)
    for index in np.ndindex(flow.shape):
        step = np.zeros(flow.shape)
        step[index] = 1e-4
        ahead, behind = (brox_energy(flow + sign * step, first, second, settings) for sign in (1, -1))
        # The third derivative is of order 10, and 1e-8 / 6 times that is less than the tolerance.
        assert (ahead - behind) / 2e-4 == pytest.approx(gradient[index], rel=1e-6, abs=1e-6)


def dense(system):
    """Return (brox.4) as a matrix of all unknowns and a right side, one equation at a time."""
    height, width = system.k.shape
    numbers = np.arange(2 * height * width).reshape(2, height, width)
    matrix, right = np.zeros((numbers.size, numbers.size)), np.zeros(numbers.size)
    for i, j in np.ndindex(height, width):
        a = np.array([[system.a11[i, j], system.a12[i, j]], [system.a12[i, j], system.a22[i, j]]])
        for r in range(2):
            row = numbers[r, i, j]
            matrix[row, numbers[:, i, j]] += a[r]
            right[row] = (system.c1, system.c2)[r][i, j]
            for p, q in ((i, j + 1), (i + 1, j), (i, j - 1), (i - 1, j)):
                if 0 <= p < height and 0 <= q < width:
                    k = system.k[min(i, p), min(j, q)]
                    matrix[row, row] += k
                    matrix[row, numbers[r, p, q]] -= k
    return matrix, right


def small_system(seed=3):
    first, second = texture(1, 6, 5, seed), texture(1, 6, 5, seed + 1)
    settings = BroxSettings(epsilon=0.1)
    flow = rng(seed).normal(size=(2, 6, 5))
    linear = linearised(features(second, 100.0), features(first, 100.0), flow)
    total = flow + 0.1 * rng(seed + 1).normal(size=flow.shape)
    return system_at(total, linear, flow, settings), total


def test_relaxation_ends_at_the_solution_of_the_dense_system():
    system, total = small_system()
    matrix, right = dense(system)
    np.testing.assert_allclose(residual(system, total).ravel(), matrix @ total.ravel() - right, rtol=0, atol=1e-12)
    solve(system, 600, total)
    np.testing.assert_allclose(total.ravel(), np.linalg.solve(matrix, right), rtol=1e-10, atol=1e-10)


def test_one_sweep_is_that_of_the_dense_system_in_the_order_of_a_chess_board():
    system, total = small_system()
    matrix, right = dense(system)
    expected = total.copy().ravel()
    numbers = np.arange(total.size).reshape(total.shape)
    for colour in range(2):
        for i, j in np.ndindex(total.shape[1:]):
            if (i + j) % 2 == colour:
                own = numbers[:, i, j]
                rest = right[own] - matrix[own] @ expected + matrix[np.ix_(own, own)] @ expected[own]
                expected[own] += 1.9 * (np.linalg.solve(matrix[np.ix_(own, own)], rest) - expected[own])
    solve(system, 1, total)
    np.testing.assert_allclose(total.ravel(), expected, rtol=1e-12, atol=1e-12)


def test_the_system_is_linear_in_the_warp_made_linear():
    """At a flow whose warp is linear (a ramp), the residual after the increments are known is that of (brox.5)."""
    z, x, y = rng(5).normal(size=(3, 4, 3, 3))
    linear = Linear(z, x, y, np.ones((3, 3)))
    flow, total = rng(6).normal(size=(2, 2, 3, 3))
    settings = BroxSettings(smoothness=0.0, epsilon=0.5)
    r = z + x * (total - flow)[0] + y * (total - flow)[1]
    slope = 0.5 / np.sqrt((r**2).sum(axis=0) + 0.25)
    expected = np.stack([(slope * r * x).sum(axis=0), (slope * r * y).sum(axis=0)])
    found = residual(system_at(total, linear, flow, settings), total)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_it_finds_a_smooth_flow(channels):
    picture = texture(channels, 60, 80, seed=7)
    y, x = np.mgrid[:60, :80]
    flow = np.stack([4 + 1.5 * np.sin(x / 20), -3 + np.cos(y / 15)])
    found = brox_flow(moved(picture, flow), picture)
    inside = (slice(None), slice(8, -8), slice(8, -8))
    errors = np.hypot(*(found - flow)[inside])
    # A tenth of a pixel of a motion of five: the energy prefers flows of less variation than this one.
    assert errors.mean() < 0.1 and np.hypot(*flow[inside]).mean() > 4


def test_each_outer_iteration_lowers_the_energy():
    picture = texture(1, 40, 50, seed=8)
    first, settings = moved(picture, np.full((2, 40, 50), 0.7)), BroxSettings(blur=0.0, warps=1)
    flow, energies = np.zeros((2, 40, 50)), []
    for _ in range(4):
        energies.append(brox_energy(flow, first, picture, settings))
        flow = brox_flow(first, picture, settings, initial=flow)
    assert energies == sorted(energies, reverse=True) and energies[-1] < energies[0] / 2


def test_the_bits_do_not_depend_on_threads():
    first, second = texture(1, 120, 130), texture(1, 120, 130, seed=1)
    found = set()
    for count in (1, 2, 3):
        with threads(count):
            found.add(brox_flow(first, second, BroxSettings(ratio=0.5, warps=2, sweeps=4)).tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 40)])
def test_frames_of_few_pixels_have_a_flow(size):
    first, second = rng().random((1, *size)), rng(1).random((1, *size))
    flow = brox_flow(first, second)
    assert flow.shape == (2, *size) and np.isfinite(flow).all()


def test_constant_frames_do_not_move():
    flow = brox_flow(np.zeros((3, 20, 30)), np.ones((3, 20, 30)))
    assert abs(flow).max() < 1e-12  # nothing but roundings of the blur and the warp


GOOD = np.zeros((1, 4, 5))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((GOOD, np.zeros((1, 5, 4))), ValueError, r"second: given shape \(1, 5, 4\), expected that of first"),
        ((GOOD[0], GOOD[0]), ValueError, r"first: given shape \(4, 5\), expected \(C, H, W\)"),
        ((GOOD, GOOD[:, :0]), ValueError, r"second: given shape \(1, 0, 5\), expected"),
        ((GOOD, GOOD + np.nan), ValueError, "second: given a number that is not finite"),
        ((GOOD + 1j, GOOD), TypeError, "first: given dtype complex128, expected real numbers"),
        ((GOOD, GOOD, None, np.zeros((2, 5, 4))), ValueError, r"initial: given shape \(2, 5, 4\)"),
        ((GOOD, GOOD, None, np.full((2, 4, 5), np.inf)), ValueError, "initial: given a motion that is not finite"),
    ],
)
def test_what_has_no_flow_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        brox_flow(*arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [("smoothness", -1.0), ("epsilon", 0.0), ("ratio", 1.0), ("warps", 0), ("sweeps", 2.5), ("blur", np.nan)],
)
def test_settings_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}: given "):
        BroxSettings(**{name: value})
