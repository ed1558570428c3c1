"""Arrays of other libraries, with a stand-in for one: what DLPack hands over, and what comes back."""

import sys
import types

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor
from refwarp import dlpack


class Other:
    """An array of another library, which speaks DLPack and nothing else."""

    def __init__(self, array, device=1):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device, 0


class Standard(Other):
    """One that says by the array API where its functions are."""

    def __array_namespace__(self):
        return types.SimpleNamespace(__name__="standard", from_dlpack=lambda array: Standard(np.from_dlpack(array)))


@pytest.fixture(autouse=True)
def _library(monkeypatch):
    """The library of `Other` is this package: `tests`."""
    made = types.ModuleType("tests")
    made.from_dlpack = lambda array: Other(np.from_dlpack(array))
    monkeypatch.setattr(Other, "__module__", "tests.test_dlpack")
    monkeypatch.setitem(sys.modules, "tests", made)


INPUT, GRID = np.arange(12.0).reshape(1, 1, 3, 4), np.array([[[[0.25, -0.5], [0.0, 0.5]]]])


@pytest.mark.parametrize("kind", [Other, Standard])
def test_the_same_kind_comes_out_with_the_same_numbers(kind):
    result = refwarp.grid_sample(kind(INPUT), grid=kind(GRID))
    assert type(result) is kind and np.array_equal(result.array, refwarp.grid_sample(INPUT, GRID))
    assert type(refwarp.grid_sample(kind(INPUT), GRID)) is kind  # NumPy's are constants beside it
    assert type(refwarp.smoothness(kind(np.ones((1, 2, 3, 3))))) is kind  # of no axes


def test_a_tensor_among_them_gives_a_tensor():
    assert type(refwarp.grid_sample(Other(INPUT), Tensor(GRID))) is Tensor


def test_memory_is_shared_both_ways():
    array = np.ones((2, 3))
    assert np.shares_memory(dlpack.taken("input", Other(array)), array)
    assert np.shares_memory(dlpack.given_back(array, dlpack.library("input", Other(array))).array, array)


@pytest.mark.parametrize("change", ["read-only", "backwards"])
def test_what_others_must_not_have_is_copied(change):
    array = np.arange(6.0)[::-1] if change == "backwards" else np.arange(6.0)
    array.flags.writeable = change != "read-only"
    found = dlpack.given_back(array, dlpack.library("input", Other(array))).array
    assert np.array_equal(found, array) and not np.shares_memory(found, array) and found.strides == (8,)


def test_an_array_without_axes_is_a_number():
    control = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    expected = refwarp.thin_plate_spline_basis(control, (1, 1, 2, 2), smoothing=0.5)
    found = refwarp.thin_plate_spline_basis(control, (1, 1, 2, 2), smoothing=Other(np.array(0.5)))
    assert np.array_equal(found.array, expected)


def refusal(*arrays):
    with pytest.raises((TypeError, ImportError)) as caught:
        refwarp.grid_sample(*arrays)
    return str(caught.value)


def test_what_cannot_be_taken_is_refused_in_a_sentence():
    class Recorded(Other):
        requires_grad = True

    class Untold:
        def __dlpack__(self):
            raise AssertionError("must not be called")

    grid = Other(GRID)
    assert refusal(Recorded(INPUT), grid).startswith("input: given tests.Recorded whose gradient is wanted")
    assert refusal(Untold(), grid).startswith("input: given tests.Untold whose gradient is wanted")
    assert refusal(Other(np.array(["a"])), grid).startswith(
        "input: given tests.Other of dtype unknown, expected one that"
    )
    assert refusal(Other(INPUT, device=8), grid).startswith("input: given tests.Other on a device that is neither")
    assert refusal(Other(INPUT), Standard(GRID)).startswith("grid: given an array of standard while input is of tests")
    assert refusal(Other(INPUT), Other(GRID.astype("f4"))).startswith(
        "grid: given dtype float32 while input is float64"
    )


def test_on_a_gpu_it_needs_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert refusal(Other(INPUT, device=2), GRID).endswith("needs CuPy; install refwarp[cuda12] or refwarp[cuda13]")


def test_a_library_that_takes_nothing_back_is_refused(monkeypatch):
    monkeypatch.delitem(sys.modules, "tests")
    assert refusal(Other(INPUT), GRID).startswith("input: given tests.Other, whose library has no from_dlpack")
