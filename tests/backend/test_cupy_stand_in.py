"""Every operation on arrays of another library, CuPy's stand-in: nothing is mixed up, left behind, or computed apart.

Kernels are chosen as for CUDA and run on the host, as loops of Python over compiled scalars. NumPy's arrays go through
the same kernels under `use_backend("cuda")`, so every result has the same bits.
"""

import sys
from types import FunctionType

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad, to_device
from autograd_core.arrays import device_of
from refwarp.grids.thin_plate_spline import function as thin_plate_spline
from refwarp.samplers import kernel_functions
from tests.backend.test_determinism import OPERATIONS, around_identity, normal, sampler
from tests.cupy_stand_in import DeviceArray, library, to_host

SIZE = (2, 2, 4, 5)


@pytest.fixture
def device(monkeypatch):
    def launch(kernel, count, *arguments):
        kinds = {type(value) for value in arguments if isinstance(value, np.ndarray | DeviceArray)}
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


def beside(tensor, array):
    """Return an array where that of a tensor is."""
    return to_device(array, device_of(tensor.data))


def alone(function, *shapes, **options):
    """Return a call of an operation that knows no size, and its arguments: normal numbers of these shapes."""
    return lambda size, *given: function(*given, **options), lambda *size: [normal(*shape) for shape in shapes]


def decoder(**options):
    """Return a call of the decoder with a previous map, and its arguments: few sources, which leave holes."""
    return (
        lambda size, values, grid, previous: refwarp.dense_decode(values, grid, size, previous=previous, **options),
        lambda n, c, h, w: [normal(n, c, 2, 3), 0.7 * normal(n, 2, 3, 2), normal(n, c, h, w)],
    )


def linearized(input_gradient, with_theta, with_mask, **options):
    """Return a call of the linearized sampler with auxiliary points from noise, and its arguments."""

    def sample(size, input, grid):
        shape = (*grid.shape[:3], 3)
        theta = beside(grid, around_identity(size[0], 2).astype(grid.dtype)) if with_theta else None
        auxiliary = refwarp.auxiliary_grid(grid, size[2:], beside(grid, normal(2, *shape, 2)), theta=theta, **options)
        mask = beside(grid, normal(*shape) > -1.0) if with_mask else "position"
        return refwarp.linearized_sample(input, grid, auxiliary, mask=mask, input_gradient=input_gradient)

    return sample, sampler(None)[1]


KERNELS = {
    "tent": kernel_functions.TENT,
    "integer": kernel_functions.INTEGER,
    "keys": kernel_functions.keys(),
    "lanczos": kernel_functions.lanczos(2),
    "gaussian": kernel_functions.gaussian(0.7),
}
EVERYTHING = {
    **OPERATIONS,
    **{f"separable_sample-{name}": sampler(refwarp.separable_sample, kernel=k) for name, k in KERNELS.items()},
    **{f"grid_sample-{kink}": sampler(refwarp.grid_sample, kink=kink) for kink in ("left", "central", "literal")},
    "multiscale_sample-stack": sampler(refwarp.multiscale_sample, aggregate="stack"),
    "linearized_sample-theta-mask": linearized("center", True, True),
    "linearized_sample-grid": linearized("fit", False, False),
    "linearized_sample-source": linearized("none", False, True, displaced_in="source"),
    "dense_decode-previous": decoder(fill="previous"),
    "dense_decode-neighbours": decoder(fill="neighbours"),
    "dense_decode-released": decoder(fill="previous", variant="released"),
    "dense_decode-first_release": decoder(fill="previous", variant="first_release"),
    "attention_matrix": alone(refwarp.attention_matrix, (2, 3)),
    "translation_matrix": alone(refwarp.translation_matrix, (2, 2)),
    "similarity_matrix": alone(refwarp.similarity_matrix, (2, 4)),
    "rotation_scale_translation_matrix": alone(refwarp.rotation_scale_translation_matrix, (2, 5)),
    "kurbiel_matrix": alone(refwarp.kurbiel_matrix, (2, 6)),
    "homography_matrix": alone(refwarp.homography_matrix, (2, 8)),
    "compose": alone(refwarp.compose, (2, 2, 3), (2, 2, 3)),
    "invert": (lambda size, theta: refwarp.invert(theta), lambda n, *_: [around_identity(n, 3)]),
    "inverse_compositional_update": (
        lambda size, theta, delta: refwarp.inverse_compositional_update(theta, delta),
        lambda n, *_: [normal(n, 2, 3), around_identity(n, 2)],
    ),
    "tps_grid-control": (
        lambda size, points, control: refwarp.tps_grid(points, size, control, smoothing=0.5),
        lambda n, *_: [normal(n, 5, 2), normal(n, 5, 2)],
    ),
    "thin_plate_spline_basis": (
        lambda size, control: Tensor(refwarp.thin_plate_spline_basis(control.data, size)),
        lambda *size: [normal(5, 2)],
    ),
    **{
        f"{penalty.__name__}-{norm}": alone(penalty, (2, 2, 4, 5), norm=norm, boundary="replicate")
        for penalty in (refwarp.smoothness, refwarp.bending_energy)
        for norm in ("1", "2", "squared")
    },
    "bending_energy-hessian": alone(refwarp.bending_energy, (2, 2, 4, 5), form="hessian"),
}


def results(name, device):
    """Return an operation's output, its gradients, and theirs, computed on a device from float32, as NumPy's arrays."""
    call, arguments = EVERYTHING[name]

    def there(array):
        return to_device(array.astype(np.float32), device)

    inputs = [Tensor(there(array), requires_grad=True) for array in arguments(*SIZE)]
    found = [call(SIZE, *inputs)]
    if found[0].requires_grad:
        gout = Tensor(there(normal(*found[0].shape)), requires_grad=True)
        found += grad(found[0], inputs, gout, create_graph=True)
    live = [gradient for gradient in found[1:] if gradient.requires_grad]
    if live:
        found += grad(live, [gout, *inputs], [Tensor(there(normal(*gradient.shape))) for gradient in live])
    assert all(device_of(tensor.data) == device for tensor in found)
    return [tensor.numpy() for tensor in found]


def assert_same_bits(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", EVERYTHING)
def test_arrays_of_cupy_give_the_bits_that_numpys_give(name, device):
    there = results(name, "cuda")
    with refwarp.use_backend("cuda"):
        assert_same_bits(there, results(name, "cpu"))


@pytest.mark.parametrize("name", ["dense_decode-released", "dense_decode-first_release"])
def test_the_released_decoders_gather_in_the_order_in_which_the_cpu_scatters(name, device):
    assert_same_bits(results(name, "cuda"), results(name, "cpu"))


def test_no_operation_is_left_out():
    tested = {name.split("-")[0] for name in EVERYTHING} | {"auxiliary_grid"}
    without_arrays = {"CacheWarning", "KernelFunction", "kernel_functions", "affine_basis", "bernstein_basis"}
    settings = {"get_num_threads", "set_num_threads", "use_backend"}
    assert tested | without_arrays | settings == set(refwarp.__all__)


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
        "theta": around_identity(2, 2),
    }
    a, b = ({name: to_device(array, where) for name, array in arrays.items()} for where in devices)
    given, expected = ("NumPy", "CuPy") if devices[1] == "cpu" else ("CuPy", "NumPy")
    message = rf"{argument}: given an array of {given} while \w+ is of {expected}, expected one library; move one"
    for other in (b, {name: Tensor(array) if argument != "mask" else array for name, array in b.items()}):
        with pytest.raises(TypeError, match=message):
            MIXED[argument](a, other)
