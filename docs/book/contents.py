"""The navigation of the book: the lists of links under the headings of its front page, in their order."""

from __future__ import annotations

import os.path
import re
from typing import Any

from sphinx.application import Sphinx


def chapters(text: str) -> dict[str, dict[str, str]]:
    """Return what each heading of the front page lists: pages, without their suffix, and what they are called there."""
    found = {}
    for heading, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        pages = {page: title for title, page in re.findall(r"^- \[([^\]]+)\]\(([^)#\s]+)\.md\)", body, re.MULTILINE)}
        if pages:
            found[heading] = pages
    return found


def add_navigation(app: Sphinx, page: str, content: list[str]) -> None:
    """Append the lists of the front page as Sphinx wants them, unseen; reports of results are in no list."""
    if page.startswith("experiments/results/"):
        app.env.metadata[page]["orphan"] = "True"
    if page != app.config.root_doc:
        return
    folder = os.path.dirname(page)
    for heading, pages in chapters(content[0]).items():
        names = "\n".join(f"{title} </{os.path.normpath(os.path.join(folder, name))}>" for name, title in pages.items())
        content[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{names}\n```\n"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", add_navigation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
