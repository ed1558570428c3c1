"""Find the comparisons of a checkout, run them, and keep what is measured on the disk.

A comparison is a Python file in `benchmarks/` with

- a docstring, whose first line is its title;
- VERSIONS, a dictionary of its peers' names and versions, and MACHINE, one of what it runs on beside the processor
  (both optional);
- `entries(quick, threads)`, which yields each `Entry`; or `figures(quick)`, which yields each `Figure`; or both;
- ROWS, the labels that name a row of its picture (optional).

It imports its peers when it is imported, so that an ImportError says that it has to be left out, and why.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from refwarp.benchmarking.entries import Disagreement, Entry, Figure
from refwarp.benchmarking.measuring import LEAST, MOST, Comparison, Measurement, measure_entry
from refwarp.benchmarking.results import Results, write_results
from refwarp.files import checkout_folder, make_output_folder

Item = Entry | Figure
# Called after each item: its comparison, what was measured (None: nothing), how many are done, of how many.
Progress = Callable[[str, Item, Measurement | float | None, int, int], None]


def benchmarks_folder() -> Path:
    """Return the folder `benchmarks/` of the checkout that this package lies in.

    Raises
    ------
    FileNotFoundError
        If there is none: an installed package comes without it.
    """
    folder = checkout_folder("benchmarks")
    if folder is None:
        raise FileNotFoundError(
            "there are no comparisons to run here: they lie in the folder benchmarks of a checkout, so install refwarp "
            "from one with `pip install --editable .`"
        )
    return folder


def known_comparisons(folder: Path) -> list[str]:
    """Return the names of the comparisons in a folder: of its files that have entries or figures."""
    files = sorted(folder.glob("*.py"))
    return [file.stem for file in files if any(f"\ndef {part}(" in file.read_text() for part in ("entries", "figures"))]


def load_comparison(folder: Path, name: str) -> ModuleType:
    """Import a comparison; ImportError if a library that it needs is missing."""
    specification = importlib.util.spec_from_file_location(f"benchmarks_{name}", folder / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def items_of(module: ModuleType, quick: bool, threads: Sequence[int], only: Sequence[str]) -> list[Item]:
    """Return the entries and figures of a comparison whose names contain every text of `only`."""
    items: list[Item] = []
    if hasattr(module, "entries"):
        items += module.entries(quick, threads)
    if hasattr(module, "figures"):
        items += module.figures(quick)
    return [item for item in items if all(text in item.name for text in only)]


def run_comparisons(
    names: Sequence[str] = (),
    out: Path | None = None,
    *,
    quick: bool = False,
    threads: Sequence[int] = (1, 2),
    only: Sequence[str] = (),
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Results:
    """Run comparisons, and write what they measure.

    Parameters
    ----------
    names : sequence of str
        Which comparisons; all by default.
    out : path, optional
        The folder to write into: after each comparison, and when the run is interrupted. None writes nothing.
    quick : bool
        Measure a representative part of the entries, with fewer samples.
    threads : sequence of int
        The numbers of threads that entries are made for, where the peer can be told.
    only : sequence of str
        Texts that an entry's name must contain, all of them.
    folder : path, optional
        Where the comparisons lie; by default `benchmarks_folder()`.
    progress : callable, optional
        Told of each entry or figure that was measured.

    Returns
    -------
    Results

    Raises
    ------
    ValueError
        If there is no comparison of a name, or `only` leaves nothing.
    ImportError
        If every comparison had to be left out; the message says why.
    """
    folder = folder or benchmarks_folder()
    known = known_comparisons(folder)
    for name in names:
        if name not in known:
            raise ValueError(f"names: given {name!r}, expected some of {', '.join(known)}")
    results = Results(quick=quick)
    plan: list[tuple[Comparison, list[Item]]] = []
    for name in names or known:
        try:
            module = load_comparison(folder, name)
        except ImportError as error:
            results.left_out[name] = _reason(error)
            continue
        results.versions |= getattr(module, "VERSIONS", {})
        results.machine |= getattr(module, "MACHINE", {})
        title = (module.__doc__ or name).strip().splitlines()[0].rstrip(".")
        comparison = Comparison(name, title, **({"rows": module.ROWS} if hasattr(module, "ROWS") else {}))
        if items := items_of(module, quick, threads, only):
            plan.append((comparison, items))
    if not plan and len(results.left_out) == len(names or known):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in results.left_out.items())
        raise ImportError(f"nothing could be compared: {reasons}")
    if not plan:
        raise ValueError(f"only: given {', '.join(map(repr, only))}, which no entry's name contains")
    if out is not None:
        make_output_folder(out)
    total, done = sum(len(items) for _, items in plan), 0
    for comparison, items in plan:
        results.comparisons.append(comparison)
        try:
            for item in items:
                found = _measure(comparison, item, quick)
                done += 1
                if progress is not None:
                    progress(comparison.name, item, found, done, total)
        finally:
            if out is not None:
                write_results(results, out)
    return results


def _reason(error: ImportError) -> str:
    """Return why a comparison is left out; an ImportError of refwarp's own modules is a mistake, and passes."""
    package = (error.name or "").partition(".")[0]
    if package in ("refwarp", "autograd_core"):
        raise error
    return f"{package} is not installed" if isinstance(error, ModuleNotFoundError) and package else str(error)


def _measure(comparison: Comparison, item: Item, quick: bool) -> Measurement | float | None:
    """Measure an entry or a figure, and note it; None if the programs of an entry disagree."""
    if isinstance(item, Figure):
        value = item.measure()
        comparison.figures.append((item, value))
        return value
    try:
        measurement = measure_entry(item, LEAST if quick else MOST)
    except Disagreement as disagreement:
        comparison.disagreements.append(str(disagreement))
        return None
    comparison.measurements.append(measurement)
    return measurement
