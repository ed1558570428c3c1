"""What importing refwarp costs, and what it needs."""

import os
import subprocess
import sys

import pytest


def run(code, **environment):
    """Run a snippet in a fresh interpreter and return what it prints."""
    environment = {**os.environ, **environment}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_refwarp_imports_neither_numba_nor_scipy():
    """So it stays far below 0.6 s: both come with the first kernel that is asked for."""
    code = "import sys, refwarp; print({'numba', 'scipy', 'h5py', 'matplotlib'} & set(sys.modules))"
    assert run(code) == "set()"


def test_every_public_name_is_there():
    code = "import refwarp; print(all(hasattr(refwarp, name) for name in refwarp.__all__), hasattr(refwarp, 'nothing'))"
    assert run(code) == "True False"


@pytest.mark.parametrize("given", ["0", "-1", "abc", "1.5", ""])
def test_a_number_of_threads_with_which_numba_compiles_nothing_is_refused_in_a_sentence(given):
    code = "import refwarp\ntry: refwarp.affine_grid\nexcept ImportError as error: print(error)"
    expected = f"NUMBA_NUM_THREADS: given {given!r} in the environment, expected a positive integer; "
    assert run(code, NUMBA_NUM_THREADS=given).startswith(expected)
