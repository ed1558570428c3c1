"""The ledger: for every equation of the five documents its verdict, its code, and the tests that prove the verdict.

Each file in `refwarp/exact/` that transcribes equations ends with its `LEDGER`, a tuple of `Equation`. `python -m
refwarp.exact.ledger docs/equations.md` generates the page from them, and a test checks the page and the named tests
against the code.
"""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

DOCUMENTS = {
    "STN": "Jaderberg, Simonyan, Zisserman, Kavukcuoglu: Spatial Transformer Networks (2015)",
    "KUR": "Kurbiel: Spatial Transformer Networks, a Self-Contained Introduction",
    "DTN": "Li, Chen, Cai, Davidson, Ji: Dense Transformer Networks (2017)",
    "HSTN": "Shu, Chen, Xie, Han: Hierarchical Spatial Transformer Network",
    "LMS": "Jiang, Sun, Tagliasacchi, Trulls, Yi: Linearized Multi-Sampling for Differentiable Image Transformation",
}

VERDICTS = ("holds", "misprint", "wrong", "ambiguous", "definition")


class Equation(NamedTuple):
    """One line of the ledger.

    Attributes
    ----------
    document : str
        A key of `DOCUMENTS`.
    number : str
        As printed ("7"), or a few words for text without a number ("sampler").
    says : str
        What the equation says.
    verdict : str
        One of `VERDICTS`.
    remark : str
        What is wrong or ambiguous, and what is implemented instead; may be empty if the equation holds.
    home : tuple of str
        The exact transcription and the implementation, as dotted names ("refwarp.exact.bilinear.value") of functions
        or classes at the top level of a module, so that the file follows from the name.
    tests : tuple of str
        The tests that prove the verdict ("tests/exact/test_bilinear.py::test_...").
    """

    document: str
    number: str
    says: str
    verdict: str
    remark: str
    home: tuple[str, ...]
    tests: tuple[str, ...]


def collect() -> list[Equation]:
    """Return the lines of all files of this package, by document.

    Within a document, numbered equations come first, then statements of the text, by section.
    """
    package = importlib.import_module("refwarp.exact")
    lines: list[Equation] = []
    for module in pkgutil.walk_packages(package.__path__, "refwarp.exact."):
        if module.name != "refwarp.exact.ledger":  # which may be running as a script
            lines += getattr(importlib.import_module(module.name), "LEDGER", ())

    def order(line: Equation) -> tuple[int, bool, float, str]:
        found = re.search(r"\d+(\.\d+)?", line.number)
        beside = not line.number[0].isdigit()
        return list(DOCUMENTS).index(line.document), beside, float(found[0] if found else "inf"), line.number

    return sorted(lines, key=order)


def derivation(line: Equation, docs: Path) -> str:
    """Return the page that derives an equation, and the heading under which it prints it: "affine.md#forward".

    It is the page of the first of the equation's homes that has one. The page of a module has the name of the module or
    of its folder, or contains the tags of its equations.

    Raises
    ------
    LookupError
        If there is no such page.
    """
    for home in line.home:
        for room in reversed(home.split(".")[:-1]):
            if (docs / f"{room}.md").exists():
                return f"{room}.md{heading(docs / f'{room}.md', tags(line))}"
        if not home.startswith("refwarp.exact."):
            continue
        head = importlib.import_module(home.rpartition(".")[0]).__doc__ or ""
        for tag in re.findall(r"\(([a-z_]+\.\d+)\)", head):
            for path in sorted(docs.glob("*.md")):
                if f"\\tag{{{tag}}}" in path.read_text(encoding="utf-8").replace(r"\_", "_"):
                    return f"{path.name}{heading(path, tags(line))}"
    raise LookupError(f"{line.document} {line.number}: no page in {docs} derives what is in {', '.join(line.home)}")


