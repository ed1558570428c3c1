"""Compiled kernels on disk: whatever becomes of the files, results are right, and a sentence says so once."""

import importlib.util
import json
import os
import resource
import subprocess
import sys
import warnings
from contextlib import contextmanager

import numpy as np
import pytest

from refwarp.backend import cache, jit
from refwarp.backend.cache import CacheWarning

KERNELS = """
from refwarp.backend.jit import kernel

@kernel
def double(start, stop, x, out):
    for i in range(start, stop):
        out[i] = 2.0 * x[i]

@kernel
def triple(start, stop, x, out):
    for i in range(start, stop):
        out[i] = 3.0 * x[i]

def shifted(by):
    @kernel
    def shift(start, stop, x, out):
        for i in range(start, stop):
            out[i] = x[i] + by
    return shift
"""


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """Return a function that imports the kernels above anew, as another process would; and the folder of its files."""
    monkeypatch.setattr(jit, "CACHE_FOLDER", tmp_path / "cache" / "kernels")
    source = tmp_path / "some_kernels.py"
    source.write_text(KERNELS)

    def anew():
        monkeypatch.setattr(cache, "_warned", set())
        spec = importlib.util.spec_from_file_location("some_kernels", source)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return anew, tmp_path / "cache" / "kernels"


def call(kernel):
    out = np.zeros(3)
    kernel(0, 3, np.array([1.0, 2.0, 4.0]), out)
    return out.tolist()


def hits(kernel):
    return sum(kernel.stats.cache_hits.values())


