"""The training loop: it learns, it repeats itself bit for bit, and so it does after any interruption."""

import io
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from autograd_core.layers import BatchNorm, Dense, Flatten, Sequential
from autograd_core.optimizers import SGD
from refwarp.cli import run as refwarp
from refwarp.data import distort
from refwarp.training import Passes, Run, load_state, train, training_progress
from refwarp.training import loop as loop_module
from tests.training.altered import alter
from tests.training.tiny_run import DISTORTION, EPOCHS, examples, tiny_run, train_tiny


def bits(state):
    """Return a state with all that must repeat: arrays as bytes, and no seconds."""
    if isinstance(state, dict):
        return {name: bits(value) for name, value in state.items() if name != "seconds"}
    return (state.dtype.str, state.shape, state.tobytes()) if isinstance(state, np.ndarray) else state


@pytest.fixture(scope="module")
def uninterrupted():
    run = tiny_run()
    train_tiny(run)
    return bits(run.state_dict())


def test_it_learns():
    history = train_tiny(tiny_run(), epochs=30)
    guessing = math.log(3)  # what guessing among three classes costs
    assert history.loss[0] > guessing > history.loss[-1] / 0.8
    assert history.validation_error[-1] < 0.4 < history.validation_error[0]


def test_the_same_run_has_the_same_bits(uninterrupted):
    again, other = tiny_run(), tiny_run(seed=1)
    again.model.eval()  # which training undoes
    train_tiny(again)
    train_tiny(other)
    assert bits(again.state_dict()) == uninterrupted
    assert bits(other.state_dict())["model"] != uninterrupted["model"]


def test_global_random_state_is_left_alone():
    before = np.random.get_state()  # noqa: NPY002 - to see that nothing uses it
    train_tiny(tiny_run(), epochs=1)
    after = np.random.get_state()  # noqa: NPY002
    assert (before[1] == after[1]).all() and before[2:] == after[2:]


@pytest.mark.parametrize("epoch", range(EPOCHS + 1))
def test_resumed_after_any_epoch_it_ends_with_the_same_bits(tmp_path, uninterrupted, epoch):
    checkpoint = tmp_path / "run.h5"
    run = tiny_run()
    if epoch:
        train_tiny(run, epochs=epoch, checkpoint=checkpoint)
    else:
        run.save(checkpoint)
    resumed = tiny_run(seed=7)  # every bit of it is to come from the file
    resumed.settings = run.settings
    history = train_tiny(resumed, checkpoint=checkpoint, resume=True)
    assert bits(resumed.state_dict()) == bits(load_state(checkpoint)) == uninterrupted
    assert len(history) == EPOCHS and history is resumed.history


def test_killed_at_any_moment_it_leaves_whole_files_and_ends_with_the_same_bits(tmp_path):
    """Kill a training process again and again, at moments that fall anywhere, and let it go on each time."""
    epochs, checkpoint = 60, tmp_path / "run.h5"
    command = [sys.executable, str(Path(__file__).with_name("tiny_run.py")), str(checkpoint), str(epochs)]
    rng = np.random.default_rng(0)
    done = 0
    for _ in range(3):
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        seen = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        while process.poll() is None and (not checkpoint.exists() or checkpoint.stat().st_mtime_ns == seen):
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.08))
        process.kill()
        _, errors = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), errors.decode()
        epoch = load_state(checkpoint)["epoch"]
        assert epoch >= done
        done = epoch
    leftover = tmp_path / f".run.{process.pid}-0123abcd-0.partial.h5"  # of a process that is no more
    leftover.write_bytes(b"half of a fi")
    subprocess.run(command, check=True)
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]
    run = tiny_run()
    train_tiny(run, epochs=epochs)
    assert bits(load_state(checkpoint)) == bits(run.state_dict())


def test_while_a_run_has_its_checkpoint_another_is_refused_and_reading_is_not(tmp_path, capsys):
    checkpoint = tmp_path / "checkpoint.h5"
    command = [sys.executable, str(Path(__file__).with_name("tiny_run.py")), str(checkpoint), "100000"]
    with subprocess.Popen(command) as process:
        try:
            while process.poll() is None and not checkpoint.exists():
                time.sleep(0.001)
            for resume in (False, True):
                run = tiny_run()
                before = bits(run.state_dict())
                with pytest.raises(
                    BlockingIOError, match=r"^checkpoint: .*checkpoint\.h5 is in use by another run; wait for"
                ):
                    train_tiny(run, checkpoint=checkpoint, resume=resume)
                assert bits(run.state_dict()) == before
            capsys.readouterr()
            assert refwarp(["train", "--model", "FCN", "--out", str(tmp_path), "--resume"]) == 2
            sentence = f"checkpoint: {checkpoint} is in use by another run; wait for its end, or give another name"
            assert capsys.readouterr().err == f"refwarp: {sentence}\n"
            load_state(checkpoint)
            assert process.poll() is None, "it goes on"
        finally:
            process.kill()
    run = tiny_run()
    run.resume(checkpoint)
    train_tiny(run, epochs=len(run.history) + 1, checkpoint=checkpoint, resume=True)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.h5"]


