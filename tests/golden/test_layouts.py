"""`refwarp verify --layout`: what a target does to arrays that do not lie in memory as it may believe."""

import importlib.util
import io
import json
import re
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from refwarp.cli import run
from refwarp.golden.layouts import CONTIGUOUS, LAYOUTS
from refwarp.golden.report import describe, lines, write
from refwarp.golden.report.terminal import show
from refwarp.golden.targets import load
from refwarp.golden.targets import refwarp as own
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import Selection, verify
from refwarp.terminal.console import TextConsole

CARELESS = """
def affine_grid(theta, **options):
    return right(theta.ravel(order="K").reshape(theta.shape), **options)  # the elements as they lie in memory
"""

# Tells where it found the arrays, in the words of a call that it does not offer.
TELLING = """
def affine_grid_vjp(ggrid, theta, **options):
    flags = ggrid.flags
    raise NotImplementedError(f"{ggrid.strides} {flags.c_contiguous} {flags.aligned} {flags.writeable}")
"""


def in_memory(array):
    flags = array.flags
    return f"{array.strides} {flags.c_contiguous} {flags.aligned} {flags.writeable}"


@pytest.fixture
def cases(suite):
    found = [case for case in suite.cases if case.operation == "affine_grid" and case.inputs["theta"].size == 6]
    small = [case for case in found if case.dtype == "float16" and max(case.options["size"]) <= 8]
    return [case for case in small if case.result != "invalid" or case.name == "affine_grid/refused_batch"]


def verified(path, cases, *layouts):
    with load(path) as target:
        return verify(cases, target, Selection(["float32"], ["affine_grid"], layouts=layouts))