def tags(line: Equation) -> tuple[str, ...]:
    """Return the tags that mark the lines that compute an equation; none for statements of the text."""
    numbers = re.fullmatch(r"\d+(, \d+)*", line.number)
    return tuple(f"({line.document} {number})" for number in re.findall(r"\d+", line.number)) if numbers else ()


def heading(path: Path, wanted: Sequence[str]) -> str:
    """Return the anchor, such as "#forward", of the section of a page that prints one of the wanted tags; "" if none.

    A tag is printed beside a formula: in it, at the end of an indented line, or in a table.
    """
    anchor = ""
    for text in path.read_text(encoding="utf-8").splitlines():
        if title := re.fullmatch("##+ (.*)", text):
            anchor = "#" + re.sub(r"[^\w\- ]", "", title[1].lower()).replace(" ", "-")
        for tag in wanted:
            if f"\\tag{{{tag[1:-1]}}}" in text or (tag in text and (text[0] == "|" or re.match(" {4}.*\\)$", text))):
                return anchor
    return ""


@functools.cache
def definitions(file: str) -> dict[str, tuple[int, list[str]]]:
    """Return the functions and classes at the top level of a file, each with its first line's number and its lines."""
    source = (Path(__file__).parents[2] / file).read_text(encoding="utf-8")
    lines = source.splitlines()
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return {node.name: (node.lineno, lines[node.lineno - 1 : node.end_lineno]) for node in nodes}


def place(home: str, wanted: Sequence[str]) -> tuple[str, int, bool]:
    """Return the file of a home, as a path from the checkout, and the line that computes an equation.

    That is the first line of the function or class that bears one of the wanted tags in a comment; without such a line,
    the one where it begins. The last result tells whether there was one.
    """
    module, _, name = home.rpartition(".")
    file = f"{module.replace('.', '/')}.py"
    first, lines = definitions(file)[name]
    for number, text in enumerate(lines, start=first):
        _, _, comment = text.partition("  # ")
        if any(tag in comment for tag in wanted):
            return file, number, True
    return file, first, False


def link_to(test: str) -> str:
    """Return a link to the line where a test begins."""
    file, _, name = test.partition("::")
    return f"[`{test}`](../{file}#L{definitions(file)[name][0]})"


def page(docs: Path) -> str:
    """Return docs/equations.md as text; `docs` is the folder, with the pages that it links to."""
    text = [
        "# The ledger of equations",
        "",
        "Every equation of the five documents, with its derivation, the verdict, the code that transcribes it exactly",
        "and the code that computes it, and the tests that prove the verdict. This page is generated from the `LEDGER`",
        "of each file in `refwarp/exact/` by `python -m refwarp.exact.ledger docs/equations.md`; a test checks that it",
        "is current.",
        "",
        "A home can be passed to `python -m pydoc`, a test to `pytest`. The line that computes an equation has its",
        "tag, such as `(STN 7)`, in a comment; the link of a home leads to that line, the link of the number to the",
        "derivation.",
        "",
        "Verdicts: *holds*; *misprint* (the meaning is clear, but the printed equation is not true); *wrong* (the",
        "intended equation is not true either); *ambiguous* (more than one reading; the remark says which are",
        "supported); *definition*.",
    ]
    lines = collect()
    for document, title in DOCUMENTS.items():
        text += ["", f"## {document}", "", f"{title}.", "", "| eq. | what | verdict | homes | proven by |"]
        text.append("|---|---|---|---|---|")
        for line in lines:
            if line.document == document:
                number = f"[{line.number}]({derivation(line, docs)})"
                verdict = f"**{line.verdict}**" + (f": {line.remark}" if line.remark else "")
                places = {home: place(home, tags(line)) for home in line.home}
                homes = "<br>".join(f"[`{home}`](../{file}#L{at})" for home, (file, at, _) in places.items())
                tests = "<br>".join(map(link_to, line.tests))
                text.append(f"| {number} | {line.says} | {verdict} | {homes} | {tests} |")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(page(target.parent), encoding="utf-8")
