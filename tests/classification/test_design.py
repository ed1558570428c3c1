"""Networks from a description: what they are, for which sizes, and which descriptions contradict themselves."""

import json
from itertools import pairwise

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.layers import Conv2d, Dense, Module
from refwarp.classification.design import MODELS, Design, check_runs, resolved
from refwarp.networks import LinearizedSampler, SpatialTransformer, ThinPlateSpline

PICTURES = np.random.default_rng(0).random((2, 3, 30, 20), np.float32)


def design(model="ST-CNN", warp="affine", sampler="bilinear", shape=(3, 30, 20), size=(15, 12), classes=4):
    return Design(model, warp if model.startswith("ST-") else "none", sampler, shape, size, classes)


def parts_of(network: Module, kind: type) -> list[Module]:
    return [module for _, module in network.named_modules() if isinstance(module, kind)]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_maps_pictures_to_scores(model):
    network = design(model).build(np.random.default_rng(1))
    assert network(Tensor(PICTURES)).shape == (2, 4)
    assert bool(parts_of(network, SpatialTransformer)) == model.startswith("ST-")
    assert bool(parts_of(network, Conv2d)) == model.endswith("CNN") and parts_of(network, Dense)


def test_the_transformer_is_as_described_and_starts_at_the_identity():
    network = design(warp="tps(points=(3, 2))", sampler="linearized(noise={'count': 4})").build(
        np.random.default_rng(1)
    )
    (transformer,) = parts_of(network, SpatialTransformer)
    assert transformer.transformation == ThinPlateSpline((3, 2)) and transformer.size == (15, 12)
    assert isinstance(transformer.sampler, LinearizedSampler) and transformer.sampler.noise == {"count": 4}
    _, theta, _ = transformer.transform(Tensor(PICTURES))
    assert (theta.data == ThinPlateSpline((3, 2)).identity.astype(np.float32)).all()


def test_the_same_seed_gives_the_same_weights_whatever_the_sampler():
    first, again, noisy, other = (
        design(sampler=name).build(np.random.default_rng(seed)).state_dict()
        for name, seed in (("bilinear", 1), ("bilinear", 1), ("linearized", 1), ("bilinear", 2))
    )
    for state, same in ((again, True), (noisy, True), (other, False)):
        assert all((state[name] == first[name]).all() for name in first) == same


@pytest.mark.parametrize("model", ["CNN", "ST-CNN"])
@pytest.mark.parametrize("side", [10, 14, 28, 29, 42, 60, 64, 100, 200])
def test_convolutions_go_on_until_little_is_left(model, side):
    network = design(model, shape=(1, side, side), size=(side, side)).build(np.random.default_rng(0))
    features = network.classifier if model == "ST-CNN" else network
    channels = [layer.weight.shape[0] for layer in parts_of(features, Conv2d)]
    assert channels in ([16], [16, 32], [16, 32, 64])
    sides = [side]
    for _ in channels:
        sides.append((sides[-1] - 4) // 2)  # a kernel of 5 without padding, and pooling by 2
    assert all(before > 8 for before in sides[1:-1]) and (sides[-1] <= 8 or len(channels) == 3)
    assert parts_of(features, Dense)[0].weight.shape[1] == channels[-1] * sides[-1] ** 2
    assert all(later < earlier for earlier, later in pairwise(sides))


@pytest.mark.parametrize(("model", "side"), [("CNN", 5), ("ST-CNN", 9), ("ST-CNN", 1)])
def test_too_small_pictures_are_refused_in_a_sentence(model, side):
    with pytest.raises(
        ValueError, match=rf"^size: given pictures of {side}x30 pixels, which are too small for the conv"
    ):
        check_runs(design(model, shape=(1, side, 30), size=(side, 30)))
    check_runs(design(model, shape=(1, side + 1, 30), size=(side + 1, 30))) if side > 1 else None


def test_a_description_survives_json():
    one = design(warp="projective(bound=0.9)")
    assert Design.of_dict(json.loads(json.dumps(one.as_dict()))) == one


@pytest.mark.parametrize(
    "change", [{"shape": [1, 2]}, {"shape": None}, {"size": "ab"}, {"classes": None}, {"size": [1, 2, 3]}]
)
def test_a_damaged_description_is_told(change):
    with pytest.raises(ValueError, match="the description of a network is damaged: "):
        Design.of_dict({**design().as_dict(), **change})
    incomplete = design().as_dict()
    del incomplete["warp"]
    with pytest.raises(ValueError, match="the description of a network is damaged: 'warp'"):
        Design.of_dict(incomplete)


@pytest.mark.parametrize(
    ("model", "warp", "expected"),
    [
        ("CNN", None, ("CNN", "none")),
        ("FCN", "none", ("FCN", "none")),
        ("ST-CNN", None, ("ST-CNN", "affine")),
        ("ST-FCN", "tps", ("ST-FCN", "tps")),
        ("CNN", "similarity", ("ST-CNN", "similarity")),
    ],
)
def test_model_and_warp_imply_each_other(model, warp, expected):
    assert resolved(model, warp) == expected


@pytest.mark.parametrize(
    ("model", "warp", "sentence"),
    [
        ("RNN", None, "model: given 'RNN', expected one of 'CNN', 'FCN', 'ST-CNN', 'ST-FCN'"),
        (
            "ST-CNN",
            "none",
            "warp: given 'none' with the model 'ST-CNN', which warps; give a transformation, or the mod",
        ),
        ("CNN", "afine", "warp: given 'afine', expected one of 'translation'"),
    ],
)
def test_contradictions_are_refused_in_a_sentence(model, warp, sentence):
    with pytest.raises(ValueError, match=sentence):
        resolved(model, warp)
