"""Modules: parameters, parts, modes and the state dictionary."""

from collections import deque

import numpy as np
import pytest

from autograd_core import Tensor, functions, no_grad
from autograd_core.layers import BatchNorm, Conv2d, Dense, Dropout, Module, ReLU, Sequential
from autograd_core.optimizers import SGD, Adam


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


def test_a_call_hands_on_all_that_it_is_given():
    class Scaled(Module):
        def forward(self, x, y=1.0, *, factor=1.0):
            return factor * (x - y)

    assert Scaled()(5.0) == 4.0 and Scaled()(5.0, 2.0, factor=3.0) == 9.0
    with pytest.raises(TypeError, match="offset"):
        Scaled()(5.0, offset=1.0)


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


def frozen(network, *names):
    parameters = dict(network.named_parameters())
    for name in names:
        parameters[name].requires_grad = False
    return network


@pytest.mark.parametrize("frozen_first", [True, False])
def test_a_frozen_parameter_is_in_the_state_and_the_other_way_round(frozen_first):
    ours, theirs = Branching(0), Branching(1)
    frozen(ours if frozen_first else theirs, "first.weight", "branches.1.bias")
    assert [name for name, _ in ours.named_parameters()] == NAMES
    theirs.load_state_dict(ours.state_dict())
    for name, value in ours.state_dict().items():
        np.testing.assert_array_equal(theirs.state_dict()[name], value, strict=True)
    assert theirs.first.weight.requires_grad is frozen_first


@pytest.mark.parametrize(
    "replace",
    [
        lambda network, w: setattr(network.first, "weight", Tensor(w)),
        lambda network, w: setattr(network.first, "weight", type("Mine", (Tensor,), {})(w)),
        lambda network, w: setattr(network.first, "weight", Tensor(w, requires_grad=True)),
        lambda network, w: setattr(network.first.weight, "data", w),
    ],
    ids=["a constant", "a subclass", "a parameter", "its data"],
)
def test_what_stands_in_a_parameters_place_is_in_the_state(replace):
    network = Branching(0)
    replace(network, np.full((2, 1, 3, 3), 7, np.float32))
    replace(network, np.full((2, 1, 3, 3), 5, np.float32))
    assert (network.state_dict()["first.weight"] == 5).all()
    assert [name for name, _ in network.named_parameters()] == NAMES


