"""What is asked beside one call on new arrays: each fault that shows only then is seen, and where it shows."""

import json
from threading import Barrier, current_thread, main_thread
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from refwarp.cli import run
from refwarp.golden.layouts import CONTIGUOUS, LAYOUTS
from refwarp.golden.manners import MANNERS, ONCE, Calling
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.outcomes import Grade
from refwarp.golden.report import asked, determinism, summary, write
from refwarp.golden.sampling import other_options, sample
from refwarp.golden.targets import load
from refwarp.golden.targets import refwarp as own
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import Selection, verify

CASE = "affine_grid/general_2x3x4"


def module(**functions):
    """Return a target of some functions."""
    return ModuleTarget(SimpleNamespace(**functions), "mine")


def failing(target, suite, operation, **selection):
    """Return the ways of a sample, by layout and manner, in which a target fails; otherwise it must be right."""
    cases = [case for case in suite.cases if case.operation == operation and case.size < 1000]
    found = verify(cases, target, Selection(dtypes=["float32"], sampled=True, **selection))
    assert {outcome.grade for outcome in found.outcomes} <= {Grade.FAITHFUL, Grade.WORKING}
    assert {(o.layout, o.manner) for o in found.sample} >= {(CONTIGUOUS, "again"), ("fortran", ONCE)}
    return {line.way: {o.problem for o in found.failures if line.way in (o.layout, o.manner)} for line in asked(found)
            if line.wrong}  # fmt: skip


def test_refwarp_is_right_in_every_manner(suite):
    cases = [case for case in suite.cases if case.operation in ("grid_sample", "compose", "tps_grid")]
    cases = sample([case for case in cases if case.dtype in ("float16", "bfloat16", "float32")])
    found = verify(cases, ModuleTarget(own, "refwarp"), Selection(dtypes=["float32"], manners=tuple(MANNERS)))
    assert found.passed and not found.unrepeatable and not found.skipped
    assert {outcome.manner for outcome in found.outcomes} == set(MANNERS)
    single = {(o.case.operation, o.output) for o in found.outcomes if o.manner == "single"}
    for operation in ("grid_sample", "compose"):
        paths = [path for call in OPERATIONS[operation][1:] for path in call.paths()]
        assert {output for name, output in single if name == operation} == set(paths)


# ---- planted faults ----


def test_a_buffer_that_is_used_again_is_seen(suite):
    buffers = {}

    def affine_grid(theta, **options):
        right = own.affine_grid(theta, **options)
        buffer = buffers.setdefault((right.shape, right.dtype), np.empty_like(right))
        buffer[...] = right
        return buffer

    kept = "a result that the caller kept changed when the function was called again"
    found = failing(module(affine_grid=affine_grid), suite, "affine_grid")
    assert found["again"] == {kept} and set(found) <= {"again", "threads"}


def test_a_cache_of_the_last_call_that_forgets_an_option_is_seen_with_one_case(suite):
    """In an ordinary run a case with the same arrays would have to come next; here its options come between."""
    last = {}

    def affine_grid(theta, *, size, align_corners):
        grid = own.affine_grid(theta, size=size, align_corners=align_corners)
        key = theta.tobytes(), tuple(size)
        found = last.get("grid", grid) if last.get("key") == key else grid
        last.update(key=key, grid=grid)
        return found

    def grades(*manners):
        selection = Selection(["float32"], cases=[CASE], manners=manners)
        last.clear()
        return {o.grade for o in verify(suite.cases, module(affine_grid=affine_grid), selection).outcomes}

    assert grades(ONCE) == {Grade.FAITHFUL}
    assert grades("again") == {Grade.WRONG}


def test_a_cache_by_the_identity_of_arrays_is_seen(suite):
    known = {}

    def affine_grid(theta, **options):
        place = theta.__array_interface__["data"][0], theta.shape, str(options)
        if known.get("place") != place:
            known.update(place=place, grid=own.affine_grid(theta, **options))
        return known["grid"].copy()

    found = failing(module(affine_grid=affine_grid), suite, "affine_grid")
    assert "rewritten" in found


def test_a_result_that_is_a_view_of_an_input_is_seen(suite):
    def flow_grid_vjp(ggrid, flow, *, align_corners, unit):
        if unit == "normalised":
            return ggrid.transpose(0, 3, 1, 2)
        return own.flow_grid_vjp(ggrid, flow, align_corners=align_corners, unit=unit)

    found = failing(module(flow_grid_vjp=flow_grid_vjp), suite, "flow_grid")
    assert found == {"rewritten": {"a result changed when the caller wrote into an input after the call"}}


