"""The skeleton of a new operation: it passes the checks as it is written, and nothing is written for a wrong name."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(".ci", "new_operation.py")
LONG = "an_operation_with_a_longest_name"

VERIFY = """
from refwarp.golden.build import build
from refwarp.golden.families.wave_grid.cases import cases
from refwarp.golden.targets import refwarp
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.outcomes import Grade
from refwarp.golden.verify import verify

found = verify(build(cases()), ModuleTarget(refwarp, "refwarp"), required=Grade.FAITHFUL)
print(found.grade.word, len(found.outcomes) > 100, len(found.skipped))
"""


TAGS = [
    ("test_each_equation_has_its_tag_on_the_line_that_computes_it", "exact"),
    ("test_each_equation_has_its_tag_on_the_line_that_computes_it", "grids"),
    ("test_tags_of_equations_are_in_the_documentation", "grids"),
]
LINKS = [
    "test_no_link_is_dead[README.md]",
    "test_no_link_is_dead[docs/wave_grid.md]",
    "test_every_page_of_the_docs_is_reached_from_the_readme",
    "test_each_operation_has_a_link_to_its_derivation",
]
ON_THREADS = "test_on_the_cpu_every_run_and_every_number_of_threads_gives_the_same_bits"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the sources, without the suite."""
    if not (ROOT / SCRIPT).exists():
        pytest.skip("no checkout: the gate's scripts are not here")
    copy = tmp_path_factory.mktemp("checkout")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ignored = shutil.ignore_patterns("__pycache__", "suite.h5", "suite.json.gz")
    for name in (*project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"], "pyproject.toml"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


def run(checkout, *arguments):
    """Run Python in the copy, on its sources and with kernels of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(checkout), "NUMBA_CACHE_DIR": str(checkout.parent / "kernels")}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def texts(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def refusal(checkout, name):
    """Return the sentence in which a name is refused; no file differs afterwards."""
    before = texts(checkout)
    done = run(checkout, SCRIPT, name)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert texts(checkout) == before
    return done.stderr


@pytest.fixture(scope="module")
def made(checkout):
    """The copy with a new operation, and what the script said."""
    done = run(checkout, SCRIPT, "wave_grid")
    assert done.returncode == 0, done.stderr
    return checkout, done.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "expected up to 32 lower-case letters"),
        ("WaveGrid", "expected up to 32 lower-case letters"),
        ("wave-grid", "expected up to 32 lower-case letters"),
        ("grid2", "expected up to 32 lower-case letters"),  # a tag has no digits but its number
        ("../wave", "expected up to 32 lower-case letters"),
        (LONG + "s", "expected up to 32 lower-case letters"),
        ("lambda", "a name of Python's"),
        ("sum", "a name of Python's"),
        ("theta", "or of the skeleton's own"),
        ("context", "or of the skeleton's own"),  # its Function would be a class Context
        ("affine", "in use in refwarp/exact/affine.py"),
        ("thin_plate_spline", "in use in refwarp/exact/thin_plate_spline"),
        ("penalties", "in use in refwarp/exact/penalties.py"),
        ("cuda", "in use in refwarp/backend/cuda.py"),
        ("affine_grid", "in use in refwarp/__init__.py"),
    ],
)
def test_wrong_names_are_refused_in_a_sentence(checkout, name, words):
    message = refusal(checkout, name)
    assert message.startswith(f"new-operation: NAME: given {name!r}") and words in message


def test_where_a_line_cannot_be_added_nothing_is_written(checkout):
    readme = checkout / "README.md"
    before = readme.read_text(encoding="utf-8")
    readme.write_text(before.replace("| `grid_sample`, bilinear | ", "| `grid_sample` | "), encoding="utf-8")
    try:
        assert refusal(checkout, "wave_grid").startswith("new-operation: README.md: given 0 times ")
    finally:
        readme.write_text(before, encoding="utf-8")


def test_what_is_written_passes_the_checks(made):
    checkout, said = made
    assert "wrote refwarp/grids/wave_grid.py\n" in said and "increase GENERATOR_VERSION" in said
    own = [path for path in texts(checkout) if ".ci" not in path.parts and path.stem.endswith("wave_grid")]
    assert len(own) == 6 and "NAME" not in said + "".join(path.read_text(encoding="utf-8") for path in own)
    tests = [
        *(path for path in own if path.name.startswith("test_")),
        checkout / "docs" / "wave_grid.md",
        checkout / "refwarp" / "grids" / "wave_grid.py",
        "tests/golden/test_page.py::test_the_table_of_operations_and_the_rule_below_it_give_every_call",
        *(f"tests/docs/test_links.py::{test}" for test in LINKS),
        "tests/benchmarking/test_same_bits.py::test_calls_are_drawn_of_all_that_is_public",
        "tests/test_arguments.py::test_every_operation_of_the_suite_is_found",
        f"tests/backend/test_determinism.py::{ON_THREADS}[wave_grid-float64]",
        *(f"tests/exact/test_ledger.py::{test}[{room}/wave_grid.py]" for test, room in TAGS),
    ]
    done = run(checkout, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(checkout, "-c", VERIFY)
    assert done.stdout == "faithful True 0\n", done.stdout + done.stderr


def test_it_is_formatted_whatever_the_length_of_the_name(made):
    checkout, _ = made
    assert len(LONG) == 32
    said = run(checkout, SCRIPT, LONG).stdout
    written = [line.removeprefix("wrote ") for line in said.splitlines() if line.startswith("wrote ")]
    programs = [
        path.replace(LONG, name) for path in written if path.endswith((".py", ".pyi")) for name in (LONG, "wave_grid")
    ]
    assert len(programs) == 2 * 13
    for command in (["check"], ["format", "--check"]):
        done = run(checkout, "-m", "ruff", *command, "--quiet", *programs)
        assert done.returncode == 0, done.stdout
    assert refusal(checkout, LONG).endswith(f"in use in refwarp/exact/{LONG}.py, expected a new name\n")
