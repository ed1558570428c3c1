"""What an experiment shows: tables, claims and figures, as Markdown and on a terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from refwarp.files import atomic_write, make_output_folder
from refwarp.sweeps.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_REPORT = "report.md"


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes
    ----------
    title : str
        What it shows, in a sentence.
    header : sequence of str
        The columns' names; the first column is text, all others are numbers.
    rows : sequence of sequence of str
        The rows.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Claim:
    """A statement about a difference, which the results may bear out.

    Attributes
    ----------
    text : str
        What is claimed of the difference.
    difference : Estimate
        The difference.
    least, most : float
        Between which numbers the claim says that it lies.
    """

    text: str
    difference: Estimate
    least: float = -math.inf
    most: float = math.inf

    @property
    def verdict(self) -> str:
        """What the results say.

        "holds" if the mean is in its range, and, where the claim is that there is a difference, it is two standard
        errors from none; "open" if only the mean is; "fails" if not.
        """
        mean, error = self.difference.mean, self.difference.standard_error
        if not self.least <= mean <= self.most:
            return "fails"
        separate = self.least <= 0 <= self.most or abs(mean) >= 2 * error
        return "holds" if separate else "open"


@dataclass(frozen=True)
class Report:
    """What the results of a sweep show.

    Attributes
    ----------
    summary : str
        The findings, in Markdown.
    tables : sequence of Table
        The tables.
    claims : sequence of Claim
        What is claimed, and whether it holds.
    unit : str
        The unit of the claims' differences.
    figures : mapping of str to (str, callable)
        For each picture, by the name of its file without suffix, what it shows and what draws it.
    """

    summary: str
    tables: Sequence[Table]
    claims: Sequence[Claim] = ()
    unit: str = ""
    figures: Mapping[str, tuple[str, Callable[[], Figure]]] = field(default_factory=dict)

    def _claims_table(self) -> Table:
        rows = [
            (
                claim.text,
                f"{claim.difference.mean:.2f}",
                f"{claim.difference.standard_error:.2f}",
                claim.verdict,
            )
            for claim in self.claims
        ]
        return Table("Claims", ("claim", f"difference ({self.unit})", "standard error", "verdict"), rows)

    def all_tables(self) -> list[Table]:
        """Return the tables, and one of the claims if there are any."""
        return [*self.tables, *([self._claims_table()] if self.claims else [])]

    def markdown(self, place: str = "") -> str:
        """Return the report as Markdown; `place` comes before the names of the pictures."""
        parts = [self.summary]
        parts += [_markdown_table(table) for table in self.all_tables()]
        parts += [
            f"![{_escaped(caption)}]({place}{name}.png)\n\n*{_escaped(caption)}*"
            for name, (caption, _) in self.figures.items()
        ]
        return "\n\n".join(part.strip() for part in parts if part) + "\n"

    def write(self, folder: str | Path) -> Path:
        """Write report.md and the pictures into a folder, and return the path of the former."""
        from refwarp.drawing.style import render  # workers, which draw nothing, begin sooner without

        folder = make_output_folder(folder)
        for name, (_, draw) in self.figures.items():
            with atomic_write(folder / f"{name}.png") as temporary:
                temporary.write_bytes(render(draw, dots_per_inch=120))
        path = folder / _REPORT
        with atomic_write(path) as temporary:
            temporary.write_text(self.markdown(), encoding="utf-8")
        return path

    def show(self, console: Console) -> None:
        """Print the summary and the tables."""
        console.print(Text(self.summary.strip()))
        for table in self.all_tables():
            shown = RichTable(title=table.title, title_justify="left", box=SIMPLE, pad_edge=False)
            for index, name in enumerate(table.header):
                shown.add_column(name, justify="left" if index == 0 else "right")
            for row in table.rows:
                shown.add_row(*map(Text, row))
            console.print(shown)


def _markdown_table(table: Table) -> str:
    rule = ["---", *["---:"] * (len(table.header) - 1)]
    rows = [[_escaped(cell) for cell in row] for row in (table.header, *table.rows)]
    lines = [" | ".join(cells) for cells in (rows[0], rule, *rows[1:])]
    return f"**{_escaped(table.title)}**\n\n" + "\n".join(f"| {line} |" for line in lines)


def _escaped(text: str) -> str:
    """Return a text as Markdown that shows it as it is, on one line."""
    return re.sub(r"[\\`*_~&<|]|\](?=[(\[])", r"\\\g<0>", " ".join(text.split()))
