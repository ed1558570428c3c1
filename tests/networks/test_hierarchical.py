"""The hierarchical transformer: its start, its equations, its penalty, gradients from end to end, joint training."""

from copy import deepcopy
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.gradcheck import gradcheck
from autograd_core.layers import Dense, Flatten, Sequential, Tanh, softmax_cross_entropy
from autograd_core.optimizers import Adam
from refwarp import affine_motion, flow_grid, grid_sample
from refwarp.data import Examples
from refwarp.exact import penalties
from refwarp.networks import (
    FLOW_GENERATOR,
    Affine,
    Architecture,
    Attention,
    FlowPenalty,
    HierarchicalTransformer,
    SpatialTransformer,
    Transformed,
    flow_generator,
    fully_connected_classifier,
    fully_connected_localisation,
    observed,
    regression,
)
from refwarp.networks.pictures import views
from refwarp.training import Checkpoint, Passes, Run, train
from tests.networks.kinds import Told, away_from_the_identity
from tests.networks.parameters import move

THETA = away_from_the_identity(Affine(), 2, 0.2, seed=3)
SMALL = Architecture(depth=1, width=1, convolutions=1, descent="strided", bottleneck=1)


def maps(*shape, seed=0, dtype=np.float64):
    return Tensor(np.random.default_rng(seed).random(shape).astype(dtype))


class Watching(Told):
    """A flow generator that is told its flow, and keeps what it is shown."""

    def forward(self, input):
        self.seen = input.data
        return self.theta


# ---- the transformer ----


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [None, (4, 6)])
def test_it_samples_once_by_the_sum_of_the_motions(align_corners, size):
    flow = np.random.default_rng(1).normal(0, 1, (2, 2, *(size or (5, 7))))
    generator, input = Watching(flow), maps(2, 3, 5, 7)
    transformer = HierarchicalTransformer(Told(THETA), generator, size=size, align_corners=align_corners, gain=4.0)
    output, theta, grid = transformer.transform(input)
    linear = affine_motion(THETA.reshape(2, 2, 3), (2, 3, *(size or (5, 7))), align_corners)
    sample = partial(grid_sample, input.data, align_corners=align_corners)
    assert (theta.data == THETA).all()
    assert (generator.seen == sample(flow_grid(linear, align_corners))).all()
    assert (grid.data == flow_grid(linear + 4 * flow, align_corners)).all()
    assert (output.data == sample(grid.data)).all() and (transformer(input).data == output.data).all()


@pytest.mark.parametrize("size", [None, 4])
def test_it_starts_as_the_affine_transformer_that_it_is_joined_to(size):
    """Whatever that transformer does; its localisation is the same module."""
    affine = SpatialTransformer(
        Told(THETA), Affine(), partial(grid_sample, padding_mode="border"), size, align_corners=True
    )
    joined = HierarchicalTransformer.joined(affine, flow_generator(2, rng=np.random.default_rng(2), dtype=np.float64))
    input = maps(2, 2, 6, 7)
    with observed(joined) as seen:
        output = joined(input)
    (warp,) = seen[""]
    assert not warp.flow.data.any() and joined.localisation is affine.localisation
    # Two grids of numbers up to 2, each within some roundings of the exact one, moved by at most 6 u pixels.
    np.testing.assert_allclose(output.data, affine(input).data, rtol=0, atol=32 * 2.0**-53)
    assert (warp.output.data == output.data).all() and warp.align_corners


def test_at_the_start_only_the_last_layer_of_the_flow_learns():
    joined = HierarchicalTransformer(
        Told(THETA), flow_generator(1, SMALL, rng=np.random.default_rng(2), dtype=np.float64)
    )
    output = joined(maps(2, 1, 6, 6))
    output.backward(np.random.default_rng(3).standard_normal(output.shape))
    moved = {name for name, parameter in joined.named_parameters() if parameter.grad.data.any()}
    assert moved == {"localisation.theta", "flow.last.weight", "flow.last.bias"}


