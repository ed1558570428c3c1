"""Reports: the table, and files for browsers, programs and continuous integration."""

import base64
import io
import json
import math
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from refwarp.golden.flags import FLAGS
from refwarp.golden.grades import PROFILES, Shares
from refwarp.golden.outcomes import Grade, Verification
from refwarp.golden.report import check_report_path, describe, lines, summary, worst_element, write
from refwarp.golden.report.pictures import CLASSES, classes, pictures
from refwarp.golden.report.terminal import show
from refwarp.golden.targets import refwarp as own
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import verify
from refwarp.terminal.console import TextConsole


def half_wrong(gout, input, grid, **options):
    """Return a gradient of the grid whose last component of the first sample is off by 1/2."""
    ginput, ggrid = own.grid_sample_vjp(gout, input, grid, **options)
    ggrid = ggrid.copy()
    if ggrid.size:
        ggrid[0, 0, 0, 1] += ggrid.dtype.type(0.5)
    return ginput, ggrid


def speaks_badly(*arrays, **options):
    raise RuntimeError("<script>alert(1)</script> & \x00\x1b[31m \ud800 ]]>")


MIXED = SimpleNamespace(
    affine_grid=own.affine_grid, affine_grid_vjp=speaks_badly, grid_sample=own.grid_sample, grid_sample_vjp=half_wrong
)


@pytest.fixture(scope="module")
def mixed(few):
    """A target that is right, wrong and absent."""
    return verify(few, ModuleTarget(MIXED, "<mixed>"))


@pytest.fixture(scope="module")
def few(suite):
    wanted = ("interior_3x4", "row_at_pixel", "identity_3x5", "refused_mode", "interior_2x3x4")
    return [case for case in suite.cases if case.name.partition("/")[2] in wanted]


@pytest.fixture(scope="module")
def nothing():
    return Verification("nobody", "", PROFILES["float"], ())


def printed(verification, verbose=False) -> str:
    console = TextConsole(file=io.StringIO(), width=100)
    show(verification, console, verbose)
    return console.file.getvalue()


# ---- lines and sentences ----


def test_a_line_counts_cases_by_their_worst_grade(mixed, few):
    by_operation = {(line.operation, line.dtype): line for line in lines(mixed, by_output=False)}
    sample = by_operation["grid_sample", "float32"]
    cases = [case for case in few if case.operation == "grid_sample"]
    refused = [case for case in cases if case.result == "invalid"]
    assert (sample.cases, sample.faithful, sample.working) == (len(cases), len(refused), 0)
    assert sample.wrong == len(cases) - len(refused) and sample.grade == Grade.WRONG
    assert sample.first is not None and sample.first.output == "vjp/ggrid"
    by_output = {(line.output, line.dtype): line for line in lines(mixed) if line.operation == "grid_sample"}
    assert by_output["forward/output", "float32"].first is None
    assert by_output["forward/output", "float32"].faithful == len(cases) - len(refused)


def test_the_summary_says_what_is_wrong_what_is_below_and_what_was_skipped(mixed, few, nothing):
    assert re.fullmatch(r"\d of \d cases are wrong\. \d+ calls were skipped\.", summary(mixed))
    assert summary(nothing) == "No case ran, so nothing is verified." and not nothing.passed

    def affine_grid(theta, **options):
        """Return a grid that is off by eight roundings: four are faithful, and with those of a coordinate eleven."""
        grid = own.affine_grid(theta, **options)
        return grid * (1 + 4 * np.finfo(grid.dtype).eps)

    rounds = SimpleNamespace(affine_grid=affine_grid)
    cases = [case for case in few if case.operation == "affine_grid"]
    for required in (Grade.WORKING, Grade.FAITHFUL):
        found = verify(cases, ModuleTarget(rounds, "rounds"), required=required)
        if required == Grade.WORKING:
            assert found.passed and "of working precision; the worst error is " in summary(found)
        else:
            assert not found.passed and "cases are not faithful." in summary(found)


def test_a_failure_is_described_with_its_case_and_its_worst_element(by_name):
    case = by_name["grid_sample/row_at_pixel"]
    right = float(case.outputs["vjp/ggrid:left"].elements["value"][0, 0, 0, 1])
    found = verify([case], ModuleTarget(SimpleNamespace(CHOICES={"kink": ("left",)}, grid_sample_vjp=half_wrong), "t"))
    outcome = found.failures[0]
    text = describe(outcome)
    assert text.startswith("grid_sample/row_at_pixel, vjp/ggrid in float32 with kink=left: error / budget ")
    assert text.endswith(f"at [0, 0, 0, 1] {right + 0.5!r} instead of {right!r}. {case.comment}")
    element = worst_element(outcome)
    assert element.index == (0, 0, 0, 1) and element.result == right + 0.5 and element.expected == (right,)


