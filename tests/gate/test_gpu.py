"""The script of `make gpu`: whatever a step does, the others run, and what was found is on disk."""

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "gpu.py"


@pytest.fixture
def gpu(monkeypatch):
    if not SCRIPT.exists():
        pytest.skip("no checkout: the gate's scripts are not here")
    spec = spec_from_file_location("gpu", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "DETECT", "print('a device')")
    return module


def program(gpu, name, text, limit=600.0, needs=()):
    return gpu.Step(name, limit, [sys.executable, "-c", text], needs)


@pytest.mark.parametrize("bad", [True, False])
def test_each_step_ends_in_the_summary(gpu, tmp_path, monkeypatch, bad):
    steps = [program(gpu, "good", "print('fine')"), program(gpu, "absent", "", needs=("no_such_module",))]
    if bad:
        steps[1:1] = [
            program(gpu, "bad", "print('begun'); raise SystemExit(3)"),
            program(gpu, "hangs", "import time; print('begun', flush=True); time.sleep(3600)", limit=2.0),
        ]
    monkeypatch.setattr(gpu, "steps", lambda out: steps)
    monkeypatch.setattr(sys, "argv", ["gpu.py", str(tmp_path / "out")])
    assert gpu.main() == int(bad)
    found = {step["step"]: step for step in json.loads((tmp_path / "out" / "summary.json").read_text())}
    assert found["good"]["ended"] == "passed" and found["good"]["last lines"] == ["fine"]
    assert found["absent"] == {"step": "absent", "ended": "left out", "why": "not installed: no_such_module"}
    if bad:
        assert found["bad"]["ended"] == "failed with exit code 3"
        assert found["hangs"]["ended"] == "stopped after 2 s"
        assert (tmp_path / "out" / "bad.log").read_text() == "begun\n"
    assert (tmp_path / "out" / "device.txt").read_text() == "a device\n"


def test_without_a_gpu_or_a_dependency_it_says_so(gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu.py", str(tmp_path / "out")])
    monkeypatch.setattr(gpu, "DETECT", "raise SystemExit(1)")
    assert gpu.main() == 2
    assert "Numba finds no GPU here" in capsys.readouterr().err
    monkeypatch.setattr(gpu, "missing_dependencies", lambda: ["numba>=0.61"])
    assert gpu.main() == 2
    assert capsys.readouterr().err.startswith("gpu: not installed here: numba>=0.61; ")
    assert not (tmp_path / "out").exists()


def test_the_steps_are_commands_that_exist(gpu, tmp_path):
    """Nobody can run them here, so at least what they name must be there; they take ten minutes or so in all."""
    steps = gpu.steps(tmp_path)
    assert sum(step.limit for step in steps) <= 11 * 60
    for step in steps:
        for word in step.command:
            assert not word.startswith(("tests/", "benchmarks/")) or (gpu.ROOT / word).exists()
        if "refwarp" in step.command:
            command = [*step.command[: step.command.index("refwarp") + 2], "--help"]
            help = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert all(word in help for word in step.command if word.startswith("--"))
    assert gpu.missing_dependencies() == []
    for step in steps:
        assert ("verify" in step.command) == (step.command[3:7] == ["verify", "refwarp:cuda", "--require", "faithful"])
    assert sum("verify" in step.command for step in steps) == 2


def test_what_is_not_installed_or_too_old_is_missing(gpu, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["numpy>=2.0", "no-such-package>=1", "pytest>=1000.1", "h5py>=3.0.0"]\n'
    )
    missing = gpu.missing_dependencies(tmp_path / "pyproject.toml")
    assert missing == ["no-such-package>=1", f"pytest>=1000.1 ({pytest.__version__} is there)"]
    assert gpu.numbers("2.1.0rc1") == (2, 1) < gpu.numbers("2.1.1") < gpu.numbers("2.10")