def test_pictures_show_what_it_does():
    joined = HierarchicalTransformer(Told(THETA), Told(np.ones((2, 2, 5, 5))))
    view = views(Sequential(joined), maps(2, 1, 5, 5).data)["layers.0"]
    assert view.grids.shape == (2, 5, 5, 2) and view.thetas.shape == (2, 6)


def test_a_flow_of_another_shape_is_refused():
    joined = HierarchicalTransformer(Told(THETA), Told(np.zeros((2, 2, 5, 5))), size=4)
    with pytest.raises(ValueError, match=r"^flow: it returned shape \(2, 2, 5, 5\) for maps of shape \(2, 1, 4, 4\)"):
        joined(maps(2, 1, 5, 5))
    with pytest.raises(ValueError, match="gain: given 0.0, expected a positive number"):
        HierarchicalTransformer(Told(THETA), Told(np.zeros((2, 2, 5, 5))), gain=0.0)
    with pytest.raises(ValueError, match="transformer: given one of Attention, expected one of Affine"):
        HierarchicalTransformer.joined(SpatialTransformer(Told(THETA), Attention()), Told(THETA))


def small(seed=4, size=3):
    """A transformer of maps (N, 1, 3, 3) that has left its start, all of whose parameters matter."""
    rng = np.random.default_rng(seed)
    last = regression(2, rng=rng, dtype=np.float64)
    last.weight.data = rng.normal(0, 0.1, last.weight.shape)
    localisation = Sequential(Flatten(), Dense(9, 2, rng=rng, dtype=np.float64), Tanh(), last)
    flow = flow_generator(1, SMALL, rng=rng, dtype=np.float64)
    for name, parameter in flow.named_parameters():
        if "bias" in name:
            parameter.data = rng.uniform(0.2, 0.4, parameter.shape)  # off the kinks of ReLU
    flow.last.weight.data = rng.normal(0, 0.1, flow.last.weight.shape)
    return HierarchicalTransformer(localisation, flow, size=size, gain=2.0)


def test_gradients_from_end_to_end():
    """Both orders, of the output and of a penalty without kinks, with respect to the input and to all parameters."""
    transformer, penalty = small(), FlowPenalty(0.1, 1.0, "normalised", "squared")
    count, move_by = move(transformer, np.random.default_rng(9))
    assert count == 4 + 12

    def function(input, t):
        move_by(t)
        with observed(transformer) as seen:
            output = transformer(input)
        return output, penalty(seen[""][0].flow)

    gradcheck(function, [maps(1, 1, 3, 3).data, np.zeros(count)], rng=np.random.default_rng(5), order=2)


def test_its_state_makes_another_the_same():
    one, other = small(1), small(2)
    input = maps(2, 1, 3, 3)
    assert (one(input).data != other(input).data).any()
    other.load_state_dict(one.state_dict())
    assert (one(input).data == other(input).data).all()


# ---- the penalty ----


