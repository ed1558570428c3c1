"""Chunks of samples, placed at once in the dtype of the data, against one sample after the other in float64."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.backend import launch
from refwarp.samplers.bicubic import function as bicubic
from refwarp.samplers.bilinear import cpu as bilinear_cpu
from refwarp.samplers.bilinear import function as bilinear
from refwarp.samplers.nearest import function as nearest
from tests.threads import on_threads

PADDINGS = ["zeros", "border", "reflection"]


def coordinates(rng, size, dtype, count, off_lattice):
    """Draw coordinates inside, around and far from the map, on the lattice at ties, next to them; some not finite."""
    halves = (rng.integers(-3 * size, 5 * size, count) - (size - 1)) / size
    choices = [
        rng.uniform(-1.1, 1.1, count),
        rng.uniform(-7, 7, count),
        halves,
        np.nextafter(halves.astype(dtype), dtype(9)),
        np.nextafter(halves.astype(dtype), dtype(-9)),
        rng.choice([2.0, -2.0, 6.0], count) + rng.choice([-1, 1], count) * 2.0**-51,
        rng.choice([1e-30, -1e30, np.inf, -np.inf, np.nan, 0.0], count),
    ]
    if off_lattice:
        choices = choices[:2]
    return np.choose(rng.integers(0, len(choices), count), choices).astype(dtype)


def results(mode, input, grid, gout, **options):
    """Return value and gradients."""
    tensors = [Tensor(array, requires_grad=True) for array in (input, grid)]
    out = refwarp.grid_sample(*tensors, mode=mode, **options)
    return [result.data for result in (out, *grad(out, tensors, gout))]


def draw(dtype, size, infinite):
    """Return map, grid and cotangents of 2 x 3 planes and of 17 x 19 samples: six chunks, the last ones short.

    On the lattice a window holds pixels of weight 0, at one end or, in a mirror, at the other; infinite ones show.
    """
    rng = np.random.default_rng([*size, infinite])
    input, gout = (rng.standard_normal((2, 3, *shape)).astype(dtype) for shape in (size, (17, 19)))
    axes = [coordinates(rng, length, dtype, 2 * 17 * 19, infinite).reshape(2, 17, 19) for length in size]
    if infinite:
        input[0, 1, 2, 3], input[1, 2, 0, 0], input[1, 0, -1, -1] = np.inf, np.nan, -np.inf
        gout[0, 0, 5, 5], gout[1, 1, 3, 7] = -np.inf, np.nan
    return input, np.stack([axes[1], axes[0]], axis=-1), gout


@pytest.mark.parametrize("infinite", [False, True], ids=["finite", "infinite"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", [(4, 4), (5, 8)])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_chunks_do_what_single_samples_do(monkeypatch, mode, size, padding, dtype, infinite):
    """What is not finite spreads to the same elements; the rest differs by the roundings of the budget."""
    for align_corners in (False, True):
        case = draw(dtype, size, infinite)
        options = {"padding_mode": padding, "align_corners": align_corners}
        found = results(mode, *case, **options)
        with monkeypatch.context() as patch:
            patch.setattr(bilinear, "takes_chunks", lambda *size: False)
            patch.setattr(nearest, "is_exact", lambda *size: False)
            patch.setattr(bicubic, "holds_windows", lambda *size: False)
            expected = results(mode, *case, **options)
        for a, b in zip(found, expected, strict=True):
            assert np.array_equal(np.isfinite(a), np.isfinite(b))
            finite = np.isfinite(b)
            # 12 + log2(16 terms) and one more for each doubling of samples, times M, at most ten times the largest.
            eps = np.finfo(dtype).eps
            scale = 24 * eps * 10 * np.abs(b[finite]).max()
            copied = mode == "nearest" and a is found[0]
            np.testing.assert_allclose(a[finite], b[finite], rtol=0, atol=0 if copied else scale)


@pytest.mark.parametrize("infinite", [False, True], ids=["finite", "infinite"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [2, 3, 4, 5, 9])
def test_planes_in_vectors_have_the_bits_of_planes_alone(monkeypatch, channels, dtype, infinite):
    """In several blocks of samples, the last one short; some take the slow path, some cotangents are not finite."""
    monkeypatch.setattr(launch, "_SMALL", 0)
    rng = np.random.default_rng(channels)
    grid = np.stack([coordinates(rng, size, dtype, 2 * 70 * 61, False).reshape(2, 70, 61) for size in (9, 7)], axis=-1)
    grid[0, 60, :9] = np.array(1e-40 if dtype == np.float32 else 1e-310, dtype)
    assert bilinear_cpu.BLOCK < 70 * 61
    input, gout = (rng.standard_normal((2, channels, *size)).astype(dtype) for size in ((7, 9), (70, 61)))
    if infinite:
        gout[0, 0, 5, 5], gout[1, 1, 65, 7] = -np.inf, np.nan
    ways = []
    for in_vectors in (False, True):
        monkeypatch.setattr(bilinear_cpu, "takes_vectors", lambda *map, choice=in_vectors: choice)
        ways += on_threads((1, 2, 3), lambda: results("bilinear", input, grid, gout)[1])
    for found in ways:
        np.testing.assert_array_equal(found, ways[0])


def test_vectors_leave_threads_enough_to_do(monkeypatch):
    for threads, map, expected in (
        (1, (1, 2, 256, 256), True),
        (2, (1, 2, 256, 256), True),  # one thread, twice as fast as each of two
        (4, (1, 4, 256, 256), False),
        (4, (1, 8, 256, 256), True),
        (16, (32, 1, 40, 40), False),
        (2, (1, 3, 1024, 1024), False),
    ):
        monkeypatch.setattr(bilinear_cpu, "get_num_threads", lambda threads=threads: threads)
        assert bilinear_cpu.takes_vectors(*map, np.dtype(np.float32)) == expected, (threads, map)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_the_bits_do_not_depend_on_how_many_planes_a_thread_sums(monkeypatch, mode):
    case = draw(np.float64, (5, 8), False)
    expected = results(mode, *case)
    monkeypatch.setattr(launch, "_SMALL", 0)
    for found in on_threads((1, 2, 5), lambda: results(mode, *case)):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_halving_a_map_reads_ties_alone():
    """x = 2 j + 1/2: every sample lies halfway between two pixels, and takes the even one."""
    map = np.arange(256, dtype=np.float32).reshape(1, 1, 16, 16)
    theta = np.array([[[1, 0, 0], [0, 1, 0]]], np.float32)
    halved = refwarp.grid_sample(map, refwarp.affine_grid(theta, (1, 1, 8, 8)), mode="nearest")
    np.testing.assert_array_equal(halved, map[:, :, ::2, ::2])
