"""The decoder as its authors released it: what it computes instead of DTN's Eq. (7)."""

import numpy as np
import pytest

from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from refwarp import dense_decode
from refwarp.exact import decoder as exact
from refwarp.exact.numbers import Dual, fractions


def gradients(values, grid, gout, previous=None, fill="zeros"):
    """Return the map, and the gradients of values, grid and, if there is one, previous, as arrays."""
    tensors = [Tensor(a, requires_grad=True) for a in (values, grid, previous) if a is not None]
    behind = None if previous is None else tensors[2]
    out = dense_decode(*tensors[:2], gout.shape, fill=fill, previous=behind, variant="released")
    return out.data, *(g.data for g in grad(out, tensors, gout))


def test_the_released_program_gives_10_where_the_paper_gives_55_thirteenths():
    values, at = np.array([[[[3.0, 7.0]]]]), np.array([[[[0.25, 0.25], [0.5, 0.5]]]])
    size = (1, 1, 2, 2)
    assert dense_decode(values, at - 0.5, size)[0, 0, 0, 0] == 55 / 13
    assert dense_decode(values, at - 1, size, variant="released")[0, 0, 0, 0] == 10
    assert dense_decode(np.ones_like(values), at - 1, size, variant="released")[0, 0, 0, 0] == 2


@pytest.mark.parametrize("fill", ["zeros", "previous"])
def test_the_released_program_is_what_its_transcription_says(fill):
    """Sources inside, beyond every border, and one that gives a pixel less than 1e-5."""
    rng = np.random.default_rng(14)
    values, grid = rng.standard_normal((1, 2, 3, 4)), rng.uniform(-1.5, 1.5, (1, 3, 4, 2))
    grid[0, 0, 0] = 1 / 3 + 1e-7, -0.6
    previous, gout = rng.standard_normal((1, 2, 5, 6)), rng.standard_normal((1, 2, 5, 6))
    zeros = fill == "zeros"
    results = gradients(values, grid, gout, None if zeros else previous, fill)
    behind = fractions(0 * previous[0] if zeros else previous[0])
    v, p, g = fractions(values[0]), fractions(grid[0]), fractions(gout[0])
    # Some 30 roundings of numbers near 1, of sums that are divided by 1e-5, at least.
    close = {"rtol": 1e-12, "atol": 30 * 1e5 * 2.0**-52}
    truth = exact.released(v, p, behind)
    assert np.allclose(results[0][0], np.array(truth, float), **close)

    def derivative(array, index):
        part = array[index[0]][index[1]]
        original, part[index[2]] = part[index[2]], Dual(part[index[2]], 1)
        out = exact.released(v, p, behind)
        part[index[2]] = original
        total = sum(g[c][n][m] * out[c][n][m] for c in range(2) for n in range(5) for m in range(6))
        return float(Dual.of(total).derivative)

    for array, gradient in zip((v, p, behind), results[1:], strict=False):
        expected = np.array([derivative(array, index) for index in np.ndindex(gradient[0].shape)])
        assert np.allclose(gradient[0].ravel(), expected, **close)


def test_the_released_program_can_be_differentiated_twice():
    """Six sources in the middles of two cells, so that no step meets a kink."""
    rng = np.random.default_rng(15)
    at = rng.uniform(0.4, 0.6, (1, 2, 3, 2)) + np.array([[0, 0], [1, 0], [0, 0]])
    values, grid = rng.standard_normal((1, 1, 2, 3)), 2 * at / np.array([4, 3]) - 1

    def decode(values, grid):
        return dense_decode(values, grid, (1, 1, 3, 4), variant="released")

    gradcheck(decode, [values, grid], rng=rng, order=2)


def test_the_released_program_leaves_out_sources_that_lie_nowhere():
    rng = np.random.default_rng(16)
    values, grid = rng.standard_normal((1, 2, 1, 5)), rng.uniform(-1, 1, (1, 1, 5, 2))
    gout = rng.standard_normal((1, 2, 4, 4))
    expected = gradients(values[..., :3], grid[:, :, :3], gout)
    grid[0, 0, 3, 0], grid[0, 0, 4, 1] = np.nan, np.inf
    out, gvalues, ggrid = gradients(values, grid, gout)
    assert np.array_equal(out, expected[0])
    assert np.array_equal(gvalues[..., :3], expected[1]) and not gvalues[..., 3:].any()
    assert np.array_equal(ggrid[:, :, :3], expected[2]) and not ggrid[:, :, 3:].any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"align_corners": True}, "align_corners: given True, expected one of False"),
        ({"kink": "left"}, "kink: given 'left', expected one of 'right'"),
        ({"fill": "neighbours"}, "fill: given 'neighbours', expected one of 'zeros', 'previous'"),
        ({"size": (1, 1, 0, 3)}, "expected H and W of at least 1 with variant='released'"),
    ],
)
def test_what_the_program_does_not_have_is_refused(change, words):
    arguments = {"values": np.ones((1, 1, 2, 2)), "grid": np.zeros((1, 2, 2, 2)), "size": (1, 1, 3, 3)}
    with pytest.raises(ValueError, match=words):
        dense_decode(**{**arguments, **change}, variant="released")
