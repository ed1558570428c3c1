"""The code in the book: each file and folder that a page links to is a page itself, and each line an anchor."""

from __future__ import annotations

import html
import os.path
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.application import Sphinx
from sphinx.util import logging

from docs.book.equations import MENTION, definition

ROOT = Path(__file__).parents[2]
SCHEME = "source:"
_LINK = re.compile(r"(?<!!)(\[[^\]]*\])\(([^)\s:#]+)(#L\d+)?\)")
_log = logging.getLogger(__name__)


def mark_links(app: Sphinx, page: str, content: list[str]) -> None:
    """Give links to files and folders of code an address that no other extension takes for its own."""
    folder = (ROOT / page).parent

    def marked(found: re.Match[str]) -> str:
        path = (folder / found[2]).resolve()
        if path.is_relative_to(ROOT) and (path.is_dir() or (path.suffix == ".py" and path.is_file())):
            return f"{found[1]}({SCHEME}{path.relative_to(ROOT).as_posix()}{found[3] or ''})"
        return found[0]

    content[0] = _LINK.sub(marked, content[0])


def name_of(path: str) -> str:
    """Return the name of the page of a file or a folder."""
    return f"{path}/index" if (ROOT / path).is_dir() else path


def resolve(app: Sphinx, document: nodes.document, page: str) -> None:
    """Let the marked links lead to the pages of the code, and remember those."""
    wanted = linked(app)
    for link in document.findall(nodes.reference):
        uri = link.get("refuri", "")
        if not uri.startswith(SCHEME):
            continue
        path, _, line = uri.removeprefix(SCHEME).partition("#")
        wanted.add(path)
        if (ROOT / path).is_dir():
            wanted.update(f"{path}/{name}" for name in _listing(path) if not name.endswith("/"))
        address = os.path.relpath(name_of(path) + ".html", os.path.dirname(page) or ".")
        link["refuri"] = address + (f"#{line}" if line else "")
        link["internal"] = True


def linked(app: Sphinx) -> set[str]:
    """Return the files and folders that have been linked to so far."""
    if not hasattr(app.env, "linked_sources"):
        app.env.linked_sources = set()  # type: ignore[attr-defined]
    return app.env.linked_sources  # type: ignore[attr-defined, no-any-return]


def _listing(path: str) -> list[str]:
    """Return the modules of a folder."""
    return sorted(file.name for file in (ROOT / path).iterdir() if file.suffix == ".py")


def _lines(app: Sphinx, path: str) -> str:
    """Return a program as HTML: each line has its number as an anchor, each tag leads to its derivation."""
    text = (ROOT / path).read_text(encoding="utf-8")
    coloured = highlight(text, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).splitlines()

    def equation(found: re.Match[str]) -> str:
        place = definition(app.env, found[1])
        if place is None:
            return found[0]
        address = os.path.relpath(place.page + ".html", os.path.dirname(path) or ".")
        return f'<a href="{address}#{place.anchor}">{found[0]}</a>'

    rows = [
        f'<span class="line" id="L{n}"><a class="number" href="#L{n}">{n}</a>{MENTION.sub(equation, line)}</span>'
        for n, line in enumerate(coloured, start=1)
    ]
    return '<div class="highlight source"><pre>' + "\n".join(rows) + "</pre></div>"


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the pages of the code."""
    for path in sorted(linked(app)):
        if (ROOT / path).is_dir():
            entries = "".join(f'<li><a href="{name}.html"><code>{name}</code></a></li>' for name in _listing(path))
            body = f"<ul>{entries}</ul>"
        else:
            body = _lines(app, path)
        title = html.escape(path)
        yield name_of(path), {"title": title, "body": f"<h1><code>{title}</code></h1>{body}"}, "page.html"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", mark_links)
    app.connect("doctree-resolved", resolve)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
