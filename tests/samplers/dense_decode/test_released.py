"""The decoder as its authors released it, today and first: what it computes instead of DTN's Eq. (7)."""

import numpy as np
import pytest

from autograd_core import Tensor, grad
from refwarp import dense_decode
from refwarp.exact.arithmetic.numbers import fractions
from refwarp.exact.dense_decode import released as exact

VARIANTS = ("released", "first_release")

# Some 30 roundings of numbers near 1, of sums that are divided by 1e-5, at least.
CLOSE = {"rtol": 1e-12, "atol": 30 * 1e5 * 2.0**-52}


def gradients(variant, values, grid, gout, previous=None, cotangents=None):
    """Return the map, the gradients of values, grid and previous map, and those of theirs for their cotangents."""
    live = [a for a in (values, grid, previous) if a is not None]
    tensors = [Tensor(a, requires_grad=True) for a in live]
    fill, behind = ("zeros", None) if previous is None else ("previous", tensors[2])
    out = dense_decode(*tensors[:2], gout.shape, fill=fill, previous=behind, variant=variant)
    cotangent = Tensor(gout, requires_grad=True)
    first = grad(out, tensors, cotangent, create_graph=cotangents is not None)
    second = () if cotangents is None else grad(first, [cotangent, *tensors[:2]], [Tensor(c) for c in cotangents])
    return [tensor.data for tensor in (out, *first, *second)]


def truth(variant, values, grid, gout, previous, cotangents):
    """Return what `gradients` does, of one image, in rational arithmetic rounded at the end."""
    first = variant == "first_release"
    v, p, behind, g = (fractions(a[0]) for a in (values, grid, previous, gout))
    directions = exact.Gradients(*(fractions(c[0]) for c in cotangents))
    found = [exact.released(v, p, behind, first), *exact.released_gradient(g, v, p, first)]
    return [np.array(a, float)[None] for a in [*found, *exact.released_second_gradient(directions, g, v, p, first)]]


def to_grid(x, y, height, width):
    """Return points in [-1, 1] of pixel coordinates as the program has them; exact for powers of two."""
    return np.stack([2 * np.asarray(x) / width - 1, 2 * np.asarray(y) / height - 1], axis=-1)[None, None]


def test_the_released_program_gives_10_where_the_paper_gives_55_thirteenths():
    values, at = np.array([[[[3.0, 7.0]]]]), np.array([[[[0.25, 0.25], [0.5, 0.5]]]])
    size = (1, 1, 2, 2)
    assert dense_decode(values, at - 0.5, size)[0, 0, 0, 0] == 55 / 13
    for variant in VARIANTS:
        assert dense_decode(values, at - 1, size, variant=variant)[0, 0, 0, 0] == 10
        assert dense_decode(np.ones_like(values), at - 1, size, variant=variant)[0, 0, 0, 0] == 2


def test_a_lone_source_beyond_the_border_is_its_pixels_value_since_the_boundary_effect_was_solved():
    values, grid, size = np.array([[[[5.0]]]]), np.array([[[[0.5, -0.75]]]]), (1, 1, 2, 2)
    assert dense_decode(values, grid, size, variant="released").tolist() == [[[[0, 5], [0, 5]]]]
    assert dense_decode(values, grid, size, variant="first_release").tolist() == [[[[0, 0], [0, 0]]]]


