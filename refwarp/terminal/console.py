"""Where commands print.

Text is printed as it is, since what comes from outside may look like markup, or like the code of an emoji. Lines are
wrapped, and tables folded, to the width of a terminal only: in a pipe or a file each line is whole.
"""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.progress import TextColumn

# Wider than any table.
_UNBOUNDED = 100_000


class TextConsole(Console):
    """A console of rich that takes text for text, and what goes to no terminal for as wide as it is.

    Parameters
    ----------
    stderr : bool
        Whether it prints to standard error rather than to standard output.
    **options
        Of `rich.console.Console`.
    """

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        stream = options.get("file") or (sys.stderr if stderr else sys.stdout)
        if stream is None or not stream.isatty():
            options.setdefault("width", _UNBOUNDED)
        super().__init__(stderr=stderr, markup=False, emoji=False, **options)


def text_column(field: str) -> TextColumn:
    """Return a column of a progress display that shows a field of the tasks, as "description", as it is."""
    return TextColumn(f"{{task.{field}}}", markup=False)
