"""How far a sweep is, and the estimate of the time left."""

from itertools import pairwise

import pytest

from refwarp.sweeps import SweepFolder, load_experiment
from refwarp.sweeps.progress import TimeLeft, Watch
from refwarp.sweeps.results import Progress
from tests.sweeps.sweeping import EXPERIMENT

HOUR = 3600.0


def simulate(costs, slower, workers, look=0.5, startup=0.0, report=10.0):
    """Yield what is estimated and what is true, in a sweep whose cells take so many times as long as expected.

    Each worker takes the next cell; a cell tells its share every so many seconds.
    """
    times = [cost * slower for cost in costs]
    free = [startup] * workers
    spans = []
    for time in times:
        worker = min(range(workers), key=free.__getitem__)
        spans.append((free[worker], free[worker] + time))
        free[worker] += time
    end, estimate, now = max(free), TimeLeft(workers, 0.0), 0.0
    while now < end:
        left, under_way = [], 0
        for cost, (begin, stop) in zip(costs, spans, strict=True):
            if now < stop:
                told = max(0.0, (now - begin) // report * report)
                left.append(cost * (1 - told / (stop - begin)))
                under_way += begin <= now
        yield now, estimate.update(left, under_way, now), end - now
        now += look


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_at_first_the_experiments_own_numbers_tell(workers):
    estimate = TimeLeft(workers, 17.0)
    assert estimate.update([100.0] * 10, 0, 17.5) == pytest.approx(1000 / workers)
    assert estimate.update([100.0] * 10, workers, 30.0) == pytest.approx(1000 / workers)  # nothing was measured yet


def test_one_long_cell_takes_as_long_as_it_takes():
    assert TimeLeft(8, 0.0).update([100.0, 5.0, 5.0], 3, 1.0) == pytest.approx(100)
    assert TimeLeft(8, 0.0).update([], 0, 1.0) == 0


@pytest.mark.parametrize("slower", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_it_soon_learns_how_much_longer_cells_take(slower, workers):
    for now, estimated, true in simulate([400.0] * 12, slower, workers, startup=20.0):
        if now < 20:
            assert estimated == pytest.approx(true / slower, rel=0.05 + 1 / slower)
        elif 120 < now and true > 60:  # and ten seconds of each worker of which the cells have not told yet
            assert abs(estimated - true) < 0.15 * true + 11


def test_it_changes_little_from_one_look_to_the_next():
    found = [estimated for now, estimated, _ in simulate([400.0] * 12, 1.3, 2) if now > 60]
    # Of the two workers one may have told of ten seconds, and the other not yet.
    assert max(abs(after - before) for before, after in pairwise(found)) < 40


def test_a_resumed_sweep_does_not_count_what_was_done_before():
    estimate = TimeLeft(1, 0.0)
    assert estimate.update([50.0, 100.0], 0, 0.0) == pytest.approx(150)
    # Half a minute for ten seconds of what was expected, so three times as long, with three parts of the weight.
    assert estimate.update([40.0, 100.0], 1, 30.0) == pytest.approx(140 * 3**0.75)


@pytest.fixture
def watched(tmp_path):
    """A folder, its data, cells, and how to say how far a cell is."""
    folder = SweepFolder(tmp_path, load_experiment(EXPERIMENT))
    experiment = folder.loaded.experiment
    cells = experiment.cells(experiment.scales["tiny"], [0])
    (tmp_path / "unfinished").mkdir()

    def tell(cell, done, run="now"):
        folder.write_progress(cell, {}, Progress(run, done, 6, f"{done} done"))

    return folder, cells, tell


def test_a_watch_sees_cells_of_this_run_under_way(watched):
    folder, cells, tell = watched
    watch = Watch(folder, {}, "now", 5, cells, 2, clock=lambda: 0.0)
    status = watch.status()
    assert (status.total, status.finished, status.failed, status.under_way) == (5, 2, 0, {})
    assert status.seconds_left == pytest.approx(3 * 0.018 / 2)
    tell(cells[0], 3)
    tell(cells[1], 2, run="earlier")  # it is so far, but waits
    status = watch.status()
    assert status.under_way == {"width 4 seed 0": (0.5, "3 done")}
    assert status.seconds_left == pytest.approx(0.018 * (0.5 + 2 / 3 + 1) / 2)
    watch.end(cells[0], failed=False)
    watch.end(cells[2], failed=True)
    status = watch.status()
    assert (status.finished, status.failed, status.under_way) == (3, 1, {})
    tell(cells[1], 6)
    assert watch.status().seconds_left == 0
