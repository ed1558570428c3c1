"""Modules: parameters, parts, modes and the state dictionary."""

import numpy as np
import pytest

from autograd_core import Tensor, functions
from autograd_core.layers import BatchNorm, Conv2d, Dense, Dropout, Module, ReLU, Sequential


class Branching(Module):
    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.scale = Tensor(np.ones(1, np.float32), requires_grad=True)
        self.constant = Tensor(np.ones(1, np.float32))
        self.first = Conv2d(1, 2, 3, rng=rng)
        self.branches = [Dense(3, 2, rng=rng), BatchNorm(2)]
        self.width = 3

    def forward(self, x):
        return self.branches[1](self.branches[0](x)) * self.scale


NAMES = [
    "scale",
    "first.weight",
    "first.bias",
    "branches.0.weight",
    "branches.0.bias",
    "branches.1.weight",
    "branches.1.bias",
]


def test_names_follow_attributes_and_positions():
    network = Branching(0)
    assert [name for name, _ in network.named_parameters()] == NAMES
    assert [id(p) for p in network.parameters()] == [id(p) for _, p in network.named_parameters()]
    assert set(network.state_dict()) == {*NAMES, "branches.1.running_mean", "branches.1.running_var"}


def test_shared_parameters_are_listed_once():
    layer = Dense(2, 2, rng=np.random.default_rng(0))
    network = Sequential(layer, ReLU(), layer)
    assert [id(p) for p in network.parameters()] == [id(layer.weight), id(layer.bias)]


def test_results_kept_as_attributes_are_no_parameters():
    network = Branching(0)
    network.seen = network(Tensor(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)))
    assert [name for name, _ in network.named_parameters()] == NAMES


def test_train_and_eval_reach_every_part():
    network = Sequential(Sequential(Dropout(0.5, np.random.default_rng(0))), BatchNorm(2))
    assert all(module.training for _, module in network.named_modules())
    network.eval()
    assert not any(module.training for _, module in network.named_modules())
    network.train()
    assert all(module.training for _, module in network.named_modules())


def test_state_goes_round():
    source, target = Branching(0), Branching(1)
    x = Tensor(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))
    source(x)
    state = source.state_dict()
    target.load_state_dict(state)
    assert all((value == state[name]).all() for name, value in target.state_dict().items())
    source.eval()
    target.eval()
    np.testing.assert_array_equal(source(x).data, target(x).data)


def test_state_is_a_copy_both_ways():
    network = Branching(0)
    state = network.state_dict()
    before = {name: value.tobytes() for name, value in state.items()}
    for value in state.values():
        value += 1
    assert {name: value.tobytes() for name, value in network.state_dict().items()} == before
    network.load_state_dict(state)
    after = {name: value.tobytes() for name, value in state.items()}
    for value in state.values():
        value += 1
    assert {name: value.tobytes() for name, value in network.state_dict().items()} == after


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("first.bias"), r"missing entries \['first.bias'\], unexpected entries \[\]"),
        (lambda s: s.update(other=np.ones(1)), r"missing entries \[\], unexpected entries \['other'\]"),
        (lambda s: s.update({"first.bias": np.ones(3, np.float32)}), r"state\['first.bias'\]: given float32\(3,\)"),
        (lambda s: s.update({"first.bias": np.ones(2)}), r"given float64\(2,\), expected float32\(2,\)"),
        (lambda s: s.update({"branches.1.running_var": np.ones(3)}), r"state\['branches.1.running_var'\]"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change, message):
    network = Branching(0)
    before, state = network.state_dict(), Branching(1).state_dict()
    change(state)
    with pytest.raises(ValueError, match=message):
        network.load_state_dict(state)
    assert all((before[name] == value).all() for name, value in network.state_dict().items())


def test_sequential_takes_plain_functions():
    network = Sequential(Dense(2, 2, rng=np.random.default_rng(0)), functions.tanh)
    x = Tensor(np.ones((1, 2), np.float32))
    np.testing.assert_array_equal(network(x).data, np.tanh(network.layers[0](x).data))
    assert len(network.parameters()) == 2
