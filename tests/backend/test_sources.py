"""Where kernels are cached, and what importing costs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import refwarp


def run(code, cwd=None, **environment):
    """Run a snippet in a fresh interpreter and return what it prints."""
    environment = {**os.environ, **environment}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_refwarp_imports_neither_numba_nor_scipy():
    """So it stays far below 0.6 s: both come with the first kernel that is asked for."""
    code = "import sys, refwarp; print({'numba', 'scipy', 'h5py', 'matplotlib'} & set(sys.modules))"
    assert run(code) == "set()"


def test_every_public_name_is_there():
    code = "import refwarp; print(all(hasattr(refwarp, name) for name in refwarp.__all__), hasattr(refwarp, 'nothing'))"
    assert run(code) == "True False"


def test_kernels_are_cached_where_the_user_says(tmp_path):
    code = "import refwarp.backend.cache as c; print(c.CACHE_FOLDER)"
    assert run(code, NUMBA_CACHE_DIR=str(tmp_path)).startswith(str(tmp_path))


@pytest.mark.parametrize("given", ["0", "-1", "abc", "1.5", ""])
def test_a_number_of_threads_with_which_numba_compiles_nothing_is_refused_in_a_sentence(given):
    code = "import refwarp\ntry: refwarp.affine_grid\nexcept ImportError as error: print(error)"
    expected = f"NUMBA_NUM_THREADS: given {given!r} in the environment, expected a positive integer; "
    assert run(code, NUMBA_NUM_THREADS=given).startswith(expected)


@pytest.mark.parametrize("file", ["arithmetic.py", "conventions.py", "samplers/bilinear.py"])
def test_an_edit_of_a_scalar_changes_the_cache(file, tmp_path):
    """Numba looks at a kernel's own file alone; the folder's name looks at all."""
    copy = tmp_path / "refwarp"
    shutil.copytree(Path(refwarp.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import refwarp.backend.cache as c; print(c.CACHE_FOLDER.name)"
    before = run(code, cwd=tmp_path, NUMBA_CACHE_DIR=str(tmp_path))
    assert run(code, cwd=tmp_path, NUMBA_CACHE_DIR=str(tmp_path)) == before
    (copy / file).write_text((copy / file).read_text() + "\n# edited\n")
    assert run(code, cwd=tmp_path, NUMBA_CACHE_DIR=str(tmp_path)) != before
