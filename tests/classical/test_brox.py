"""The variational flow: its gradient, its linear system, and what it finds."""

import numpy as np
import pytest

from refwarp.classical import BroxSettings, brox_energy, brox_flow, brox_gradient
from refwarp.classical.brox import Linear, features, linearised, residual, solve, system_at
from tests.classical.frames import moved, rng, texture


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


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        (np.zeros((2, 5, 4)), r"initial: given shape \(2, 5, 4\), expected \(2, 4, 5\)"),
        (np.full((2, 4, 5), np.inf), "initial: given a motion that is not finite"),
    ],
)
def test_a_start_that_is_no_flow_is_refused(initial, message):
    with pytest.raises(ValueError, match=message):
        brox_flow(np.zeros((1, 4, 5)), np.zeros((1, 4, 5)), initial=initial)
