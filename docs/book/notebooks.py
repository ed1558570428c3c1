"""Each page that has examples as a notebook for Jupyter, from the same text: the examples are its cells of code."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```python\n(>>> .*?)^```$", re.MULTILINE | re.DOTALL)


def _code(source: str, want: str) -> dict[str, Any]:
    outputs = [{"output_type": "stream", "name": "stdout", "text": want.splitlines(keepends=True)}] if want else []
    lines = source.rstrip("\n").splitlines(keepends=True)
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": outputs, "source": lines}


def cells(text: str) -> list[dict[str, Any]]:
    """Return the cells of a page; a cell of code ends where an example prints something."""
    found: list[dict[str, Any]] = []
    for k, part in enumerate(_BLOCK.split(text)):
        if k % 2 == 0:
            if part.strip():
                found.append(
                    {"cell_type": "markdown", "metadata": {}, "source": part.strip().splitlines(keepends=True)}
                )
            continue
        waiting = ""
        for example in doctest.DocTestParser().get_examples(part):
            waiting += example.source
            if example.want:
                found.append(_code(waiting, example.want))
                waiting = ""
        if waiting:
            found.append(_code(waiting, ""))
    return found


def notebook(text: str) -> str:
    """Return a page as a notebook."""
    numbered = [{**cell, "id": f"cell-{k}"} for k, cell in enumerate(cells(text))]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps(
        {"cells": numbered, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}, indent=1
    )


def with_examples(app: Sphinx) -> list[str]:
    """Return the pages of docs/ that have examples."""
    pages = sorted(page for page in app.env.found_docs if page.startswith("docs/"))
    return [page for page in pages if _BLOCK.search((ROOT / f"{page}.md").read_text(encoding="utf-8"))]


def add_link(app: Sphinx, document: nodes.document, page: str) -> None:
    """Put a link to its notebook at the end of a page."""
    if page in with_examples(app):
        link = nodes.reference("", "a notebook", refuri=f"{page.rpartition('/')[2]}.ipynb", internal=True)
        section = next(document.findall(nodes.section))
        section += nodes.paragraph("", "", nodes.Text("This page as "), link, nodes.Text("."), classes=["notebook"])


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the notebooks beside their pages."""
    if error is None:
        for page in with_examples(app):
            text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
            (Path(app.outdir) / f"{page}.ipynb").write_text(notebook(text), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("doctree-resolved", add_link)
    app.connect("build-finished", write, priority=400)  # before links are checked
    return {"parallel_read_safe": True, "parallel_write_safe": True}