CHANGES = {
    "an element": lambda m: m.ws.__setitem__(0, Tensor(np.zeros(2))),
    "the list": lambda m: setattr(m, "ws", [Tensor(np.zeros(2))]),
    "the list by a tuple": lambda m: setattr(m, "ws", (Tensor(np.zeros(2)),)),
    "after None": lambda m: (setattr(m, "ws", None), setattr(m, "ws", [Tensor(np.zeros(2))])),
    "after deletion": lambda m: (delattr(m, "ws"), setattr(m, "ws", [Tensor(np.zeros(2))])),
    "an element after None": lambda m: (m.ws.__setitem__(0, None), m.ws.__setitem__(0, Tensor(np.zeros(2)))),
    "an element, twice": lambda m: [m.ws.__setitem__(0, Tensor(np.full(2, k))) for k in (5.0, 0.0)],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("container", [list, deque, lambda ws: dict(enumerate(ws))])
def test_what_has_the_name_of_a_parameter_is_in_the_state(change, container):
    module = Module()
    module.ws = container([Tensor(np.ones(2), requires_grad=True)])
    module.constants = [Tensor(np.ones(2))]
    change(module)
    state = module.state_dict()
    assert list(state) == ["ws.0"] and (state["ws.0"] == 0).all()
    assert len(module.parameters()) == 1


def test_names_are_learnt_when_an_attribute_is_replaced_and_when_parameters_are_listed():
    first, second = Module(), Module()
    for module in (first, second):
        module.ws = []
        module.ws.append(Tensor(np.ones(2), requires_grad=True))
    first.ws = [Tensor(np.zeros(2))]
    assert list(first.state_dict()) == ["ws.0"]
    assert len(second.parameters()) == 1
    second.ws[0] = Tensor(np.zeros(2))
    assert list(second.state_dict()) == ["ws.0"]


def test_a_name_of_two_parameters_or_buffers_is_refused():
    def make():
        return Tensor(np.ones(2), requires_grad=True)

    for parts in ({1: make(), "1": make()}, {"a.b": make(), "a": {"b": make()}}, {1: BatchNorm(2), "1": BatchNorm(2)}):
        module = Module()
        module.p = parts
        for use in (module.state_dict, module.parameters, lambda m=module: m.load_state_dict({})):
            with pytest.raises(ValueError, match=r"^'p\.(1|a\.b|1\.weight)': the name of two parameters or buffers"):
                use()
    module = Module()
    module.weight, module.buffers = make(), {"weight": np.ones(2)}
    with pytest.raises(ValueError, match="^'weight': the name of two parameters or buffers"):
        module.state_dict()


@pytest.mark.parametrize("make", [lambda: Tensor(np.ones(2), requires_grad=True), ReLU])
def test_sets_of_tensors_or_modules_are_refused(make):
    module = Module()
    for value in ({make()}, frozenset([make()]), {"here": [{make()}]}):
        with pytest.raises(TypeError, match=r"^ws(\.here\.0)?: given a set of Tensors or Modules, .* expected a list"):
            module.ws = value
    assert not hasattr(module, "ws")
    module.ws = {1, 2}
    assert module.state_dict() == {}


def test_results_without_a_record_are_no_parameters():
    network = Branching(0)
    with no_grad():
        network.seen = network(Tensor(np.ones((4, 3), np.float32)))
    assert [name for name, _ in network.named_parameters()] == NAMES


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.5, 0.9, weight_decay=0.5), lambda p: Adam(p, 0.5)])
def test_optimizers_leave_frozen_parameters_alone(make):
    network = Branching(0)
    network.first.bias.grad = Tensor(np.ones(2, np.float32))  # from before it was frozen
    frozen(network, "first.bias")
    optimizer = make(network.parameters())
    x = Tensor(np.random.default_rng(0).normal(size=(1, 1, 5, 3)).astype(np.float32))
    before = network.state_dict()
    network.first(x).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(network.first.bias.data, before["first.bias"])
    assert (network.first.weight.data != before["first.weight"]).all()
    # The numbers of parameters in the optimizer's state are the same, frozen or not.
    make(Branching(1).parameters()).load_state_dict(optimizer.state_dict())


class Nested(Module):
    def __init__(self):
        rng = np.random.default_rng(0)
        self.scales = [Tensor(np.ones(2), requires_grad=True), (Tensor(np.zeros(3), requires_grad=True),)]
        self.heads = {"left": Dense(2, 2, rng=rng), "right": [BatchNorm(2), {"deep": Dropout(0.5, rng)}]}
        self.names = ["left", 3, None]


def test_parameters_and_parts_in_lists_tuples_and_dictionaries_are_found():
    network = Nested()
    names = [name for name, _ in network.named_parameters()]
    assert names == [
        "scales.0",
        "scales.1.0",
        "heads.left.weight",
        "heads.left.bias",
        "heads.right.0.weight",
        "heads.right.0.bias",
    ]
    assert set(network.state_dict()) == {*names, "heads.right.0.running_mean", "heads.right.0.running_var"}
    network.eval()
    assert not network.heads["right"][1]["deep"].training
    other = Nested()
    other.scales[1][0].data = np.full(3, 9.0)
    network.load_state_dict(other.state_dict())
    assert (network.scales[1][0].data == 9.0).all()


def test_evaluation_ends_as_it_began_in_every_part():
    network = Sequential(BatchNorm(2), Sequential(Dropout(0.5, np.random.default_rng(0)), BatchNorm(2)))
    network.layers[1].layers[1].eval()
    modes = [module.training for _, module in network.named_modules()]
    with network.evaluation():
        assert not any(module.training for _, module in network.named_modules())
    assert [module.training for _, module in network.named_modules()] == modes
    with pytest.raises(ZeroDivisionError), network.evaluation():
        raise ZeroDivisionError
    assert [module.training for _, module in network.named_modules()] == modes == [True, True, True, True, False]


def test_a_state_with_a_mask_is_refused_and_changes_nothing():
    network = Branching(0)
    before, state = network.state_dict(), Branching(1).state_dict()
    state["first.bias"] = np.ma.array(state["first.bias"], mask=[True, False])
    with pytest.raises(TypeError, match=r"state\['first.bias'\]: given a masked array"):
        network.load_state_dict(state)
    assert all((before[name] == value).all() for name, value in network.state_dict().items())
