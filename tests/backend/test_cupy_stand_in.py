"""Every operation on arrays of another library, CuPy's stand-in: nothing is mixed up, left behind, or computed apart.

Kernels are chosen as for CUDA and run on the host, as loops of Python over compiled scalars. NumPy's arrays go through
the same kernels under `use_backend("cuda")`, so every result has the same bits.
"""

import sys
from types import FunctionType

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, to_device
from autograd_core.arrays import device_of
from refwarp.backend.jit import flattened
from refwarp.golden.operations import OPERATIONS
from refwarp.grids.thin_plate_spline import function as thin_plate_spline
from tests.cupy_stand_in import DeviceArray, library, to_host
from tests.operations import bits, calls

# Of maps and grids together: kernels run as loops of Python.
MOST_ELEMENTS = 100


def normal(*shape):
    return np.random.default_rng(11).standard_normal(shape)


@pytest.fixture
def device(monkeypatch):
    def launch(kernel, count, *arguments):
        kinds = {type(value) for value in flattened(arguments) if isinstance(value, np.ndarray | DeviceArray)}
        assert len(kinds) == 1, f"{kernel.__name__} was given arrays of two libraries"
        text = kernel.py_func
        loop = FunctionType(text.__code__, {**text.__globals__, "items": range})
        with np.errstate(all="ignore"):  # compiled kernels do not warn either
            loop(0, count, *to_host(arguments, refuse=False))

    module = library()
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr("refwarp.backend.cuda.launch", launch)
    # What other tests computed on CUDA is not for these to read, nor the reverse.
    monkeypatch.setattr(thin_plate_spline, "_factors", thin_plate_spline._factors.__wrapped__)
    return module


def there(array, device):
    return None if array is None else to_device(array, device)


def results(call, device):
    """Return the bits of what a call gives with its arrays on a device."""
    found = call(*(there(array, device) for array in call.arrays))
    found = found if isinstance(found, tuple) else (found,)
    assert all(array is None or device_of(array) == device for array in found)
    return bits(tuple(None if array is None else to_device(array, "cpu") for array in found))


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if OPERATIONS[name][0].arguments])
def test_arrays_of_cupy_give_the_bits_that_numpys_give(operation, device):
    for call in calls(operation, "float32", MOST_ELEMENTS):
        on_cupys = results(call, "cuda")
        with refwarp.use_backend("cuda"):
            assert on_cupys == results(call, "cpu"), call.name


def test_the_released_decoders_gather_in_the_order_in_which_the_cpu_scatters(device):
    released = [call for call in calls("dense_decode", "float32", MOST_ELEMENTS) if call.options["variant"] != "paper"]
    assert {call.options["variant"] for call in released} == {"released", "first_release"}
    for call in released:
        assert results(call, "cuda") == results(call, "cpu"), call.name


@pytest.mark.parametrize("displaced_in", ["target", "source"])
def test_drawn_noise_and_a_mask_go_where_the_map_is(displaced_in, device):
    def sample(device):
        input, grid, theta = (there(normal(*shape), device) for shape in ((2, 2, 4, 5), (2, 3, 2, 2), (2, 2, 3)))
        theta = theta if displaced_in == "target" else None
        noise = np.random.default_rng(13)
        auxiliary = refwarp.auxiliary_grid(grid, (4, 5), noise, count=3, theta=theta, displaced_in=displaced_in)
        masked = refwarp.linearized_sample(input, grid, auxiliary, mask=there(normal(2, 3, 2, 3) > -1.0, device))
        found = auxiliary, masked, refwarp.linearized_sample(input, grid, noise)
        assert all(device_of(array) == device for array in found)
        return bits(tuple(to_device(array, "cpu") for array in found))

    on_cupys = sample("cuda")
    with refwarp.use_backend("cuda"):
        assert on_cupys == sample("cpu")


MIXED = {
    "grid": lambda a, b: refwarp.linearized_sample(a["map"], b["grid"], b["points"]),
    "auxiliary": lambda a, b: refwarp.linearized_sample(a["map"], a["grid"], b["points"]),
    "mask": lambda a, b: refwarp.linearized_sample(a["map"], a["grid"], a["points"], mask=b["mask"]),
    "noise": lambda a, b: refwarp.auxiliary_grid(a["grid"], (4, 5), b["noise"]),
    "theta": lambda a, b: refwarp.auxiliary_grid(a["grid"], (4, 5), a["noise"], theta=b["theta"]),
}


@pytest.mark.parametrize("devices", [("cpu", "cuda"), ("cuda", "cpu")])
@pytest.mark.parametrize("argument", MIXED)
def test_constants_of_another_library_are_refused(argument, devices, device):
    arrays = {
        "map": normal(2, 2, 4, 5),
        "grid": normal(2, 3, 2, 2),
        "points": normal(2, 3, 2, 6, 2),
        "mask": normal(2, 3, 2, 6) > 0,
        "noise": normal(2, 2, 3, 2, 6, 2),
        "theta": normal(2, 2, 3),
    }
    a, b = ({name: to_device(array, where) for name, array in arrays.items()} for where in devices)
    given, expected = ("NumPy", "CuPy") if devices[1] == "cpu" else ("CuPy", "NumPy")
    message = rf"{argument}: given an array of {given} while \w+ is of {expected}, expected one library; move one"
    for other in (b, {name: Tensor(array) if argument != "mask" else array for name, array in b.items()}):
        with pytest.raises(TypeError, match=message):
            MIXED[argument](a, other)
