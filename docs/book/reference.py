"""The documentation of public names, from their docstrings, below each name that docs/api.md lists.

Docstrings are written in plain text with backticks, which is Markdown; only the sections of numpydoc are changed.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from typing import Any

from sphinx.application import Sphinx

PAGE = "docs/api"
_LISTED = re.compile(r"^- `([\w.]+)`$", re.MULTILINE)
_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)
# Sections whose entries are a name or a type on a line of its own, and indented text.
_ENTRIES = ("Parameters", "Returns", "Raises", "Attributes", "Yields", "Warns")


def listed(text: str) -> list[str]:
    """Return the names that a page lists, each alone on its line."""
    return _LISTED.findall(text)


def find(name: str) -> Any:
    """Return what a dotted name stands for."""
    package, *parts = name.split(".")
    return functools.reduce(getattr, parts, importlib.import_module(package))


def _plain(text: str) -> str:
    """Return text whose angle brackets are no tags, and whose references to pages of docs/ are links."""
    parts = re.split(r"(`[^`]*`)", text)
    for k in range(0, len(parts), 2):
        parts[k] = re.sub(r"\bdocs/([a-z_-]+)\.md\b", r"[\1](\1.md)", parts[k].replace("<", "&lt;"))
        parts[k] = re.sub(r"([*$])", r"\\\1", parts[k])
    return "".join(parts)


def _entries(body: str) -> str:
    """Return the entries of a section as a list."""
    items = []
    for head, text in re.findall(
        r"^(\S.*)\n((?:(?: {4}.*)?\n?(?=\Z|[ \n]|\S))*?)(?=^\S|\Z)", body + "\n", re.MULTILINE
    ):
        name, colon, kind = head.partition(" : ")
        words = " ".join(_plain(text).split())
        items.append(
            f"- **{_plain(name)}**" + (f" ({_plain(kind)})" if colon else "") + (f": {words}" if words else "")
        )
    return "\n".join(items)


def markdown(name: str) -> str:
    """Return the documentation of a public name."""
    thing = find(name)
    try:
        signature = inspect.signature(thing)
        bare = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
        call = str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    except (TypeError, ValueError):
        call = ""
    if len(name + call) > 90:  # one argument a line
        call = "(\n    " + re.sub(", (?=[a-z_*])", ",\n    ", call[1:-1]) + ",\n)"
    text = inspect.getdoc(thing) or ""
    first, *rest = _SECTION.split(text)
    parts = [f"### {name.rpartition('.')[2]}", f"```python\n{name}{call}\n```", _plain(first.strip())]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        if title == "Examples":
            parts += [f"**{title}**", f"```python\n{body.strip()}\n```"]
        elif title in _ENTRIES:
            parts += [f"**{title}**", _entries(body)]
        else:
            parts += [f"**{title}**", _plain(body.strip())]
    return "\n\n".join(parts) + "\n"


def expand(app: Sphinx, page: str, content: list[str]) -> None:
    """Put the documentation in the place of each name."""
    if page == PAGE:
        content[0] = _LISTED.sub(lambda found: "\n" + markdown(found[1]), content[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", expand, priority=400)  # before links to code are marked
    return {"parallel_read_safe": True, "parallel_write_safe": True}
