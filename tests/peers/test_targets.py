"""The peers' targets: they speak the protocol, pass on what their library does, and agree on ordinary input."""

import importlib

import numpy as np
import pytest

from refwarp.golden.operations import OPERATIONS
from refwarp.golden.targets import PEERS
from refwarp.golden.targets import refwarp as own
from refwarp.golden.verify import DTYPES

pytestmark = pytest.mark.peers

# A target's name, and the library that it needs.
TARGETS = {name: {"opencv": "cv2"}.get(name, name) for name in PEERS}
GRADIENTS = ("grid_sample", "grid_sample_vjp", "grid_sample_second_vjp")
MODES = {
    "torch": ("bilinear", "nearest", "bicubic"),
    "jax": ("bilinear", "nearest"),
    "onnxruntime": ("bilinear", "nearest", "bicubic"),
    "openvino": ("bilinear", "nearest", "bicubic"),
    "opencv": ("bilinear", "nearest", "bicubic"),
    "scipy": ("bilinear", "nearest"),
    "skimage": ("bilinear", "nearest"),
}


def load(name):
    """Return a target; skip the test if its library is not installed."""
    pytest.importorskip(TARGETS[name])
    return importlib.import_module(f"refwarp.golden.targets.{name}")


def offered(target):
    """Return the names of the functions that a target has of its own."""
    return {
        name
        for name, member in vars(target).items()
        if not name.startswith("_") and getattr(member, "__module__", "") == target.__name__
    }


@pytest.mark.parametrize("name", TARGETS)
def test_functions_are_named_after_operations(name):
    target = load(name)
    known = {call.function(operation) for operation, calls in OPERATIONS.items() for call in calls}
    assert offered(target) and offered(target) <= known
    assert target.VERSION == importlib.import_module(TARGETS[name]).__version__
    assert set(target.DTYPES) <= set(DTYPES)


def assert_agree(target, function, arrays, options, tolerance):
    """Assert that a target returns what refwarp does, relative to the largest element, and its dtype."""
    given = [None if array is None else array.copy() for array in arrays]
    found, expected = (getattr(module, function)(*given, **options) for module in (target, own))
    found, expected = (result if isinstance(result, tuple) else (result,) for result in (found, expected))
    for array, copy in zip(arrays, given, strict=True):
        assert array is None or np.array_equal(array, copy)
    for result, other in zip(found, expected, strict=True):
        assert type(result) is np.ndarray and result.dtype == other.dtype and result.shape == other.shape
        largest = np.abs(other).max()
        assert np.abs(result.astype(float) - other).max() <= tolerance * max(largest, 1.0)


def draw(rng, *shape, dtype="float32"):
    return rng.uniform(-1, 1, shape).astype(dtype)


def sampling(name, dtype="float32"):
    """Return cotangents of the gradients, gout, a map and a grid beyond its ends: off the lattice, by chance."""
    rng = np.random.default_rng(sum(map(ord, name)))
    shapes = (2, 3, 5, 6), (2, 4, 3, 2), (2, 3, 4, 3), (2, 3, 5, 6)
    return [*(draw(rng, *shape, dtype=dtype) for shape in shapes), draw(rng, 2, 4, 3, 2, dtype=dtype) * 3 / 2]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(("name", "mode"), [(name, mode) for name, modes in MODES.items() for mode in modes])
def test_samplers_agree(name, mode, padding_mode, align_corners):
    target = load(name)
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    arrays = sampling(name)
    for function, count in zip(GRADIENTS, (2, 3, 5), strict=True):
        if hasattr(target, function):
            # A coordinate is off by some 2^-23 of six pixels, and slopes add a factor of three: 2^-19.
            assert_agree(target, function, arrays[-count:], options, 1e-5)


@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_affine_grids_agree(name, align_corners):
    target, rng = load(name), np.random.default_rng(1)
    options = {"size": [2, 1, 4, 5], "align_corners": align_corners}
    theta, ggrid = draw(rng, 2, 2, 3), draw(rng, 2, 4, 5, 2)
    assert_agree(target, "affine_grid", (theta,), options, 1e-5)
    if hasattr(target, "affine_grid_vjp"):
        assert_agree(target, "affine_grid_vjp", (ggrid, theta), options, 1e-5)


@pytest.mark.parametrize("align_corners", [False, True])
def test_kornia_grids_agree(align_corners):
    target, rng = load("kornia"), np.random.default_rng(2)
    options = {"size": [2, 1, 4, 5], "align_corners": align_corners}
    theta = np.eye(3, dtype=np.float32) + draw(rng, 2, 3, 3) / 8
    arrays = draw(rng, 2, 3, 3), draw(rng, 2, 4, 5, 2), theta
    assert_agree(target, "projective_grid", arrays[2:], options, 1e-5)
    assert_agree(target, "projective_grid_vjp", arrays[1:], options, 1e-5)
    assert_agree(target, "projective_grid_second_vjp", arrays, options, 1e-5)


def test_kornia_composition_agrees():
    target, rng = load("kornia"), np.random.default_rng(3)
    identity = np.eye(2, 3, dtype=np.float32)
    a, b, g, outer, inner = (identity + draw(rng, 2, 2, 3) / 4 for _ in range(5))
    for function, arrays in {
        "compose": (outer, inner),
        "compose_vjp": (g, outer, inner),
        "compose_second_vjp": (a, b, g, outer, inner),
        "invert": (inner,),
        "invert_vjp": (g, inner),
        "invert_second_vjp": (a, g, inner),
    }.items():
        assert_agree(target, function, arrays, {}, 1e-5)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_scipy_splines_agree(align_corners, smoothing):
    target, rng = load("scipy"), np.random.default_rng(4)
    options = {"size": [2, 1, 4, 5], "align_corners": align_corners, "smoothing": smoothing}
    control, points = draw(rng, 9, 2), draw(rng, 2, 9, 2)
    both = np.stack([control, draw(rng, 9, 2)])
    for given in (None, control, both):
        assert_agree(target, "tps_grid", (points, given), options, 1e-5)
    basis, expected = (one.thin_plate_spline_basis(control, **options) for one in (target, own))
    assert basis.dtype == control.dtype and np.abs(basis - expected).max() <= 1e-5


