"""How pairs are timed, on programs whose times are planted, with a clock that they move."""

import sys

import numpy as np
import pytest

from autograd_core import Tensor
from refwarp import get_num_threads
from refwarp.benchmarking import Disagreement, Entry, Measurement, Pair, labelled, measure
from refwarp.benchmarking.entries import check_agreement
from refwarp.benchmarking.inputs import GRIDS, MARGIN, off_the_lattice, sampling, to_pixels
from refwarp.benchmarking.measuring import LEAST, MOST, PATIENCE, SHORTEST, limited_threads
from tests.threads import threads


class Machine:
    """A clock that planted programs move, and a record of who ran; `pace` makes everything slower as time goes on."""

    def __init__(self, pace=0.0):
        self.now, self.pace, self.calls = 0.0, pace, []

    def __call__(self):
        return self.now

    def program(self, name, seconds):
        def run():
            self.now += seconds * (1.0 + self.pace * self.now)
            self.calls.append(name)

        return run

    def sleep(self, seconds):
        self.now += seconds
        self.calls.append("sleep")


def entry(**changes):
    labels = labelled("planted", "forward", (2, 3), "float32", 1)
    return Entry(**{"labels": labels, "peer": "peer", "elements": 6, "prepare": None, "tolerance": 0.0, **changes})


def timed(machine, ours, peer, **options):
    pair = Pair(machine.program("ours", ours), machine.program("peer", peer))
    return measure(pair, clock=machine, sleep=machine.sleep, **options)


@pytest.mark.parametrize(("ours", "peer"), [(1e-3, 3e-3), (3e-3, 1e-3), (2e-6, 5e-4), (0.02, 0.02)])
def test_a_planted_ratio_is_found(ours, peer):
    found = Measurement(entry(), *timed(Machine(), ours, peer))
    assert len(found.ours) == len(found.peers) == MOST
    # The clock's sums round.
    assert found.ratio == pytest.approx(peer / ours, rel=1e-9)
    assert found.quartiles == pytest.approx((peer / ours,) * 2, rel=1e-9)
    assert found.nanoseconds == pytest.approx((1e9 * ours / 6, 1e9 * peer / 6), rel=1e-9)


def test_ratios_are_those_of_elements():
    found = Measurement(entry(peer_elements=2), *timed(Machine(), 6e-3, 6e-3))
    assert found.ratio == pytest.approx(3.0, rel=1e-9)
    assert found.nanoseconds == pytest.approx((1e6, 3e6), rel=1e-9)


def test_samples_alternate_and_are_long_enough():
    machine = Machine()
    timed(machine, 4e-4, 3e-3)
    blocks = [name for k, name in enumerate(machine.calls) if k == 0 or machine.calls[k - 1] != name]
    assert blocks[-4 * MOST :] == ["sleep", "ours", "sleep", "peer"] * MOST
    last = len(machine.calls) - machine.calls[::-1].index("sleep")
    per_sample = len(machine.calls) - last
    assert SHORTEST <= 3e-3 * per_sample < SHORTEST + 2 * 3e-3


def test_what_slows_the_machine_down_leaves_the_ratio():
    machine = Machine(pace=5.0)
    found = Measurement(entry(), *timed(machine, 5e-3, 1e-2))
    assert found.ours[-1] > 4 * found.ours[0]
    # Between the two samples of a pair the machine slows down by less than a fifth.
    assert all(2.0 <= ratio < 2.4 for ratio in found.ratios)


def test_slow_programs_are_sampled_less_often():
    ours, peers = timed(Machine(), PATIENCE, 2 * PATIENCE)
    assert len(ours) == len(peers) == LEAST
    assert len(timed(Machine(), 1e-2, 1e-2, most=9)[0]) == 9


def test_waits_belong_to_the_sample():
    """On a GPU a call returns at once, and what it began ends later."""
    machine = Machine()
    begun = []

    def wait():
        machine.now += 1e-3 * len(begun)
        begun.clear()

    pair = Pair(lambda: begun.extend("xx"), lambda: begun.append("x"), wait)
    found = Measurement(entry(), *measure(pair, clock=machine, sleep=machine.sleep))
    assert found.ratio == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize(
    ("ours", "peer", "tolerance", "agree"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0, True),
        ([1.0, 2.1], [1.0, 2.0], 0.06, True),
        ([1.0, 2.2], [1.0, 2.0], 0.06, False),
        ([1.0, np.nan], [1.0, 2.0], 0.06, False),
        ([1.0, 2.0], [[1.0, 2.0]], 0.06, False),
        ([1.0], [5.0], None, True),
        ([], [], 0.0, True),
    ],
)
def test_agreement(ours, peer, tolerance, agree):
    given = Tensor(np.array(ours)), np.array(peer)
    if agree:
        check_agreement(entry(tolerance=tolerance), *given)
        return
    with pytest.raises(Disagreement, match="planted 2x3 float32 forward 1 thread, against peer: the "):
        check_agreement(entry(tolerance=tolerance), *given)


def test_every_result_of_several_is_compared():
    right, wrong = (np.ones(2), np.ones(2)), (np.ones(2), np.zeros(2))
    check_agreement(entry(), right, right)
    with pytest.raises(Disagreement):
        check_agreement(entry(), right, wrong)
    with pytest.raises(Disagreement):
        check_agreement(entry(), right, right[:1])


def test_threads_are_set_and_set_back():
    with threads(3):
        with limited_threads(2):
            assert get_num_threads() == 2
            torch = sys.modules.get("torch")
            assert torch is None or torch.get_num_threads() == 2
        assert get_num_threads() == 3


@pytest.mark.parametrize("kind", GRIDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_keep_off_the_lattice(kind, dtype):
    shape = (2, 1, 33, 64)
    given = sampling(shape, dtype, kind)
    assert [array.dtype for array in given] == [dtype] * 3 and given.grid.shape == (2, 33, 64, 2)
    pixels = to_pixels(given.grid, shape[2:])
    # From pixels, and from the middles between them; the grid is rounded to its dtype.
    assert np.abs(pixels - np.round(2 * pixels) / 2).min() >= MARGIN - 1e-5
    outside = (np.abs(given.grid) > 1).mean()
    assert 0 < outside < 0.5


def test_off_the_lattice_moves_little():
    grid = np.random.default_rng(0).uniform(-1.5, 1.5, (1, 20, 20, 2))
    moved = to_pixels(off_the_lattice(grid, (7, 9)), (7, 9)) - to_pixels(grid, (7, 9))
    assert 0 < np.abs(moved).max() <= MARGIN + 1e-12
