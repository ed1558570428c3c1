"""The grids' and the penalties' kernels on CUDA: values, gradients and second derivatives are the CPU's.

In the simulator most of them are so to the last bit, for the kernels are the same text. On a GPU sums of products are
fused, which changes last bits; there, and where CUDA sums in another order, the results differ by roundings.
"""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp import use_backend
from refwarp.backend import cuda
from refwarp.grids.linear_basis import affine_basis
from refwarp.grids.matrix_product import MatrixProduct
from refwarp.grids.thin_plate_spline.radial import RadialMatrix

SIZE = (2, 1, 3, 5)
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


def near(array, seed, spread=0.25):
    """Return numbers around those of an array."""
    array = np.asarray(array, float)
    return array + spread * np.random.default_rng(seed).uniform(-1, 1, array.shape)


def mesh(rows, columns):
    """Return the vertices at rest, (2, rows, columns, 2)."""
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    return np.stack([np.stack([x, y], axis=-1)] * 2)


CONTROL = near(mesh(2, 3)[0].reshape(6, 2), 1)
HOMOGRAPHIES = near([np.eye(3)] * 2, 2)
LONG = near(np.zeros((1, 2, 70)), 30)

AFFINE = {"affine._forward", "affine._backward", "reductions._add_rows"}
PROJECTIVE = {"projective._forward", "projective._backward", "projective._second", "reductions._add_rows"}
PIECEWISE = {"piecewise_affine._forward", "piecewise_affine._backward", "piecewise_affine._gather"}
PRODUCT = {"matrix_product._elements"}
RADIAL = {"radial._matrix", "radial._gradient", "radial._directional", "radial._second", "reductions._add_rows"}

# Operations, their kernels, and their inputs.
OPERATIONS = {
    "affine": (lambda theta: refwarp.affine_grid(theta, SIZE), AFFINE, near([IDENTITY] * 2, 3)),
    "affine, a column": (lambda theta: refwarp.affine_grid(theta, (2, 1, 7, 1), True), AFFINE, near([IDENTITY] * 2, 4)),
    "attention": (lambda theta: refwarp.attention_grid(theta, SIZE), AFFINE, near([[1.0, 0, 0]] * 2, 5)),
    "translation": (lambda theta: refwarp.translation_grid(theta, SIZE), AFFINE, near(np.zeros((2, 2)), 6)),
    "similarity": (lambda theta: refwarp.similarity_grid(theta, SIZE), AFFINE, near([[1.0, 0, 0, 0]] * 2, 7)),
    "rotation, scales": (
        lambda theta: refwarp.rotation_scale_translation_grid(theta, SIZE),
        AFFINE,
        near(np.zeros((2, 5)), 8),
    ),
    "Kurbiel's order": (refwarp.kurbiel_matrix, set(), near([[1.0, 0, 0, 1, 0, 0]] * 2, 9)),
    "projective": (lambda h: refwarp.projective_grid(h, SIZE), PROJECTIVE, HOMOGRAPHIES),
    "projective, eight": (
        lambda theta: refwarp.projective_grid(theta, SIZE, True),
        PROJECTIVE,
        near([[1.0, 0, 0, 0, 1, 0, 0, 0]] * 2, 10),
    ),
    # D = 0 in the first column of pixels, which goes to infinity along x.
    "on the horizon": (
        lambda h: refwarp.projective_grid(h, (1, 1, 3, 5), True),
        PROJECTIVE,
        np.array([[[1.0, 0, 0], [0, 1, 0], [1, 0, 1]]]),
    ),
    "piecewise affine": (lambda v: refwarp.piecewise_affine_grid(v, (2, 1, 11, 5)), PIECEWISE, near(mesh(2, 3), 11)),
    "a mesh finer than pixels": (
        lambda v: refwarp.piecewise_affine_grid(v, (2, 1, 3, 2)),
        PIECEWISE,
        near(mesh(5, 4), 12),
    ),
    "compose": (refwarp.compose, PRODUCT, near([IDENTITY] * 2, 13), near([IDENTITY] * 2, 14)),
    "invert": (refwarp.invert, PRODUCT | {"composition.invert_matrices"}, HOMOGRAPHIES),
    "update": (
        refwarp.inverse_compositional_update,
        set(),
        near([[1.0, 0, 0, 0]] * 2, 15),
        near([[1.0, 0, 0, 0]] * 2, 16),
    ),
    "linear basis": (
        refwarp.linear_basis_grid,
        PRODUCT,
        near([IDENTITY] * 2, 17),
        near(affine_basis((1, 1, 3, 5)), 18),
    ),
    "thin plate spline": (
        lambda f, c: refwarp.tps_grid(f, SIZE, c),
        PRODUCT | RADIAL,
        near([CONTROL] * 2, 19),
        CONTROL,
    ),
    "splines of two sets": (
        lambda f, c: refwarp.tps_grid(f, (2, 1, 2, 3), c, smoothing=0.5),
        PRODUCT | RADIAL,
        near([CONTROL] * 2, 20),
        near([CONTROL] * 2, 21, 0.0625),
    ),
    "flow": (refwarp.flow_grid, set(), near(np.zeros((2, 2, 3, 5)), 22)),
    "affine motion": (lambda theta: refwarp.affine_motion(theta, SIZE), AFFINE, near([IDENTITY] * 2, 23)),
    "smoothness": (lambda w: refwarp.smoothness(w, "2"), set(), near(np.zeros((2, 2, 3, 5)), 24)),
    "bending energy": (lambda w: refwarp.bending_energy(w, "hessian", "2"), set(), near(np.zeros((2, 2, 3, 5)), 25)),
    "a product of long rows": (
        MatrixProduct.apply,
        PRODUCT | {"reductions._add_rows"},
        LONG,
        LONG.swapaxes(1, 2)[:, :, :1],
    ),
    "a product of matrices": (
        MatrixProduct.apply,
        PRODUCT,
        near(np.zeros((2, 3, 9)), 26),
        near(np.zeros((2, 9, 10)), 27),
    ),
    "many distances": (RadialMatrix.apply, RADIAL, near(np.zeros((1, 2, 2)), 28), near(np.zeros((1, 300, 2)), 29)),
}
# On CUDA they sum in another order: terms one by one, or every so-many-th, not four at a time.
IN_ANOTHER_ORDER = PRODUCT