def test_kornia_splines_are_another_surface():
    target, rng = load("kornia"), np.random.default_rng(5)
    control, ggrid = draw(rng, 9, 2, dtype="float64"), draw(rng, 2, 4, 5, 2, dtype="float64")
    points = control + draw(rng, 2, 9, 2, dtype="float64") / 8
    options = {"size": [2, 1, 4, 5], "align_corners": True}
    found, expected = (one.tps_grid(points, control, **options) for one in (target, own))
    assert np.abs(found - expected).max() > 0.1
    gpoints, gcontrol = target.tps_grid_vjp(ggrid, points, control, **options)
    assert gpoints.shape == points.shape and gcontrol.shape == control.shape
    # The derivative along a step of both, which moves its value and not refwarp's.
    step, h = draw(rng, 2, 9, 2, dtype="float64"), 1e-6
    shifted = [(ggrid * target.tps_grid(points + side * h * step, control, **options)).sum() for side in (1, -1)]
    slope = (gpoints * step).sum()
    assert abs((shifted[0] - shifted[1]) / (2 * h) - slope) <= 1e-5 * max(abs(slope), 1.0)  # h^2, and u / h


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_bfloat16_comes_and_goes_as_float32(name):
    target = load(name)
    narrow = [(np.round(array * 16) / 16).astype(np.float32) for array in sampling(name)]
    options = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": False}
    for function, count in zip(GRADIENTS, (2, 3, 5), strict=True):
        results = getattr(target, function)(*narrow[-count:], **options, dtype="bfloat16")
        for result in results if isinstance(results, tuple) else (results,):
            assert result.dtype == np.float32
            assert not (result.view(np.uint32) & 0xFFFF).any()


@pytest.mark.parametrize(
    ("name", "function", "shapes", "options"),
    [
        ("torch", "affine_grid", [(1, 2, 3)], {"size": [1, 1, 0, 3], "align_corners": False}),
        ("jax", "grid_sample", [(1, 1, 3, 3), (1, 2, 2, 2)], {"mode": "bicubic", "padding_mode": "zeros"}),
        ("jax", "grid_sample", [(1, 1, 3, 3), (1, 2, 2, 2)], {"mode": "bilinear", "padding_mode": "ones"}),
        ("jax", "grid_sample", [(2, 1, 3, 3), (1, 2, 2, 2)], {"mode": "bilinear", "padding_mode": "zeros"}),
        ("scipy", "grid_sample", [(1, 1, 3, 3), (1, 2, 2, 2)], {"mode": "bicubic", "padding_mode": "zeros"}),
        ("scipy", "grid_sample", [(1, 3, 3), (1, 2, 2, 2)], {"mode": "bilinear", "padding_mode": "zeros"}),
        ("skimage", "grid_sample", [(1, 1, 3, 3), (1, 2, 2, 2)], {"mode": "bicubic", "padding_mode": "zeros"}),
        ("skimage", "grid_sample", [(1, 1, 3, 3), (1, 0, 2, 2)], {"mode": "bilinear", "padding_mode": "zeros"}),
        ("opencv", "grid_sample", [(1, 1, 3, 3), (1, 2, 2, 2)], {"mode": "quintic", "padding_mode": "zeros"}),
        ("opencv", "grid_sample", [(1, 1, 3, 3), (1, 0, 2, 2)], {"mode": "bilinear", "padding_mode": "zeros"}),
        ("kornia", "projective_grid", [(1, 8)], {"size": [1, 1, 2, 2]}),
        ("kornia", "tps_grid", [(1, 4, 2), (4, 2)], {"size": [1, 1, 2, 2], "smoothing": 0.5}),
        ("kornia", "invert", [(1, 3, 3)], {}),
    ],
)
def test_what_is_not_offered_is_said(name, function, shapes, options):
    target, rng = load(name), np.random.default_rng(6)
    if function == "grid_sample":
        options = {"align_corners": False, **options}
    with pytest.raises(NotImplementedError, match="[a-z]"):
        getattr(target, function)(*(draw(rng, *shape) for shape in shapes), **options)


@pytest.mark.parametrize("name", ["torch", "onnxruntime", "openvino"])
@pytest.mark.parametrize(
    "change",
    [{"mode": "quintic"}, {"padding_mode": "ones"}, {"align_corners": "corners"}, {"kink": "both"}],
    ids=lambda change: next(iter(change)),
)
def test_refusals_of_the_library_pass(name, change):
    options = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": False, **change}
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        load(name).grid_sample(np.ones((1, 1, 2, 2)), np.zeros((1, 1, 1, 2)), **options)


@pytest.mark.parametrize("name", ["jax", "opencv", "scipy"])
def test_coordinates_stay_finite_on_their_way_to_pixels(name):
    """3e38 times half of a width is beyond float32, but the sample is outside all the same."""
    grid = np.array([[[[3e38, 0.0], [-3e38, 0.0]]]], np.float32)
    input = np.ones((1, 1, 1, 4), np.float32)
    output = load(name).grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    assert output.tolist() == [[[[0.0, 0.0]]]]
