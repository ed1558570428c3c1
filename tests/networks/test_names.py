"""Transformations and samplers by their names: that all are there, what options they take, and what is refused."""

import numpy as np
import pytest

import refwarp
from autograd_core.layers import Module
from refwarp import grid_sample, kernel_functions, multiscale_sample, separable_sample
from refwarp.networks import LinearizedSampler, Projective, RotationScaleTranslation, ThinPlateSpline
from refwarp.networks import transformations as module
from refwarp.networks.names import sampler, sampler_names, transformation, transformation_names
from refwarp.samplers.kernel_functions import KernelFunction

MAP = np.random.default_rng(0).random((2, 3, 6, 7))
GRID = np.random.default_rng(1).uniform(-1.1, 1.1, (2, 4, 5, 2))


def test_every_transformation_that_needs_no_argument_has_a_name():
    names = transformation_names()
    assert {"translation", "attention", "similarity", "affine", "projective", "piecewise_affine"} < set(names)
    in_module = {value for value in vars(module).values() if isinstance(value, type) and hasattr(value, "identity")}
    assert set(names.values()) == {value for value in in_module if value is not module.Transformation}
    for name in names:
        made = transformation(name)
        assert made.identity.shape == (made.count,)


def test_options_of_transformations():
    assert transformation("tps") == transformation("thin_plate_spline") == ThinPlateSpline((4, 4))
    assert transformation(" thin_plate_spline(points=(5, 3), smoothing=0.5) ") == ThinPlateSpline((5, 3), 0.5)
    assert transformation("projective(0.9)") == Projective(0.9)
    assert transformation("rotation_scale_translation(translate_first=True)") == RotationScaleTranslation(True)


def test_every_public_sampler_and_every_kernel_function_has_a_name():
    names = set(sampler_names())
    functions = {name.removesuffix("_sample") for name in refwarp.__all__ if name.endswith("_sample")}
    assert functions - {"grid", "separable"} <= names  # those two have the names of their modes and kernels
    constants = [name for name, value in vars(kernel_functions).items() if isinstance(value, KernelFunction)]
    assert {name.lower() for name in constants} | {"keys", "lanczos", "gaussian"} <= names
    assert {"bilinear", "nearest", "bicubic"} <= names
    for name in names - {"gaussian"}:
        assert sampler(name, np.random.default_rng(0))(MAP, GRID, align_corners=True).shape == (2, 3, 4, 5)


@pytest.mark.parametrize(
    ("name", "function", "options"),
    [
        ("bilinear", grid_sample, {}),
        ("nearest", grid_sample, {"mode": "nearest"}),
        ("bicubic(padding_mode='border')", grid_sample, {"mode": "bicubic", "padding_mode": "border"}),
        ("multiscale(deviations=(0.0, 1.5))", multiscale_sample, {"deviations": (0.0, 1.5)}),
        ("tent", separable_sample, {"kernel": kernel_functions.TENT}),
        (
            "cubic_b_spline(padding_mode='reflection')",
            separable_sample,
            {"kernel": kernel_functions.CUBIC_B_SPLINE, "padding_mode": "reflection"},
        ),
        ("gaussian(1.5)", separable_sample, {"kernel": kernel_functions.gaussian(1.5)}),
        (
            "lanczos(padding_mode='border', lobes=2)",
            separable_sample,
            {"kernel": kernel_functions.lanczos(2), "padding_mode": "border"},
        ),
    ],
)
def test_a_sampler_is_the_function_that_its_name_says(name, function, options):
    for align_corners in (False, True):
        expected = function(MAP, GRID, align_corners=align_corners, **options)
        assert (sampler(name)(MAP, GRID, align_corners=align_corners) == expected).all()


def test_a_sampler_with_noise_draws_it_from_the_generator_that_is_given():
    made = sampler("linearized(noise={'count': 4}, padding_mode='border')", rng := np.random.default_rng(3))
    assert isinstance(made, LinearizedSampler) and isinstance(made, Module)
    assert made.rng is rng and made.noise == {"count": 4} and made.options["padding_mode"] == "border"


@pytest.mark.parametrize(
    ("find", "name", "sentence"),
    [
        (transformation, "affin", "given 'affin', expected one of 'translation', 'attention', 'similarity', "),
        (transformation, "linear_basis", "given 'linear_basis', expected one of"),
        (transformation, "tps(points=(1, 4))", "whose options do not fit: points: given 1, expected an integer of at"),
        (transformation, "affine(bound=1)", r"given 'affine\(bound=1\)', whose options do not fit: .*bound"),
        (transformation, "an affine one", "given 'an affine one', expected a name, with options in parentheses if"),
        (transformation, "", "given '', expected a name"),
        (transformation, "affine(", "expected a name, with options"),
        (transformation, "affine(__import__('os'))", "expected a name, with options"),
        (transformation, "affine(**{})", "expected a name, with options"),
        (transformation, "(" * 5000, "expected a name, with options"),
        (sampler, "cubic", "given 'cubic', expected one of 'bilinear', 'nearest', 'bicubic', 'multiscale', "),
        (sampler, "gaussian", "whose options do not fit: .*deviation"),
        (sampler, "gaussian(-1)", "whose options do not fit: deviation: given -1, expected a number of pixels"),
        (sampler, "bilinear(padding_mode='wrap')", "whose options do not fit: padding_mode: given 'wrap', expected"),
        (sampler, "bilinear(mode='nearest')", "whose options do not fit: .*mode"),
        (sampler, "multiscale(aggregate='stack')", "whose options do not fit: samples of a map have 5 axes, expected"),
    ],
)
def test_what_is_none_is_refused_in_a_sentence(find, name, sentence):
    with pytest.raises(ValueError, match=rf"^warp: [^\n]*{sentence}"):
        find(name, argument="warp")
