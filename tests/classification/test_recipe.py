"""How a network is trained: what learns at which rate, how rates change, and what comes out."""

import math
from dataclasses import replace

import numpy as np
import pytest

from autograd_core.layers import BatchNorm, Dense, Flatten, ReLU, Sequential
from autograd_core.optimizers import SGD, Adam
from refwarp.classification.design import Design
from refwarp.classification.recipe import LEARNING_RATES, OPTIMIZERS, SCHEDULES, Recipe, fit, generators
from refwarp.data import Examples
from refwarp.networks import Affine, Parallel, SpatialTransformer, fully_connected_localisation
from refwarp.training import Checkpoint, loop, predict
from tests.classification.tiny_pictures import parts

PARTS = parts()
QUICK = Recipe(epochs=6, learning_rate=0.01, batch_size=16)


def network(seed=0, model="ST-FCN"):
    warp = "affine" if model.startswith("ST-") else "none"
    return Design(model, warp, "bilinear", PARTS.shape, PARTS.size, 3).build(np.random.default_rng(seed))


def run_of(recipe, given, examples=100):
    return recipe.run(given, examples, np.random.default_rng(0), {})


@pytest.mark.parametrize(("name", "kind"), [("sgd", SGD), ("adam", Adam)])
def test_localisations_learn_at_a_smaller_rate_and_are_clipped(name, kind):
    given = network()
    run = run_of(Recipe(name, 0.5, "constant", epochs=1), given)
    fast, slow = run.optimizers
    localisation = {id(parameter) for parameter in given.transformer.localisation.parameters()}
    assert {id(parameter) for parameter in slow.parameters} == localisation
    assert {id(p) for p in fast.parameters} | localisation == {id(p) for p in given.parameters()}
    assert type(fast) is type(slow) is kind and slow.learning_rate == pytest.approx(0.3 * fast.learning_rate, rel=1e-15)
    assert run.largest_norms == [math.inf, 1.0]
    if name == "sgd":
        assert fast.momentum == 0.9


def test_a_network_without_transformers_and_one_with_a_shared_one():
    run = run_of(QUICK, network(model="FCN"))
    assert len(run.optimizers) == len(run.largest_norms) == 1
    localisation = fully_connected_localisation(PARTS.shape, rng=np.random.default_rng(0))
    pair = Parallel(SpatialTransformer(localisation), SpatialTransformer(localisation, Affine()))
    own = Sequential(pair, Flatten(), Dense(2 * 144, 3, rng=np.random.default_rng(1)))
    assert len(run_of(QUICK, own).optimizers[1].parameters) == len(localisation.parameters())


def rates(recipe, steps):
    """Return the rate of each step of one epoch, and of the first of the next."""
    run = run_of(recipe, network(model="FCN"), steps * recipe.batch_size)
    found = [run.optimizers[0].learning_rate]
    for _ in range(steps):
        for schedule in run.minibatch_schedules:
            schedule.step()
        found.append(run.optimizers[0].learning_rate)
    return np.array(found)


def test_the_rate_rises_in_a_twentieth_of_the_steps_and_then_falls_along_a_cosine_or_stays():
    constant = rates(Recipe(learning_rate=1.0, schedule="constant", epochs=1), 100)
    assert constant[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0], rel=1e-15) and (constant[5:] == constant[5]).all()
    cosine = rates(Recipe(learning_rate=1.0, epochs=1), 100)
    half_a_cosine = (1 + np.cos(np.pi * np.arange(101) / 100)) / 2
    assert cosine == pytest.approx(half_a_cosine * constant, rel=1e-12, abs=1e-15)  # 100 products, each rounded


def test_on_a_plateau_the_rate_falls_when_more_than_three_epochs_were_no_better():
    run = run_of(Recipe(learning_rate=1.0, schedule="plateau", epochs=50), network())
    for optimizer in run.optimizers:
        optimizer.learning_rate = 1.0
    for error, expected in zip([0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.3], [1, 1, 1, 1, 1, 0.3, 0.3], strict=True):
        run.end_epoch(error)
        assert [optimizer.learning_rate for optimizer in run.optimizers] == [expected] * 2


@pytest.mark.parametrize(
    ("examples", "batch_size", "epochs"), [(54_000, 64, 4), (10_000, 64, 20), (1_000, 64, 60), (5, 64, 60), (640, 1, 5)]
)
def test_epochs_make_some_three_thousand_steps(examples, batch_size, epochs):
    recipe = Recipe(batch_size=batch_size)
    assert recipe.epochs_for(examples) == epochs == recipe.completed(examples).epochs
    assert Recipe(epochs=7).epochs_for(examples) == 7


@pytest.mark.parametrize(("examples", "steps"), [(1, 1), (2, 1), (16, 1), (17, 1), (18, 2), (32, 2), (33, 2), (34, 3)])
def test_a_last_minibatch_of_one_example_is_left_out(examples, steps):
    recipe = Recipe(batch_size=16, epochs=1)
    assert recipe.steps_for(examples) == steps
    given = Examples(PARTS.train.images[:examples], PARTS.train.labels[:examples])
    used = recipe.passes(examples).used(given)
    assert math.ceil(used / 16) == steps and used in (examples, examples - 1) and (used == examples or used % 16 == 0)


