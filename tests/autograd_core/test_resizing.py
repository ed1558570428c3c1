"""Resizing against its equations in fractions, and its gradient against the transposed matrix."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_core import Tensor, grad, gradcheck
from autograd_core.layers import Resize2d, resize2d, resizing
from tests.autograd_core.draws import integers, normal, rng
from tests.threads import threads

EPS = np.finfo(np.float64).eps
OPTIONS = [("bilinear", False), ("bilinear", True), ("nearest", False)]


def matrix(n, m, mode, align_corners):
    """Return the m x n matrix of one axis, from the places as fractions."""
    rows = np.zeros((m, n))
    for d in range(m):
        if mode == "nearest":
            x = Fraction(math.floor(Fraction(d * n, m)))
        elif align_corners:
            x = Fraction(d * (n - 1), m - 1) if m > 1 else Fraction(0)
        else:
            x = max(Fraction(0), (d + Fraction(1, 2)) * Fraction(n, m) - Fraction(1, 2))
        i = min(math.floor(x), n - 1)
        f = x - i if i < n - 1 else Fraction(0)
        rows[d, i] += float(1 - f)
        if f:
            rows[d, i + 1] += float(f)
    return rows


def check(shape, size, mode, align_corners):
    input = integers(*shape)
    tensor = Tensor(input, requires_grad=True)
    down, across = (matrix(n, m, mode, align_corners) for n, m in zip(shape[2:], size, strict=True))
    out = resize2d(tensor, size, mode, align_corners)
    # Two weights for each axis, of pixels up to 8: four products and their sums.
    np.testing.assert_allclose(out.data, down @ input @ across.T, rtol=0, atol=8 * 8 * EPS)
    gout = integers(*out.shape, seed=1)
    (ginput,) = grad(out, tensor, gout)
    # As many terms as the outputs, of size 8 at most.
    np.testing.assert_allclose(ginput.data, down.T @ gout @ across, rtol=0, atol=8 * 4 * math.prod(size) * EPS)


sides = st.integers(1, 9)


@given(st.tuples(st.integers(1, 2), st.integers(1, 3), sides, sides), st.tuples(sides, sides), st.sampled_from(OPTIONS))
def test_resizing_and_its_gradient_follow_the_equations(shape, size, options):
    check(shape, size, *options)


@given(st.tuples(st.integers(1, 2), st.integers(1, 3), sides, sides), st.tuples(sides, sides), st.sampled_from(OPTIONS))
@pytest.mark.parametrize("slices", [0, 100])
def test_resizing_in_small_pieces_on_threads_does_too(slices, shape, size, options):
    with pytest.MonkeyPatch.context() as patch, threads(3):
        for name, value in {"PIECE": 40, "SLICES": slices, "WORTHWHILE": 0}.items():
            patch.setattr(resizing, name, value)
        check(shape, size, *options)


def test_twice_the_size_written_out():
    x = np.array([[[[0.0, 4.0], [8.0, 16.0]]]])
    np.testing.assert_array_equal(
        resize2d(x, 4).data[0, 0], [[0, 1, 3, 4], [2, 3.25, 5.75, 7], [6, 7.75, 11.25, 13], [8, 10, 14, 16]]
    )
    np.testing.assert_array_equal(resize2d(x, (2, 3), align_corners=True).data[0, 0], [[0, 2, 4], [8, 12, 16]])
    np.testing.assert_array_equal(resize2d(x, (2, 4), "nearest").data[0, 0], [[0, 0, 4, 4], [8, 8, 16, 16]])


@pytest.mark.parametrize(("mode", "align_corners"), OPTIONS)
def test_the_same_size_is_the_same_map(mode, align_corners):
    x = normal(2, 3, 5, 7)
    np.testing.assert_array_equal(resize2d(x, (5, 7), mode, align_corners).data, x)


@pytest.mark.parametrize(("mode", "align_corners"), OPTIONS)
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (2, 9)])
def test_its_derivatives_to_second_order(size, mode, align_corners):
    gradcheck(lambda x: resize2d(x, size, mode, align_corners) ** 2, [normal(2, 2, 4, 3)], rng=rng(), order=2)


def test_few_kinds_of_pixels_are_few_slices():
    """Twice the size: even and odd outputs, and the first and the last one, which see one input alone."""
    line = resizing._line(32, 64, "bilinear", False)
    assert len(line.first) == 4 and len(line.second) == 2


def test_a_place_is_exact_where_floating_point_rounds_it_down():
    """Output 49 of 343 is input 1 of 7, and 49 times the rounded 1 / 49 is less than 1."""
    assert int(np.float64(1 / 49) * 49) == 0
    x = np.arange(7.0)[None, None, None]
    np.testing.assert_array_equal(resize2d(x, (1, 343), "nearest").data[0, 0, 0], np.repeat(np.arange(7), 49))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_resizing_keeps_its_dtype_and_is_rounded_once(dtype):
    x = Tensor(integers(2, 2, 4, 5).astype(dtype), requires_grad=True)
    out = resize2d(x, (8, 9))
    (gx,) = grad(out, x, np.ones(out.shape, dtype))
    assert out.dtype == gx.dtype == dtype and out.data.flags.c_contiguous
    if dtype == np.float16:
        wide = resize2d(x.data.astype(np.float32), (8, 9)).data
        np.testing.assert_array_equal(out.data, wide.astype(np.float16))


def test_an_infinite_pixel_is_seen_only_where_it_has_weight():
    x = np.zeros((1, 1, 1, 5))
    x[..., 2] = np.inf
    np.testing.assert_array_equal(
        resize2d(x, (1, 9), align_corners=True).data[0, 0, 0], [0] * 3 + [np.inf] * 3 + [0] * 3
    )


def test_it_gives_the_same_bits_on_any_number_of_threads():
    x = Tensor(normal(8, 16, 33, 40).astype(np.float32), requires_grad=True)
    bits = set()
    for count in (1, 2, 3):
        with threads(count):
            out = resize2d(x, (71, 64))
            (gx,) = grad(out, x, normal(*out.shape, seed=1).astype(np.float32))
        bits.add(out.data.tobytes() + gx.data.tobytes())
    assert len(bits) == 1


def test_resizing_of_nothing():
    x = Tensor(np.zeros((0, 2, 4, 4)), requires_grad=True)
    out = resize2d(x, (3, 6))
    (gx,) = grad(out, x, np.zeros(out.shape))
    assert out.shape == (0, 2, 3, 6) and gx.shape == x.shape


def test_the_layer_resizes():
    x = normal(2, 3, 4, 5)
    np.testing.assert_array_equal(
        Resize2d((3, 8), align_corners=True)(x).data, resize2d(x, (3, 8), "bilinear", True).data
    )


X = np.ones((1, 1, 2, 2))
ERRORS = {
    "axes": (lambda: resize2d(X[0], 3), r"input: given shape \(1, 2, 2\), expected \(N, C, H, W\) with H, W >= 1"),
    "no pixels": (lambda: resize2d(X[:, :, :0], 3), r"input: given shape \(1, 1, 0, 2\), expected"),
    "size": (lambda: resize2d(X, 0), "size: given 0, expected an integer >= 1"),
    "broken size": (lambda: resize2d(X, (2.5, 1)), r"size: given \(2.5, 1\), expected an integer >= 1"),
    "mode": (lambda: resize2d(X, 3, "bicubic"), "mode: given 'bicubic', expected 'bilinear' or 'nearest'"),
    "corners": (lambda: resize2d(X, 3, "nearest", True), "align_corners: given True with mode 'nearest'"),
    "layer": (lambda: Resize2d(-1), "size: given -1, expected an integer >= 1"),
    "layer's mode": (lambda: Resize2d(1, "linear"), "mode: given 'linear'"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_bad_arguments_end_in_one_clear_sentence(name):
    call, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call()