def results(operation, *inputs):
    """Return the value, the gradients, and the gradients of their inner products with random arrays."""
    rng = np.random.default_rng(99)
    dtype = inputs[0].dtype
    tensors = [Tensor(array, requires_grad=True) for array in inputs]
    out = operation(*tensors)
    gout = Tensor(rng.standard_normal(out.shape).astype(dtype), requires_grad=True)
    gradients = grad(out, tensors, gout, create_graph=True)
    products = [gradient * Tensor(rng.standard_normal(gradient.shape).astype(dtype)) for gradient in gradients]
    scalar = sum((product.sum() for product in products[1:]), products[0].sum())
    second = grad(scalar, [gout, *tensors])
    return [result.data for result in (out, *gradients, *second)]


@pytest.fixture
def launched(monkeypatch):
    """Names of the kernels that ran on CUDA; each has to share its items among the threads."""
    names, launch = set(), cuda.launch

    def noting(kernel, count, *arguments):
        assert "items" in kernel.py_func.__code__.co_names
        names.add(f"{kernel.__module__.rpartition('.')[2]}.{kernel.__name__}")
        launch(kernel, count, *arguments)

    monkeypatch.setattr(cuda, "launch", noting)
    return names


# The radial function takes float64 alone.
CASES = [(name, np.float64) for name in OPERATIONS] + [(n, np.float32) for n in OPERATIONS if n != "many distances"]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_values_gradients_and_second_derivatives_are_the_cpu_s(name, dtype, launched):
    operation, kernels, *inputs = OPERATIONS[name]
    inputs = [array.astype(dtype) for array in inputs]
    expected = results(operation, *inputs)
    assert not launched
    with use_backend("cuda"):
        found = results(operation, *inputs)
    assert launched == kernels
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype == dtype and ours.shape == theirs.shape
        if cuda.SIMULATED and not kernels & IN_ANOTHER_ORDER:
            np.testing.assert_array_equal(ours, theirs)
        else:
            # Twice the widest budget, (24 + 8) u M for the sums of up to 2^8 terms, and M at most 16 times the largest
            # element: the control points are spread out, and the matrices near the identity.
            largest = abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=2 * 32 * 16 * 0.5 * np.finfo(dtype).eps * largest)
