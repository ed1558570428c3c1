"""Every kernel compiles for a GPU, for every type that it meets; and what stands in the PTX.

The simulator interprets kernels, so it cannot tell. Compiling needs no GPU, but NVVM.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WITHOUT_SIMULATOR = {**os.environ, "NUMBA_ENABLE_CUDASIM": "0"}
# What only the CPU runs, beside all kernels of modules named `cpu`: scatters, where on CUDA pixels gather; searches for
# extreme numbers; and the system of a spline, which is solved on the host.
OF_THE_CPU = {
    "grids.matrix_product._pieces",
    "grids.matrix_product._tiles",
    "grids.thin_plate_spline.system._correct",
    "grids.thin_plate_spline.system._fill",
    "grids.thin_plate_spline.system._subtract_product",
    "samplers.bicubic.kernels.backward_input",
    "samplers.dense_decode.within_exponents._find_extremes",
    "samplers.pieces._find_exponents",
    "samplers.separable._scatter",
}


def python(*arguments):
    """Run a program without the simulator."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=WITHOUT_SIMULATOR, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", autouse=True)
def nvvm():
    """NVIDIA's compiler, which the extra `test` brings on Linux."""
    tried = python("-c", "from numba import cuda; cuda.compile_ptx(lambda: None, (), cc=(8, 0))")
    if tried.returncode:
        pytest.skip(f"NVVM or NVRTC is not installed: {(tried.stderr.strip() or 'no word').splitlines()[-1]}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_kernel_compiles_and_none_adds_by_atomics(dtype):
    """An atomic addition would make a result depend on the order in which threads come by."""
    done = python(HERE / "ptx.py", dtype)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    errors = {name: said["error"] for name, said in found["launched"].items() if "error" in said}
    assert not errors, "\n\n".join(f"{name}: {error}" for name, error in errors.items())
    assert len(found["launched"]) > 30
    assert {name for name in found["idle"] if name.split(".")[-2] != "cpu"} - OF_THE_CPU == set()
    for name, said in found["launched"].items():
        assert ".entry" in said["ptx"] or ".visible .func" in said["ptx"], name
        assert not re.search(r"\b(atom|red)\.", said["ptx"]), name


TWO_PRODUCT = """
from numba import cuda, types
from numba.cuda import dispatcher
from refwarp.backend.arithmetic import two_product
dispatcher.get_current_device = lambda: type("Device", (), {"compute_capability": (8, 0)})

def kernel(x, out):
    product, lost = two_product(x[0], x[1])
    out[0] = product + x[2]  # what the compiler would fuse
    out[1] = lost

def fused(x, out):
    out[0] = x[0] * x[1] + x[2]

array = types.Array(types.float64, 1, "C")
for function in (kernel, fused):
    print(cuda.compile_ptx(function, (array, array), cc=(8, 0))[0])
    print("----")
"""


def test_a_product_that_is_to_be_known_is_not_fused_with_a_sum():
    """In `two_product`, whose remainder says what the rounding of the product left out; elsewhere it is."""
    done = python("-c", TWO_PRODUCT)
    assert done.returncode == 0, done.stderr
    kept, fused = (re.findall(r"\b(?:mul|fma|add)\b", ptx) for ptx in done.stdout.split("----")[:2])
    assert sorted(kept) == ["add", "fma", "mul"]  # the product, its remainder, and the sum
    assert "mul.rn.f64" in done.stdout
    assert fused == ["fma"]
