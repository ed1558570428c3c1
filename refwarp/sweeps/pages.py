"""Pages about the experiments, written from their results.

    python -m refwarp.sweeps.pages            writes experiments/README.md and docs/experiments/NAME.md

Results that come with an experiment are in `experiments/results/NAME/SCALE`. A test holds the pages to them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from refwarp.files import atomic_write
from refwarp.sweeps.experiment import LoadedExperiment, experiment_names, experiments_folder, load_experiment
from refwarp.sweeps.report import Report
from refwarp.sweeps.results import SweepFolder

RESULTS = "results"

_README = """# Experiments

Each file here is a table or a figure of one of the papers, in reduced size. `refwarp experiment list` prints them;

```sh
refwarp experiment run NAME                          # tiny: seconds, without data
refwarp experiment run NAME --scale small --data DIR # the results below
refwarp experiment show NAME                         # from the results alone
python experiments/NAME.py --scale small --data DIR  # the same as refwarp experiment run NAME
```

A run can be interrupted at any time, and goes on with `--resume`; `docs/experiments.md` has all about it. This page and
those that it links to are written by `python -m refwarp.sweeps.pages` from `experiments/results`.

| experiment | of | results | claims that hold |
|---|---|---|---|
"""


def results_folders(loaded: LoadedExperiment) -> Iterator[SweepFolder]:
    """Yield the folders of the results that come with an experiment, in the order of its scales."""
    for scale in loaded.experiment.scales:
        folder = SweepFolder(loaded.path.parent / RESULTS / loaded.name / scale, loaded)
        if folder.read_sweep() is not None:
            yield folder


def page(loaded: LoadedExperiment) -> str:
    """Return the page of an experiment: what its file says, and what its results show."""
    text = inspect.getdoc(loaded.module) or ""
    title, _, rest = text.partition("\n")
    parts = [
        f"# {title.rstrip('.')}",
        f"*`experiments/{loaded.name}.py`; written by `python -m refwarp.sweeps.pages`.*",
        rest.strip(),
    ]
    for scale, report in _reports(loaded):
        parts += [f"## The scale {scale}", report.markdown(f"../../experiments/{RESULTS}/{loaded.name}/{scale}/")]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def readme() -> str:
    """Return the page of all experiments."""
    lines = []
    for name in experiment_names():
        loaded = load_experiment(name)
        title = f"{loaded.experiment.source}: {loaded.experiment.title}"
        for scale, claims in [(scale, report.claims) for scale, report in _reports(loaded)] or [("none yet", ())]:
            held = f"{sum(claim.verdict == 'holds' for claim in claims)} of {len(claims)}" if claims else ""
            lines.append(f"| [{name}](../docs/experiments/{name}.md) | {title} | {scale} | {held} |\n")
    return _README + "".join(lines)


def _reports(loaded: LoadedExperiment) -> Iterator[tuple[str, Report]]:
    for folder in results_folders(loaded):
        yield folder.path.name, loaded.experiment.report(folder.read_all())


def pages() -> dict[Path, str]:
    """Return the text of each page, by its path."""
    root = experiments_folder().parent
    found = {root / "experiments" / "README.md": readme()}
    for name in experiment_names():
        found[root / "docs" / "experiments" / f"{name}.md"] = page(load_experiment(name))
    return found


def write_pages() -> None:
    """Write all pages, and the pictures and reports of all results."""
    for name in experiment_names():
        loaded = load_experiment(name)
        for folder in results_folders(loaded):
            loaded.experiment.report(folder.read_all()).write(folder.path)
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages()
