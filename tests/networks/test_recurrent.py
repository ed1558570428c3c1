"""A localisation with a state: its equations, step by step, and what it learns."""

import numpy as np
import pytest

from autograd_core import Tensor, grad
from autograd_core.gradcheck import gradcheck
from autograd_core.layers import Dense, Flatten, Sequential, softmax_cross_entropy
from autograd_core.optimizers import Adam
from refwarp.networks import Attention, EachGlimpse, GlimpseTransformer, GRUCell, RecurrentLocalisation, regression


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(weights, x, h):
    """The unit for one example, from its definition."""
    (w, b), (u, c) = weights
    w, b, u, c = (np.split(array, 3) for array in (w, b, u, c))
    r, z = (sigmoid(w[k] @ x + b[k] + u[k] @ h + c[k]) for k in (0, 1))
    n = np.tanh(w[2] @ x + b[2] + r * (u[2] @ h + c[2]))
    return (1 - z) * n + z * h


def cell_and_weights(seed=0, in_features=4, features=3):
    """Return a unit whose biases are not zero, and its weights."""
    rng = np.random.default_rng(seed)
    cell = GRUCell(in_features, features, rng=rng, dtype=np.float64)
    for layer in (cell.of_input, cell.of_state):
        layer.bias.data = rng.standard_normal(3 * features)
    return cell, [(layer.weight.data, layer.bias.data) for layer in (cell.of_input, cell.of_state)]


def test_a_gated_recurrent_unit():
    cell, weights = cell_and_weights()
    x, h = np.random.default_rng(1).standard_normal((5, 4)), np.random.default_rng(2).standard_normal((5, 3))
    expected = [gru(weights, *pair) for pair in zip(x, h, strict=True)]
    # Two dozen roundings of numbers of some units.
    np.testing.assert_allclose(cell(Tensor(x), Tensor(h)).data, expected, rtol=0, atol=1e-14)


def test_gradients_of_a_gated_recurrent_unit():
    cell, _ = cell_and_weights()
    rng = np.random.default_rng(3)
    gradcheck(cell, [rng.standard_normal((2, 4)), rng.standard_normal((2, 3))], rng=rng, order=2)


@pytest.mark.peers
def test_the_unit_is_pytorch_s():
    torch = pytest.importorskip("torch")
    cell, ((w, b), (u, c)) = cell_and_weights()
    peer = torch.nn.GRUCell(4, 3, dtype=torch.float64)
    peer.load_state_dict(
        {name: torch.tensor(value) for name, value in zip(("weight_ih", "weight_hh"), (w, u), strict=True)}
        | {"bias_ih": torch.tensor(b), "bias_hh": torch.tensor(c)}
    )
    rng = np.random.default_rng(4)
    x, states = rng.standard_normal((20, 5, 4)), [rng.standard_normal((5, 3))]
    mine, theirs = Tensor(states[0], requires_grad=True), torch.tensor(states[0], requires_grad=True)
    state, other = mine, theirs
    for step in x:
        state, other = cell(Tensor(step), state), peer(torch.tensor(step), other)
    g = rng.standard_normal((5, 3))
    pairs = [(state.data, other)]
    parameters = [cell.of_input.weight, cell.of_state.weight, cell.of_input.bias, cell.of_state.bias, mine]
    others = [peer.weight_ih, peer.weight_hh, peer.bias_ih, peer.bias_hh, theirs]
    gradients = torch.autograd.grad(other, others, torch.tensor(g))
    pairs += [(one.data, two) for one, two in zip(grad(state, parameters, g), gradients, strict=True)]
    for got, expected in pairs:
        np.testing.assert_allclose(got, expected.detach().numpy(), rtol=0, atol=1e-12)  # over 20 steps


def localisation(steps=3, seed=0, spread=0.3):
    rng = np.random.default_rng(seed)
    cell, _ = cell_and_weights(seed)
    last = regression(3, Attention(), rng=rng, dtype=np.float64)
    last.weight.data = rng.normal(0, spread, (3, 3))
    context = Sequential(Flatten(), Dense(12, 4, rng=rng, dtype=np.float64))
    return RecurrentLocalisation(context, cell, last, steps)


def test_each_step_starts_where_the_last_one_ended():
    network = localisation()
    network.start.data = np.array([0.3, -0.2, 0.5])
    maps = np.random.default_rng(5).standard_normal((2, 1, 3, 4))
    theta = network(Tensor(maps))
    assert theta.shape == (2, 3, 3)
    dense, last = network.context.layers[1], network.regression
    weights = [(layer.weight.data, layer.bias.data) for layer in (network.cell.of_input, network.cell.of_state)]
    for n in range(2):
        context, state = dense.weight.data @ maps[n].ravel() + dense.bias.data, network.start.data
        for t in range(3):
            state = gru(weights, context, state)
            expected = last.weight.data @ state + last.bias.data
            # Some hundred roundings of numbers of some units.
            np.testing.assert_allclose(theta[n, t].data, expected, rtol=0, atol=1e-13)


def test_it_starts_at_the_identity():
    theta = localisation(spread=0.0)(Tensor(np.random.default_rng(6).standard_normal((2, 1, 3, 4))))
    assert (theta.data == [1, 0, 0]).all()


def test_every_parameter_takes_part_and_the_state_comes_back():
    network, other = localisation(), localisation(seed=1)
    transformer = GlimpseTransformer(network, Attention(), size=2)
    maps = Tensor(np.random.default_rng(7).standard_normal((2, 1, 3, 4)))
    output = transformer(maps)
    output.backward(np.random.default_rng(8).standard_normal(output.shape))
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.data.any(), name
    assert "start" in network.state_dict()
    other.load_state_dict(network.state_dict())
    assert (other(maps).data == network(maps).data).all()


def test_it_learns_to_look_at_one_place_after_the_other():
    """Two bright pixels of three rows and eight columns, one in each half: which rows are they in, left then right?"""
    rng = np.random.default_rng(9)
    labels = rng.integers(3, size=(96, 2))
    maps = np.zeros((96, 1, 3, 8), np.float32)
    for n, rows in enumerate(labels):
        maps[n, 0, rows, [rng.integers(1, 3), rng.integers(5, 7)]] = 1.0
    last = regression(8, Attention(), rng=rng)
    context = Sequential(Flatten(), Dense(24, 8, rng=rng))
    look = GlimpseTransformer(RecurrentLocalisation(context, GRUCell(8, 8, rng=rng), last, 2), Attention(), size=(3, 8))
    network = Sequential(look, EachGlimpse(Sequential(Flatten(), Dense(24, 3, rng=rng))))
    optimizer = Adam(network.parameters(), 0.01)
    losses = []
    for _ in range(200):
        scores = network(Tensor(maps)).reshape(192, 3)
        loss = softmax_cross_entropy(scores, labels.reshape(192))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # Guessing costs ln 3 = 1.1. If both steps looked at one place, the same scores would have to serve two labels,
    # which differ in 2 of 3 maps: at best 2/3 ln 2 = 0.46.
    assert losses[0] > 0.9 and losses[-1] < 0.2


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="steps: given 0, expected a positive integer"):
        localisation(steps=0)
