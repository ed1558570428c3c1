"""The plugin of pytest: each golden case is a test, and who asks for none pays for none."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent

import pytest

import refwarp
import refwarp.golden.report.failure
import refwarp.golden.targets.process  # here, for what is imported in a run is imported again in the next
from refwarp.golden.format import write
from tests.golden.affine_adapter import AFFINE

pytest_plugins = ["pytester"]

# The checkout may have been installed before it had the plugin.
LOAD = [] if "refwarp" in entry_points(group="pytest11").names else ["-p", "refwarp.pytest_plugin"]

# The last column of every grid is one pixel too far to the right: of 1 x 1, 0 instead of 1.
SHIFTED = """
    def affine_grid(theta, **options):
        grid = right(theta, **options)
        grid[..., -1, :] += grid.dtype.type(1)
        return grid
"""
MARKED = """
    import mine
    from refwarp.pytest_plugin import refwarp_golden

    @refwarp_golden("affine_grid", {selection})
    def test_grid(refwarp_case):
        refwarp_case.check(mine{function})
"""
CASES = 'cases=("affine_grid/identity_3x5", "affine_grid/one_row_1x4")'


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    """Processes import the refwarp that is tested here."""
    monkeypatch.setenv("PYTHONPATH", str(Path(refwarp.__file__).parents[1]))


@pytest.fixture
def run(pytester, by_name):
    """Run pytest in a folder with the adapter of affine grids and what is given."""

    write(pytester.path / "few.h5", [by_name[f"affine_grid/{name}"] for name in ("identity_3x5", "one_row_1x4")], "7")

    def run_pytest(*arguments, module="", test=""):
        pytester.makepyfile(mine=AFFINE + dedent(module))
        if test:
            pytester.makepyfile(test_mine=test)
        pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\nfilterwarnings = error")
        return pytester.runpytest_inprocess(*LOAD, "--refwarp-golden=few.h5", *arguments)

    return run_pytest


def marked(selection=CASES, function=".affine_grid"):
    return MARKED.format(selection=selection, function=function)


def test_importing_it_imports_nothing_of_weight():
    code = (
        "import sys, pytest; before = set(sys.modules); import refwarp.pytest_plugin;"
        "print(*sorted(set(sys.modules) - before))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == ["lazy_loader", "refwarp", "refwarp.pytest_plugin"]


def test_a_run_without_golden_cases_imports_nothing_of_weight(pytester):
    pytester.makepyfile("def test_it(): pass")
    pytester.makeconftest(
        "import sys\ndef pytest_unconfigure(config):\n"
        "    print('imported:', sorted({'numpy', 'h5py', 'numba', 'refwarp.golden'} & set(sys.modules)))"
    )
    result = pytester.runpytest_subprocess(*LOAD, "-s")
    assert "imported: []" in result.stdout.str()
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("function", [".affine_grid", ""])
def test_a_marked_test_runs_once_for_each_case_and_dtype(run, function):
    """Of a function, which is the operation itself, and of a module, which has its gradient too."""
    result = run("-v", test=marked(f'{CASES}, dtypes=("float32", "float16")', function))
    result.assert_outcomes(passed=4 if function else 2, skipped=0 if function else 2)  # the module says no float16
    result.stdout.fnmatch_lines(
        [f"*test_mine.py::test_grid?affine_grid/identity_3x5-float16? {'PASSED' if function else 'SKIPPED'}*"]
    )


def test_a_failure_names_the_first_wrong_element(run):
    result = run(module=SHIFTED, test=marked(f'{CASES}, dtypes=("float32",)'))
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*test_grid?affine_grid/identity_3x5-float32?*",
            "affine_grid/identity_3x5, forward/grid in float32: 6 of 30 elements are not working precision, "
            "the first at ?0, 0, 4, 0?: 1.799* instead of 0.8, *",
            "affine_grid(*align_corners=False, size=?1, 1, 3, 5?): *",
            "All its numbers: refwarp golden show affine_grid/identity_3x5",
        ]
    )
    assert "Traceback" not in result.stdout.str()


# One unit in the last place too much: more than the budget of a faithful grid, and less than what rounding explains.
NEARLY = """
    def affine_grid(theta, **options):
        grid = right(theta.astype("f8"), **options)
        return (grid * (1 + 2.0**-21)).astype(theta.dtype)
"""


def test_grades_are_options_of_the_run_and_of_the_marker(run):
    single = f'{CASES}, dtypes=("float32",)'
    run(module=NEARLY, test=marked(single)).assert_outcomes(passed=2)
    result = run("--refwarp-require=faithful", module=NEARLY, test=marked(single))
    result.assert_outcomes(failed=2)
    assert "elements are not faithful, the first at" in result.stdout.str()
    run("--refwarp-require=faithful", module=NEARLY, test=marked(f"{single}, require='working'")).assert_outcomes(
        passed=2
    )


def test_an_adapter_without_tests_of_its_own(run):
    run("--refwarp-adapter=mine.py").assert_outcomes(passed=4)  # two cases in two dtypes
    failing = run("--refwarp-adapter=mine.py", "-k", "Shape or identity_3x5", module=SHIFTED)
    failing.assert_outcomes(failed=2, deselected=2)
    failing.stdout.fnmatch_lines(
        ["FAILED mine.py::affine_grid/identity_3x5-float32 - *", "FAILED mine.py::*float64 - *"]
    )


def test_an_adapter_beside_tests_and_without_them(run):
    run("--refwarp-adapter=mine.py", test="def test_other(): pass").assert_outcomes(passed=5)
    run("--refwarp-adapter=mine.py", "-m", "refwarp_golden").assert_outcomes(passed=4, deselected=1)


def test_what_an_adapter_does_not_offer_is_skipped(run):
    module = """
        del affine_grid_vjp
        def affine_grid(theta, **options):
            raise NotImplementedError("grids are too much")
    """
    result = run("--refwarp-adapter=mine.py", "-k", "identity_3x5-float32", "-rs", module=module)
    result.assert_outcomes(skipped=1, deselected=3)
    result.stdout.fnmatch_lines(["SKIPPED*affine_grid: grids are too much; affine_grid_vjp: there is no such function"])


def test_a_wrong_selection_is_an_error_in_a_sentence(run, pytester):
    usage = "expected refwarp_golden(*operations, dtypes,"
    complaints = {
        'cases=("affine_grid/identity",)': "case: given 'affine_grid/identity', expected some of affine_grid/",
        'dtypes="float32"': f"refwarp_golden: given dtypes='float32', {usage}",
        "kinks=()": f"refwarp_golden: given kinks=(), {usage}",
        "require='good'": "require: given 'good', expected one of working, faithful",
    }
    for number, selection in enumerate(complaints):
        pytester.makepyfile(**{f"test_{number}": marked(selection)})
    result = run(test="from refwarp.pytest_plugin import refwarp_golden\n@refwarp_golden()\ndef test_it(): pass")
    result.assert_outcomes(errors=5)
    for complaint in (*complaints.values(), "test_it: expected an argument refwarp_case"):
        assert complaint in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_an_adapter_that_cannot_be_used_is_an_error_in_a_sentence(run):
    result = run("--refwarp-adapter=other.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --refwarp-adapter: *other.py*"])
    nothing = run("--refwarp-adapter=mine.py", module="\ndel affine_grid, affine_grid_vjp")
    nothing.stderr.fnmatch_lines(["ERROR: --refwarp-adapter: mine.py has no function of the name of an operation; *"])
