"""Whether random calls of every public operation have the same bits as at another commit.

    python benchmarks/same_bits COMMIT [--calls 200] [--operation NAME ...] [--source FOLDER] [--keep FOLDER]

Both states of the sources make the same calls (`random_calls.py`), each in a process of its own (`call_digests.py`):
forward, first and second derivatives, in float32 and float64, with one thread and with two. It ends with 1 if a bit
differs that no entry of `CHANGED` explains. With --keep, the commit's digests and both sides' compiled kernels stay in
that folder, for the next run.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from call_digests import DTYPES, PARTS, Result
from random_calls import CALLS, Call, draw_call

ROOT = Path(__file__).parents[2]
PROGRAMS = [Path(__file__).with_name(name) for name in ("random_calls.py", "call_digests.py")]

# Of each operation and dtype, for each call, the result of each part and number of threads.
Digests = Mapping[str, Sequence[Mapping[str, Result]]]


@dataclass(frozen=True)
class Change:
    """What changed on purpose, and in which calls: of the call, the part that differs, and the new side's result."""

    reason: str
    explains: Callable[[Call, str, Result], bool]


@dataclass(frozen=True)
class Difference:
    """A part of a call that has other bits, and the name of the change that explains it, or ""."""

    call: Call
    part: str
    results: tuple[Result, Result]
    change: str


PENALTIES = ("smoothness", "bending_energy")
SAMPLERS = ("grid_sample", "multiscale_sample", "dense_decode", "linearized_sample")


def at_the_ends(call: Call, result: Result) -> bool:
    """Tell whether numbers in float64 were given of which products can leave the range of floats."""
    smallest, largest, _ = result[2]
    return call.dtype == "float64" and (smallest < -900.0 or largest > 900.0)


def not_finite(result: Result) -> bool:
    """Tell whether there were infinities or NaN among the numbers that were given."""
    return bool(result[2][2])


def contiguous(call: Call, name: str) -> bool:
    """Tell whether an array lay row by row, and aligned."""
    flags = call.arrays[name].flags
    return bool(flags.c_contiguous and flags.aligned)


def is_nearest(call: Call) -> bool:
    """Tell whether a call samples the nearest pixel."""
    return call.options.get("mode") == "nearest" or call.options.get("kernel") == ("INTEGER",)


# The commit up to which `CHANGED` counts: from then on no bit may differ.
LAST_CHANGE = "4c67c68"
CHANGED: Mapping[str, Change] = {
    "penalties, range": Change(
        "subnormal fields and cotangents keep their digits, and huge ones their range (d371526)",
        lambda call, part, result: call.operation in PENALTIES and part != "forward" and at_the_ends(call, result),
    ),
    "penalties, infinite cotangents": Change(
        "a cotangent that is not finite no longer makes the whole gradient NaN (d371526, a902e79)",
        lambda call, part, result: call.operation in PENALTIES and part != "forward" and not_finite(result),
    ),
    "penalties, memory": Change(
        "lengths of eight components and more have the same bits in every order of memory (d6ef4d8)",
        lambda call, part, result: (
            call.operation == "bending_energy" and call.options["norm"] == "2" and not contiguous(call, "field")
        ),
    ),
    "flow_grid, range": Change(
        "motions and cotangents in pixels at the ends of the range: halves in the place of doubles (d371526)",
        lambda call, part, result: (
            call.operation == "flow_grid" and call.options["unit"] == "pixels" and at_the_ends(call, result)
        ),
    ),
    "splines": Change(
        "residuals are added up in two doubles in another way, and a solution ends when a step gains nothing (ab0a7b1)",
        lambda call, part, result: call.operation == "tps_grid" and call.dtype == "float64",
    ),
    "released decoder": Change(
        "the program of June 2017 (5d9eb52)",
        lambda call, part, result: call.operation == "dense_decode" and call.options["variant"] == "released",
    ),
    "first release, infinite cotangents": Change(
        "made of the engine's functions, whose masks now stop infinite cotangents (99ec711)",
        lambda call, part, result: (
            call.options.get("variant") == "first_release" and part != "forward" and not_finite(result)
        ),
    ),
    "bias-free": Change(
        "an intercept that was refused (71bf261)",
        lambda call, part, result: (
            call.operation == "linearized_sample" and call.options["intercept"] == "bias-free" and not result[1]
        ),
    ),
    "nearest, memory": Change(
        "the gradient of a grid that is not contiguous was what the memory held before (1fd1284)",
        lambda call, part, result: part != "forward" and is_nearest(call) and not contiguous(call, "grid"),
    ),
    "samplers, range": Change(
        "huge and subnormal pixels and cotangents keep to their budgets (d371526, 0b76203, 706e303, a902e79, 0e72580)",
        lambda call, part, result: call.operation in SAMPLERS and at_the_ends(call, result),
    ),
}


def without_changes(commit: str) -> bool:
    """Tell whether the commit has all that is in `CHANGED`, so that no bit may differ."""
    command = ["git", "-C", str(ROOT), "merge-base", "--is-ancestor", LAST_CHANGE, commit]
    return subprocess.run(command, capture_output=True).returncode == 0


def checked_out(commit: str, folder: Path) -> Path:
    """Return a folder with the sources of a commit, which keeps its name, so that kernels are compiled once."""
    source = folder / commit
    if not source.exists():
        command = ["git", "-C", str(ROOT), "archive", commit, "refwarp", "autograd_core"]
        archive = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(source, filter="data")
    return source


