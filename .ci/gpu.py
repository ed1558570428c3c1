"""All that only a GPU can tell, the most telling first: `make gpu` (docs/cuda.md).

    python .ci/gpu.py OUT

Each step writes its output to OUT as it comes, and OUT/summary.json is written anew after each. A step that takes
longer than its limit is stopped, so that all end within ten minutes or so; what it had written stays. A step whose
libraries are missing is left out, by name. Exits with 0 if all steps passed, 1 if one failed or was stopped, 2 if
nothing can run here, 130 if interrupted.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
REFWARP = [sys.executable, "-m", "refwarp"]
PYTEST = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"]
DETECT = "from numba import cuda; cuda.detect(); raise SystemExit(not cuda.is_available())"


class Step(NamedTuple):
    """A command, the seconds it may take, and the modules it needs beside refwarp's own dependencies."""

    name: str
    limit: float
    command: list[str]
    needs: tuple[str, ...] = ()


def steps(out: Path) -> list[Step]:
    """List what is to be done: right results first, then the same bits, networks, speed, and the rest."""
    verify = [*REFWARP, "verify", "refwarp:cuda", "--require", "faithful"]
    first = [option for name in ("grid_sample", "affine_grid") for option in ("--operation", name)]
    tests = ("pytest", "hypothesis", "xdist")
    on_the_device = [str(file.relative_to(ROOT)) for file in sorted((ROOT / "tests").rglob("test_cuda.py"))]
    return [
        Step("verify-first", 90, [*verify, *first, "--report", str(out / "verify-first.json")]),
        Step("determinism", 60, [*PYTEST, "tests/backend/test_determinism.py"], tests),
        Step("verify", 180, [*verify, "--report", str(out / "verify.json")]),
        Step("networks", 60, [*PYTEST, "tests/networks/test_cuda.py"], (*tests, "cupy")),
        Step(
            "train",
            60,
            [*REFWARP, "train", "--epochs", "2", "--device", "cuda", "--out", str(out / "train")],
            ("cupy", "sklearn"),
        ),
        Step(
            "benchmark",
            90,
            [sys.executable, "benchmarks/grid_sample_cuda.py", "--quick", "--out", str(out / "benchmark")],
            ("cupy", "torch"),
        ),
        Step("tests", 120, [*PYTEST, "-n", "4", *on_the_device], (*tests, "flint")),
    ]


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers at the beginning of a version, without zeros at their end."""
    found = [int(part) for part in re.match(r"[\d.]*", version)[0].split(".") if part]
    while found and found[-1] == 0:
        found.pop()
    return tuple(found)


def missing_dependencies(pyproject: Path = ROOT / "pyproject.toml") -> list[str]:
    """Return which of refwarp's own dependencies, `NAME>=VERSION`, are not installed, or too old."""
    missing = []
    for requirement in tomllib.loads(pyproject.read_text())["project"]["dependencies"]:
        name, _, least = requirement.partition(">=")
        try:
            installed = version(name)
        except PackageNotFoundError:
            missing.append(requirement)
        else:
            if numbers(installed) < numbers(least):
                missing.append(f"{requirement} ({installed} is there)")
    return missing


def run(step: Step, out: Path, environment: dict[str, str]) -> dict[str, object]:
    """Do one step; return how it ended, and the end of what it printed."""
    absent = [name for name in step.needs if find_spec(name) is None]
    if absent:
        return {"step": step.name, "ended": "left out", "why": f"not installed: {', '.join(absent)}"}
    begun = time.monotonic()
    log = out / f"{step.name}.log"
    with log.open("w") as file:
        try:
            code = subprocess.run(
                step.command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, timeout=step.limit
            ).returncode
            ended = "passed" if code == 0 else f"failed with exit code {code}"
        except subprocess.TimeoutExpired:
            ended = f"stopped after {step.limit:g} s"
    lines = log.read_text(errors="replace").splitlines()
    return {"step": step.name, "ended": ended, "seconds": round(time.monotonic() - begun, 1), "last lines": lines[-3:]}


def main() -> int:
    """Do all steps."""
    if len(sys.argv) != 2:
        print("usage: python .ci/gpu.py OUT", file=sys.stderr)
        return 2
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "0", "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    if missing := missing_dependencies():
        print(f"gpu: not installed here: {', '.join(missing)}; install them, or run without INSTALL=0", file=sys.stderr)
        return 2
    found = subprocess.run([sys.executable, "-c", DETECT], env=environment, capture_output=True, text=True)
    if found.returncode != 0:
        extras = "refwarp[cuda12] or refwarp[cuda13]"
        print(f"gpu: Numba finds no GPU here; it needs a driver, and {extras}", file=sys.stderr)
        return 2
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    (out / "device.txt").write_text(found.stdout)
    results = []
    for step in steps(out.resolve()):
        print(f"{step.name} (at most {step.limit:g} s) ...", end=" ", flush=True)
        results.append(run(step, out, environment))
        (out / "summary.json").write_text(json.dumps(results, indent=1) + "\n")
        print(results[-1].get("why") or results[-1]["ended"], flush=True)
    return int(any(result["ended"] not in ("passed", "left out") for result in results))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