def test_state_that_threads_share_is_seen(suite):
    """Two threads that run at once wait for each other between writing and reading; a single one need not."""
    state, barrier = {}, Barrier(2)

    def affine_grid(theta, **options):
        state["theta"] = theta.copy()
        if current_thread() is not main_thread():
            barrier.wait()
            theta = state["theta"]  # that of whichever came last
            barrier.wait()
        return own.affine_grid(theta, **options)

    found = failing(module(affine_grid=affine_grid), suite, "affine_grid")
    assert set(found) == {"threads"}
    assert failing(module(affine_grid=affine_grid, THREADS=False), suite, "affine_grid") == {}


def test_a_thread_that_raises_is_told(suite):
    def affine_grid(theta, **options):
        if current_thread() is not main_thread():
            raise RuntimeError("only in the main thread")
        return own.affine_grid(theta, **options)

    found = failing(module(affine_grid=affine_grid), suite, "affine_grid")
    assert found == {"threads": {"raised RuntimeError: only in the main thread"}}


def test_a_thread_that_ends_is_told(suite):
    class Ending(BaseException):
        pass

    def affine_grid(theta, **options):
        if current_thread() is not main_thread():
            raise Ending
        return own.affine_grid(theta, **options)

    found = failing(module(affine_grid=affine_grid), suite, "affine_grid")
    assert found == {"threads": {"a thread that called the function ended with Ending"}}


def test_a_gradient_that_is_wrong_alone_is_seen_if_the_target_can_be_asked(suite):
    def grid_sample_vjp(gout, input, grid, *, gradients=("ginput", "ggrid"), **options):
        ginput, ggrid = own.grid_sample_vjp(gout, input, grid, **options)
        if "ginput" not in gradients:
            return None, ggrid * 0
        return ginput, ggrid

    functions = {"grid_sample_vjp": grid_sample_vjp}
    assert failing(module(**functions, SELECTS_GRADIENTS=True), suite, "grid_sample") == {"single": {""}}
    assert failing(module(**functions), suite, "grid_sample") == {}
    with pytest.raises(ValueError, match="SELECTS_GRADIENTS: given 'yes', expected True or False"):
        module(SELECTS_GRADIENTS="yes")


def test_what_lies_between_the_elements_is_not_to_be_written(suite):
    def affine_grid(theta, **options):
        grid = own.affine_grid(theta, **options)
        if theta.base is not None and theta.strides[-1] > theta.itemsize:
            theta.base[...] = np.where(np.isnan(theta.base), 0, theta.base)
        return grid

    assert failing(module(affine_grid=affine_grid), suite, "affine_grid") == {"strided": {"wrote into theta"}}


def test_options_are_not_to_be_changed(suite):
    def affine_grid(theta, *, size, align_corners):
        grid = own.affine_grid(theta, size=size, align_corners=align_corners)
        size[1] = 77
        return grid

    cases = [case for case in suite.cases if case.name == CASE]
    found = verify(cases, module(affine_grid=affine_grid), Selection(["float32"]))
    assert {outcome.problem for outcome in found.failures} == {"changed the option size"}
    assert cases[0].options["size"][1] != 77


# ---- determinism ----


def wavering():
    """Return a target whose grids are one unit in the last place off when it is called with the same again."""
    known = set()

    def affine_grid(theta, **options):
        call = theta.tobytes(), str(options)
        grid = own.affine_grid(theta, **options)
        if call in known:
            return np.nextafter(grid, np.inf, dtype=grid.dtype)
        known.add(call)
        return grid

    return module(affine_grid=affine_grid)


def test_other_bits_are_no_failure_and_are_told(suite, tmp_path):
    cases = [case for case in suite.cases if case.name in (CASE, "affine_grid/identity_3x5")]
    found = verify(cases, wavering(), Selection(["float32"], manners=["again"]))
    assert found.passed and {o.output for o in found.unrepeatable} == {"forward/grid"}
    said = determinism(found)
    assert said.startswith("Not deterministic: the same call did not always return the same bits in affine_grid, ")
    for suffix in ("html", "json", "xml"):
        write(tmp_path / f"report.{suffix}", found, suite)
        assert "Not deterministic" in (tmp_path / f"report.{suffix}").read_text()
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["passed"] and {o["repeatable"] for o in told["outcomes"]} == {False}
    steady = verify(cases, ModuleTarget(own, "refwarp"), Selection(["float32"], manners=["again", "threads"]))
    assert determinism(steady) == "" and not steady.unrepeatable


# ---- the sample ----


