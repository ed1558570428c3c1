"""What a page of an operation ends with in the book: its code, its proof, what peers do, its golden cases.

All of it is found: the lines of the code by the tags in their comments, tests by the ledger, grades of peers in
docs/peers.md, cases in the suite. So it is written when the book is built, and stands in no file that could go stale.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
from sphinx.application import Sphinx

from refwarp.exact import ledger

ROOT = Path(__file__).parents[2]
_SUITE = ROOT / "refwarp" / "golden" / "suite.h5"
_TAG = re.compile(r"\((?:[A-Z]+ \d+|[a-z_]+\.\d+)\)")
# Pages of one operation that has several modes.
_MODES = ("bilinear", "nearest", "bicubic")


@functools.cache
def operations() -> dict[str, list[str]]:
    """Return the operations that each page derives, by the table in README.md."""
    found: dict[str, list[str]] = {}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for names, links in re.findall(r"^\| (`[a-z_]+`.*?) \|.*\| (.*?) \|$", text, re.MULTILINE):
        for page in re.findall(r"\(docs/([a-z_]+)\.md\)", links):
            found.setdefault(page, []).extend(re.findall(r"`([a-z_]+)`", names))
    return found


@functools.cache
def lines_of_tags() -> dict[str, list[tuple[str, int]]]:
    """Return for each tag the lines that compute it: those that have it in a comment behind code."""
    found: dict[str, list[tuple[str, int]]] = {}
    for path in sorted((ROOT / "refwarp").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            code, _, comment = line.partition("  # ")
            if code.strip():
                for tag in _TAG.findall(comment):
                    found.setdefault(tag, []).append((name, number))
    return found


def tags_of(text: str) -> list[str]:
    """Return the tags that a page prints beside a formula or in a table, in their order."""
    shown = re.findall(r"\\tag\{(.*?)\}|^\|.*(\([A-Za-z_]+[ .]\d+\)) \|$", text, re.MULTILINE)
    tags = [f"({one})".replace(r"\_", "_") if one else other for one, other in shown]
    return list(dict.fromkeys(tags))


def _shown(lines: list[tuple[str, int]]) -> str:
    """Return links to lines, those of one file together."""
    files: dict[str, list[int]] = {}
    for name, number in lines:
        files.setdefault(name, []).append(number)
    return "<br>".join(
        f"`{name.removeprefix('refwarp/')}` " + ", ".join(f"[{number}](../{name}#L{number})" for number in numbers)
        for name, numbers in files.items()
    )


def _code(page: str, text: str) -> Iterator[str]:
    rows = []
    for tag in tags_of(text):
        lines = lines_of_tags().get(tag, [])
        exact = [line for line in lines if line[0].startswith("refwarp/exact/")]
        kernels = [line for line in lines if line not in exact]
        if lines:
            rows.append(f"| {tag} | {_shown(exact)} | {_shown(kernels)} |")
    if rows:
        yield "## The code\n"
        yield "The lines that compute each equation, in `refwarp/`:\n"
        yield "| equation | exact | kernels |\n|---|---|---|"
        yield "\n".join(rows) + "\n"


def _proof(page: str, text: str) -> Iterator[str]:
    docs = ROOT / "docs"
    lines = [line for line in ledger.collect() if ledger.derivation(line, docs).partition("#")[0] == f"{page}.md"]
    names = [f"tests/exact/test_{page}.py", f"tests/exact/{page}", f"tests/test_{page}.py"]
    names += [f"tests/{room}/{name}" for room in ("grids", "samplers") for name in (f"test_{page}.py", page)]
    if page in _MODES:
        names.append("tests/samplers/grid_sample")
    tests = [name for name in names if (ROOT / name).exists()]
    yield "## The proof\n"
    if lines:
        yield "| equation | verdict | tests |\n|---|---|---|"
        for line in lines:
            links = "<br>".join(map(ledger.link_to, line.tests))
            yield f"| {line.document} {line.number} | {line.verdict} | {links} |"
        yield ""
    listed = ", ".join(f"[`{name}`](../{name})" for name in tests)
    yield f"The derivations are proven, and the kernels held to their budgets, in {listed}.\n"


def _peers(page: str, text: str) -> Iterator[str]:
    peers = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
    wanted = operations()[page]
    rows = [
        row
        for row in re.findall(r"^\| .*\| float32 \|.*\|$", peers, re.MULTILINE)
        if not row.startswith("| refwarp |") and any(re.search(rf"`{name}(_\w+)?`", row) for name in wanted)
    ]
    head = re.search(r"^\| library \|.*\n\|.*$", peers, re.MULTILINE)
    yield "## What peers do\n"
    if rows and head:
        yield f"The golden cases in float32{', of all modes' if page in _MODES else ''}:\n"
        yield head[0]
        yield "\n".join(rows) + "\n"
        yield "[Peers](peers.md#grades) explains the columns, and [compares conventions](peers.md#dialects).\n"
    else:
        yield "No peer in [the comparison](peers.md) has this operation.\n"


@functools.cache
def _cases() -> list[tuple[str, str, list[str]]]:
    """Return operation, mode and flags of each case of the suite."""
    with h5py.File(_SUITE) as file:
        found = []
        for operation in file:
            for case in file[operation].values():
                options = json.loads(case.attrs["options"])
                found.append((operation, options.get("mode", ""), case.attrs["flags"].decode().split()))
        return found


def _golden(page: str, text: str) -> Iterator[str]:
    with h5py.File(_SUITE) as file:
        flags = json.loads(file.attrs["flags"])
    cases = [
        (operation, marks)
        for operation, mode, marks in _cases()
        if operation in operations()[page] and (page not in _MODES or mode == page)
    ]
    yield "## Golden cases\n"
    if not cases:
        yield "The suite has none yet.\n"
        return
    counts = Counter(operation for operation, _ in cases)
    yield f"The suite has {', '.join(f'{count} cases of `{name}`' for name, count in counts.items())}, for\n"
    yield "| flag | cases | what it is for |\n|---|---:|---|"
    for flag, count in sorted(Counter(mark for _, marks in cases for mark in marks).items()):
        yield f"| {flag} | {count} | {flags[flag]['description']} |"
    family = page if (ROOT / "refwarp/golden/families" / page).is_dir() else "grid_sample"
    yield ""
    folder = f"refwarp/golden/families/{family}"
    yield f"They are made in [`{folder}`](../{folder}); `refwarp golden show CASE` prints one.\n"


def append(app: Sphinx, page: str, content: list[str]) -> None:
    """Append these sections to the page of an operation."""
    folder, _, name = page.rpartition("/")
    if folder == "docs" and name in operations():
        text = content[0]
        for section in (_code, _proof, _peers, _golden):
            content[0] += "\n" + "\n".join(section(name, text))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", append, priority=400)  # before links to code are marked
    return {"parallel_read_safe": True, "parallel_write_safe": True}
