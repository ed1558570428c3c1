"""Memory that is freed is kept."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, numpy as np
from refwarp.memory import keep_freed_memory
if {wanted}:
    keep_freed_memory()
def use():
    for _ in range(5):
        arrays = [np.ones(2**17) for _ in range(20)]  # a MiB each; together more than what glibc keeps
        del arrays
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told")
def test_arrays_of_a_second_round_cause_no_page_faults():
    run = [sys.executable, "-c", PROGRAM.format(wanted=True)]
    faults = int(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    assert faults < 50  # 100 arrays of a MiB have 25,600 pages of 4 KiB
