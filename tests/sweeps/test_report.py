"""Reports: verdicts on claims, Markdown, and what is printed."""

import io
import math
import re

import pytest
from matplotlib.figure import Figure

from refwarp.sweeps.report import Claim, Report, Table
from refwarp.sweeps.statistics import Estimate
from refwarp.terminal.console import TextConsole


@pytest.mark.parametrize(
    ("mean", "error", "least", "most", "verdict"),
    [
        (1.0, 0.3, 0.8, math.inf, "holds"),
        (1.0, 0.5, 0.8, math.inf, "holds"),  # two errors are enough
        (1.0, 0.51, 0.8, math.inf, "open"),
        (0.79, 0.01, 0.8, math.inf, "fails"),
        (0.8, 0.1, 0.8, math.inf, "holds"),
        (-1.0, 0.1, 0.8, math.inf, "fails"),
        (-1.0, 0.3, -math.inf, -0.5, "holds"),
        (-1.0, 0.6, -math.inf, -0.5, "open"),
        (0.2, 9.0, -math.inf, 0.3, "holds"),  # no difference is claimed
        (0.4, 0.01, -math.inf, 0.3, "fails"),
        (1.0, math.nan, 0.8, math.inf, "open"),  # of one seed
        (math.nan, math.nan, 0.8, math.inf, "fails"),
    ],
)
def test_verdicts(mean, error, least, most, verdict):
    assert Claim("", Estimate(mean, error), least, most).verdict == verdict


def cells(line):
    """Split a line of a table as Markdown does: at bars without a backslash before them."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


AWKWARD = ["a | b", "~~x~~ &amp;", "one\ntwo", r"back\slash |", "*stars* and _lines_", "<b>", "`code`", "[0.1, 0.2](x)"]


def test_tables_are_right_markdown_whatever_is_in_them():
    table = Table("Errors | in %", ["", "a|b"], [[text, text] for text in AWKWARD])
    title, empty, *lines = Report("", [table]).markdown().splitlines()
    assert (title, empty) == (r"**Errors \| in %**", "")
    assert len(lines) == 2 + len(AWKWARD)
    assert {len(cells(line)) for line in lines} == {2}
    assert cells(lines[1]) == ["---", "---:"]
    shown = [re.sub(r"\\(.)", r"\1", cells(line)[0]) for line in lines[2:]]
    assert shown == [" ".join(text.split()) for text in AWKWARD]
    bare = [re.sub(r"\\.", "", line) for line in lines[2:]]
    assert not any(mark in line for line in bare for mark in ("*", "_", "`", "<", "~", "&", "]("))


def test_claims_are_a_table_with_what_the_results_say():
    claim = Claim("R: B has at least 0.8 points fewer than A", Estimate(1.234, 0.111), least=0.8)
    lines = Report("Summary.", [], [claim], "points").markdown().splitlines()
    assert lines[0] == "Summary."
    assert cells(lines[-3]) == ["claim", "difference (points)", "standard error", "verdict"]
    assert cells(lines[-1]) == ["R: B has at least 0.8 points fewer than A", "1.23", "0.11", "holds"]


def test_without_claims_there_is_no_table_of_them():
    assert "laim" not in Report("Summary.", []).markdown()


def test_it_writes_markdown_and_the_pictures_it_names(tmp_path):
    report = Report("Summary.", [], figures={"curves": ("Errors | steps", lambda: Figure(figsize=(1, 1)))})
    path = report.write(tmp_path / "new")
    assert path == tmp_path / "new" / "report.md"
    assert path.read_text() == "Summary.\n\n![Errors \\| steps](curves.png)\n\n*Errors \\| steps*\n"
    assert (tmp_path / "new" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_it_is_printed_as_it_is():
    stream = io.StringIO()
    Report("[bold]Summary", [Table("Title [x]", ["", "n"], [["[red]a | b", "1"]])]).show(TextConsole(file=stream))
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert lines[0] == "[bold]Summary" and lines[1] == "Title [x]"
    assert [line.split() for line in lines if "red" in line] == [["[red]a", "|", "b", "1"]]
