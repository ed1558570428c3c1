"""How data sets show on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from refwarp.data.dataset import Dataset
from refwarp.data.registry import Finding, State
from refwarp.terminal.console import TextConsole


def show_datasets(datasets: Sequence[Dataset], data: Path | None, console: TextConsole) -> None:
    """Print a table of data sets, and of where they are below a folder if one is given."""
    table = _table("name", "what", "size", "licence", *([] if data is None else ["there"]))
    for known in datasets:
        cells = [known.name, known.title, known.size, known.licence]
        if data is not None:
            found = known.locate(data)
            cells.append("no" if found is None else str(found.relative_to(data)))
        table.add_row(*map(Text, cells))
    console.print(table)


def show_findings(findings: Sequence[Finding], console: TextConsole) -> None:
    """Print a line for each data set, and then each flaw."""
    table = _table("name", "state", "what is there")
    for found in findings:
        if found.state is State.UNKNOWN:
            what = f"every file can be read, but they are none that refwarp knows (SHA-256 {found.digest})"
        elif found.flaws:
            what = f"{len(found.flaws)} {'flaw' if len(found.flaws) == 1 else 'flaws'}, below"
        else:
            what = found.content or f"published at {found.dataset.origin}"
        table.add_row(*map(Text, (found.dataset.name, found.state.value, what)))
    console.print(table)
    for found in findings:
        for flaw in found.flaws:
            console.print(f"{found.dataset.name}: {flaw}", highlight=False, soft_wrap=True)


def _table(*head: str) -> Table:
    table = Table(box=SIMPLE, padding=0)
    for name in head:
        table.add_column(name)
    return table