def test_no_checkpoint_to_resume_leaves_nothing(tmp_path):
    for checkpoint in (tmp_path / "run.h5", tmp_path / "new" / "run.h5"):
        with pytest.raises(FileNotFoundError, match="^checkpoint: given '.*run.h5', but there is no such file; "):
            train_tiny(tiny_run(), checkpoint=checkpoint, resume=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", [0, 3, 6])
def test_an_interrupt_keeps_the_last_checkpoint(tmp_path, monkeypatch, uninterrupted, step):
    checkpoint = tmp_path / "run.h5"
    run, count = tiny_run(), 0
    original = loop_module.train_step

    def interrupted(*arguments):
        nonlocal count
        if count == step:
            os.kill(os.getpid(), signal.SIGINT)
        count += 1
        return original(*arguments)

    monkeypatch.setattr(loop_module, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_tiny(run, checkpoint=checkpoint)
    monkeypatch.undo()
    assert load_state(checkpoint)["epoch"] == step // 4  # four minibatches an epoch
    resumed = tiny_run()
    train_tiny(resumed, checkpoint=checkpoint, resume=True)
    assert bits(resumed.state_dict()) == uninterrupted


def test_resuming_a_finished_run_changes_nothing(tmp_path, uninterrupted):
    checkpoint = tmp_path / "run.h5"
    train_tiny(tiny_run(), checkpoint=checkpoint)
    content = checkpoint.read_bytes()
    run = tiny_run()
    train_tiny(run, checkpoint=checkpoint, resume=True)
    assert bits(run.state_dict()) == uninterrupted and checkpoint.read_bytes() == content


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    checkpoint = tmp_path / "run.h5"
    tiny_run().save(checkpoint)
    rng = np.random.default_rng(0)
    model = Sequential(Flatten(), Dense(64, 3, rng=rng))
    other = Run(model, tiny_run().optimizers, tiny_run().schedules, rng, {"seed": 0})
    with pytest.raises(ValueError, match=r"run\.h5 is damaged or of another run.*state\['model'\] lacks"):
        other.resume(checkpoint)
    wider = tiny_run()
    wider.model.layers[1].layers[5] = Dense(33, 3, rng=rng)
    with pytest.raises(ValueError, match=r"run\.h5 is damaged or of another run.*layers\.5\.weight"):
        wider.resume(checkpoint)


def test_a_checkpoint_with_other_settings_or_optimizers_is_refused(tmp_path):
    checkpoint = tmp_path / "run.h5"
    tiny_run(model="CNN").save(checkpoint)
    with pytest.raises(ValueError, match="its model is 'CNN', and that of this run 'ST-CNN'"):
        tiny_run(model="ST-CNN").resume(checkpoint)
    with pytest.raises(ValueError, match="its model is 'CNN', and that of this run None"):
        tiny_run().resume(checkpoint)
    fewer = tiny_run(model="CNN")
    fewer.optimizers = fewer.optimizers[:1]
    with pytest.raises(ValueError, match=r"state\['optimizers'\] has '1', and that of this run has not"):
        fewer.resume(checkpoint)
    swapped = tiny_run(model="CNN")
    swapped.optimizers = swapped.optimizers[::-1]
    with pytest.raises(ValueError, match=r"state\['optimizers'\]\['[01]'\] lacks"):
        swapped.resume(checkpoint)


def test_a_state_that_is_no_run_is_refused(tmp_path):
    loop_module.save_state(tmp_path / "a.h5", {"model": {}})
    with pytest.raises(ValueError, match="cannot be resumed here: it has no settings"):
        tiny_run().resume(tmp_path / "a.h5")


DAMAGES = {
    "settings": 3.0,
    "settings/seed": "[0, [1]]",
    "epoch": "3",
    "model/layers.1.layers.5.weight": None,
    "model/layers.1.layers.5.bias": np.zeros(3, np.float64),
    "model/layers.0.localisation.layers.1.bias": "6",
    "optimizers": np.zeros(3),
    "optimizers/0/learning_rate": None,
    "optimizers/1/velocity.0": np.zeros(3, np.float32),
    "schedules/1/count": "2",
    "generators/training": None,
    "generators/training/state": None,
    "generators/training/bit_generator": '"MT19937"',
    "generators/training/has_uint32": "1.5",
    "generators/model.layers.1.layers.4.rng/state/state": "1" + "0" * 60,
    "history": "[]",
    "history/loss": None,
    "history/seconds": "[1.0]",
    "history/validation_error": '["a", "b"]',
}


@pytest.mark.parametrize("place", DAMAGES)
def test_a_damaged_checkpoint_is_refused_and_leaves_the_run_as_it_was(tmp_path, place):
    path, run = tmp_path / "run.h5", tiny_run()
    train_tiny(run, epochs=2, checkpoint=path)
    fresh = tiny_run()
    before = bits(fresh.state_dict())

    def change(file):
        state, damage = file["state"], DAMAGES[place]
        del state[place]
        if damage is not None:
            state[place] = np.bytes_(damage) if isinstance(damage, str) else damage

    alter(path, change)
    with pytest.raises(ValueError, match=r"run\.h5 is damaged or of another run, and cannot be resumed") as caught:
        fresh.resume(path)
    part = place.split("/")[:2][-1]
    assert part in str(caught.value) and "\n" not in str(caught.value)
    assert bits(fresh.state_dict()) == before


def test_what_a_refused_checkpoint_leaves_is_the_run_as_it_was(tmp_path):
    checkpoint = tmp_path / "run.h5"
    tiny_run(seed=1).save(checkpoint)
    run = tiny_run()
    before = bits(run.state_dict())
    with pytest.raises(ValueError, match="its seed is 1, and that of this run 0"):
        train_tiny(run, checkpoint=checkpoint, resume=True)
    assert bits(run.state_dict()) == before


def test_impossible_arguments_are_refused():
    for option, value in (("epochs", 0), ("batch_size", 0)):
        with pytest.raises(ValueError, match=f"{option}: given 0, expected a positive integer"):
            train_tiny(tiny_run(), **{option: value})
    with pytest.raises(ValueError, match="examples"):
        train(tiny_run(), examples(0), examples(2, 8), Passes(1, 1))


def test_parts_in_evaluation_stay_so_unless_all_of_the_model_is():
    run = tiny_run()
    normalisation = run.model.layers[1].layers[1]
    normalisation.eval()
    before = {name: array.tobytes() for name, array in normalisation.buffers.items()}
    train_tiny(run, epochs=2)
    assert run.model.training and not normalisation.training
    assert {name: array.tobytes() for name, array in normalisation.buffers.items()} == before
    run = tiny_run()
    run.model.eval()
    train_tiny(run, epochs=1)
    assert all(module.training for _, module in run.model.named_modules())


@pytest.mark.parametrize("root", [False, True])
def test_parts_in_training_and_in_evaluation_stay_so_whatever_the_model_itself_is_in(root):
    run = tiny_run()
    modules = [module for _, module in run.model.named_modules()]
    run.model.training = root
    for k, module in enumerate(modules[1:]):
        module.training = k % 2 == 0
    before = [module.training for module in modules]
    train_tiny(run, epochs=2)
    assert [module.training for module in modules] == before and {*before[1:]} == {False, True}


def frozen_run(seed):
    run = tiny_run(seed)
    run.settings = {"frozen": "the convolution"}
    run.rng.bit_generator.state = np.random.default_rng(3).bit_generator.state
    convolution = run.model.layers[1].layers[0]
    for parameter in convolution.parameters():
        parameter.requires_grad = False
    return run, convolution


def test_frozen_parameters_are_in_the_checkpoint(tmp_path):
    whole, first, resumed = frozen_run(0), frozen_run(0), frozen_run(1)
    kept = first[1].state_dict()
    train_tiny(whole[0], epochs=4)
    train_tiny(first[0], epochs=2, checkpoint=tmp_path / "run.h5")
    train_tiny(resumed[0], epochs=4, checkpoint=tmp_path / "run.h5", resume=True)
    for name, array in resumed[1].state_dict().items():
        np.testing.assert_array_equal(array, kept[name])
    assert bits(resumed[0].state_dict()) == bits(whole[0].state_dict())
    unfrozen = tiny_run(2)
    unfrozen.settings = resumed[0].settings
    unfrozen.resume(tmp_path / "run.h5")
    assert bits(unfrozen.state_dict()) == bits(whole[0].state_dict())


def test_a_last_minibatch_of_one_example_may_be_left_out():
    def run():
        generator = np.random.default_rng(0)
        model = Sequential(Flatten(), Dense(36, 3, rng=generator), BatchNorm(3))
        return Run(model, [SGD(model.parameters(), 0.5)], [], np.random.default_rng(1))

    given = examples(9)
    with pytest.raises(ValueError, match="two or more values in each channel; leave a last minibatch of one"):
        train(run(), given, given, Passes(1, 4))
    dropping = run()
    history = train(dropping, given, given, Passes(3, 4, drop_last=True))
    # The same steps by hand, on the first eight of each order.
    expected, order = run(), np.random.default_rng(1)
    for epoch in range(3):
        used = order.permutation(9)[:8].reshape(2, 4)
        losses = [loop_module.train_step(expected, given.images[batch], given.labels[batch]) for batch in used]
        assert history.loss[epoch] == sum(4 * loss for loss in losses) / 8
    assert bits(dropping.model.state_dict()) == bits(expected.model.state_dict())
    with pytest.raises(ValueError, match="drop_last: given with 9 examples and minibatches of 10, which leaves none"):
        train(run(), given, given, Passes(1, 10, drop_last=True))


def test_fixed_pictures_are_taken_as_they_are():
    """Without a distortion, an epoch in one batch is one step of gradient descent on the given pictures."""
    given = examples(9)
    model = Sequential(Flatten(), Dense(36, 3, rng=np.random.default_rng(0)))
    weight, bias = (parameter.data.astype(np.float64) for parameter in model.parameters())
    run = Run(model, [SGD(model.parameters(), 0.5)], [], np.random.default_rng(1))
    history = train(run, given, given, Passes(1, 9))
    pixels = given.images.reshape(9, 36).astype(np.float64)
    scores = pixels @ weight.T + bias
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    truth = np.eye(3)[given.labels]
    step = 0.5 * (shares - truth).T @ pixels / 9
    # Sums of up to 36 float32 terms of size 1: some 40 roundings.
    assert abs(model.layers[1].weight.data - (weight - step)).max() <= 40 * np.finfo(np.float32).eps
    expected = -np.log(shares[truth > 0]).mean()
    assert abs(history.loss[0] - expected) <= 40 * np.finfo(np.float32).eps * expected


def test_every_example_comes_once_an_epoch_with_a_fresh_distortion(monkeypatch):
    seen = []
    original = loop_module.train_step

    def watched(run, images, labels):
        seen.append((images, labels))
        return original(run, images, labels)

    monkeypatch.setattr(loop_module, "train_step", watched)
    given = examples(50)
    run = tiny_run()
    run.rng = np.random.default_rng(3)
    train_tiny(run, epochs=2)
    assert [len(labels) for _, labels in seen] == [16, 16, 16, 2] * 2
    rng = np.random.default_rng(3)
    for epoch in (seen[:4], seen[4:]):
        order = rng.permutation(50)
        assert sorted(order) == list(range(50))
        for (images, labels), batch in zip(epoch, np.split(order, [16, 32, 48]), strict=True):
            assert (labels == given.labels[batch]).all()
            assert (images == distort(given.images[batch], DISTORTION, rng)[0]).all()


def test_history_tells_the_schedule():
    run = tiny_run()
    history = train_tiny(run, epochs=7)
    assert history.learning_rate == [0.01] * 3 + [0.005] * 3 + [0.0025]
    assert all(seconds > 0 for seconds in history.seconds)


def test_off_a_terminal_each_epoch_is_a_line():
    console = Console(file=io.StringIO(), width=120)
    with training_progress(console) as progress:
        history = train_tiny(tiny_run(), epochs=2, progress=progress, label="tiny")
    first, second = console.file.getvalue().splitlines()
    assert first.startswith(f"tiny: epoch 1/2, loss {history.loss[0]:.3f}, validation error ")
    assert second.startswith("tiny: epoch 2/2")


def test_a_label_is_no_markup():
    for terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
        with training_progress(console) as progress:
            train_tiny(tiny_run(), epochs=1, progress=progress, label="tiny[/b]")
        assert "tiny[/b]" in console.file.getvalue()


def test_a_missing_folder_of_the_checkpoint_is_created(tmp_path):
    checkpoint = tmp_path / "new" / "sub" / "run.h5"
    train_tiny(tiny_run(), epochs=1, checkpoint=checkpoint)
    assert load_state(checkpoint)["epoch"] == 1


def test_on_a_terminal_there_is_a_bar():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with training_progress(console) as progress:
        train_tiny(tiny_run(), epochs=2, progress=progress, label="tiny")
        assert progress.tasks[0].finished
    assert "tiny" in console.file.getvalue() and "epoch 2/2" in console.file.getvalue()
