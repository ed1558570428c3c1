"""The U-Net: its layers against a network written out by hand, sizes, gradients, pairs at a level, and errors."""

from itertools import product

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.functions import concatenate, relu
from autograd_core.gradcheck import gradcheck
from autograd_core.layers import Module, conv2d, conv_transpose2d, max_pool2d, resize2d, softmax_cross_entropy
from autograd_core.optimizers import Adam
from refwarp.data import Examples
from refwarp.networks import Architecture, UNet, count_parameters
from refwarp.training import Checkpoint, Passes, Run, train
from tests.networks.parameters import move

HSTN = Architecture(depth=3, width=2, convolutions=1, descent="strided", bottleneck=1)
KINDS = [
    Architecture(depth=2, width=2, convolutions=convolutions, descent=descent, ascent=ascent, bottleneck=bottleneck)
    for descent, ascent, (convolutions, bottleneck) in product(
        ("strided", "pooled"), ("transposed", "resized"), ((1, 1), (2, None))
    )
]


def network(architecture, channels=(1, 2), seed=0, dtype=np.float64, **options):
    return UNet(*channels, architecture, rng=np.random.default_rng(seed), dtype=dtype, **options)


def maps(*shape, seed=1, dtype=np.float64):
    return Tensor(np.random.default_rng(seed).random(shape).astype(dtype))


def by_hand(state, architecture, x):
    """The network in plain functions of the state's arrays, for heights and widths that halve without a rest."""
    take = {name: Tensor(array) for name, array in state.items()}

    def convolve(name, x, stride=1):
        weight = take[f"{name}.layers.0.weight"]
        return relu(conv2d(x, weight, take[f"{name}.layers.0.bias"], stride, weight.shape[2] // 2))

    seen = []
    for level in range(architecture.depth + 1):
        pooled = architecture.descent == "pooled"
        if level and pooled:
            x = max_pool2d(x, 2)
        for k in range(architecture.convolutions):
            x = convolve(f"down.{level}.{k}", x, 2 if level and not pooled and k == 0 else 1)
        seen.append(x)
    if architecture.bottleneck:
        x = convolve("bottleneck.0", x)
    for level in reversed(range(architecture.depth)):
        if architecture.ascent == "resized":
            x = convolve(f"ascents.{level}", resize2d(x, seen[level].shape[2:]))
        else:
            name = f"ascents.{level}.layers.0"
            x = relu(conv_transpose2d(x, take[f"{name}.weight"], take[f"{name}.bias"], 2, 1))
        x = concatenate([x, seen[level]], axis=1)
        for k in range(architecture.convolutions):
            x = convolve(f"up.{level}.{k}", x)
    return conv2d(x, take["last.weight"], take["last.bias"], 1, 1)


@pytest.mark.parametrize("architecture", [*KINDS, HSTN], ids=str)
def test_it_is_the_network_that_is_written_out_by_hand(architecture):
    unet = network(architecture, (3, 2))
    input = maps(2, 3, 8, 16)
    output = unet(input)
    assert output.shape == (2, 2, 8, 16) and output.data.any()
    assert (output.data == by_hand(unet.state_dict(), architecture, input).data).all()


def test_the_number_of_parameters():
    """Of the paper's kind with 2, 4, 8 and 16 channels, counted by hand."""
    down = (1 * 9 + 1) * 2 + (2 * 9 + 1) * 4 + (4 * 9 + 1) * 8 + (8 * 9 + 1) * 16
    bottom = (16 + 1) * 16
    ascents = (16 * 16 * 8 + 8) + (8 * 16 * 4 + 4) + (4 * 16 * 2 + 2)
    up = (16 * 9 + 1) * 8 + (8 * 9 + 1) * 4 + (4 * 9 + 1) * 2
    assert count_parameters(network(HSTN)) == down + bottom + ascents + up + (2 * 9 + 1) * 2


@pytest.mark.parametrize("architecture", [*KINDS, HSTN], ids=str)
@pytest.mark.parametrize("size", [(1, 1), (1, 8), (5, 3), (7, 13), (12, 9)])
def test_pictures_of_every_size_fit(architecture, size):
    unet, input = network(architecture), maps(1, 1, *size)
    output = unet(input)
    assert output.shape == (1, 2, *size) and np.isfinite(output.data).all()


def test_of_an_odd_map_pooling_sees_the_last_row_and_column():
    unet = network(Architecture(depth=1, width=1, convolutions=1, skips=False), (1, 1))
    through = np.zeros((2, 1, 3, 3))
    through[0, 0, 1, 1] = 1  # the pixel in the middle, in the first channel
    for layer, channels in ((unet.down[0][0], 1), (unet.down[1][0], 2), (unet.up[0][0], 1)):
        layer.layers[0].weight.data = through[:channels]
    unet.last.weight.data = through[:1]
    doubled = np.zeros((2, 1, 4, 4))
    doubled[0, 0, 1:3, 1:3] = 1  # a pixel becomes 2x2
    unet.ascents[0].layers[0].weight.data = doubled
    picture = np.arange(15.0).reshape(1, 1, 3, 5)
    expected = [[6, 6, 8, 8, 9], [6, 6, 8, 8, 9], [11, 11, 13, 13, 14]]
    assert unet(Tensor(picture)).data[0, 0].tolist() == expected


def test_without_skips_the_way_up_knows_the_bottom_only():
    architecture = Architecture(depth=1, width=2, convolutions=1, descent="strided", skips=False)
    unet = network(architecture)
    unet.down[1][0].layers[0].weight.data = np.zeros_like(unet.down[1][0].layers[0].weight.data)
    first, second = (unet(maps(1, 1, 6, 6, seed=seed)).data for seed in (1, 2))
    assert (first == second).all()
    unet = network(architecture._replace(skips=True))
    unet.down[1][0].layers[0].weight.data = np.zeros_like(unet.down[1][0].layers[0].weight.data)
    assert (unet(maps(1, 1, 6, 6, seed=1)).data != unet(maps(1, 1, 6, 6, seed=2)).data).any()


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture(depth=1, width=1, convolutions=1, descent=descent, ascent=ascent, bottleneck=1)
        for descent, ascent in (("strided", "transposed"), ("pooled", "resized"))
    ],
    ids=str,
)
def test_gradients(architecture):
    unet = network(architecture, (1, 1), seed=3)
    for _, parameter in unet.named_parameters():
        if parameter.ndim == 1:
            parameter.data = np.full(parameter.shape, 0.3)  # away from the kink of ReLU at 0
    count, move_by = move(unet, np.random.default_rng(6))

    def function(input, t):
        move_by(t)
        return unet(input)

    gradcheck(function, [maps(1, 1, 3, 4).data, np.zeros(count)], rng=np.random.default_rng(5))


