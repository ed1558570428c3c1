"""What continuous integration needs: exit codes for skipped calls, JSON on stdout, GitHub's annotations and summary."""

import json
import re
from types import SimpleNamespace

import pytest

from refwarp.cli import run
from refwarp.golden import SUITE_AS_JSON, format
from refwarp.golden.grades import PROFILES
from refwarp.golden.outcomes import Verification
from refwarp.golden.report import github
from refwarp.golden.targets import refwarp as own
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import Selection, verify


@pytest.fixture
def small(few, tmp_path):
    path = tmp_path / "few.h5"
    format.write(path, few, "7")
    return str(path)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """Take away what the continuous integration says that runs these tests."""
    for name in ("GITHUB_ACTIONS", github.SUMMARY):
        monkeypatch.delenv(name, raising=False)


# ---- exit codes ----


def test_skipped_calls_fail_only_if_they_are_to(adapter, small, capsys, tmp_path):
    command = ["verify", adapter("del affine_grid_vjp"), "--golden", small, "--operation", "affine_grid"]
    assert run([*command, "--no-sample"]) == 0
    report = tmp_path / "report.json"
    assert run([*command, "--no-sample", "--fail-on-skip", "--report", str(report)]) == 3
    assert "calls were skipped, which fails, as asked." in capsys.readouterr().out
    told = json.loads(report.read_text())
    assert told["passed"] is False and told["skips_fail"] is True
    broken = adapter("def affine_grid(theta, **options):\n    return right(theta, **options) * 2\ndel affine_grid_vjp")
    command[1] = broken
    assert run([*command, "--no-sample", "--fail-on-skip"]) == 1


def test_calls_of_the_sample_that_are_skipped_do_not_fail(adapter, small):
    text = """
    def affine_grid(theta, **options):
        if not theta.flags.writeable:
            raise NotImplementedError("read-only arrays")
        return right(theta, **options)
    """
    command = ["verify", adapter(text), "--golden", small, "--case", "affine_grid/identity_3x5"]
    assert run([*command, "--fail-on-skip"]) == 0
    assert run([*command, "--fail-on-skip", "--layout", "readonly"]) == 3


# ---- JSON ----


def test_json_on_stdout_is_alone_there(small, capsys):
    assert run(["verify", "--golden", small, "--json", "-", "--no-sample"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["format"] == "refwarp verification" and told["passed"] and captured.err == ""


def test_json_in_a_file(small, capsys, tmp_path):
    path = tmp_path / "report.json"
    assert run(["verify", "--golden", small, "--json", str(path), "--no-sample"]) == 0
    assert json.loads(path.read_text())["passed"] and "cases are faithful" in capsys.readouterr().out
    assert run(["verify", "--golden", small, "--json", str(tmp_path / "report.txt")]) == 2
    assert "json: given" in capsys.readouterr().err
    assert run(["verify", "--golden", small, "--json", str(path), "--report", str(path)]) == 2
    assert "which are one file" in capsys.readouterr().err


def test_an_import_has_a_limit(adapter, small, capsys):
    command = ["verify", adapter("import time; time.sleep(600)"), "--golden", small, "--import-timeout", "0.5"]
    assert run(command) == 2
    assert "while it was imported, hung, and was stopped after 0.5 s" in capsys.readouterr().err


def test_the_suite_as_json_is_a_golden_file_everywhere(capsys, tmp_path):
    golden = str(SUITE_AS_JSON)
    assert golden.endswith(".json.gz")
    case = "affine_grid/identity_3x5"
    assert run(["verify", "--golden", golden, "--case", case, "--no-sample"]) == 0
    assert run(["golden", "show", case, "--golden", golden]) == 0
    assert run(["golden", "check", golden]) == 0


# ---- GitHub ----


def wrong_grid(theta, **options):
    return own.affine_grid(theta, **options) * 2


@pytest.fixture
def failed(few):
    module = SimpleNamespace(affine_grid=wrong_grid, grid_sample=own.grid_sample)
    return verify(few, ModuleTarget(module, "my: target, 50%"), Selection(["float32"]))


def test_annotations_name_the_smallest_failing_case(failed):
    error, notice = github.commands(failed)
    smallest = failed.failures[0].case
    assert error.startswith(f"::error title=affine_grid is wrong::{smallest.name}, forward/grid in float32: error ")
    assert notice.startswith("::notice title=refwarp verify my%3A target%2C 50%25::")
    assert "\n" not in error


def test_there_are_no_more_annotations_than_github_shows(suite):
    def raises(*arrays, **options):
        raise RuntimeError("a\n%")

    names = {case.operation for case in suite.cases}
    small = {case.operation: case for case in suite.cases if case.dtype == "float16" and case.result == "valid"}
    module = SimpleNamespace(**dict.fromkeys(names, raises))
    found = verify(list(small.values()), ModuleTarget(module, "t"), Selection(["float32"]))
    lines = github.commands(found)
    errors = [line for line in lines if line.startswith("::error")]
    assert len(errors) <= 10 and len({o.case.operation for o in found.failures}) > 10
    assert re.fullmatch(r"::error title=More::\d+ more operations are wrong\.", errors[-1])
    assert all("a %25" in line for line in errors[:-1])


def test_where_nothing_ran_is_an_error():
    lines = github.commands(Verification("t", "", PROFILES["float"], ()))
    assert lines[0] == "::error title=refwarp verify t::No case ran, so nothing is verified."


def test_the_summary_of_a_step(failed, suite):
    text = github.document(failed, suite)
    assert text.startswith("## refwarp verify my: target, 50%\n\n**Failed.** ")
    assert "- affine\\_grid/" in text and "| affine_grid | float32 |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") - line.count("\\|") for line in rows}) == 1


@pytest.mark.parametrize("way", ["environment", "option"])
def test_github_is_told_by_its_variable_or_by_option(small, capsys, monkeypatch, tmp_path, way):
    command = ["verify", "--golden", small, "--no-sample"]
    monkeypatch.setenv(github.SUMMARY, str(tmp_path / "summary.md"))
    (tmp_path / "summary.md").write_text("before\n")
    assert run(command) == 0
    assert "::notice" not in capsys.readouterr().out and (tmp_path / "summary.md").read_text() == "before\n"
    if way == "environment":
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
    else:
        command.append("--github")
    assert run(command) == 0
    assert "::notice title=refwarp verify refwarp::All " in capsys.readouterr().out
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("before\n## refwarp verify refwarp") and "**Passed.**" in text
    assert run([*command, "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["passed"] and captured.err.startswith("::notice")
    if way == "environment":
        assert run([*command, "--no-github"]) == 0
        assert "::notice" not in capsys.readouterr().out
