"""The digest of sources: compiled kernels are never older than a source that they come from."""

import ast
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.registry import CPUDispatcher

import refwarp
from refwarp.backend.cache import sources

PACKAGE = Path(refwarp.__file__).parent


def folder_of(package, **environment):
    """Return the name of the folder of compiled kernels of a copy of the package."""
    code = "import refwarp.backend.cache as c; print(c.CACHE_FOLDER)"
    environment = {**os.environ, **environment}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=package.parent, env=environment, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_kernels_are_cached_where_the_user_says(tmp_path):
    assert folder_of(PACKAGE, NUMBA_CACHE_DIR=str(tmp_path)).parent == tmp_path


@pytest.fixture
def copy(tmp_path):
    return Path(
        shutil.copytree(PACKAGE, tmp_path / "refwarp", ignore=shutil.ignore_patterns("__pycache__", "*.h5", "*.gz"))
    )


@pytest.mark.parametrize("file", ["backend/arithmetic.py", "conventions.py", "samplers/bilinear/kernels.py"])
def test_an_edit_of_a_scalar_changes_the_cache(copy, file, tmp_path):
    """Numba looks at a kernel's own file alone; the folder's name looks at all."""
    before = folder_of(copy, NUMBA_CACHE_DIR=str(tmp_path))
    assert folder_of(copy, NUMBA_CACHE_DIR=str(tmp_path)) == before
    (copy / file).write_text((copy / file).read_text() + "\n# edited\n")
    assert folder_of(copy, NUMBA_CACHE_DIR=str(tmp_path)) != before


@pytest.mark.parametrize("file", ["samplers/new/deep/kernels.py", "new_room.py"])
@pytest.mark.parametrize("line", ["from refwarp.backend.jit import scalar", "from refwarp.backend import jit"])
def test_a_new_file_of_kernels_changes_the_cache(copy, file, line, tmp_path):
    before = folder_of(copy, NUMBA_CACHE_DIR=str(tmp_path))
    (copy / file).parent.mkdir(parents=True, exist_ok=True)
    (copy / file).write_text(f"{line}\n")
    assert folder_of(copy, NUMBA_CACHE_DIR=str(tmp_path)) != before


def compiled_functions():
    """Return every function of the package that is compiled, by module and name."""
    for name in refwarp.__all__:
        getattr(refwarp, name)  # which imports its room
    modules = [module for name, module in sys.modules.items() if name.startswith("refwarp.")]
    return {
        f"{value.__module__}.{value.__name__}": value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, CPUDispatcher) and value.__module__.startswith("refwarp.")
    }


def origins(module):
    """Return the modules of the package that a module's names come from."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("refwarp."):
            yield from ((name.asname or name.name, node.module, name.name) for name in node.names)


def test_what_compiled_functions_name_comes_from_sources_in_the_digest():
    """Functions, numbers and types alike: numbers are compiled into a kernel."""
    digested, functions = set(sources()), compiled_functions()
    assert len(functions) > 150
    for name, function in functions.items():
        module = sys.modules[function.__module__]
        assert Path(module.__file__) in digested, name
        used = set(function.py_func.__code__.co_names)
        for alias, origin, original in origins(module):
            if alias in used:
                source = sys.modules.get(f"{origin}.{original}", sys.modules[origin])
                assert Path(source.__file__) in digested, f"{name}: {alias} from {origin}"