def test_batch_normalisation_follows_every_convolution_but_the_last():
    architecture = Architecture(depth=2, width=3, batch_norm=True)
    unet = network(architecture, dtype=np.float32)
    buffers = [name for name in unet.state_dict() if name.endswith("running_mean")]
    assert len(buffers) == 2 * 3 + 2 + 2 * 2  # three levels down, two ascents, two levels up
    training = unet(maps(4, 1, 8, 8, dtype=np.float32)).data
    with unet.evaluation():
        assert (unet(maps(4, 1, 8, 8, dtype=np.float32)).data != training).any()


# ---- pairs at a level ----


class Shift(Module):
    """Rolls maps on the way down by one row, and back on the way up, by what it remembers; and scales them."""

    def __init__(self):
        self.scale, self.shapes = Tensor(np.array(2.0), requires_grad=True), []

    def encode(self, input):
        self.shapes.append(input.shape)
        return concatenate([input[:, :, 1:], input[:, :, :1]], axis=2) * self.scale, ("memory", input.shape)

    def decode(self, input, memory):
        self.shapes.append(input.shape)
        assert memory == ("memory", input.shape)
        return concatenate([input[:, :, -1:], input[:, :, :-1]], axis=2) / self.scale


@pytest.mark.parametrize("level", [0, 1])
def test_a_pair_works_at_its_level_on_both_ways(level):
    pair = Shift()
    unet = network(Architecture(depth=2, width=2), pairs={level: pair})
    assert unet(maps(2, 1, 8, 8)).shape == (2, 2, 8, 8)
    assert pair.shapes == [(2, 2 * 2**level, 8 // 2**level, 8 // 2**level)] * 2
    assert f"pairs.{level}.scale" in dict(unet.named_parameters())


def test_a_pair_that_does_nothing_changes_nothing():
    class Nothing:
        def encode(self, input):
            return input, None

        def decode(self, input, memory):
            return input

    input = maps(1, 1, 8, 8)
    plain, paired = network(KINDS[1]), network(KINDS[1], pairs={0: Nothing(), 1: Nothing()})
    assert (plain(input).data == paired(input).data).all()


@pytest.mark.parametrize("level", [2, -1, "1"])
def test_a_level_that_there_is_not_is_refused(level):
    with pytest.raises(ValueError, match=r"pairs: given level .*, expected levels from 0 to 1"):
        network(KINDS[0], pairs={level: Shift()})


# ---- training ----


class Summed(Module):
    """Scores of two classes: the means of the two maps."""

    def __init__(self, unet):
        self.unet = unet

    def forward(self, input):
        return self.unet(input).mean(axis=(2, 3))


def run_of(seed):
    model = Summed(network(HSTN._replace(batch_norm=True), seed=seed, dtype=np.float32))
    return Run(model, [Adam(model.parameters(), 1e-2)], [], np.random.default_rng(seed))


def test_it_is_saved_and_resumed(tmp_path):
    labels = np.arange(8) % 2
    images = maps(8, 1, 7, 9, dtype=np.float32).data * (1 + labels[:, None, None, None]).astype(np.float32)
    examples, path = Examples(images, labels), tmp_path / "run.h5"
    whole, first, second = run_of(1), run_of(1), run_of(2)
    train(whole, examples, examples, Passes(3, 4))
    train(first, examples, examples, Passes(2, 4), checkpoint=Checkpoint(path))
    train(second, examples, examples, Passes(3, 4), checkpoint=Checkpoint(path, resume=True))
    assert second.history.loss == whole.history.loss
    for name, array in whole.model.state_dict().items():
        assert (second.model.state_dict()[name] == array).all()


# ---- errors ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": -1}, "depth: given -1, expected an integer of at least 0"),
        ({"width": 0}, "width: given 0, expected a positive integer"),
        ({"convolutions": 0}, "convolutions: given 0, expected a positive integer"),
        ({"descent": "mean"}, "descent: given 'mean', expected one of 'strided', 'pooled'"),
        ({"ascent": "pooled"}, "ascent: given 'pooled', expected one of 'transposed', 'resized'"),
        ({"bottleneck": 2}, "bottleneck: given 2, expected an odd number, or None"),
        ({"skips": 1}, "skips: given 1, expected one of False, True"),
    ],
)
def test_an_architecture_that_there_is_not_is_refused(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        network(Architecture(**options))


@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (1, 8, 8), (1, 1, 0, 8)])
def test_maps_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"^input: given shape .*, expected"):
        network(KINDS[0])(Tensor(np.zeros(shape)))
    with pytest.raises(TypeError):
        network(KINDS[0])(Tensor(np.zeros((1, 1, 8, 8), np.float32)))