@contextmanager
def told(sentence):
    """Expect one warning of the cache, and nothing else."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    assert [warning.category for warning in found] == [CacheWarning]
    assert sentence in str(found[0].message) and "\n" not in str(found[0].message)


def test_a_kernel_is_compiled_once(kernels):
    anew, folder = kernels
    first = anew().double
    assert call(first) == [2.0, 4.0, 8.0] and hits(first) == 0
    again = anew().double
    assert call(again) == [2.0, 4.0, 8.0] and hits(again) == 1
    assert [file.suffix for file in folder.iterdir()] == [".kernel"]


def test_a_damaged_file_is_never_used(kernels):
    """Every 41st byte is flipped, a bit at a time; each time the file is what a reader of it finds."""
    anew, folder = kernels
    module = anew()
    call(module.double)
    (path,) = folder.iterdir()
    whole, signature, context = path.read_bytes(), module.double.signatures[0], module.double.targetctx
    cache = anew().double._cache
    assert cache.load_overload(signature, context) is not None
    with told(f"{path}: a compiled kernel that is damaged"):
        for place in range(0, len(whole), 41):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << place % 8
            path.write_bytes(damaged)
            assert cache.load_overload(signature, context) is None
        for length in (0, 1, 31, 32, 33, 1000, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            assert cache.load_overload(signature, context) is None
        path.write_bytes(whole + b"\0")
        assert cache.load_overload(signature, context) is None
    path.write_bytes(whole)
    assert cache.load_overload(signature, context) is not None


def test_a_damaged_file_is_replaced(kernels):
    anew, folder = kernels
    call(anew().double)
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    module = anew()
    with told("it is compiled anew and replaced"):
        assert call(module.double) == [2.0, 4.0, 8.0]
    assert call(anew().double) == [2.0, 4.0, 8.0]  # silently


def test_the_file_of_another_kernel_is_not_taken_for_ones_own(kernels):
    anew, folder = kernels
    module = anew()
    call(module.double)
    (double,) = folder.iterdir()
    call(module.triple)
    (triple,) = set(folder.iterdir()) - {double}
    double.write_bytes(triple.read_bytes())
    module = anew()
    with told("it belongs to another kernel"):
        assert call(module.double) == [2.0, 4.0, 8.0]


def test_a_full_disk_costs_time_alone(kernels, monkeypatch):
    anew, folder = kernels
    module = anew()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "open", full, raising=False)
    with told(f"{folder}: compiled kernels cannot be kept there (No space left on device)"):
        assert call(module.double) == [2.0, 4.0, 8.0]
        assert call(module.triple) == [3.0, 6.0, 12.0]
    assert list(folder.iterdir()) == []


def test_a_file_that_is_cut_off_while_it_is_written_does_not_stay(kernels):
    anew, folder = kernels
    module = anew()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with told("File too large"):
            assert call(module.double) == [2.0, 4.0, 8.0]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(folder.iterdir()) == []


def test_a_folder_that_vanishes_is_made_again(kernels):
    anew, folder = kernels
    module = anew()
    call(module.double)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert call(module.triple) == [3.0, 6.0, 12.0]
    assert len(list(folder.iterdir())) == 1


def test_what_stands_where_a_file_or_the_folder_should_be(kernels):
    anew, folder = kernels
    call(anew().double)
    (path,) = folder.iterdir()
    path.unlink()
    path.mkdir()
    module = anew()
    with told(f"{path}: a compiled kernel that cannot be read (Is a directory)"):
        assert call(module.double) == [2.0, 4.0, 8.0]
    path.rmdir()
    folder.rmdir()
    folder.write_text("")
    module = anew()
    with told(f"{folder}: compiled kernels cannot be kept there"):
        assert call(module.double) == [2.0, 4.0, 8.0]


def test_whoever_makes_warnings_errors_meets_one(kernels):
    anew, folder = kernels
    folder.parent.write_text("")
    module = anew()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CacheWarning):
            call(module.double)
    assert call(module.double) == [2.0, 4.0, 8.0]


def test_a_closure_is_not_kept(kernels):
    """Its file would not show what it closes over."""
    anew, folder = kernels
    module = anew()
    assert call(module.shifted(1.0)) == [2.0, 3.0, 5.0]
    assert call(module.shifted(2.0)) == [3.0, 4.0, 6.0]
    assert not folder.exists()


def refwarp(*arguments, cache, **more):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **more}
    command = [sys.executable, "-c", "from refwarp.cli import main; main()", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_bad_cache_is_no_verdict(tmp_path):
    """The command's exit code and its report are those of a good cache; one line on stderr tells."""
    cache, report = tmp_path / "cache", tmp_path / "report.json"
    command = "verify", "--operation", "affine_grid", "--dtype", "float32", "--report", str(report)

    def verified():
        done = refwarp(*command, cache=cache)
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(report.read_text())
        report.unlink()
        return found, done.stderr

    cache.write_text("")  # no folder can be made there
    expected, said = verified()
    assert said.startswith(f"refwarp: {cache}/refwarp-kernels-") and said.count("\n") == 1
    cache.unlink()
    assert verified() == (expected, "")
    for path in cache.rglob("*.kernel"):
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(damaged)
    found, said = verified()
    assert found == expected
    assert said.startswith("refwarp: ") and "is damaged" in said and said.count("\n") == 1
    assert verified() == (expected, "")


def test_processes_that_fill_a_cache_together_do_not_disturb_one_another(tmp_path):
    code = "import numpy as np, refwarp; print(refwarp.affine_grid(np.ones((1, 2, 3)), (1, 1, 1, 1)).tolist())"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    options = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([sys.executable, "-W", "error", "-c", code], **options) for _ in range(3)]
    assert [process.communicate() for process in running] == 3 * [("[[[[1.0, 1.0]]]]\n", "")]
    (folder,) = tmp_path.iterdir()
    assert [path.suffix for path in folder.iterdir()] == [".kernel"]


@pytest.mark.parametrize("threads", ["0", "abc"])
@pytest.mark.parametrize("adapter", [False, True])
def test_the_command_says_what_numba_does_not_take(threads, adapter, tmp_path):
    """An adapter that computes with refwarp would hear of it in each of its calls, as if it were wrong."""
    path = tmp_path / "mine.py"
    path.write_text("from refwarp import affine_grid")
    target = [str(path)] if adapter else []
    done = refwarp("verify", *target, "--operation", "affine_grid", cache=tmp_path, NUMBA_NUM_THREADS=threads)
    assert done.returncode == 2 and done.stdout == ""
    assert "NUMBA_NUM_THREADS: given " in done.stderr and done.stderr.count("\n") == 1
