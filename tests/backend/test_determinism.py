"""Same bits, however many threads: on CUDA for every shape of a launch, on the CPU for every number of threads.

Every sampler and grid, forward and all gradients. What adds by atomic operations, or in an order that threads choose,
differs here in the last bits: gradients of maps are sums of many samples that collide.
"""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor, grad
from refwarp.backend import cuda, launch
from tests.every_function import functions_of, record_forwards
from tests.threads import on_threads

# Of a launch: threads of a block, and blocks at most; the first is what is used.
LAUNCHES = [(4, 2), (1, 1), (3, 1), (2, 3)] if cuda.SIMULATED else [(128, 65536), (1, 3), (32, 7), (256, 65536)]
ON_CUDA = (2, 2, 4, 5) if cuda.SIMULATED else (2, 3, 64, 80)
ON_THE_CPU = (2, 3, 64, 80)  # more elements than are left to one thread


def rng():
    return np.random.default_rng(11)


def normal(*shape):
    return rng().standard_normal(shape)


def sampler(function, **options):
    """Return a call of a sampler, and its arguments for (N, C, H, W): samples collide, and some lie outside."""
    return (
        lambda size, input, grid: function(input, grid, **options),
        lambda n, c, h, w: [normal(n, c, h, w), 0.7 * normal(n, h, w, 2)],
    )


def of_size(function, arguments):
    """Return a call of a grid's operation, which is told the size of the map, and its arguments."""
    return lambda size, *given: function(*given, size), arguments


def around_identity(n, rows):
    return np.eye(3)[:rows] + 0.05 * normal(n, rows, 3)


def decoder(**options):
    """Return a call of the decoder with a previous map, and its arguments: sources that collide, and leave holes."""
    return (
        lambda size, values, grid, previous: refwarp.dense_decode(values, grid, size, previous=previous, **options),
        lambda n, c, h, w: [normal(n, c, h // 2, w // 2), 0.7 * normal(n, h // 2, w // 2, 2), normal(n, c, h, w)],
    )


OPERATIONS = {
    **{
        f"grid_sample-{mode}-{padding}": sampler(refwarp.grid_sample, mode=mode, padding_mode=padding)
        for mode in ("bilinear", "nearest", "bicubic")
        for padding in ("zeros", "border", "reflection")
    },
    "separable_sample": sampler(refwarp.separable_sample, kernel=refwarp.kernel_functions.CUBIC_B_SPLINE),
    "linearized_sample": (
        lambda size, input, grid: refwarp.linearized_sample(
            input, grid, np.random.default_rng(13), input_gradient="fit"
        ),
        sampler(None)[1],
    ),
    "multiscale_sample": sampler(refwarp.multiscale_sample),
    "dense_decode": (lambda size, values, grid: refwarp.dense_decode(values, grid, size=size), sampler(None)[1]),
    "dense_decode-neighbours": decoder(fill="neighbours"),
    "dense_decode-released": decoder(fill="previous", variant="released"),
    "dense_decode-first_release": decoder(fill="previous", variant="first_release"),
    "affine_grid": of_size(refwarp.affine_grid, lambda n, *_: [around_identity(n, 2)]),
    "projective_grid": of_size(refwarp.projective_grid, lambda n, *_: [around_identity(n, 3)]),
    "attention_grid": of_size(refwarp.attention_grid, lambda n, *_: [normal(n, 3)]),
    "translation_grid": of_size(refwarp.translation_grid, lambda n, *_: [normal(n, 2)]),
    "similarity_grid": of_size(refwarp.similarity_grid, lambda n, *_: [normal(n, 4)]),
    "rotation_scale_translation_grid": of_size(refwarp.rotation_scale_translation_grid, lambda n, *_: [normal(n, 5)]),
    "piecewise_affine_grid": of_size(refwarp.piecewise_affine_grid, lambda n, *_: [normal(n, 3, 4, 2)]),
    "linear_basis_grid": (
        lambda size, m, b: refwarp.linear_basis_grid(m, b),
        lambda n, c, h, w: [normal(n, 2, 4), normal(4, h, w)],
    ),
    "tps_grid": of_size(refwarp.tps_grid, lambda n, *_: [normal(n, 9, 2)]),
    "tps_grid-control": (
        lambda size, points, control: refwarp.tps_grid(points, size, control, smoothing=0.5),
        lambda n, *_: [normal(n, 9, 2), normal(n, 9, 2)],
    ),
    "invert": (lambda size, theta: refwarp.invert(theta), lambda n, *_: [around_identity(n, 3)]),
    "flow_grid": (lambda size, flow: refwarp.flow_grid(flow), lambda n, c, h, w: [normal(n, 2, h, w)]),
    "affine_motion": of_size(refwarp.affine_motion, lambda n, *_: [around_identity(n, 2)]),
    **{
        f"smoothness-{norm}": (
            lambda size, field, norm=norm: refwarp.smoothness(field, norm, boundary="replicate"),
            lambda n, c, h, w: [normal(n, 2, h, w)],
        )
        for norm in ("2", "squared")
    },
}


def results(name, size, dtype):
    """Return the bits of an operation's output, of its gradients, and of theirs."""
    call, arguments = OPERATIONS[name]
    inputs = [Tensor(array.astype(dtype), requires_grad=True) for array in arguments(*size)]
    output = call(size, *inputs)
    gout = Tensor(normal(*output.shape).astype(dtype), requires_grad=True)
    first = grad(output, inputs, gout, create_graph=True)
    found = [output, *first]
    live = [gradient for gradient in first if gradient.requires_grad]
    if live:
        found += grad(live, [gout, *inputs], [Tensor(normal(*gradient.shape).astype(dtype)) for gradient in live])
    return [tensor.numpy().tobytes() for tensor in found]


def test_every_function_is_among_them(monkeypatch):
    """Operations that share their Functions with others need not be here; no Function, and no backward, is left out."""
    functions = functions_of("refwarp")
    applied = record_forwards(functions, monkeypatch)
    for name in OPERATIONS:
        results(name, (2, 2, 4, 5), np.float64)
    assert applied == functions


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPERATIONS)
def test_on_cuda_every_run_and_every_shape_of_a_launch_gives_the_same_bits(name, dtype, monkeypatch):
    with refwarp.use_backend("cuda"):
        first = results(name, ON_CUDA, dtype)
        for threads, blocks in LAUNCHES:
            monkeypatch.setattr(cuda, "_THREADS", threads)
            monkeypatch.setattr(cuda, "_BLOCKS", blocks)
            assert results(name, ON_CUDA, dtype) == first, (threads, blocks)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPERATIONS)
def test_on_the_cpu_every_run_and_every_number_of_threads_gives_the_same_bits(name, dtype):
    assert np.prod(ON_THE_CPU[2:]) * 2 > launch._SMALL
    found = on_threads((1, 2, 3, 5, 1), lambda: results(name, ON_THE_CPU, dtype))
    assert all(each == found[0] for each in found)
