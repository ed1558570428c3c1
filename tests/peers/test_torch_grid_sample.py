"""grid_sample and affine_grid against PyTorch's: same names, defaults, values and gradients."""

import itertools

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.exact import bicubic, bilinear, nearest

pytestmark = pytest.mark.peers
MODES = ["bilinear", "nearest", "bicubic"]
PADDINGS = ["zeros", "border", "reflection"]


def random_grid(rng, count):
    return rng.uniform(-2, 2, (2, count, 5, 2))


def dyadic_grid(rng, count):
    """Multiples of 1/8: lattice points, borders and half-integers of maps whose size is a power of two."""
    return rng.integers(-16, 17, (2, count, 5, 2)) / 8


@pytest.mark.parametrize(("mode", "padding_mode"), list(itertools.product(MODES, PADDINGS)))
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 3), (4, 8), (9, 5), (33, 17), (64, 64)])
@pytest.mark.parametrize("make_grid", [random_grid, dyadic_grid])
def test_values_and_gradients(mode, padding_mode, align_corners, size, make_grid):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng([MODES.index(mode), PADDINGS.index(padding_mode), align_corners, *size])
    input, grid = rng.standard_normal((2, 2, *size)), make_grid(rng, 40)
    gout = rng.standard_normal((2, 2, 40, 5))
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}

    theirs = [torch.tensor(array, requires_grad=True) for array in (input, grid)]
    out = torch.nn.functional.grid_sample(*theirs, **options)
    out.backward(torch.tensor(gout))
    expected = [out.detach().numpy(), *(tensor.grad.numpy() for tensor in theirs)]

    ours = [Tensor(array, requires_grad=True) for array in (input, grid)]
    out = refwarp.grid_sample(*ours, **options)
    results = [out.data, *(g.data for g in grad(out, ours, gout))]

    for image in range(2):
        bounds = magnitudes(mode, padding_mode, align_corners, gout[image], input[image], grid[image])
        for result, other, size_of_terms in zip(results, expected, bounds, strict=True):
            error = np.abs(result[image] - other[image])
            assert (error <= 1e-12 * np.maximum(1, size_of_terms)).all()


def magnitudes(mode, padding_mode, align_corners, *arrays):
    """Return M, the sum of absolute terms, of each element of value, ginput and ggrid of one image."""
    gout, input, grid = (array.tolist() for array in arrays)
    judge = {"bilinear": bilinear, "nearest": nearest, "bicubic": bicubic}[mode]
    value = judge.grid_sample(input, grid, align_corners, padding=padding_mode)
    gradients = judge.grid_sample_gradient(gout, input, grid, align_corners, padding=padding_mode)
    return [np.vectorize(lambda total: float(total.M))(np.array(part, object)) for part in (value, *gradients)]


@pytest.mark.filterwarnings("ignore:Since version 1.3.0:UserWarning")  # on one-pixel axes: centred there, as here
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 1, 1), (2, 3, 1, 5), (2, 3, 7, 4), (2, 3, 64, 48)])
def test_the_affine_grid(align_corners, size):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(size)
    theta, ggrid = rng.standard_normal((2, 2, 3)), rng.standard_normal((2, *size[2:], 2))
    theirs = torch.tensor(theta, requires_grad=True)
    grid = torch.nn.functional.affine_grid(theirs, size, align_corners=align_corners)
    grid.backward(torch.tensor(ggrid))
    ours = Tensor(theta, requires_grad=True)
    result = refwarp.affine_grid(ours, size, align_corners)
    (gtheta,) = grad(result, ours, ggrid)
    assert np.abs(result.data - grid.detach().numpy()).max() <= 1e-13
    assert np.abs(gtheta.data - theirs.grad.numpy()).max() <= 1e-12 * np.prod(size[2:])