def test_an_adapter_that_ignores_strides_is_wrong_where_they_matter_and_right_elsewhere(adapter, cases):
    path = adapter(CARELESS)
    assert verified(path, cases).passed
    found = verified(path, cases, *LAYOUTS)
    forward = {outcome.layout: set() for outcome in found.outcomes}
    for outcome in found.outcomes:
        if outcome.output == "forward/grid":
            forward[outcome.layout].add(outcome.grade.word)
        elif outcome.output == "vjp/gtheta":
            assert outcome.grade.word == "faithful"
    assert set(forward) == set(LAYOUTS)
    assert {layout for layout, words in forward.items() if "wrong" in words} == {"fortran", "transposed"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_crosses_the_pipe(adapter, cases, layout):
    """Through it come bytes; the process lays them out. In this process it is the same."""
    here = []

    def telling(ggrid, theta, **options):
        here.append(in_memory(ggrid))
        raise NotImplementedError(here[-1])

    ordinary = [case for case in cases if case.result != "invalid" and case.inputs["ggrid"].size]
    direct = ModuleTarget(SimpleNamespace(affine_grid_vjp=telling), "here")
    verify(ordinary, direct, Selection(["float32"], layouts=[layout]))
    found = verified(adapter(TELLING), ordinary, layout)
    there = {skip.reason for skip in found.skipped}
    expected = {in_memory(LAYOUTS[layout](case.inputs["ggrid"].astype(np.float32))) for case in ordinary}
    assert there == set(here) == expected


def test_an_adapter_that_writes_into_its_inputs_is_stopped_by_read_only_ones(adapter, cases):
    path = adapter(
        "def affine_grid(theta, **options):\n    theta *= 1\n    theta += 1\n    return right(theta, **options)"
    )
    problems = {
        outcome.problem for outcome in verified(path, cases, "readonly").outcomes if outcome.output != "refusal"
    }
    assert "raised ValueError: output array is read-only" in problems
    problems = {outcome.problem for outcome in verified(path, cases, "fortran").outcomes if outcome.output != "refusal"}
    assert "wrote into theta" in problems


def test_refwarp_is_right_in_every_layout(few):
    found = verify(few, ModuleTarget(own, "refwarp"), Selection(["float32"], layouts=tuple(LAYOUTS)))
    assert found.passed and found.grade.word == "faithful"
    assert {outcome.layout for outcome in found.outcomes} == set(LAYOUTS)


@pytest.fixture
def careless(adapter, cases):
    return verified(adapter(CARELESS), cases, CONTIGUOUS, "fortran")


def test_every_report_says_which_layout_it_was(careless, cases, suite, tmp_path):
    failure = careless.failures[0]
    assert "in float32 (fortran): " in describe(failure)
    assert [line.layout for line in lines(careless, by_output=False)] == [CONTIGUOUS, "fortran"]
    printed = TextConsole(file=io.StringIO())
    show(careless, printed)
    text = printed.file.getvalue()
    assert "on arrays that are contiguous, fortran" in text.splitlines()[0]
    assert "float32 (fortran)" in text
    for suffix in ("html", "json", "xml"):
        write(tmp_path / f"report.{suffix}", careless, suite)
    page = (tmp_path / "report.html").read_text()
    assert "<dt>Memory layout</dt><dd>contiguous, fortran</dd>" in page and "float32 (fortran)" in page
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["layouts"] == [CONTIGUOUS, "fortran"]
    assert {line["layout"]: line["wrong"] > 0 for line in report["operations"]} == {CONTIGUOUS: False, "fortran": True}
    assert {outcome["layout"] for outcome in report["outcomes"]} == {CONTIGUOUS, "fortran"}
    root = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert root.find(".//property[@name='layout']").get("value") == "contiguous, fortran"
    tests = {(test.get("classname"), test.get("name")) for test in root.iter("testcase")}
    assert len(tests) == int(root.get("tests")) == 2 * len(cases)
    failing = {test.get("classname") for test in root.iter("testcase") if test.find("failure") is not None}
    assert failing == {"affine_grid.float32.fortran"}


def test_skipped_calls_are_counted_by_layout(adapter, cases, suite, tmp_path):
    found = verified(adapter("del affine_grid_vjp"), cases, "strided", "readonly")
    assert {(skip.function, skip.layout) for skip in found.skipped} == {
        ("affine_grid_vjp", "strided"),
        ("affine_grid_vjp", "readonly"),
    }
    write(tmp_path / "report.json", found, suite)
    told = json.loads((tmp_path / "report.json").read_text())["skipped"]
    assert {skip["layout"] for skip in told} == {"strided", "readonly"}


def test_the_command_line_takes_layouts_or_all(adapter, capsys):
    path = adapter(CARELESS)
    command = ["verify", path, "--case", "affine_grid/identity_3x5", "--dtype", "float32", "--no-sample"]
    assert run(command) == 0
    assert "fortran" not in capsys.readouterr().out
    assert run([*command, "--layout", "readonly", "--layout", "unaligned"]) == 0
    assert "on arrays that are readonly, unaligned" in capsys.readouterr().out
    assert run([*command, "--layout", "all"]) == 1
    assert f"on arrays that are {', '.join(LAYOUTS)}" in capsys.readouterr().out


def test_a_layout_that_there_is_not_is_refused(capsys):
    assert run(["verify", "--layout", "diagonal"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("refwarp: layout: given 'diagonal', expected some of contiguous, fortran, ")
    assert error.count("\n") == 1


def test_a_file_of_results_was_computed_before_and_has_no_layout(cases, tmp_path, capsys):
    import h5py

    path = tmp_path / "mine.h5"
    with h5py.File(path, "w") as file:
        for case in cases:
            for name, truth in case.outputs.items():
                file[f"float64/{case.name}/{name}"] = truth.elements["value"]
    for layout in ("fortran", "contiguous", "all"):
        assert run(["verify", str(path), "--layout", layout]) == 2
        error = capsys.readouterr().err
        assert re.fullmatch(r"refwarp: layout: given for \S+mine.h5, which holds what was computed before, .*\n", error)
    command = ["verify", str(path), "--operation", "affine_grid"]
    for suffix in ("html", "json", "xml"):
        command += ["--report", str(tmp_path / f"report.{suffix}")]
    assert run(command) == 0
    assert "arrays" not in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    told = [report["operations"], report["outcomes"], report["skipped"]]
    assert report["layouts"] == [] and {entry["layout"] for entries in told for entry in entries} == {""}
    assert "Memory layout" not in (tmp_path / "report.html").read_text()
    root = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert root.find(".//property[@name='layout']") is None
    assert {test.get("classname") for test in root.iter("testcase")} == {"affine_grid.float64"}


@pytest.mark.parametrize(
    ("layout", "message"),
    [("negative", "PyTorch has no tensors with negative strides"), ("readonly", "PyTorch has no read-only tensors")],
)
def test_what_pytorch_does_not_know_is_not_offered(layout, message, monkeypatch):
    """That is said before PyTorch sees the array, so a stand-in serves."""
    given = []
    tensor = SimpleNamespace(requires_grad_=lambda: "tensor")
    torch = SimpleNamespace(from_numpy=lambda array: given.append(array) or tensor)
    monkeypatch.setitem(sys.modules, "torch", torch)
    spec = importlib.util.find_spec("refwarp.golden.targets.autograd")
    autograd = importlib.util.module_from_spec(spec)  # of its own: nobody else shall find the stand-in
    spec.loader.exec_module(autograd)
    arrays = {name: make(np.ones((2, 3))) for name, make in LAYOUTS.items()}
    with pytest.raises(NotImplementedError, match=message):
        list(autograd._tensors([arrays[layout]], ""))
    assert list(autograd._tensors([arrays["strided"]], "")) == ["tensor"]
    assert given[0] is arrays["strided"]