def test_a_network_with_batch_statistics_learns_from_seventeen_pictures():
    few = replace(PARTS, train=Examples(PARTS.train.images[:17], PARTS.train.labels[:17]))
    rng = np.random.default_rng(0)
    own = Sequential(Flatten(), Dense(144, 8, rng=rng), BatchNorm(8), ReLU(), Dense(8, 3, rng=rng))
    assert len(fit(own, few, Recipe(epochs=2, batch_size=16), rng).history) == 2


def test_the_default_rate_is_the_optimizer_s():
    for name in OPTIMIZERS:
        assert Recipe(name).rate() == LEARNING_RATES[name] == Recipe(name).completed(10).learning_rate
    assert Recipe("sgd", 0.3).rate() == 0.3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"optimizer": "lbfgs"}, "optimizer: given 'lbfgs', expected one of 'sgd', 'adam'"),
        ({"schedule": "step"}, "schedule: given 'step', expected one of 'cosine', 'plateau', 'constant'"),
        ({"learning_rate": 0.0}, "lr: given 0.0, expected a finite number above 0"),
        ({"learning_rate": math.nan}, "lr: given nan, expected a finite number above 0"),
        ({"epochs": 0}, "epochs: given 0, expected a positive integer"),
        ({"batch_size": 0}, "batch_size: given 0"),
        ({"patience": -1}, "patience: given -1, expected an integer of at least 0"),
    ],
)
def test_what_is_out_of_range_is_refused_in_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Recipe(**options)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_it_learns_and_says_how_well(schedule):
    recipe = Recipe(learning_rate=0.01, schedule=schedule, epochs=8, batch_size=16)
    given = network(1)
    outcome = fit(given, PARTS, recipe, np.random.default_rng(1))
    assert outcome.test_error < 0.4 < 2 / 3  # guessing
    errors = outcome.history.validation_error
    assert len(errors) == 8 and outcome.best_epoch == 1 + errors.index(min(errors))
    assert outcome.validation_error == min(errors) and outcome.network is given
    said = predict(given, PARTS.test.images)
    expected = [[int(((PARTS.test.labels == k) & (said == j)).sum()) for j in range(3)] for k in range(3)]
    assert outcome.confusion.tolist() == expected
    assert outcome.test_error == pytest.approx(np.mean(said != PARTS.test.labels), abs=1e-15)
    assert predict(given, PARTS.validation.images).tolist().count(-1) == 0
    assert np.mean(predict(given, PARTS.validation.images) != PARTS.validation.labels) == min(errors)


@pytest.mark.parametrize("epoch", range(6))
def test_interrupted_in_any_epoch_it_goes_on_to_the_same_bits(tmp_path, monkeypatch, epoch):
    whole = fit(network(), PARTS, QUICK, np.random.default_rng(2))
    validate, validated = loop.error_rate, []

    def interrupt(model, examples):
        if len(validated) == epoch:
            raise KeyboardInterrupt
        validated.append(examples)
        return validate(model, examples)

    monkeypatch.setattr(loop, "error_rate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), PARTS, QUICK, np.random.default_rng(2), checkpoint=Checkpoint(tmp_path / "a.h5"))
    monkeypatch.setattr(loop, "error_rate", validate)
    # Every bit of it is to come from the file.
    kept = Checkpoint(tmp_path / "a.h5", resume=True)
    resumed = fit(network(7), PARTS, QUICK, np.random.default_rng(99), checkpoint=kept)
    states = [outcome.network.state_dict() for outcome in (whole, resumed)]
    assert all((states[0][name] == states[1][name]).all() for name in states[0])
    assert (resumed.confusion == whole.confusion).all() and resumed.best_epoch == whole.best_epoch
    assert resumed.history.validation_error == whole.history.validation_error


@pytest.mark.parametrize(
    ("recipe", "data", "which"),
    [
        (Recipe("sgd", 0.01, epochs=6, batch_size=16), PARTS, "optimizer is 'adam', and that of this run 'sgd'"),
        (Recipe(learning_rate=0.01, epochs=7, batch_size=16), PARTS, "epochs is 6, and that of this run 7"),
        (QUICK, parts(count=21), "digest of train is '[0-9a-f]{64}', and that of this run '[0-9a-f]{64}'"),
    ],
)
def test_a_checkpoint_of_another_recipe_or_other_data_is_told(tmp_path, recipe, data, which):
    QUICK.run(network(), len(PARTS.train), np.random.default_rng(0), data_settings(PARTS)).save(tmp_path / "a.h5")
    with pytest.raises(ValueError, match=f"cannot be resumed here: its {which}"):
        fit(network(), data, recipe, np.random.default_rng(0), checkpoint=Checkpoint(tmp_path / "a.h5", resume=True))


def data_settings(data):
    return {f"digest of {name}": digest for name, digest in data.digests().items()}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # what a huge rate makes overflow
def test_a_loss_that_is_no_number_ends_the_run():
    own = Sequential(
        Flatten(), Dense(144, 8, rng=np.random.default_rng(0)), ReLU(), Dense(8, 3, rng=np.random.default_rng(1))
    )
    with pytest.raises(
        ValueError, match=r"^lr: given 1e\+30, with which the loss is (nan|inf) in epoch 1; give a small"
    ):
        fit(own, PARTS, Recipe("sgd", 1e30, "constant", epochs=2, batch_size=16), np.random.default_rng(0))


def test_the_generators_of_a_seed_are_independent():
    draws = [generator.random() for generator in generators(3)]
    assert draws == [generator.random() for generator in generators(3)] and len(set(draws)) == 3
    with pytest.raises(ValueError, match="seed: given -1, expected an integer of at least 0"):
        generators(-1)
