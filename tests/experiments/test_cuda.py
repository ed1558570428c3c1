"""Table 1 on CUDA: cells of a few digits with kernels in the simulator, and the scale tiny on a GPU."""

from dataclasses import replace

import numpy as np
import pytest

import refwarp
from refwarp.backend.cuda import SIMULATED
from refwarp.cli import run
from refwarp.data import Examples
from refwarp.sweeps import Surroundings, load_experiment

TABLE1 = load_experiment("stn_table1").module


def few_digits(digits, folder):
    """Return four digits for each part: the simulator takes some 0.1 ms for each pixel of each kernel."""
    whole = load(digits, folder)
    parts = (whole.train, whole.validation, whole.test)
    return TABLE1.Digits(*(Examples(part.images[:4], part.labels[:4]) for part in parts))


load = TABLE1.load


@pytest.fixture
def compute(tmp_path, monkeypatch):
    monkeypatch.setattr(TABLE1, "load", few_digits)
    monkeypatch.setattr(TABLE1, "LOOKED_AT", 1)
    monkeypatch.setattr(TABLE1, "judges", TABLE1.judges.__wrapped__)  # nothing is kept of these few digits

    def compute(cell, name, device="cpu"):
        return TABLE1.compute(cell, Surroundings(None, device, tmp_path / name, lambda done, total, text: None))

    return compute


@pytest.mark.parametrize("model", ["ST-FCN Aff", "ST-FCN Proj", "ST-FCN TPS"])
def test_a_cell_trains_with_kernels_on_cuda_as_on_the_cpu(compute, model):
    cell = TABLE1.cells(TABLE1.SCALES["tiny"], [0])[0]
    cell = replace(cell, model=model, distortion="R", steps=2, batch_size=2, parameters=9_000)
    expected = compute(cell, "cpu.h5")
    with refwarp.use_backend("cuda"):
        found = compute(cell, "cuda.h5")
    # Two steps in float32: a few hundred roundings of numbers of order one.
    assert np.allclose(found.result["loss"], expected.result["loss"], rtol=1e-4, atol=0)
    assert set(found.arrays) == set(expected.arrays) and found.result.keys() == expected.result.keys()


@pytest.mark.skipif(SIMULATED, reason="there is no GPU: CUDA's simulator cannot take CuPy's arrays")
def test_tiny_runs_on_a_gpu(tmp_path):
    assert run(["experiment", "run", "stn_table1", "--device", "cuda", "--out", str(tmp_path / "tiny")]) == 0