def test_the_sample_has_every_option_and_every_axis_of_small_cases(suite):
    chosen = sample(suite.cases)
    assert 40 < len(chosen) < 4 * len(OPERATIONS) + 1
    grid_sample = [case for case in chosen if case.operation == "grid_sample"]
    for option, values in (
        ("mode", {"bilinear", "nearest", "bicubic"}),
        ("padding_mode", {"zeros", "border", "reflection"}),
        ("align_corners", {True, False}),
    ):
        assert {case.options[option] for case in grid_sample} == values
    for name in ("input", "grid"):
        longest = np.max([case.inputs[name].shape for case in grid_sample], axis=0)
        assert (longest > 1).all()
    assert {case.operation for case in chosen} == set(OPERATIONS) - {"thin_plate_spline_basis"} | {
        case.operation for case in chosen
    }


def test_other_options_are_of_cases_with_the_same_shapes_and_differ_least(suite, by_name):
    case = by_name[CASE]
    (*others,) = other_options(case, suite.cases)
    assert others and all(other != case.options for other in others)
    first = others[0]
    assert sum(first[name] != option for name, option in case.options.items()) == 1


# ---- the command line, other processes, reports ----

BUFFER = """
grid = None

def affine_grid(theta, **options):
    global grid
    new = right(theta, **options)
    if grid is None or grid.shape != new.shape or grid.dtype != new.dtype:
        grid = new.copy()
    grid[...] = new
    return grid
"""


def test_the_command_line_asks_a_sample_and_not_if_it_is_told_so(adapter, capsys, tmp_path):
    path = adapter(BUFFER)
    command = ["verify", path, "--operation", "affine_grid", "--flag", "Interior", "--dtype", "float32"]
    reports = [tmp_path / f"report.{suffix}" for suffix in ("html", "json", "xml")]
    assert run([*command, *(word for report in reports for word in ("--report", str(report)))]) == 1
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith("again "))
    assert int(row.split()[1]) > int(row.split()[2]) > 0
    assert "Smallest failure: affine_grid/" in printed and "in float32 (called again): a result that the" in printed
    assert "Only if called again" in printed
    told = json.loads(reports[1].read_text())
    lines = {line["manner"]: line for line in told["sample"] if line["layout"] == CONTIGUOUS}
    assert lines["again"]["wrong"] > 0 and lines["rewritten"]["wrong"] == 0
    assert {o["manner"] for o in told["sample_outcomes"] if o["grade"] == "wrong"} >= {"again"}
    tests = ElementTree.parse(reports[2]).getroot().iter("testcase")
    assert "affine_grid.float32.again" in {t.get("classname") for t in tests if t.find("failure") is not None}
    page = reports[0].read_text()
    assert "Memory layouts and manners of calling" in page and MANNERS["again"].description in page
    assert run([*command, "--no-sample"]) == 0
    assert "again" not in capsys.readouterr().out
    assert run([*command, "--no-sample", "--manner", "rewritten"]) == 0
    assert run([*command, "--no-sample", "--manner", "all"]) == 1
    assert "float32 (called again)" in capsys.readouterr().out


def test_a_manner_that_there_is_not_or_that_makes_no_sense_is_refused(capsys, tmp_path):
    assert run(["verify", "--manner", "twice"]) == 2
    assert "refwarp: manner: given 'twice', expected some of once, again, " in capsys.readouterr().err
    (tmp_path / "mine.json").write_text('{"format": "refwarp answers", "version": 1, "answers": [{"case": "a", '
                                        '"dtype": "float32"}]}')  # fmt: skip
    assert run(["verify", str(tmp_path / "mine.json"), "--manner", "again"]) == 2
    assert "leave --manner out" in capsys.readouterr().err


def test_manners_cross_the_pipe(adapter, suite):
    cases = [case for case in suite.cases if case.name == CASE]
    with load(adapter(BUFFER)) as target:
        found = verify(cases, target, Selection(["float32"], manners=tuple(MANNERS)))
    wrong = {outcome.manner for outcome in found.failures}
    assert "again" in wrong and wrong <= {"again", "threads"}
    assert {outcome.manner for outcome in found.outcomes} == set(MANNERS) - {"single"}
    assert "1 of 1 cases are wrong." in summary(found)


def test_every_layout_and_every_manner_is_in_the_sample(suite):
    cases = [case for case in suite.cases if case.name == "grid_sample/interior_3x4"]
    found = verify(cases, ModuleTarget(own, "refwarp"), Selection(["float32"], sampled=True))
    ways = {line.way for line in asked(found)}
    assert ways == {*LAYOUTS, *MANNERS} - {CONTIGUOUS, ONCE}
    assert Calling("again", ({}, {})).calls == MANNERS["again"].calls + 2