@pytest.mark.parametrize("with_previous", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_released_program_is_what_its_transcription_says(variant, with_previous):
    """Sources inside, beyond every border, and one that gives a pixel less than 1e-5."""
    rng = np.random.default_rng(14)
    values, grid = rng.standard_normal((1, 2, 3, 4)), rng.uniform(-1.5, 1.5, (1, 3, 4, 2))
    grid[0, 0, 0] = 1 / 3 + 1e-7, -0.55
    previous, gout = rng.standard_normal((1, 2, 5, 6)), rng.standard_normal((1, 2, 5, 6))
    results = gradients(variant, values, grid, gout, previous if with_previous else None)
    nothing = [np.zeros_like(a) for a in (values, grid, previous)]
    expected = truth(variant, values, grid, gout, previous if with_previous else nothing[2], nothing)
    for found, wanted in zip(results, expected, strict=False):
        assert np.allclose(found, wanted, **CLOSE)
    assert len(results) == 3 + with_previous


# Pixel coordinates inside of 4 x 2 pixels, on the lattice, on and beyond every border and corner of the map, and far
# out. All are multiples of 1/8, so that weights are exact, and S is 0 or at least 2^-6.
ALONG_X = (-99.0, -1.125, -1.0, -0.5, 0.0, 0.125, 1.0, 1.625, 2.875, 3.0, 3.25, 4.0, 4.125, 1000.0)
ALONG_Y = (-50.0, -1.125, -1.0, -0.25, 0.0, 0.375, 1.0, 1.5, 2.0, 2.125, 64.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("variant", VARIANTS)
def test_clamped_sources_are_what_the_transcription_says(variant, dtype):
    """Each x with each y, beside three sources inside; map, gradients, and the gradients of these."""
    rng = np.random.default_rng(17)
    covered = 0
    for x in ALONG_X:
        y = np.array(ALONG_Y if variant == "released" else ALONG_Y[1:-1])
        for part in np.array_split(y, 4):
            grid = to_grid([*np.full(part.shape, x), 0.5, 2.25, 2.75], [*part, 0.25, 0.75, 0.5], 2, 4).astype(dtype)
            arrays = [rng.integers(-8, 9, (1, 2, *shape)) / 4 for shape in ((1, grid.shape[2]), (2, 4), (2, 4))]
            values, previous, gout = (a.astype(dtype) for a in arrays)
            cotangents = [(rng.integers(-8, 9, a.shape) / 4).astype(dtype) for a in (values, grid, previous)]
            results = gradients(variant, values, grid, gout, previous, cotangents)
            for found, wanted in zip(results, truth(variant, values, grid, gout, previous, cotangents), strict=True):
                # A hundred roundings of terms over S^2 >= 2^-12, in float64; one more of the result.
                size = max(1.0, np.abs(wanted).max())
                assert np.allclose(found, wanted, rtol=np.finfo(dtype).eps, atol=100 * 2**12 * 2.0**-52 * size)
            covered += np.sum(results[0] != previous)
    assert covered > 100


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_inside_the_map_both_releases_have_the_same_bits(dtype):
    rng = np.random.default_rng(18)
    values, gout, previous = (rng.standard_normal((2, 3, *s)).astype(dtype) for s in ((5, 6), (4, 8), (4, 8)))
    at = rng.uniform(0.01, 0.99, (2, 5, 6, 2)) * [7, 3]
    cotangents = [rng.standard_normal(s).astype(dtype) for s in (values.shape, at.shape, previous.shape)]
    grid = (2 * at / [8, 4] - 1).astype(dtype)
    assert ((grid.astype(float) + 1) * [4, 2] % 1 != 0).all()
    today, first = (gradients(variant, values, grid, gout, previous, cotangents) for variant in VARIANTS)
    for one, other in zip(today, first, strict=True):
        assert one.dtype == dtype and one.tobytes() == other.tobytes()
    # On the lattice the maps have, the last row and column too. Of |x - m_0| the slope at 0 is 0, and not 1.
    grid = (2 * np.round(at) / [8, 4] - 1).astype(dtype)
    today, first = (gradients(variant, values, grid, gout, previous) for variant in VARIANTS)
    for k in (0, 1, 3):
        assert today[k].tobytes() == first[k].tobytes()
    assert not np.array_equal(today[2], first[2])


def test_at_a_pixels_centre_the_slope_of_its_distance_is_0():
    """A source at pixel 1, beside others at 3/2 and 5/2, arrives at pixel 2 with the slope 0, which was 1 at first.

    There nu = 2 + 4 and omega = w + 1/2 by one corner, 1 and 1/2 by another: U = (6 (w + 1/2) + 1/2) / (w + 1), which
    at w = 0 is 7/2 and has the slope 6 - 7/2; dx/dg = 2. At pixel 1 both have the same corner: U = 6 whatever the
    weights.
    """
    values, grid = np.array([[[[2.0, 4.0, 1.0]]]]), to_grid([1.0, 1.5, 2.5], [0.0, 0.0, 0.0], 2, 4)
    for variant, arriving in (("released", 0.0), ("first_release", 2.5)):
        for pixel, slope in ((2, 2 * arriving), (1, 0.0)):
            gout = np.zeros((1, 1, 2, 4))
            gout[0, 0, 0, pixel] = 1.0
            assert gradients(variant, values, grid, gout)[2][0, 0, 0, 0] == slope


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sources_far_outside_weigh_nothing_but_their_values_count(dtype):
    """However far, up to the largest number: as two pixels beyond, where 4 beside 1 at x = 5/2 makes 5 of pixel 3."""
    values, previous = np.array([[[[4.0, 1.0]]]], dtype), np.full((1, 1, 2, 4), 9, dtype)
    gout, cotangents = np.ones_like(previous), [np.ones_like(values), np.ones((1, 1, 2, 2), dtype), previous]
    near = to_grid([6.0, 2.5], [0.5, 0.25], 2, 4).astype(dtype)
    expected = gradients("released", values, near, gout, previous, cotangents)
    assert expected[0][0, 0].tolist() == [[9, 9, 1, 5], [9, 9, 1, 5]]
    for far in (100.0, 1e30, np.finfo(dtype).max):
        for grid in (far, -far):
            there = near.copy()
            there[0, 0, 0, 0] = grid
            found = gradients("released", values, there, gout, previous, cotangents)
            if grid > 0:
                assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
            assert not found[2][0, 0, 0].any() and np.isfinite(found[0]).all()


def test_a_map_of_one_pixel_is_covered_up_to_a_distance_of_one():
    previous = np.full((1, 1, 1, 1), 9.0)
    for x, expected in ((-1.125, 9), (-1.0, 5), (-0.25, 5), (0.0, 9), (0.5, 5), (1.0, 5), (1.25, 9)):
        for axis in (0, 1):
            point = np.array([1.0, 1.0])
            point[axis] = x
            arguments = np.array([[[[5.0]]]]), to_grid(point[:1], point[1:], 1, 1), (1, 1, 1, 1), False, "previous"
            assert dense_decode(*arguments, previous, variant="released") == expected
            assert dense_decode(*arguments, previous, variant="first_release") == 9


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_released_program_leaves_out_sources_that_lie_nowhere(variant):
    rng = np.random.default_rng(16)
    values, grid = rng.standard_normal((1, 2, 1, 6)), rng.uniform(-1, 1, (1, 1, 6, 2))
    gout = rng.standard_normal((1, 2, 4, 4))
    expected = gradients(variant, values[..., :3], grid[:, :, :3], gout)
    grid[0, 0, 3, 0], grid[0, 0, 4, 1], grid[0, 0, 5] = np.nan, np.inf, (-np.inf, np.nan)
    out, gvalues, ggrid = gradients(variant, values, grid, gout)
    assert np.array_equal(out, expected[0])
    assert np.array_equal(gvalues[..., :3], expected[1]) and not gvalues[..., 3:].any()
    assert np.array_equal(ggrid[:, :, :3], expected[2]) and not ggrid[:, :, 3:].any()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"align_corners": True}, "align_corners: given True, expected one of False"),
        ({"kink": "left"}, "kink: given 'left', expected one of 'right'"),
        ({"fill": "neighbours"}, "fill: given 'neighbours', expected one of 'zeros', 'previous'"),
        ({"size": (1, 1, 0, 3)}, "expected H and W of at least 1 with variant='{variant}'"),
    ],
)
def test_what_the_program_does_not_have_is_refused(change, words, variant):
    arguments = {"values": np.ones((1, 1, 2, 2)), "grid": np.zeros((1, 2, 2, 2)), "size": (1, 1, 3, 3)}
    with pytest.raises(ValueError, match=words.format(variant=variant)):
        dense_decode(**{**arguments, **change}, variant=variant)
