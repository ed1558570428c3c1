"""The thin plate spline: shapes, dtypes, degenerate cases, refusals, and what is kept between calls."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.grids.thin_plate_spline import function as thin_plate_spline
from refwarp.grids.thin_plate_spline import system as spline_system
from tests.grids.thin_plate_spline.cases import almost_on_a_line, irregular, regular, with_a_close_pair
from tests.threads import on_threads


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("given", [False, True])
def test_dtype_and_kind_in_are_dtype_and_kind_out(dtype, given):
    rng = np.random.default_rng(1)
    control = regular(3).astype(dtype)
    points = (control + 0.1 * rng.standard_normal((2, 9, 2))).astype(dtype)
    grid = refwarp.tps_grid(points, (2, 1, 4, 5), control if given else None)
    assert type(grid) is np.ndarray and grid.dtype == dtype and grid.shape == (2, 4, 5, 2)
    tensors = Tensor(points, True), Tensor(control, True)
    out = refwarp.tps_grid(tensors[0], (2, 1, 4, 5), tensors[1] if given else None)
    assert np.array_equal(out.data, grid)
    gradients = grad(out, tensors[: 1 + given], rng.standard_normal(grid.shape).astype(dtype))
    assert [g.dtype for g in gradients] == [dtype] * (1 + given)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_floats_are_computed_in_double_and_rounded_once(dtype):
    rng = np.random.default_rng(2)
    points = rng.standard_normal((1, 16, 2)).astype(dtype)
    ggrid = rng.standard_normal((1, 5, 7, 2)).astype(dtype)
    narrow, wide = Tensor(points, True), Tensor(points.astype(np.float64), True)
    results = [refwarp.tps_grid(tensor, (1, 1, 5, 7)) for tensor in (narrow, wide)]
    assert np.array_equal(results[0].data, results[1].data.astype(dtype))
    gradients = [grad(results[0], narrow, ggrid)[0], grad(results[1], wide, ggrid.astype(np.float64))[0]]
    assert np.array_equal(gradients[0].data, gradients[1].data.astype(dtype))


def test_control_points_of_each_image_are_those_of_all():
    """The same points, once for all images and once for each, and the sum of their gradients."""
    rng = np.random.default_rng(3)
    points, control = Tensor(rng.standard_normal((3, 10, 2)), True), irregular()
    shared, each = Tensor(control, True), Tensor(np.array([control] * 3), True)
    ggrid = rng.standard_normal((3, 4, 5, 2))
    grids = [refwarp.tps_grid(points, (3, 1, 4, 5), c) for c in (shared, each)]
    assert np.array_equal(grids[0].data, grids[1].data)
    (gpoints, gshared), (gpoints_each, geach) = (
        grad(grid, (points, c), ggrid) for grid, c in zip(grids, (shared, each), strict=True)
    )
    assert np.array_equal(gpoints.data, gpoints_each.data)
    # Sums of three in another order, each of some hundred terms.
    assert abs(gshared.data - geach.data.sum(axis=0)).max() < 1e-13 * abs(geach.data).max()
    one = refwarp.tps_grid(points.data[1:2], (1, 1, 4, 5), control)
    assert np.array_equal(grids[0].data[1:2], one)


def test_the_default_control_points_are_a_regular_grid():
    points = np.random.default_rng(4).standard_normal((1, 16, 2))
    expected = refwarp.tps_grid(points, (1, 1, 5, 6), regular(4))
    assert np.allclose(refwarp.tps_grid(points, (1, 1, 5, 6)), expected, rtol=0, atol=1e-14)  # linspace rounds
    x_first = refwarp.tps_grid(regular(4)[None] * [1, 0], (1, 1, 5, 6))
    assert abs(np.diff(x_first[0, ..., 0], axis=0)).max() < 1e-14 < abs(np.diff(x_first[0, ..., 0], axis=1)).min()


def test_the_spline_is_a_linear_basis_grid():
    points = np.random.default_rng(5).standard_normal((2, 10, 2))
    basis = refwarp.thin_plate_spline_basis(irregular(), (1, 1, 4, 5), smoothing=0.1)
    grid = refwarp.linear_basis_grid(points.swapaxes(1, 2), basis)
    # The same sums in another order: f b = (f z) q. A product rounds a term four times, so that each is within 8 u.
    z, q = thin_plate_spline._factors_of(irregular()[None], 0.1, thin_plate_spline.Lattice(4, 5, False))
    terms = abs(points).swapaxes(1, 2) @ abs(z[0]).T @ abs(q[0])
    spline = refwarp.tps_grid(points, (2, 1, 4, 5), irregular(), smoothing=0.1)
    difference = abs(grid - spline).transpose(0, 3, 1, 2).reshape(2, 2, 20)
    assert (difference <= 16 * 2.0**-53 * terms).all()
    # The functions sum to 1 at each pixel, each to a few roundings of its size.
    assert abs(basis.sum(axis=0) - 1).max() < 1e-14 * abs(basis).sum(axis=0).max()


def test_not_a_number_stays_in_its_coordinate():
    points = np.random.default_rng(6).standard_normal((2, 9, 2))
    expected = refwarp.tps_grid(points, (2, 1, 3, 4))
    points[1, 4, 0] = np.nan
    grid = refwarp.tps_grid(points, (2, 1, 3, 4))
    assert np.isnan(grid[1, ..., 0]).all()
    assert np.array_equal(grid[0], expected[0]) and np.array_equal(grid[1, ..., 1], expected[1, ..., 1])


def test_empty_batches_outputs_and_single_pixels():
    control = Tensor(irregular(), True)
    for batch, height, width in ((0, 3, 3), (1, 0, 3), (1, 3, 0)):
        points = Tensor(np.ones((batch, 10, 2)), True)
        for centres in (control, Tensor(np.array([irregular()] * batch).reshape(batch, 10, 2), True)):
            grid = refwarp.tps_grid(points, (batch, 1, height, width), centres)
            assert grid.shape == (batch, height, width, 2)
            for g in grad(grid, (points, centres), np.ones(grid.shape)):
                assert not g.data.any()
        assert refwarp.thin_plate_spline_basis(irregular(), (1, 1, height, width)).shape == (10, height, width)
    # One pixel lies at (0, 0), the middle control point.
    assert np.allclose(refwarp.tps_grid(regular(3)[None] + 2, (1, 1, 1, 1)), 2, rtol=0, atol=1e-15)


def test_layout_and_flags_of_the_arrays_do_not_matter():
    points, control = np.random.default_rng(7).standard_normal((2, 10, 2)), irregular()
    copies = points.copy(), control.copy()
    expected = refwarp.tps_grid(points, (2, 1, 3, 4), control)
    points.flags.writeable = control.flags.writeable = False
    strided = np.repeat(control, 2, axis=0)[::2]
    assert np.array_equal(refwarp.tps_grid(np.asfortranarray(points), (2, 1, 3, 4), strided), expected)
    assert np.array_equal(points, copies[0]) and np.array_equal(control, copies[1])


def test_what_is_kept_is_keyed_by_content_read_only_and_bounded():
    spline_system.spline_system.cache_clear()
    thin_plate_spline._factors.cache_clear()
    control = irregular(5)
    points = np.random.default_rng(8).standard_normal((1, 5, 2))
    before = refwarp.tps_grid(points, (1, 1, 3, 4), control)
    refwarp.tps_grid(2 * points, (1, 1, 3, 4), control.copy())
    refwarp.tps_grid(points, (1, 1, 9, 4), control)  # other pixels, the same factorisation
    assert spline_system.spline_system.cache_info().misses == 1
    assert thin_plate_spline._factors.cache_info().misses == 2
    # The caller's array may change, what was kept for its old content does not.
    control[0] += 0.25
    after = refwarp.tps_grid(points, (1, 1, 3, 4), control)
    assert spline_system.spline_system.cache_info().misses == 2 and not np.array_equal(before, after)
    control[0] -= 0.25
    assert np.array_equal(refwarp.tps_grid(points, (1, 1, 3, 4), control), before)
    refwarp.thin_plate_spline_basis(control, (1, 1, 3, 4))[...] = 0.0
    assert np.array_equal(refwarp.tps_grid(points, (1, 1, 3, 4), control), before)
    kept = spline_system.spline_system(control.tobytes(), 0.0)
    assert not any(array.flags.writeable for array in (kept.scale, kept.high, kept.low, *kept.factors))
    for seed in range(70):
        refwarp.tps_grid(points, (1, 1, 3, 4), irregular(5, seed))
    assert spline_system.spline_system.cache_info().currsize == 64
    assert thin_plate_spline._factors.cache_info().currsize == 4


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_bits_do_not_depend_on_the_number_of_threads(threads):
    rng = np.random.default_rng(9)
    points, control = Tensor(rng.standard_normal((2, 10, 2)), True), Tensor(irregular(), True)
    ggrid = rng.standard_normal((2, 40, 41, 2))

    def everything():
        thin_plate_spline._factors.cache_clear()
        grid = refwarp.tps_grid(points, (2, 1, 40, 41), control)
        first = grad(grid, (points, control), ggrid, create_graph=True)
        return [result.data.tobytes() for result in (grid, *first, *grad(first[1].sum(), (points, control)))]

    found, expected = on_threads((threads, 3), everything)
    assert found == expected


@pytest.mark.parametrize(
    "control",
    [
        np.array([[0.0, 0.0], [0.5, 1.0], [1.0, 0.0], [0.5, 1.0]]),
        np.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]),
        irregular() * [1, 0],
        almost_on_a_line(0),
        almost_on_a_line(1e-9),
        with_a_close_pair(5e-7),
        0.3 + 5e-7 * irregular(),
        irregular() + 1e6,
    ],
)
def test_singular_and_nearly_singular_control_points_are_refused(control):
    words = r"control: given points whose spline has the condition number (\d\.\de\+\d\d|inf), expected at most 1e\+12"
    points = Tensor(np.ones((1, len(control), 2)), True)
    for _ in range(2):  # the refusal is not forgotten
        with pytest.raises(ValueError, match=words):
            refwarp.tps_grid(points, (1, 1, 2, 2), control)


def test_a_smoothing_weight_forgives_coincident_control_points():
    """Their mean counts: with equal weights the spline goes to the same place as with one point."""
    control = np.array([[-1.0, -1.0], [1.0, -1.0], [0.0, 1.0], [0.0, 1.0]])
    points = np.array([[[-1.0, -1.0], [1.0, -1.0], [0.5, 1.0], [-0.5, 1.0]]])
    grid = refwarp.tps_grid(points, (1, 1, 3, 3), control, smoothing=0.5)
    assert abs(grid - refwarp.affine_basis((1, 1, 3, 3))[:2].transpose(1, 2, 0)).max() < 1e-15


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"points": np.ones((4, 2))}, ValueError, r"points: given shape \(4, 2\), expected \(N, K, 2\)"),
        ({"points": np.ones((1, 5, 2)), "control": None}, ValueError, "given K = 5 points .* expected a square number"),
        ({"points": np.ones((1, 1, 2)), "control": None}, ValueError, "given K = 1 points .* expected a square number"),
        ({"points": np.ones((1, 5, 2))}, ValueError, r"given shape \(4, 2\), expected \(5, 2\) or \(1, 5, 2\)"),
        ({"control": np.ones((2, 4, 2))}, ValueError, r"control: given shape \(2, 4, 2\), expected \(4, 2\) or"),
        ({"control": np.ones((4, 3))}, ValueError, r"given shape \(4, 3\), expected \(K, 2\) or \(N, K, 2\)"),
        ({"control": np.ones((2, 2))}, ValueError, "control: given K = 2 points, expected at least 3"),
        ({"control": np.full((4, 2), np.nan)}, ValueError, "control: given points that are not finite"),
        ({"points": np.ones((1, 2116, 2)), "control": None}, ValueError, "points: given K = 2116 .* at most 2,048"),
        ({"control": np.ones((2049, 2))}, ValueError, "control: given K = 2049 points, expected at .* at most 2,048"),
        ({"control": regular(2).astype(np.float32)}, TypeError, "control: given dtype float32 while points is float64"),
        ({"control": [[0.0, 0.0]]}, TypeError, "control: given list, expected a NumPy array or a Tensor"),
        ({"size": (2, 1, 3, 3)}, ValueError, "size: given N = 2 while points has N = 1"),
        ({"size": (1, 3, 3)}, ValueError, r"size: given \(1, 3, 3\), expected four non-negative integers"),
        ({"align_corners": 1}, ValueError, "align_corners: given 1, expected one of False, True"),
        ({"smoothing": -1.0}, ValueError, "smoothing: given -1.0, expected a finite number >= 0"),
        ({"smoothing": np.nan}, ValueError, "smoothing: given nan, expected a finite number >= 0"),
        ({"smoothing": "no"}, ValueError, "smoothing: given 'no', expected a finite number >= 0"),
    ],
)
def test_wrong_arguments_are_named(change, error, words):
    arguments = {"points": np.ones((1, 4, 2)), "size": (1, 1, 3, 3), "control": regular(2)}
    with pytest.raises(error, match=words):
        refwarp.tps_grid(**{**arguments, **change})


def test_wrong_arguments_of_the_basis_are_named():
    with pytest.raises(TypeError, match="control: given Tensor, expected a NumPy array"):
        refwarp.thin_plate_spline_basis(Tensor(regular(2)), (1, 1, 2, 2))
    with pytest.raises(ValueError, match=r"control: given shape \(1, 4, 2\), expected \(K, 2\)"):
        refwarp.thin_plate_spline_basis(regular(2)[None], (1, 1, 2, 2))


@pytest.mark.parametrize("columns", [1, 4, 7])
def test_the_pieces_of_a_solution_do_not_change_it(columns, monkeypatch):
    control, right = irregular(20), np.random.default_rng(8).standard_normal((23, 9))
    system = spline_system.spline_system(control.tobytes(), 0.0)
    expected = system.solve(right)
    monkeypatch.setattr(spline_system, "_COLUMNS", columns)
    assert np.array_equal(system.solve(right), expected)


def test_a_long_solution_can_be_interrupted(monkeypatch):
    """A signal is heard after any piece of the residual, and what was not finished is not kept."""
    control = irregular(21)
    calls, run_on_cpu = [], spline_system.run_on_cpu

    def interrupted(kernel, *arguments):
        run_on_cpu(kernel, *arguments)
        calls.append(kernel)
        if kernel is spline_system._subtract_product:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(spline_system, "_COLUMNS", 4)
    monkeypatch.setattr(spline_system, "run_on_cpu", interrupted)
    with pytest.raises(KeyboardInterrupt):
        refwarp.thin_plate_spline_basis(control, (1, 1, 2, 2))
    assert calls.count(spline_system._subtract_product) == 1
    monkeypatch.undo()
    basis = refwarp.thin_plate_spline_basis(control, (1, 1, 2, 2))
    assert np.allclose(basis.sum(0), 1.0, rtol=0, atol=1e-9)


def test_no_step_is_taken_that_gains_nothing(monkeypatch):
    """Of equations near the largest condition number the residual's own roundings keep corrections above 2^-80."""
    control, run_on_cpu, corrections = with_a_close_pair(1e-6), spline_system.run_on_cpu, []

    def counted(kernel, *arguments):
        if kernel is spline_system._correct:
            corrections.append(kernel)
        run_on_cpu(kernel, *arguments)

    system = spline_system.spline_system(control.tobytes(), 0.0)
    monkeypatch.setattr(spline_system, "run_on_cpu", counted)
    system.solve(np.eye(len(control) + 3))
    assert 2 < len(corrections) < spline_system._STEPS


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal")
@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_that_many_points_take_a_while(terminal):
    """And nothing else is written to: what a program prints stays its own."""
    code = (
        "import numpy as np; from refwarp.grids.thin_plate_spline import function as t; t._MANY = 9; "
        "p = np.stack(np.meshgrid(*[np.linspace(-1, 1, 3)] * 2), -1).reshape(1, 9, 2); t.tps_grid(p, (1, 1, 2, 2))"
    )
    import pty

    main, other = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    stderr = other if terminal else subprocess.PIPE
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=stderr, env=environment)
    os.close(other)
    shown = os.read(main, 10_000).decode() if terminal else done.stderr.decode()
    os.close(main)
    assert (done.returncode, done.stdout) == (0, b"")
    assert ("Solving a thin plate spline of 9 control points" in shown) == terminal
