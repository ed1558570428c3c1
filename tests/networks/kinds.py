"""Every transformation and every sampler, by name, and grids from a formula of its own."""

from functools import partial

import numpy as np

from autograd_core import Tensor
from autograd_core.layers import Dense, Flatten, Module, Sequential, Tanh
from refwarp import affine_basis, bernstein_basis, grid_sample, multiscale_sample, separable_sample
from refwarp.networks import (
    Affine,
    Attention,
    LinearBasis,
    LinearizedSampler,
    PiecewiseAffine,
    Projective,
    RotationScaleTranslation,
    Similarity,
    SpatialTransformer,
    ThinPlateSpline,
    Translation,
    regression,
    regular_points,
)
from refwarp.samplers.kernel_functions import CUBIC_B_SPLINE, TENT, gaussian, keys, lanczos


def learnt_basis(size, align_corners, dtype):
    """The affine basis and two functions more, which the identity does not use."""
    more = np.random.default_rng(0).standard_normal((2, *size))
    basis = np.concatenate([affine_basis((1, 1, *size), align_corners), more])
    return LinearBasis(basis, np.eye(2, 5), learnable=True, dtype=dtype)


def bernstein(size, align_corners, dtype):
    basis = bernstein_basis(3, (1, 1, *size), align_corners)
    return LinearBasis(basis, regular_points(4, 4).T, dtype=dtype)


# Each makes a transformation for an output of (H, W).
TRANSFORMATIONS = {
    "translation": lambda *size: Translation(),
    "attention": lambda *size: Attention(),
    "similarity": lambda *size: Similarity(),
    "rotation, scale, translation": lambda *size: RotationScaleTranslation(),
    "translation first": lambda *size: RotationScaleTranslation(translate_first=True),
    "affine": lambda *size: Affine(),
    "projective": lambda *size: Projective(),
    "bounded projective": lambda *size: Projective(bound=0.9),
    "thin plate spline": lambda *size: ThinPlateSpline(),
    "smooth spline": lambda *size: ThinPlateSpline((2, 3), smoothing=0.1),
    "piecewise affine": lambda *size: PiecewiseAffine((3, 4)),
    "Bernstein": bernstein,
    "learnt basis": learnt_basis,
}

# Those that return the map itself at the identity.
INTERPOLATING = {
    "bilinear": lambda: grid_sample,
    "bilinear border": lambda: partial(grid_sample, padding_mode="border"),
    "bicubic": lambda: partial(grid_sample, mode="bicubic"),
    "nearest": lambda: partial(grid_sample, mode="nearest", padding_mode="reflection"),
    "tent": lambda: partial(separable_sample, kernel=TENT),
    "Keys": lambda: partial(separable_sample, kernel=keys(-0.5), padding_mode="border"),
    "Lanczos": lambda: partial(separable_sample, kernel=lanczos(3)),
    "multi-scale without blur": lambda: partial(multiscale_sample, deviations=(0.0,)),
    "linearized": lambda: LinearizedSampler(np.random.default_rng(0)),
}
SMOOTHING = {
    "B-spline": lambda: partial(separable_sample, kernel=CUBIC_B_SPLINE),
    "Gaussian": lambda: partial(separable_sample, kernel=gaussian(0.8)),
    "multi-scale": lambda: partial(multiscale_sample, deviations=(0.0, 1.0)),
}
SAMPLERS = INTERPOLATING | SMOOTHING


class Told(Module):
    """A localisation that is told its theta."""

    def __init__(self, theta):
        self.theta = Tensor(np.asarray(theta), requires_grad=True)

    def forward(self, input):
        return self.theta


def points(height, width, align_corners=False):
    """Return the output's pixels (H, W, 2), x first: the identity grid, each coordinate rounded once."""
    x, y = ((2 * np.arange(n) + 1 - n) / max(n - align_corners, 1) for n in (width, height))
    return np.stack(np.meshgrid(x, y), axis=-1)


def away_from_the_identity(transformation, count, spread=0.1, seed=0, dtype=np.float64):
    away = np.random.default_rng(seed).normal(0, spread, (count, transformation.count))
    return (transformation.identity + away).astype(dtype)


def small_transformer(name, sampler=grid_sample, side=3, size=(2, 3), seed=0, dtype=np.float64):
    """A transformer of maps (N, 1, side, side) that has left the identity, all of whose parameters matter."""
    rng = np.random.default_rng(seed)
    transformation = TRANSFORMATIONS[name](size, False, dtype)
    last = regression(2, transformation, rng=rng, dtype=dtype)
    last.weight.data = rng.normal(0, 0.1, last.weight.shape).astype(dtype)
    localisation = Sequential(Flatten(), Dense(side * side, 2, rng=rng, dtype=dtype), Tanh(), last)
    return SpatialTransformer(localisation, transformation, sampler, size=size)