def test_the_table_in_the_terminal(mixed, nothing):
    text = printed(mixed)
    assert "<mixed>" in text and "coordinates and weights in floating point (float)" in text
    assert re.search(r"affine_grid +float32 +\d+ +- +- +\d+ +inf", text)
    assert text.count("Smallest failure: ") == 2 and "Smallest failure: grid_sample/row_at_pixel, vjp/ggrid" in text
    assert re.search(r"Skipped: \d+ calls of grid_sample_second_vjp: there is no such function\.", text)
    assert "forward/output" not in text.partition("Smallest failure")[0]
    assert "forward/output" in printed(mixed, verbose=True)
    assert "No case ran" in printed(nothing)


# ---- files ----


def written(tmp_path, name, verification, suite) -> str:
    write(tmp_path / name, verification, suite)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    return (tmp_path / name).read_text(encoding="utf-8")


class Page(HTMLParser):
    """Which tags a page has, which attributes, and that each is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_needs_nothing_beside_itself(tmp_path, mixed, suite):
    text = written(tmp_path, "report.html", mixed, suite)
    page = Page(text)
    assert "script" not in page.tags and "link" not in page.tags
    for name, value in page.attributes:
        assert name != "src" or value.startswith("data:image/png;base64,")
        assert name != "href" or value.startswith(("#", "https://github.com/"))
    anchors = {value for name, value in page.attributes if name == "id"}
    assert {value[1:] for name, value in page.attributes if name == "href" and value[0] == "#"} <= anchors
    words = " ".join(page.words)
    assert "<script>alert(1)</script> &" in words and "\x00" not in text
    case = next(case for case in suite.cases if case.name == "grid_sample/interior_3x4")
    for expected in (case.comment, FLAGS[case.flags[0]].description, 'mode="bilinear"', suite.digest, "<mixed>"):
        assert expected in words
    assert "grid [" in words and "input [" in words


def test_the_page_shows_the_thread_of_a_known_bug(tmp_path, suite):
    known = [case for case in suite.cases if any(FLAGS[flag].thread for flag in case.flags) and case.result == "valid"]
    raises = SimpleNamespace(**{case.operation: speaks_badly for case in known})
    page = Page(written(tmp_path, "report.html", verify(known, ModuleTarget(raises, "raises")), suite))
    links = {value for name, value in page.attributes if name == "href" and value.startswith("https")}
    assert links and all(
        re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+(/(issues|pull)/\d+\S*)?", link) for link in links
    )


def test_the_page_stays_small_when_everything_fails(tmp_path, suite):
    class Zero:
        def __getattr__(self, name):
            if name.startswith("_") or name.isupper():
                raise AttributeError(name)
            return lambda *arrays, **options: tuple(np.full_like(a, 77) for a in arrays if a is not None)[:1]

    found = verify(suite.cases, ModuleTarget(Zero(), "zero"))
    assert len({outcome.case.name for outcome in found.failures}) > 100
    text = written(tmp_path, "report.html", found, suite)
    assert len(text) < 60_000 * len({case.operation for case in suite.cases}) + 100 * len(suite.cases)
    assert all(name in text for name in {outcome.case.name for outcome in found.failures})


def test_the_fields_for_programs(tmp_path, mixed, suite, nothing):
    found = json.loads(written(tmp_path, "report.json", mixed, suite), parse_constant=pytest.fail)
    assert found["format"] == "refwarp verification" and found["version"] == 1 and found["passed"] is False
    assert found["suite"]["digest"] == suite.digest and found["target"] == {"name": "<mixed>", "version": ""}
    assert len(found["outcomes"]) == len(mixed.outcomes)
    for record, outcome in zip(found["outcomes"], mixed.outcomes, strict=True):
        assert (record["case"], record["output"], record["dtype"]) == (outcome.case.name, outcome.output, outcome.dtype)
        assert record["grade"] == outcome.grade.name.lower() and record["problem"] == outcome.problem
        assert record["share"] == (outcome.share if math.isfinite(outcome.share) else None)
        if "worst" in record:
            index = tuple(record["worst"]["index"])
            assert float.fromhex(record["worst"]["result"]) == float(outcome.result[index])
    assert sum(line["wrong"] for line in found["operations"]) == sum(line.wrong for line in lines(mixed, False))
    assert sum(len(skip["calls"]) for skip in found["skipped"]) == sum(skip.count for skip in mixed.skipped)
    (tmp_path / "report.json").unlink()
    assert json.loads(written(tmp_path, "report.json", nothing, suite))["passed"] is False


def test_what_continuous_integration_reads(tmp_path, mixed, suite):
    root = ElementTree.fromstring(written(tmp_path, "report.xml", mixed, suite).encode())
    tests = {(case.get("classname"), case.get("name")): case for case in root.iter("testcase")}
    run = {(outcome.case.name, outcome.dtype) for outcome in mixed.outcomes}
    assert {(f"{name.partition('/')[0]}.{dtype}", name.partition("/")[2]) for name, dtype in run} == set(tests)
    failing = {(o.case.name, o.dtype) for o in mixed.failures}
    assert root.get("failures") == str(len(failing)) == str(len(list(root.iter("failure"))))
    assert root.get("tests") == str(len(tests))
    failure = tests["grid_sample.float32", "interior_3x4"].find("failure")
    assert "vjp/ggrid: error / budget" in failure.get("message")
    assert "grid_sample/interior_3x4, vjp/ggrid in float32" in failure.text
    assert "<script>" in tests["affine_grid.float32", "identity_3x5"].find("failure").get("message")


def test_skipped_cases_and_a_run_of_nothing_are_seen(tmp_path, few, suite, nothing):
    only = SimpleNamespace(affine_grid=own.affine_grid, affine_grid_vjp=own.affine_grid_vjp)
    found = verify(few, ModuleTarget(only, "only"))
    root = ElementTree.fromstring(written(tmp_path, "report.xml", found, suite).encode())
    skipped = [case for case in root.iter("testcase") if case.find("skipped") is not None]
    assert {case.get("classname").partition(".")[0] for case in skipped} == {"grid_sample"}
    assert "grid_sample: there is no such function" in skipped[0].find("skipped").get("message")
    assert root.get("skipped") == str(len(skipped)) and root.get("failures") == "0"
    (tmp_path / "report.xml").unlink()
    root = ElementTree.fromstring(written(tmp_path, "report.xml", nothing, suite).encode())
    assert root.get("failures") == "1" and "No case ran" in next(root.iter("failure")).get("message")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("report.pdf", "expected a name that ends in .html, .json, .xml"),
        ("report", "expected a name that ends in"),
        ("missing/report.html", "there is no folder"),
        ("folder.html", "which is a folder"),
    ],
)
def test_reports_that_cannot_be_written(tmp_path, name, message):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(ValueError, match=f"report: given .*{message}"):
        check_report_path(tmp_path / name)


# ---- pictures ----


def test_classes_go_from_good_to_bad():
    faithful = np.array([0.0, 0.5, 1.0, 1.5, 9.0, 90.0, 1e5, 1e9, math.inf, math.inf])
    working = np.array([0.0, 0.1, 0.2, 0.9, 5.0, 50.0, 1e4, 1e8, math.inf, 0.5])
    assert classes(Shares(faithful, working)).tolist() == [0, 1, 1, 2, 3, 4, 5, 5, 6, 2]


def colours_of(png: bytes):
    pixels = np.round(imread(io.BytesIO(png))[..., :3] * 255).astype(int)
    names = {tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)): name for name, colour in CLASSES}
    return [[names[tuple(pixel)] for pixel in row] for row in pixels.tolist()]


def test_a_picture_has_a_pixel_for_each_element():
    share = np.zeros((2, 2, 3, 2))
    share[1, 0, 2, 1] = 1e9
    found, count = pictures("vjp/ggrid", Shares(share, share))
    assert count == 4 and len(found) == 4
    assert (found[0].where, found[0].height, found[0].width) == ("1, :, :, 1", 2, 3)
    assert colours_of(found[0].png) == [["exact", "exact", "beyond"], ["exact"] * 3]
    assert colours_of(found[1].png) == [["exact"] * 3] * 2


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (1, 2, 3), (1, 1, 1, 65_536), (300, 500)])
def test_pictures_of_every_shape_keep_the_worst(shape):
    share = np.full(shape, 0.5)
    share[(-1,) * len(shape)] = math.inf
    found, _ = pictures("forward/output", Shares(share, share))
    colours = colours_of(found[0].png)
    assert colours[-1][-1] == "beyond any bound" and sum(row.count("beyond any bound") for row in colours) == 1
    assert max(len(colours), len(colours[0])) <= 96


def test_there_is_no_picture_of_nothing():
    assert pictures("forward/output", Shares(np.zeros((0, 2)), np.zeros((0, 2)))) == ([], 0)


def test_pictures_on_the_page_are_files_of_that_format(tmp_path, mixed, suite):
    text = written(tmp_path, "report.html", mixed, suite)
    found = re.findall(r'<img width="(\d+)" height="(\d+)" src="data:image/png;base64,([^"]+)"', text)
    assert found
    for width, height, data in found:
        rows = colours_of(base64.b64decode(data))
        assert int(width) % len(rows[0]) == 0 and int(height) % len(rows) == 0
