"""The finished site: the font of its formulas, its first page, and a check of every link in it."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from fontTools import subset
from sphinx.application import Sphinx
from sphinx.util import logging

_log = logging.getLogger(__name__)

# What formulas are written in: Latin, Greek, punctuation, letters and accents, arrows, operators, brackets, alphabets.
_CHARACTERS = [(0x20, 0x7E), (0xA0, 0xFF), (0x131, 0x131), (0x2B0, 0x36F), (0x370, 0x3FF), (0x2010, 0x2064),
               (0x2070, 0x20FF), (0x2100, 0x23FF), (0x27C0, 0x27FF), (0x2900, 0x2AFF), (0x1D400, 0x1D7FF)]  # fmt: skip

FRONT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>refwarp</title>
<meta http-equiv="refresh" content="0; url={page}.html">
<p><a href="{page}.html">refwarp</a></p></html>
"""


def write_font(file: Path) -> None:
    """Write STIX Two Math, as far as formulas use it."""
    options = subset.Options(flavor="woff", layout_features=["*"], notdef_outline=True)
    with as_file(files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf") as given:
        font = subset.load_font(given, options)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes=[code for first, last in _CHARACTERS for code in range(first, last + 1)])
    chosen.subset(font)
    subset.save_font(font, file, options)


class _Page(HTMLParser):
    """What a page has: its anchors, the addresses it links to, and those it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif "src" in found:
            self.loads.append(found["src"])
        elif tag == "link" and "href" in found and found.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.append(found["href"])


def flaws(site: Path) -> list[str]:
    """Return a sentence for each link of a site that leads nowhere, and for each thing that it loads from outside."""
    pages = {file.resolve(): _Page(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    found = []
    for file, page in pages.items():
        name = file.relative_to(site.resolve()).as_posix()
        for address in page.loads:
            parts = urlsplit(address)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc or parts.path.startswith("/"):
                found.append(f"{name}: loads {address}, which is not in the site")
            elif not (file.parent / unquote(parts.path)).is_file():
                found.append(f"{name}: loads {address}, which does not exist")
        for address in page.links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.is_file():
                found.append(f"{name}: the link {address} leads to no file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{name}: the link {address} leads to no anchor")
    for sheet in sorted(site.rglob("*.css")):
        for address in re.findall(r"url\(['\"]?([^'\")]+)", sheet.read_text(encoding="utf-8")):
            if not address.startswith("data:") and not (sheet.parent / address.partition("?")[0]).is_file():
                found.append(f"{sheet.relative_to(site)}: loads {address}, which is not in the site")
    return found


def finish(app: Sphinx, error: Exception | None) -> None:
    """Complete a site that has been written, and report its flaws as warnings."""
    if error is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    font = site / "_static" / "formulas.woff"
    if not font.exists():
        write_font(font)
    (site / "index.html").write_text(FRONT.format(page=app.config.root_doc), encoding="utf-8")
    for flaw in flaws(site):
        _log.warning("%s", flaw)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    sys.exit("\n".join(flaws(Path(sys.argv[1]))) or 0)
