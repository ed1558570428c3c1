"""The spatial transformer: its start, its shapes, its gradient from end to end, its errors."""

import numpy as np
import pytest

import refwarp
from autograd_core import Tensor
from autograd_core.gradcheck import gradcheck
from autograd_core.layers import Dense, Flatten, ReLU, Sequential
from refwarp.networks import (
    Affine,
    Convolution,
    GlimpseTransformer,
    Parallel,
    SpatialTransformer,
    convolutional_localisation,
    observed,
    regression,
)
from tests.networks.kinds import SAMPLERS, TRANSFORMATIONS, Told, away_from_the_identity, small_transformer
from tests.networks.parameters import assign


def identity(count, dtype=np.float32):
    return np.tile(np.array([[1, 0, 0], [0, 1, 0]], dtype), (count, 1, 1))


def reads(size, seed, channels=1, kernel_size=5, dtype=np.float32):
    """Return a localisation of some channels."""
    options = {"convolutions": (Convolution(8, kernel_size, 2), Convolution(16, kernel_size)), "reduction": 2}
    return convolutional_localisation((channels, *size), **options, rng=np.random.default_rng(seed), dtype=dtype)


def maps(shape, dtype=np.float32, seed=0):
    return Tensor(np.random.default_rng(seed).random(shape, dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("align_corners", [False, True])
def test_it_starts_at_the_identity(dtype, align_corners):
    """Theta is the identity exactly; the output is the input up to the rounding of the grid."""
    transformer = SpatialTransformer(reads((40, 36), 1, dtype=dtype), align_corners=align_corners)
    input = maps((3, 1, 40, 36), dtype)
    output, theta, _ = transformer.transform(input)
    assert (theta.data == identity(3, dtype).reshape(3, 6)).all()
    # Each x_t is off by at most u |x_t| <= u, which is 20 u (18 u) pixels, and neighbours differ by less than 1;
    # the value is rounded once more: 39 u in all, and what the next power of two does to u.
    assert output.dtype == dtype
    assert abs(output.data - input.data).max() <= 20 * np.finfo(dtype).eps


def test_where_every_coordinate_is_a_float_the_start_is_the_input_itself():
    transformer = SpatialTransformer(reads((32, 64), 1))
    input = maps((2, 1, 32, 64))
    assert (transformer(input).data == input.data).all()


def test_the_start_does_not_depend_on_what_the_hidden_layers_say():
    localisation = reads((40, 40), 2)
    thetas = [localisation(maps((2, 1, 40, 40), seed=seed)).data for seed in range(3)]
    assert all((theta == [1, 0, 0, 0, 1, 0]).all() for theta in thetas)
    hidden = localisation.hidden(maps((2, 1, 40, 40))).data
    assert hidden.any()


@pytest.mark.parametrize("form", [(2, 6), (2, 2, 3)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_it_is_grid_and_sampler_in_a_row(form, align_corners):
    rng = np.random.default_rng(3)
    theta = rng.normal(0, 0.5, (2, 2, 3)) + identity(2, np.float64)
    input = maps((2, 3, 5, 7), np.float64)
    transformer = SpatialTransformer(Told(theta.reshape(form)), size=(4, 6), align_corners=align_corners)
    output, seen_theta, seen_grid = transformer.transform(input)
    grid = refwarp.affine_grid(theta, (2, 3, 4, 6), align_corners=align_corners)
    assert (seen_theta.data == theta.reshape(2, 6)).all() and (seen_grid.data == grid).all()
    assert (output.data == refwarp.grid_sample(input.data, grid, align_corners=align_corners)).all()
    assert (transformer(input).data == output.data).all()


@pytest.mark.parametrize(("size", "expected"), [(None, (5, 7)), (3, (3, 3)), ((2, 9), (2, 9))])
def test_size_of_the_output(size, expected):
    output = SpatialTransformer(Told(identity(2)), size=size)(maps((2, 3, 5, 7)))
    assert output.shape == (2, 3, *expected)


def test_it_drops_in_anywhere():
    rng = np.random.default_rng(4)
    deep = SpatialTransformer(Sequential(Flatten(), Dense(2 * 4 * 4, 5, rng=rng), regression(5, rng=rng)))
    first = SpatialTransformer(reads((20, 20), 4, channels=2, kernel_size=3), size=4)
    network = Sequential(first, deep, Flatten(), Dense(2 * 4 * 4, 3, rng=rng))
    output = network(maps((5, 2, 20, 20)))
    output.backward(rng.standard_normal(output.shape).astype(np.float32))
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert output.shape == (5, 3)
    for name in ("layers.0.localisation.regression.weight", "layers.1.localisation.layers.2.weight"):
        assert gradients[name] is not None and gradients[name].data.any()


def check_gradients(transformer, shape, order):
    """With respect to the input, through sampler and localisation, and to all parameters."""
    parameters = dict(transformer.named_parameters())

    def function(input, *given):
        for name, tensor in zip(parameters, given, strict=True):
            assign(transformer, name, tensor)
        return transformer(input)

    rng = np.random.default_rng(5)
    inputs = [rng.random(shape), *(parameter.data for parameter in parameters.values())]
    gradcheck(function, inputs, rng=rng, order=order)


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_gradients_from_end_to_end(name):
    transformer = small_transformer(name, size=(2, 2))
    assert len(transformer.parameters()) == 4 + (name == "learnt basis")
    check_gradients(transformer, (1, 1, 3, 3), order=1)


def test_second_derivatives_from_end_to_end():
    check_gradients(small_transformer("affine", size=(2, 2), seed=5), (1, 1, 3, 3), order=2)


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_its_state_makes_another_the_same(name):
    one, other = (small_transformer(name, seed=seed) for seed in (1, 2))
    input = maps((2, 1, 3, 3), np.float64)
    assert (one(input).data != other(input).data).any()
    other.load_state_dict(one.state_dict())
    assert (one(input).data == other(input).data).all()
    assert any("basis" in key for key in one.state_dict()) == (name in ("Bernstein", "learnt basis"))


# ---- several glimpses ----


@pytest.mark.parametrize("align_corners", [False, True])
def test_each_glimpse_is_a_warp_of_the_map(align_corners):
    theta = away_from_the_identity(Affine(), 6, spread=0.3).reshape(2, 3, 6)
    options = {"size": (4, 5), "sampler": SAMPLERS["bicubic"](), "align_corners": align_corners}
    input = maps((2, 2, 6, 7), np.float64)
    output, seen_theta, grid = GlimpseTransformer(Told(theta), **options).transform(input)
    assert output.shape == (2, 3, 2, 4, 5) and (seen_theta.data == theta).all()
    for t in range(3):
        single = SpatialTransformer(Told(theta[:, t]), **options).transform(input)
        assert (output[:, t].data == single[0].data).all() and (grid[:, t].data == single[2].data).all()


def test_the_gradients_of_all_glimpses_add_up():
    theta = away_from_the_identity(Affine(), 6, spread=0.3).reshape(2, 3, 6)
    gradcheck(
        lambda input, theta: GlimpseTransformer(lambda input: theta, size=2)(input),
        [maps((2, 1, 3, 4), np.float64).data, theta],
        rng=np.random.default_rng(7),
    )


@pytest.mark.parametrize("shape", [(2, 6), (2, 0, 6), (1, 3, 6), (2, 3, 5), (2, 1, 2, 3)])
def test_glimpses_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError) as caught:
        GlimpseTransformer(Told(np.zeros(shape, np.float32)))(maps((2, 1, 4, 4)))
    assert str(caught.value) == (
        f"localisation: it returned theta of shape {shape} for 2 maps, expected (2, T, 6) for Affine, T at least 1"
    )
    with pytest.raises(ValueError, match=r"input: given shape \(4, 4\), expected \(N, C, H, W\)"):
        GlimpseTransformer(Told(np.zeros(shape, np.float32)))(maps((4, 4)))


# ---- what transformers do ----


def test_what_every_transformer_does_can_be_observed():
    """In series, in parallel, and several times."""
    rng = np.random.default_rng(8)
    first, left, right = (SpatialTransformer(Told(rng.normal(0, 0.5, (2, 6))), size=4) for _ in range(3))
    glimpses = GlimpseTransformer(Told(rng.normal(0, 0.5, (2, 3, 6))))
    network = Sequential(first, ReLU(), Parallel(left, right), glimpses)
    input = maps((2, 1, 5, 6), np.float64)
    with observed(network) as seen:
        output = network(input)
    assert {name: len(warps) for name, warps in seen.items()} == {
        "layers.0": 1,
        "layers.2.branches.0": 1,
        "layers.2.branches.1": 1,
        "layers.3": 3,
    }
    (warp,) = seen["layers.0"]
    assert warp.input is input and not warp.align_corners
    for found, expected in zip((warp.output, warp.theta, warp.grid), first.transform(input), strict=True):
        assert (found.data == expected.data).all()
    joined = [seen[f"layers.2.branches.{k}"][0].output.data for k in range(2)]
    assert (seen["layers.3"][0].input.data == np.concatenate(joined, axis=1)).all()
    for t, warp in enumerate(seen["layers.3"]):
        assert (warp.output.data == output[:, t].data).all()


def test_observation_ends_and_can_be_nested():
    transformer = SpatialTransformer(Told(identity(2)))
    input = maps((2, 1, 4, 4))
    with observed(transformer) as outer:
        transformer(input)
        with pytest.raises(ZeroDivisionError), observed(transformer) as inner:
            transformer(input)
            raise ZeroDivisionError
        transformer(input)
    transformer(input)
    assert len(outer[""]) == 2 and len(inner[""]) == 1
    assert transformer.observer is None


# ---- errors ----


@pytest.mark.parametrize("size", [0, (3,), (3, 0), (2, 2, 2), (2.0, 3)])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(ValueError, match=r"^size: given .*, expected"):
        SpatialTransformer(Told(identity(2)), size=size)


def test_a_localisation_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"theta of shape \(2, 5\) for 2 maps, expected \(2, 6\) for Affine"):
        SpatialTransformer(Told(np.zeros((2, 5), np.float32)))(maps((2, 1, 4, 4)))
    with pytest.raises(ValueError, match=r"theta of shape \(3, 2, 3\) for 2 maps"):
        SpatialTransformer(Told(identity(3)))(maps((2, 1, 4, 4)))


def test_a_localisation_of_another_dtype_is_refused():
    with pytest.raises(TypeError, match="grid: given dtype float64 while input is float32"):
        SpatialTransformer(Told(identity(2, np.float64)))(maps((2, 1, 4, 4)))


def test_an_input_without_four_axes_is_refused():
    with pytest.raises(ValueError, match=r"input: given shape \(4, 4\), expected \(N, C, H, W\)"):
        SpatialTransformer(Told(identity(2)))(maps((4, 4)))
