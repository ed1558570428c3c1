"""The suite in C: a program written from docs/golden-format.md alone reads the JSON and grades a sampler."""

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from refwarp.golden import SUITE_AS_JSON

SOURCE = Path(__file__).with_name("c") / "check_bilinear.c"
COMPILER = shutil.which("cc")
OUTPUTS = ("forward/output", "vjp/ginput", "vjp/ggrid")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler, `cc`")


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """The suite as JSON, not compressed."""
    path = tmp_path_factory.mktemp("suite") / "suite.json"
    with gzip.open(SUITE_AS_JSON) as compressed, path.open("wb") as file:
        shutil.copyfileobj(compressed, file)
    return path


def check(folder: Path, file: Path, *macros: str) -> tuple[int, str]:
    """Compile the program and run it on a file; return its exit code and what it says."""
    strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O2", "-ffp-contract=off"]
    program = folder / "check_bilinear"
    subprocess.run([COMPILER, *strict, *macros, str(SOURCE), "-o", str(program), "-lm"], check=True)
    ended = subprocess.run([str(program), str(file)], capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def counts(printed: str) -> dict[str, list[int]]:
    """Return how many outputs of each kind are faithful, of working precision and wrong."""
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.startswith(OUTPUTS)}
    assert set(rows) == set(OUTPUTS)
    return {path: [int(count) for count in row] for path, row in rows.items()}


@pytest.mark.parametrize("real", ["float", "double"])
def test_a_plain_sampler_has_working_precision(tmp_path, plain, real):
    code, printed = check(tmp_path, plain, f"-DREAL={real}")
    assert code == 0, printed
    for faithful, working, wrong in counts(printed).values():
        assert faithful > 50 and working > 5 and wrong == 0


@pytest.mark.parametrize("real", ["float", "double"])
def test_a_careful_sampler_is_faithful_but_for_long_sums(tmp_path, plain, real):
    code, printed = check(tmp_path, plain, f"-DREAL={real}", "-DCAREFUL")
    found = counts(printed)
    assert code == 0, printed
    assert found["forward/output"][1:] == [0, 0]
    # What it still does plainly is to add long sums, of which the suite has a few.
    assert all(faithful > 75 and working < 10 and wrong == 0 for faithful, working, wrong in found.values())


def test_a_defect_is_found(tmp_path, plain):
    code, printed = check(tmp_path, plain, "-DDEFECT")
    found = counts(printed)
    assert code == 1 and found["forward/output"][2] == found["vjp/ginput"][2] == 0
    assert found["vjp/ggrid"][2] > 5 and "wrong: grid_sample/row_at_pixel, vjp/ggrid\n" in printed


def test_a_truncated_or_foreign_file_is_refused(tmp_path, plain):
    lines = plain.read_bytes().splitlines(keepends=True)
    (tmp_path / "truncated.json").write_bytes(b"".join(lines[: len(lines) // 2]))
    assert check(tmp_path, tmp_path / "truncated.json") == (2, f"{tmp_path / 'truncated.json'} is truncated\n")
    (tmp_path / "shorter.json").write_bytes(b"".join([lines[0], *lines[2:]]))
    assert check(tmp_path, tmp_path / "shorter.json")[0] == 2
    (tmp_path / "foreign.json").write_text("{}\n")
    for other in ("foreign.json", "missing.json"):
        code, printed = check(tmp_path, tmp_path / other)
        assert code == 2 and printed.startswith("usage: ")


def test_nothing_checked_is_no_success(tmp_path, plain):
    start, _, _ = plain.read_bytes().partition(b',"count":')
    (tmp_path / "empty.json").write_bytes(start + b',"count":0,"cases":[\n]}\n')
    code, printed = check(tmp_path, tmp_path / "empty.json")
    assert code == 1 and counts(printed) == {path: [0, 0, 0] for path in OUTPUTS}
