"""Every operation and its derivatives on arrays however they lie in memory, with results from memory full of NaN.

What comes out has the bits that contiguous arrays give, which other tests hold against the truth.
"""

import inspect
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.golden.layouts import CONTIGUOUS, LAYOUTS, lay_out
from refwarp.golden.operations import OPERATIONS
from tests.every_function import functions_of, record_forwards
from tests.operations import bits, calls, digest
from tests.poisoned_memory import poison

DTYPES = ("float16", "float32", "float64")
# Public functions that are given no arrays.
NO_OPERATIONS = {"get_num_threads", "set_num_threads", "use_backend"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_layout_of_the_inputs_changes_no_bit(operation, dtype, monkeypatch):
    expected = {call.name: bits(call(*call.arrays)) for call in calls(operation, dtype)}
    assert expected
    # From here on no kernel can be compiled: arrays of other layouts must take those of contiguous ones.
    poison(monkeypatch)
    names = list(LAYOUTS)
    for call in calls(operation, dtype):
        mixed = [names[k % len(names)] for k in range(len(call.arrays))]
        for layouts in [mixed, *([layout] * len(call.arrays) for layout in names)]:
            given = [
                None if array is None else lay_out(array, layout)
                for array, layout in zip(call.arrays, layouts, strict=True)
            ]
            assert bits(call(*given)) == expected[call.name], (call.name, layouts)


def test_every_function_is_among_them(monkeypatch):
    """What the suite does not call would not be seen: no public operation, and no backward, is left out."""
    functions = functions_of("refwarp")
    applied = record_forwards(functions, monkeypatch)
    for operation in OPERATIONS:
        for call in calls(operation, "float64"):
            call(*call.arrays)
    assert applied == functions
    public = {name for name in refwarp.__all__ if inspect.isfunction(getattr(refwarp, name))}
    assert public - NO_OPERATIONS == set(OPERATIONS)


@pytest.mark.parametrize(
    "make",
    [
        lambda: refwarp.tps_grid(Tensor(np.linspace(-1, 1, 18).reshape(2, 9, 1).repeat(2, 2), True), (2, 1, 3, 4)),
        lambda: refwarp.linear_basis_grid(
            Tensor(np.ones((2, 2, 3)), requires_grad=True), refwarp.affine_basis((2, 1, 3, 4))
        ),
    ],
    ids=["tps_grid", "linear_basis_grid"],
)
def test_grids_that_are_views_can_be_sampled_at_the_nearest_pixel_and_differentiated_twice(make, monkeypatch):
    """Such grids lie in memory as (N, 2, H, W), and their gradients are zero, not what the memory held before."""
    grid, input = make(), Tensor(np.ones((2, 1, 5, 5)), requires_grad=True)
    assert not grid.data.flags.c_contiguous
    gout = Tensor(np.ones((2, 1, 3, 4)), requires_grad=True)
    refwarp.grid_sample(np.ones((2, 1, 5, 5)), np.zeros((2, 3, 4, 2)), "nearest")
    poison(monkeypatch)
    ginput, ggrid = grad(refwarp.grid_sample(input, grid, "nearest"), [input, grid], gout, create_graph=True)
    second = grad([ginput, ggrid], [gout, grid], [np.ones(ginput.shape), np.ones(ggrid.shape)])
    for found in (ggrid, second[1]):
        np.testing.assert_array_equal(found.data, np.zeros(grid.shape))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can fill memory that it hands out")
def test_what_memory_held_before_changes_no_bit_scratch_of_kernels_included():
    """Scratch of a kernel comes from malloc, which glibc can fill: here with the byte 0xfe, of numbers like 1e303."""
    path = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})"
    command = [sys.executable, "-c", f"{path}; from tests.operations import digest; print(digest())"]
    environment = {**os.environ, "MALLOC_PERTURB_": str(0xFF ^ 0xFE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 4), (5,), (), (2, 0, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_layout_is_what_it_says_and_has_the_same_values(layout, shape, dtype):
    array = np.arange(np.prod(shape, dtype=int), dtype=dtype).reshape(shape)
    found = lay_out(array, layout)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert np.array_equal(found, array) and not np.shares_memory(found, array)
    assert found.flags.writeable == (layout != "readonly")
    if array.ndim > 1 and array.size:
        in_order = layout in (CONTIGUOUS, "unaligned", "readonly")
        assert found.flags.c_contiguous == in_order
        assert found.flags.f_contiguous == (layout == "fortran" or (layout == "transposed" and array.ndim == 2))
        assert found.flags.aligned == (layout != "unaligned")
        assert (max(found.strides) < 0) == (layout == "negative")
        assert (min(abs(stride) for stride in found.strides) > array.itemsize) == (layout == "strided")
