"""The ledger: every equation of the five documents, where it lives, what is to be said of it, and who proves it.

Each file of the exact room ends with its `LEDGER`, a tuple of `Equation`. `docs/equations.md` is written from
them by `python -m refwarp.exact.ledger docs/equations.md`, and a test holds the page and the named tests
against the code.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
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
        As printed ("7"), or a few words where nothing is numbered ("sampler").
    says : str
        What the equation is.
    verdict : str
        One of `VERDICTS`.
    remark : str
        What is wrong, or open, and what is implemented instead; may be empty where it holds.
    home : tuple of str
        The exact transcription and the implementation, as dotted names ("refwarp.exact.bilinear.value").
    tests : tuple of str
        The tests that prove the verdict ("tests/exact/test_exact_bilinear.py::test_...").
    """

    document: str
    number: str
    says: str
    verdict: str
    remark: str
    home: tuple[str, ...]
    tests: tuple[str, ...]


def collect() -> list[Equation]:
    """Return the lines of all files of this room, in the order of the documents and of the equations in them."""
    package = importlib.import_module("refwarp.exact")
    lines: list[Equation] = []
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "ledger":
            lines += getattr(importlib.import_module(f"refwarp.exact.{module.name}"), "LEDGER", ())

    def order(line: Equation) -> tuple[int, float, str]:
        digits = "".join(c for c in line.number.split(",")[0].split("-")[0] if c.isdigit())
        return list(DOCUMENTS).index(line.document), float(digits or "inf"), line.number

    return sorted(lines, key=order)


def page() -> str:
    """Return docs/equations.md as text."""
    text = [
        "# The ledger of equations",
        "",
        "Every equation of the five documents: what it says, the verdict, where it is transcribed exactly and where",
        "it is computed, and the tests that prove the verdict. This page is written from the `LEDGER` of each file in",
        "`refwarp/exact/` by `python -m refwarp.exact.ledger docs/equations.md`; a test keeps it current.",
        "",
        "Verdicts: *holds*; *misprint* (what is meant is clear, what is printed is not true); *wrong* (what is meant",
        "is not true either); *ambiguous* (more than one reading; the remark says which are offered); *definition*.",
    ]
    lines = collect()
    for document, title in DOCUMENTS.items():
        text += ["", f"## {document}", "", f"{title}.", "", "| eq. | what | verdict | homes | proven by |"]
        text.append("|---|---|---|---|---|")
        for line in lines:
            if line.document == document:
                verdict = f"**{line.verdict}**" + (f": {line.remark}" if line.remark else "")
                homes = "<br>".join(f"`{home.removeprefix('refwarp.')}`" for home in line.home)
                tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in line.tests)
                text.append(f"| {line.number} | {line.says} | {verdict} | {homes} | {tests} |")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