@pytest.mark.parametrize("unit", ["pixels", "normalised"])
@pytest.mark.parametrize("norm", ["1", "2", "squared"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_penalty_is_that_of_the_printed_equation(unit, norm, reduction):
    flow = np.random.default_rng(6).normal(0, 2, (3, 2, 4, 5))
    penalty = FlowPenalty(0.25, 2.0, unit, norm, reduction)
    for align_corners in (False, True):
        expected = 0
        scales = (2 / Fraction(5 - align_corners), 2 / Fraction(4 - align_corners)) if unit == "normalised" else (1, 1)
        for picture in flow:
            field = [
                [[Fraction(x) * s for x in row] for row in plane] for plane, s in zip(picture, scales, strict=True)
            ]
            for weight, stencils in ((0.25, penalties.LAPLACIAN), (2.0, penalties.GRADIENT)):
                vectors = [[v.value for v in entries] for entries in penalties.vectors(field, stencils, "valid")]
                norms = {
                    "1": lambda v: sum(map(abs, v)),
                    "2": penalties.length,
                    "squared": lambda v: sum(x * x for x in v),
                }
                total = sum(map(norms[norm], vectors))
                expected += weight * float(total / (len(vectors) if reduction == "mean" else 1)) / 3
        found = penalty(Tensor(flow), align_corners)
        # Sums of some hundred numbers, and products with scales that are rounded.
        np.testing.assert_allclose(found.item(), expected, rtol=64 * np.finfo(np.float64).eps)


def test_a_weight_of_zero_is_no_penalty():
    flow = Tensor(np.full((1, 2, 2, 2), np.inf))
    assert FlowPenalty(0.0, 0.0)(flow).item() == 0
    assert FlowPenalty(0.0, 1.0)(Tensor(np.ones((1, 2, 2, 2), np.float32))).dtype == np.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bending": -1.0}, "bending: given -1.0, expected"),
        ({"smoothness": np.nan}, "smoothness: given nan, expected"),
        ({"unit": "metres"}, "unit: given 'metres', expected one of 'pixels', 'normalised'"),
        ({"norm": "3"}, "norm: given '3'"),
        ({"reduction": "max"}, "reduction: given 'max'"),
    ],
)
def test_a_penalty_that_there_is_not_is_refused(options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        FlowPenalty(**options)


def test_a_penalty_of_no_flow_is_refused():
    with pytest.raises(ValueError, match=r"^flow: given shape \(1, 3, 4, 4\), expected \(N, 2, H, W\)"):
        FlowPenalty()(maps(1, 3, 4, 4))


# ---- joint training ----


class Penalised:
    """Cross entropy, and the penalty of every flow."""

    def __init__(self, penalty):
        self.penalty = penalty

    def __call__(self, model, images, labels):
        with observed(model) as seen:
            loss = softmax_cross_entropy(model(images), labels)
        for warp in seen["transformer"]:
            loss = loss + self.penalty(warp.flow)
        return loss


def shifted(count, seed):
    """A bright square in one of four corners of a dark picture, noisy; its class is the corner."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    images = 0.1 * rng.random((count, 1, 8, 8))
    for image, label in zip(images, labels, strict=True):
        top, left = 4 * (label // 2) + rng.integers(0, 2), 4 * (label % 2) + rng.integers(0, 2)
        image[0, top : top + 3, left : left + 3] += 0.9
    return Examples(images.astype(np.float32), labels)


PAPER = FlowPenalty()


def joint_run(seed, penalty=PAPER):
    rng = np.random.default_rng(seed)
    localisation = fully_connected_localisation((1, 8, 8), hidden=(8,), rng=rng)
    classifier = fully_connected_classifier((1, 8, 8), hidden=(), classes=4, rng=rng)
    affine = Transformed(SpatialTransformer(localisation), classifier)
    examples = shifted(32, 0)
    train(Run(affine, [Adam(affine.parameters(), 1e-2)], [], rng), examples, examples, Passes(2, 8))
    before = deepcopy(affine.transformer).state_dict()
    flow = flow_generator(1, FLOW_GENERATOR._replace(depth=2, width=2), rng=rng)
    model = Transformed(HierarchicalTransformer.joined(affine.transformer, flow), classifier)
    return Run(model, [Adam(model.parameters(), 1e-2)], [], rng, loss=Penalised(penalty)), before


def test_it_is_trained_jointly_from_an_affine_transformer(tmp_path):
    """And goes on from a checkpoint with the same bits."""
    examples, path = shifted(32, 0), tmp_path / "run.h5"
    (whole, before), (first, _), (second, _) = joint_run(1), joint_run(1), joint_run(1)
    train(whole, examples, examples, Passes(4, 8))
    state = whole.model.state_dict()
    assert (state["transformer.localisation.regression.bias"] != before["localisation.regression.bias"]).any()
    assert state["transformer.flow.last.weight"].any() and whole.history.loss[-1] < whole.history.loss[0]
    train(first, examples, examples, Passes(2, 8), checkpoint=Checkpoint(path))
    train(second, examples, examples, Passes(4, 8), checkpoint=Checkpoint(path, resume=True))
    for name, array in second.model.state_dict().items():
        assert (state[name] == array).all()


def mean_flow(run):
    with observed(run.model) as seen:
        run.model(Tensor(shifted(32, 0).images))
    return abs(seen["transformer"][0].flow.data).mean()


def test_a_strong_penalty_pins_the_flow():
    examples, moved = shifted(32, 0), {}
    for weight in (0.0, 100.0):
        run, _ = joint_run(1, FlowPenalty(0.0, weight))
        train(run, examples, examples, Passes(4, 8))
        moved[weight] = mean_flow(run)
    assert moved[100.0] < 0.5 * moved[0.0]


# ---- PyTorch ----


@pytest.mark.peers
def test_a_step_is_pytorch_s():
    """Output, penalty and all gradients, in float64."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    transformer, input = small(7, size=4), maps(2, 1, 3, 3)
    cotangent = np.random.default_rng(8).standard_normal((2, 1, 4, 4))
    with observed(transformer) as seen:
        output = transformer(input)
    (output * Tensor(cotangent)).sum().backward()
    FlowPenalty(0.3, 2.0)(seen[""][0].flow).backward()
    state = {name: torch.tensor(array, requires_grad=True) for name, array in transformer.state_dict().items()}

    def convolve(name, x, stride=1):
        weight = state[f"flow.{name}.layers.0.weight"]
        return functional.conv2d(x, weight, state[f"flow.{name}.layers.0.bias"], stride, weight.shape[2] // 2).relu()

    x = torch.tensor(input.data)
    hidden = (x.flatten(1) @ state["localisation.layers.1.weight"].T + state["localisation.layers.1.bias"]).tanh()
    theta = hidden @ state["localisation.layers.3.weight"].T + state["localisation.layers.3.bias"]
    linear = functional.affine_grid(theta.reshape(2, 2, 3), (2, 1, 4, 4), align_corners=False)
    first = convolve("down.0.0", functional.grid_sample(x, linear, align_corners=False))
    bottom = convolve("bottleneck.0", convolve("down.1.0", first, 2))
    name = "flow.ascents.0.layers.0"
    up = functional.conv_transpose2d(bottom, state[f"{name}.weight"], state[f"{name}.bias"], 2, 1).relu()
    last = convolve("up.0.0", torch.cat([up, first], 1))
    flow = 2 * functional.conv2d(last, state["flow.last.weight"], state["flow.last.bias"], 1, 1)
    expected = functional.grid_sample(x, linear + flow.permute(0, 2, 3, 1) / 2, align_corners=False)
    # A pixel of four is half of the interval [-1, 1].
    steps = [flow[:, :, :-1, 1:] - flow[:, :, :-1, :-1], flow[:, :, 1:, :-1] - flow[:, :, :-1, :-1]]
    centre = flow[:, :, 1:-1, 1:-1]
    laplacian = flow[:, :, 1:-1, :-2] + flow[:, :, 1:-1, 2:] + flow[:, :, :-2, 1:-1] + flow[:, :, 2:, 1:-1] - 4 * centre
    penalty = 0.3 * laplacian.abs().sum(1).mean() + 2 * sum(step.abs().sum(1) for step in steps).mean()
    ((expected * torch.tensor(cotangent)).sum() + penalty).backward()
    # Eight layers of sums of some ten products, in another order.
    np.testing.assert_allclose(output.data, expected.detach().numpy(), rtol=0, atol=1e-13)
    for name, parameter in transformer.named_parameters():
        gradient = state[name].grad.numpy()
        np.testing.assert_allclose(parameter.grad.data, gradient, rtol=0, atol=1e-12 * np.abs(gradient).max())
