"""The page on peers: what each is found to do, executed here and now.

    python -m refwarp.golden.peers docs [NAME ...]

asks the peers of these names, or all, and writes docs/peers.md and docs/dialects.json. It needs them installed
(`pip install 'refwarp[peers]'`). JAX compiles each shape anew and takes a quarter of an hour, the others minutes.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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

{suites}

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
- **JAX** takes the derivative from the right at the ends of the map, too (the suite's rule "ahead"), where PyTorch
  and refwarp's rule "right" give 0. A NaN coordinate spreads into the map's gradient, infinite ones give NaN.
  Subnormal numbers are flushed to 0; ties round away from 0.
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

Where a peer is better than refwarp: PyTorch's convolutions are faster, and its bilinear gradient where one channel
stands alone ([measured](benchmarks.md)); PyTorch, JAX and ONNX Runtime run on accelerators of several makers,
refwarp's kernels [on NVIDIA's](cuda.md) alone; SciPy and JAX sample volumes, and PyTorch, too."""


def grades(found: Verification) -> list[tuple[str, str, int, int, int, int, int]]:
    """Return rows: function, dtype, and how many cases ran, were faithful, working, wrong, wrong by convention.

    A case has the grade of the worst of its answers.
    """
    worst: dict[tuple[str, str], dict[str, Outcome]] = {}
    for outcome in found.outcomes:
        part = outcome.output.split("/")[0]
        suffix = "" if part in ("forward", "refusal") else f"_{part}"
        cases = worst.setdefault((outcome.case.operation + suffix, outcome.dtype), {})
        name = outcome.case.name
        if name not in cases or outcome.grade > cases[name].grade:
            cases[name] = outcome
    rows = []
    for key, cases in sorted(worst.items()):
        wrong = [outcome for outcome in cases.values() if outcome.grade == Grade.WRONG]
        good, fair, bad = (sum(outcome.grade == grade for outcome in cases.values()) for grade in Grade)
        meant = sum(any(FLAGS[flag].kind == "CONVENTION" for flag in outcome.case.flags) for outcome in wrong)
        rows.append((*key, len(cases), good, fair, bad, meant))
    return rows


def page(table: Mapping[str, Any]) -> str:
    """Return the page that shows a table of peers, as `dialects.json` holds it."""
    head = ["library", "function", "dtype", "cases", "faithful", "working", "wrong", "by convention"]
    rows = [[name, f"`{row[0]}`", *map(str, row[1:])] for name, peer in table.items() for row in peer["grades"]]
    asked = [name for name, peer in table.items() if set(peer["answers"].values()) != {"not offered"}]
    dialects = [[probe.question, *(table[name]["answers"][probe.name] for name in asked)] for probe in PROBES]
    versions = ", ".join(f"{name} {peer['version']}" for name, peer in table.items())
    suites: dict[str, list[str]] = {}
    for name, peer in table.items():
        suite = "the suite of generator {generator}, digest `{digest}`".format(**peer["suite"])
        suites.setdefault(suite, []).append(name)
    return _HEAD.format(
        versions=f"{versions}; Python {platform.python_version()}, {platform.machine()}.",
        suites="\n".join(f"- {suite}: {', '.join(names)}" for suite, names in suites.items()),
        grades=_table(head, rows, 3),
        dialects=_table(["question", *asked], dialects, 1 + len(asked)),
        notes=_NOTES,
    )


def _table(head: Sequence[str], lines: Sequence[Sequence[str]], words: int) -> str:
    """Return a Markdown table; columns after the first `words` hold numbers."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def main(folder: Path, names: Sequence[str]) -> None:
    """Ask peers, and write the page and the table; of those that are not asked, the table keeps what it has."""
    suite = read(SUITE)
    path = folder / DIALECTS
    table: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in names or ("refwarp", *PEERS):
        try:
            opened = load(name)
        except ImportError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        with opened as target:
            answers = {probe.name: ask(probe, target) for probe in PROBES}
            rows = grades(verify(suite.cases, target))
            ran = {"generator": suite.generator, "digest": suite.digest}
            table[name] = {"version": target.version, "suite": ran, "answers": answers, "grades": rows}
    table = {name: table[name] for name in ("refwarp", *PEERS) if name in table}
    for name, text in ((DIALECTS, json.dumps(table, indent=1, ensure_ascii=False) + "\n"), (PAGE, page(table))):
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
