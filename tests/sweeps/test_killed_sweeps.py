"""Sweeps that are killed or interrupted, and go on: the same files, byte for byte, and no worker that stays."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest

from tests.sweeps.sweeping import COMMAND, run_small, tree

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and process groups are POSIX's")


@contextmanager
def begun(command, folder, hang_limit, under_way):
    """Yield a process in a group of its own, whose sweep has begun, or has cells under way; kill what is left of it."""
    with subprocess.Popen(command, stderr=-1, stdout=-1, text=True, start_new_session=True) as process:
        try:
            until = time.monotonic() + hang_limit
            pattern = "unfinished/[!.]*.h5" if under_way else "unfinished/*.run"
            while process.poll() is None and not list(folder.glob(pattern)):
                assert time.monotonic() < until
                time.sleep(0.01)
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_killed_at_random_moments_and_resumed_it_leaves_what_an_uninterrupted_one_does(tmp_path, workers, hang_limit):
    """By the command and by the program itself, which lies anywhere; with one worker and with two.

    Sometimes all processes are killed, and sometimes the sweep alone: that its workers end with it shows in their
    common standard error, which ends with the last of them.
    """
    run_small(tmp_path / "whole", workers, "slow")
    program = shutil.copy(COMMAND[-1], tmp_path)
    folder, rng = tmp_path / "killed", random.Random(13)
    options = ["--scale", "slow", "--out", str(folder), "--resume"]
    for kill in range(4):
        by = [*COMMAND, "--workers", "1"] if kill == 1 else [sys.executable, program, "--workers", "2"]
        with begun([*by, *options], folder, hang_limit, under_way=kill != 2) as process:
            time.sleep(rng.uniform(0, 0.5))
            os.killpg(process.pid, signal.SIGKILL) if kill % 2 else process.kill()
            process.communicate(timeout=hang_limit)
        assert process.returncode in (-signal.SIGKILL, 0)
    ended = subprocess.run([sys.executable, program, *options], capture_output=True, text=True, check=True)
    assert ended.stdout.endswith("report.md shows the same.\n") and "Traceback" not in ended.stderr
    found = tree(folder)
    assert found.pop("report.md") is not None
    assert found == tree(tmp_path / "whole")


@pytest.mark.parametrize("under_way", [False, True])
def test_interrupted_it_says_so_and_goes_on(tmp_path, workers, hang_limit, under_way):
    """While workers begin, by a terminal, which interrupts them too; and while they compute what never ends, alone."""
    folder = tmp_path / "out"
    command = [*COMMAND, "--scale", "endless", "--out", str(folder), "--workers", "2"]
    with begun(command, folder, hang_limit, under_way) as process:
        os.kill(process.pid, signal.SIGINT) if under_way else os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=hang_limit)
    assert (process.returncode, out) == (130, "")
    assert [line for line in err.splitlines() if "cells" not in line] == ["refwarp: interrupted"]
    left = {path.suffix for path in folder.glob("unfinished/*")}
    assert ".run" not in left and (not under_way or {".h5", ".json"} <= left)