# ---- PyTorch ----


@pytest.mark.peers
@pytest.mark.parametrize("size", [(8, 16), (7, 9)])
def test_a_step_is_pytorch_s(size):
    """Loss and all gradients of the paper's kind, in float64."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    unet, input, labels = network(HSTN, (2, 3)), maps(2, 2, *size), np.random.default_rng(0).integers(0, 3, (2, *size))
    loss = softmax_cross_entropy(unet(input), labels)
    loss.backward()
    theirs = {name: torch.tensor(array, requires_grad=True) for name, array in unet.state_dict().items()}

    def convolve(name, x, stride=1):
        weight = theirs[f"{name}.layers.0.weight"]
        return functional.conv2d(x, weight, theirs[f"{name}.layers.0.bias"], stride, weight.shape[2] // 2).relu()

    x, seen = torch.tensor(input.data), []
    for level in range(4):
        x = convolve(f"down.{level}.0", x, 2 if level else 1)
        seen.append(x)
    x = convolve("bottleneck.0", x)
    for level in (2, 1, 0):
        name = f"ascents.{level}.layers.0"
        x = functional.conv_transpose2d(x, theirs[f"{name}.weight"], theirs[f"{name}.bias"], 2, 1).relu()
        x = torch.cat([x[:, :, : seen[level].shape[2], : seen[level].shape[3]], seen[level]], 1)
        x = convolve(f"up.{level}.0", x)
    x = functional.conv2d(x, theirs["last.weight"], theirs["last.bias"], 1, 1)
    expected = functional.cross_entropy(x, torch.tensor(labels))
    expected.backward()
    # Eleven layers of sums of up to 256 products in another order.
    np.testing.assert_allclose(loss.item(), expected.item(), rtol=1e-12)
    for name, parameter in unet.named_parameters():
        gradient = theirs[name].grad.numpy()
        np.testing.assert_allclose(parameter.grad.data, gradient, rtol=0, atol=1e-12 * np.abs(gradient).max())
