"""The page on peers: what each is found to do, executed here and now.

    python -m refwarp.golden.peers docs

writes docs/peers.md and docs/dialects.json. It needs the peers (`pip install 'refwarp[peers]'`); one that is missing
keeps its place in neither.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from refwarp.files import atomic_write
from refwarp.golden import SUITE
from refwarp.golden.dialects import PROBES, ask
from refwarp.golden.flags import FLAGS
from refwarp.golden.format import read
from refwarp.golden.targets import PEERS, load
from refwarp.golden.verify import Grade, Outcome, Verification, verify

DIALECTS, PAGE = "dialects.json", "peers.md"

_HEAD = """# Peers: what other libraries do

Executed, not quoted: each library ran the whole suite (`refwarp verify NAME`) as far as it has the operations, in a
process of its own, and answered the probes of `refwarp/golden/dialects.py`. Written by
`python -m refwarp.golden.peers docs`; the machine-readable answers are in [dialects.json](dialects.json).

{versions}

## Grades

Of the cases of each operation and part: how many ran, and how many were [faithful, of working precision, or
wrong](golden-grades.md). *By convention* are wrong cases that carry a CONVENTION flag: non-finite and huge coordinates,
calls that should be refused, kinks, ties. There a library may well have meant what it does; what that is says the
second table.

{grades}

## Dialects

{dialects}

## What to make of it

{notes}
"""

_NOTES = """Of the versions above, in the same runs unless a line says otherwise:

- **PyTorch** is faithful in most cases and of working precision where it rounds coordinates or sums in order;
  no ordinary case is wrong. Second derivatives exist and are right, but with reflection in float16 they
  raise. Infinite coordinates give NaN, huge ones with reflection the first pixel. Its backward kills the
  process on NaN coordinates with border or reflection padding (a segmentation fault, reported as such; the
  verifier goes on).
- **JAX** takes the true derivative from the right at the ends of the map, where PyTorch and refwarp's rule
  "right" give 0; no rule of the suite says so, and it is counted as wrong there. Subnormal numbers are
  flushed to 0; ties round away from 0.
- **ONNX Runtime** takes NaN, infinite and huge coordinates for x = -1/2. Nearest rounds before it mirrors: at
  half-integers beyond the map it returns other pixels than PyTorch. `AffineGrid` puts one pixel at 1 instead
  of 0.
- **OpenCV** rounds coordinates to 1/32 pixel in float64, as documented for `remap`; in float32 it no longer
  does. In float64 the truth is `refwarp verify opencv --dtype float64 --profile fixed5`. `INTER_CUBIC` in
  float64 truncates pixels to integers wherever the window crosses the border, and on a map of one row with
  BORDER_REFLECT_101 it never returns.
- **SciPy** computes in float64 whatever it is given, and is faithful in nearly all that it has; its
  `RBFInterpolator` and refwarp agree on splines, smoothing included (SciPy's is half of refwarp's weight).
- **kornia**'s homographies, products and inverses are faithful, but for denominators below 1e-8, which it
  does not divide by. Its spline meets the control points and is another surface between them; where float16
  is asked, the budget of a spline is wide enough to hold that.

Where a peer is better than refwarp: all of them are several times faster; PyTorch, JAX, ONNX Runtime and
kornia run on accelerators, where refwarp's kernels do not run yet; SciPy and JAX sample volumes, and PyTorch,
too."""


@dataclass(frozen=True)
class Row:
    """One line of the table of grades."""

    peer: str
    function: str
    dtype: str
    cases: int
    faithful: int
    working: int
    wrong: int
    by_convention: int


def grades(peer: str, found: Verification) -> list[Row]:
    """Return a peer's lines, one for each function and dtype; a case has the grade of the worst of its answers."""
    worst: dict[tuple[str, str], dict[str, Outcome]] = {}
    for outcome in found.outcomes:
        part = outcome.output.split("/")[0]
        suffix = "" if part in ("forward", "refusal") else f"_{part}"
        cases = worst.setdefault((outcome.case.operation + suffix, outcome.dtype), {})
        name = outcome.case.name
        if name not in cases or outcome.grade > cases[name].grade:
            cases[name] = outcome
    rows = []
    for (function, dtype), cases in sorted(worst.items()):
        wrong = [outcome for outcome in cases.values() if outcome.grade == Grade.WRONG]
        count = {grade: sum(outcome.grade == grade for outcome in cases.values()) for grade in Grade}
        meant = sum(any(FLAGS[flag].kind == "CONVENTION" for flag in outcome.case.flags) for outcome in wrong)
        good, fair, bad = (count[grade] for grade in Grade)
        rows.append(Row(peer, function, dtype, len(cases), good, fair, bad, meant))
    return rows


def page(versions: Mapping[str, str], rows: Sequence[Row], answers: Mapping[str, Mapping[str, str]]) -> str:
    """Return the page."""
    head = ["library", "function", "dtype", "cases", "faithful", "working", "wrong", "by convention"]
    lines = [
        [r.peer, f"`{r.function}`", r.dtype, *map(str, (r.cases, r.faithful, r.working, r.wrong, r.by_convention))]
        for r in rows
    ]
    asked = [name for name in versions if any(answer != "not offered" for answer in answers[name].values())]
    dialects = [[probe.question, *(answers[name][probe.name] for name in asked)] for probe in PROBES]
    return _HEAD.format(
        versions=", ".join(f"{name} {version}" for name, version in versions.items())
        + f"; Python {platform.python_version()}, {platform.machine()}.",
        grades=_table(head, lines, 3),
        dialects=_table(["question", *asked], dialects, 1 + len(asked)),
        notes=_NOTES,
    )


def _table(head: Sequence[str], lines: Sequence[Sequence[str]], words: int) -> str:
    """Return a Markdown table; columns after the first `words` hold numbers."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def main(folder: Path) -> None:
    """Ask every peer that is installed, and write the page and the answers."""
    cases = read(SUITE).cases
    versions: dict[str, str] = {}
    rows: list[Row] = []
    answers: dict[str, dict[str, str]] = {}
    for name in ("refwarp", *PEERS):
        try:
            opened = load(name)
        except ImportError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        with opened as target:
            versions[name] = target.version
            answers[name] = {probe.name: ask(probe, target) for probe in PROBES}
            rows += grades(name, verify(cases, target))
    with atomic_write(folder / PAGE) as temporary:
        temporary.write_text(page(versions, rows, answers))
    table = {name: {"version": versions[name], "answers": answers[name]} for name in versions}
    with atomic_write(folder / DIALECTS) as temporary:
        temporary.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
