"""What is compared computes the same: the entries of every comparison, where its peer is installed."""

from pathlib import Path

import pytest

from refwarp.benchmarking import known_comparisons
from refwarp.benchmarking.comparisons import items_of, load_comparison
from refwarp.benchmarking.entries import check_agreement
from refwarp.benchmarking.measuring import limited_threads

FOLDER = Path(__file__).parents[2] / "benchmarks"
ALONE = ("linear_cost", "compilation")
NAMES = known_comparisons(FOLDER)
WITH_ENTRIES = [name for name in NAMES if name != "compilation"]


def marked(names):
    return [name if name in ALONE else pytest.param(name, marks=pytest.mark.peers) for name in names]


def load(name):
    try:
        return load_comparison(FOLDER, name)
    except ImportError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", marked(NAMES))
def test_items_have_names_of_their_own(name):
    module = load(name)
    every, quick = (items_of(module, quick, (1, 2), ()) for quick in (False, True))
    names = [item.name for item in every]
    assert len(set(names)) == len(names) > 0
    assert 0 < len(quick) <= len(every) and {item.name for item in quick} <= set(names)


@pytest.mark.parametrize("name", marked(WITH_ENTRIES))
def test_entries_say_what_they_compute(name):
    module = load(name)
    for entry in module.entries(False, (1, 2)):
        assert {"operation", "shape", "dtype", "direction", "threads", *module.ROWS} <= entry.labels.keys()
        assert entry.labels["direction"] in ("forward", "backward", "both")
        assert entry.labels["threads"].startswith(f"{entry.threads} ")
        assert entry.tolerance is None or 0 <= entry.tolerance < 0.1


@pytest.mark.parametrize("name", marked(WITH_ENTRIES))
def test_both_sides_agree(name):
    """At the smallest size of each operation, for every other choice; larger ones are checked whenever they run."""
    entries = [entry for entry in load(name).entries(False, (1,)) if entry.threads == 1]
    least = min(entry.elements for entry in entries)
    with limited_threads(1):
        for entry in entries:
            if entry.elements == least:
                pair = entry.prepare()
                check_agreement(entry, pair.ours(), pair.peer())


@pytest.mark.peers
def test_training_steps_stay_together():
    """Both losses fall alike, so Adam and the gradients of all parameters are the same, too."""
    first = next(iter(load("training_step_torch").entries(False, (1,))))
    with limited_threads(1):
        pair = first.prepare()
        losses = [(pair.ours(), pair.peer()) for _ in range(6)]
    assert losses[-1][0] < losses[0][0] - 0.01
    for ours, peer in losses:
        # Adam divides by the root of squares, so small gradients' roundings come through: 1e-3 a step at most.
        assert abs(ours - peer) <= 1e-3 * peer


@pytest.mark.peers
def test_the_comparison_of_a_gpu_says_what_it_needs():
    try:
        load_comparison(FOLDER, "grid_sample_cuda")
    except ImportError as error:
        assert "it needs a GPU, CuPy and PyTorch with CUDA (" in str(error)