def digests_of_source(source: Path, operations: Collection[str], calls: int, folder: Path) -> Digests:
    """Return the digests that the sources in a folder give; nothing is written there."""
    print(f"{source}:", file=sys.stderr)
    environment = {
        **os.environ,
        "PYTHONPATH": str(source.resolve()),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": str((folder / "kernels").resolve()),
        "OPENBLAS_NUM_THREADS": "1",
    }
    found = folder / "digests.json"
    command = [sys.executable, str(PROGRAMS[-1]), str(found), "--calls", str(calls), "--operation", *operations]
    subprocess.run(command, env=environment, check=True)
    digests: Digests = json.loads(found.read_text())
    return digests


def digests_of_commit(commit: str, operations: Collection[str], calls: int, folder: Path) -> Digests:
    """Return the digests that a commit gives, those kept in the folder if they are of the same calls."""
    asked = repr((sorted(operations), calls)).encode()
    digest = hashlib.sha256(asked + b"".join(program.read_bytes() for program in PROGRAMS)).hexdigest()[:16]
    kept = folder / f"{commit}-{digest}.json"
    if not kept.exists():
        kept.write_text(json.dumps(digests_of_source(checked_out(commit, folder), operations, calls, folder)))
    digests: Digests = json.loads(kept.read_text())
    return digests


def differences(old: Digests, new: Digests, changed: Mapping[str, Change]) -> list[Difference]:
    """Return all parts of calls that differ, one for both numbers of threads."""
    found = []
    for key, calls in new.items():
        operation, dtype = key.split()
        for number, results in enumerate(calls):
            call, before = draw_call(operation, dtype, number), old[key][number]
            for part in PARTS:
                names = [name for name in results if name.startswith(part) and results[name][0] != before[name][0]]
                if names:
                    pair = before[names[0]], results[names[0]]
                    explained = [name for name, change in changed.items() if change.explains(call, part, pair[1])]
                    found.append(Difference(call, part, pair, next(iter(explained), "")))
    return found


def table(new: Digests, found: Sequence[Difference]) -> str:
    """Return how many calls there are of each operation, and how many differ in each part; in brackets explained."""
    counts = Counter((d.call.operation, d.call.dtype, d.part, bool(d.change)) for d in found)
    heads = [f"{part} {dtype}" for part in PARTS for dtype in DTYPES]
    lines = ["| operation | calls | " + " | ".join(heads) + " |", "|---|---:|" + "---:|" * len(heads)]
    for operation in dict.fromkeys(key.split()[0] for key in new):
        cells = [str(len(new[f"{operation} {DTYPES[0]}"]))]
        for part in PARTS:
            for dtype in DTYPES:
                if not any(f"{part} 1" in results for results in new[f"{operation} {dtype}"]):
                    cells.append("")
                    continue
                unexplained, explained = (counts[operation, dtype, part, told] for told in (False, True))
                cells.append(f"{unexplained} ({explained})" if explained else str(unexplained))
        lines.append(f"| {operation} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(old: Digests, new: Digests, found: Sequence[Difference], changed: Mapping[str, Change]) -> None:
    """Print the table, what explains differences, and the first difference of each kind that nothing explains."""
    print(table(new, found))
    print("\nCalls of each dtype, with 1 and 2 threads; how many have other bits, and in brackets those explained:")
    for name, count in Counter(d.change for d in found if d.change).most_common():
        print(f"  {count:4} {name}: {changed[name].reason}")
    pairs = [
        (old[key][number][name], result, results)
        for key, calls in new.items()
        for number, results in enumerate(calls)
        for name, result in results.items()
    ]
    raised = [(before, result) for before, result, _ in pairs if result[1]]
    worded = sum(before[0] == result[0] and before[1] != result[1] for before, result in raised)
    print(f"{len(raised)} of {len(pairs)} results are errors, {worded} of them in other words.")
    threads = sum(
        results[name][0] != results[name.replace(" 1", " 2")][0]
        for calls in new.values()
        for results in calls
        for name in results
        if name.endswith(" 1")
    )
    print(f"{threads} results depend on the number of threads.")
    first = defaultdict(list)
    for difference in found:
        if not difference.change:
            first[difference.call.operation, difference.part, difference.call.dtype].append(difference)
    for (operation, part, dtype), these in first.items():
        one = these[0]
        print(f"\nNot explained: {operation}, {part}, {dtype}: {len(these)} calls, the first of them\n  {one.call}")
        for when, result in zip(("before", "now"), one.results, strict=True):
            print(f"  {when}: {' '.join(map(str, result))}")


def main() -> None:
    """Compare the bits of random calls, and exit with 1 if some differ that nothing explains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commit", help="what is compared with")
    parser.add_argument("--calls", type=int, default=200, help="of each operation and dtype")
    parser.add_argument("--operation", nargs="*", default=sorted(CALLS), choices=sorted(CALLS), metavar="NAME")
    parser.add_argument("--source", type=Path, default=ROOT, help="a folder with other sources than this checkout's")
    parser.add_argument("--keep", type=Path, help="a folder for the commit's digests and compiled kernels")
    arguments = parser.parse_args()
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", f"{arguments.commit}^{{commit}}"]
    commit = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        asked: Any = arguments.operation, arguments.calls, folder
        old, new = digests_of_commit(commit, *asked), digests_of_source(arguments.source, *asked)
    changed = {} if without_changes(commit) else CHANGED
    found = differences(old, new, changed)
    report(old, new, found, changed)
    sys.exit(any(not difference.change for difference in found))


if __name__ == "__main__":
    main()
