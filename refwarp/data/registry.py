"""The data sets that refwarp reads, found in the modules of `refwarp.data`, and what is there of them."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path

import refwarp.data
from refwarp.data.dataset import Dataset, Steps

# What is told how many steps are done, of how many.
Progress = Callable[[int, int], None]


class State(Enum):
    """What a check finds of a set."""

    MISSING = "missing"
    KNOWN = "fine"
    UNKNOWN = "unknown content"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Finding:
    """What is there of a data set.

    Attributes
    ----------
    dataset : Dataset
        Which.
    state : State
        KNOWN and UNKNOWN: every file can be read, and the digest is one of a known content or not.
    folder : Path or None
        Where it is.
    content : str
        What is there, if it is known.
    digest : str
        That of the files (`Dataset.digest`); empty if one is damaged or nothing is there.
    flaws : tuple of str
        A sentence for each file that is damaged or missing.
    """

    dataset: Dataset
    state: State
    folder: Path | None = None
    content: str = ""
    digest: str = ""
    flaws: tuple[str, ...] = ()


@cache
def datasets() -> dict[str, Dataset]:
    """Return every data set by its name, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(refwarp.data.__path__, "refwarp.data."))
    found = (getattr(import_module(name), "DATASET", None) for name in names)
    return {dataset.name: dataset for dataset in found if dataset is not None}


def dataset(name: str) -> Dataset:
    """Return a data set by its name; ValueError if there is none."""
    if name not in datasets():
        raise ValueError(f"name: given {name!r}, expected one of {', '.join(map(repr, datasets()))}")
    return datasets()[name]


def check(data: Path, names: Sequence[str] = (), progress: Progress | None = None) -> list[Finding]:
    """Read all that is there of data sets, and tell what is damaged.

    Parameters
    ----------
    data : Path
        The folder with all data sets.
    names : sequence of str, optional
        Which to look at; else all.
    progress : callable, optional
        Is called as `progress(done, total)`.

    Returns
    -------
    list of Finding
        One for each set, in the order of `datasets()`.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    wanted = {dataset(name).name for name in names} or datasets().keys()
    plans = [_plan(known, known.locate(data)) for name, known in datasets().items() if name in wanted]
    total, done = sum(map(len, plans)), 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    return [plan.carry_out(advance) for plan in plans]


@dataclass(frozen=True)
class _Plan:
    """What is to be read of a data set, and what was found damaged while that was found out."""

    dataset: Dataset
    folder: Path | None
    steps: Steps = ()
    flaws: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.steps) + (self.folder is not None)  # with the digest

    def carry_out(self, advance: Callable[[], None]) -> Finding:
        """Return what is found, and call `advance` at each step."""
        if self.folder is None:
            return Finding(self.dataset, State.MISSING)
        flaws, digest = list(self.flaws), ""
        for step in self.steps:
            with _noted(flaws):
                step()
            advance()
        with _noted(flaws):
            digest = "" if flaws else self.dataset.digest(self.folder)
        advance()
        if flaws:
            return Finding(self.dataset, State.DAMAGED, self.folder, flaws=tuple(dict.fromkeys(flaws)))
        content = self.dataset.contents.get(digest)
        state = State.UNKNOWN if content is None else State.KNOWN
        return Finding(self.dataset, state, self.folder, content or "", digest)


def _plan(known: Dataset, folder: Path | None) -> _Plan:
    """Return what is to be read of a data set in a folder, or of one that is not there."""
    flaws: list[str] = []
    steps: Steps = ()
    with _noted(flaws):
        steps = () if folder is None else known.steps(folder)
    return _Plan(known, folder, steps, tuple(flaws))


@contextmanager
def _noted(flaws: list[str]) -> Iterator[None]:
    """Note what a reader says is wrong in this block, and go on."""
    try:
        yield
    except (ValueError, OSError) as error:
        flaws.append(str(error))
