"""The results of a sweep: one JSON file for each cell, under a digest of its settings.

    FOLDER/sweep.json                   the experiment, its scale, its seeds and the digests of its data
    FOLDER/cells/LABEL-DIGEST.json      a cell and its result; the first 12 digits of its digest
    FOLDER/cells/LABEL-DIGEST.npz       its arrays, if it has any
    FOLDER/unfinished/DIGEST.h5         the checkpoint of a cell that is not finished
    FOLDER/unfinished/DIGEST.json       how far it is
    FOLDER/unfinished/DIGEST.txt        where in the program it failed, if it did
    FOLDER/unfinished/NUMBER.run        says which run the folder is computed by, while it is

Each file is written whole or not at all, and a cell's JSON file last, so that a cell is finished if it is there. Its
digest finds it, whatever its label was when it was written.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refwarp.files import atomic_write, lock, make_output_folder
from refwarp.sweeps.experiment import Array, LoadedExperiment, Outcome, cell_digest, cell_settings

_DIGITS = 12
_SWEEP = "sweep.json"
# What NumPy and zipfile raise for a damaged file of arrays.
_BROKEN_ARCHIVE = (OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Result:
    """A finished cell.

    Attributes
    ----------
    cell : Any
        The cell.
    values : mapping
        What it computed.
    seconds : mapping of str to float
        How long what took.
    arrays : mapping of str to ndarray
        What pictures are drawn from.
    """

    cell: Any
    values: Mapping[str, Any]
    seconds: Mapping[str, float]
    arrays: Mapping[str, Array]


@dataclass(frozen=True)
class Results:
    """The finished cells of a sweep.

    Attributes
    ----------
    scale : str
        Which scale of the experiment.
    settings : Any
        The settings of that scale, as the experiment has them now.
    cells : sequence of Result
        The finished cells, in the order of the experiment.
    missing : int
        How many cells of the sweep are not finished.
    """

    scale: str
    settings: Any
    cells: Sequence[Result]
    missing: int


@dataclass(frozen=True)
class Progress:
    """How far a cell is.

    Attributes
    ----------
    run : str
        The run that computes it, or did.
    done, total : int
        How many of its steps are done.
    text : str
        How it is doing.
    """

    run: str
    done: int
    total: int
    text: str

    @property
    def share(self) -> float:
        """Which share of it is done."""
        return min(1.0, max(0.0, self.done / max(1, self.total)))


class OpenedSweep(NamedTuple):
    """A sweep whose folder is a run's own.

    Attributes
    ----------
    run : str
        A name for the run, for `SweepFolder.check_run`.
    seeds : sequence of int
        All seeds of the sweep.
    """

    run: str
    seeds: Sequence[int]


class RunEndedError(OSError):
    """A run does not have its folder any more, and what it still computes is not wanted."""


class SweepFolder:
    """The folder of one sweep.

    Parameters
    ----------
    path : path
        The folder. It need not exist.
    loaded : LoadedExperiment
        The experiment.
    """

    def __init__(self, path: str | Path, loaded: LoadedExperiment) -> None:
        self.path, self.loaded = Path(path), loaded

    # ---- the sweep ----

    @contextmanager
    def opened(self, scale: str, seeds: Sequence[int], data: Mapping[str, str], resume: bool) -> Iterator[OpenedSweep]:
        """Keep the folder for this `with` block alone, and make sure that it is this sweep's.

        Parameters
        ----------
        scale : str
            The scale of the experiment.
        seeds : sequence of int
            The seeds. Those of a sweep that is resumed are kept, and new ones added.
        data : mapping of str to str
            The digests of the data.
        resume : bool
            Whether a sweep may be there already.

        Yields
        ------
        OpenedSweep
            The run that this is, and all seeds.

        Raises
        ------
        ValueError
            If a sweep is there and `resume` is not given, or one of another experiment, scale or data is.
        BlockingIOError
            If another run has the folder.
        OSError
            If the folder cannot be written to.
        """
        make_output_folder(self.path)
        with lock(self.path / _SWEEP, "out"):
            there = self.read_sweep()
            if there is not None and not resume:
                raise ValueError(
                    f"out: {self.path} holds a sweep already; add --resume to go on with it, or give another folder"
                )
            self._check_same(there, scale, data)
            kept = there["seeds"] if there is not None else []
            for folder in ("cells", "unfinished"):
                make_output_folder(self.path / folder)
            seeds = list(dict.fromkeys([*kept, *seeds]))
            content = {"experiment": self.loaded.name, "scale": scale, "data": dict(data), "seeds": seeds}
            if content != there:
                _write_text(self.path / _SWEEP, _as_json(content))
            for left in self._unfinished.glob("*.run"):
                left.unlink(missing_ok=True)
            run = secrets.token_hex(8)  # each has a name of its own, since names, too, are cached by network disks
            try:  # from before it is written: an interrupt may come while it is
                with atomic_write(self._run_path(run)):
                    pass
                yield OpenedSweep(run, seeds)
            finally:
                with suppress(OSError):
                    self._run_path(run).unlink(missing_ok=True)
                    self._clear()

    def _check_same(self, there: Mapping[str, Any] | None, scale: str, data: Mapping[str, str]) -> None:
        """Raise ValueError if another sweep is in the folder."""
        if there is None:
            return
        for name, own in (("experiment", self.loaded.name), ("scale", scale)):
            if there[name] != own:
                raise ValueError(
                    f"out: {self.path} holds a sweep whose {name} is {there[name]!r}, and that of this one is {own!r}; "
                    "give another folder"
                )
        for name in {**data, **there["data"]}:
            if there["data"].get(name) != data.get(name):
                raise ValueError(
                    f"out: {self.path} holds a sweep with other data: {name} has another digest; give another folder, "
                    "or the data that it was begun with"
                )

    def _clear(self) -> None:
        """Remove what killed workers left of finished cells, and the folder of unfinished ones if nothing is in it."""
        finished = {path.stem[-_DIGITS:] for path in (self.path / "cells").glob("*.json")}
        for path in list(self._unfinished.iterdir()):
            if path.name.lstrip(".")[:_DIGITS] in finished:
                path.unlink(missing_ok=True)
        self._unfinished.rmdir()

    @property
    def _unfinished(self) -> Path:
        return self.path / "unfinished"

    def _run_path(self, run: str) -> Path:
        return self._unfinished / f"{run}.run"

    def check_run(self, run: str) -> None:
        """Raise RunEndedError unless the folder is computed by this run."""
        if not self._run_path(run).is_file():
            raise RunEndedError(
                f"out: another run has taken over {self.path}, or a worker does not see it; all workers need the same "
                "disk"
            )

    def read_sweep(self) -> dict[str, Any] | None:
        """Return what the folder says of its sweep; None if there is none, ValueError if it is damaged."""
        path = self.path / _SWEEP
        if not path.is_file():
            return None
        sweep = _read_json(path)
        kinds = {"experiment": str, "scale": str, "data": dict, "seeds": list}
        if not all(isinstance(sweep.get(name), kind) for name, kind in kinds.items()):
            raise _damaged(path)
        if not all(isinstance(seed, int) for seed in sweep["seeds"]):
            raise _damaged(path)
        return sweep

    # ---- its cells ----

    def cell_path(self, cell: Any, data: Mapping[str, str]) -> Path:
        """Return the file of a cell's result: the one that is there, else the one to write."""
        digest = self._digest(cell, data)
        there = sorted((self.path / "cells").glob(f"*-{digest}.json"))
        label = re.sub(r"[^A-Za-z0-9.]+", "-", self.loaded.experiment.label(cell)).strip("-")
        return there[0] if there else self.path / "cells" / f"{label}-{digest}.json"

    def _digest(self, cell: Any, data: Mapping[str, str]) -> str:
        return cell_digest(self.loaded.name, cell, data)[:_DIGITS]

    def unfinished_path(self, cell: Any, data: Mapping[str, str], suffix: str) -> Path:
        """Return a file of a cell that is not finished: .h5, .json or .txt."""
        return self._unfinished / (self._digest(cell, data) + suffix)

    def write_progress(self, cell: Any, data: Mapping[str, str], progress: Progress) -> None:
        """Write how far a cell is."""
        _write_text(self.unfinished_path(cell, data, ".json"), _as_json(vars(progress)))

    def read_progress(self, cell: Any, data: Mapping[str, str]) -> Progress | None:
        """Return how far a cell is; None if nothing is known."""
        try:
            found = _read_json(self.unfinished_path(cell, data, ".json"))
            return Progress(str(found["run"]), int(found["done"]), int(found["total"]), str(found["text"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, cell: Any, data: Mapping[str, str], outcome: Outcome) -> None:
        """Write a cell's result, and remove what was kept of it while it was under way.

        Raises
        ------
        ValueError
            If the result holds what JSON cannot, such as NaN.
        OSError
            If a file cannot be written.
        """
        content = {
            "experiment": self.loaded.name,
            "digest": cell_digest(self.loaded.name, cell, data),
            "data": dict(data),
            "cell": cell_settings(cell),
            "result": dict(outcome.result),
            "seconds": {name: round(seconds, 2) for name, seconds in outcome.seconds.items()},
        }
        try:
            text = _as_json(content)
        except (TypeError, ValueError) as error:
            raise ValueError(f"its result holds what JSON cannot: {error}") from error
        path = self.cell_path(cell, data)
        if outcome.arrays:
            packed = io.BytesIO()
            # As NumPy writes it, but for the date of each member, which is always the same.
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, array in outcome.arrays.items():
                    member = io.BytesIO()
                    np.save(member, np.asarray(array), allow_pickle=False)
                    archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED)
            with atomic_write(path.with_suffix(".npz")) as temporary:
                temporary.write_bytes(packed.getvalue())
        _write_text(path, text)
        for suffix in (".h5", ".json", ".txt"):
            self.unfinished_path(cell, data, suffix).unlink(missing_ok=True)

    def read(self, cell: Any, data: Mapping[str, str]) -> Result | None:
        """Return a cell's result; None if it is not finished, ValueError if its file is damaged or of another cell."""
        path = self.cell_path(cell, data)
        if not path.is_file():
            return None
        content = _read_json(path)
        if content.get("digest") != cell_digest(self.loaded.name, cell, data) or not all(
            isinstance(content.get(name), dict) for name in ("result", "seconds")
        ):
            raise _damaged(path)
        arrays: dict[str, Array] = {}
        packed = path.with_suffix(".npz")
        if packed.is_file():
            stream = io.BytesIO(packed.read_bytes())
            try:
                with zipfile.ZipFile(stream) as archive:
                    for name in archive.namelist():
                        member = io.BytesIO(archive.read(name))
                        arrays[name.removesuffix(".npy")] = np.load(member, allow_pickle=False)
            except _BROKEN_ARCHIVE as error:
                raise _damaged(packed) from error
        return Result(cell, content["result"], content["seconds"], arrays)

    def read_all(self) -> Results:
        """Return all finished cells.

        Raises
        ------
        FileNotFoundError
            If there is no sweep.
        ValueError
            If it is one of another experiment, or a file is damaged.
        """
        sweep = self.read_sweep()
        if sweep is None:
            raise FileNotFoundError(f"out: given {str(self.path)!r}, where there is no sweep; run the experiment first")
        experiment = self.loaded.experiment
        if sweep["experiment"] != self.loaded.name or sweep["scale"] not in experiment.scales:
            raise ValueError(
                f"out: {self.path} holds a sweep of the experiment {sweep['experiment']!r} in the scale "
                f"{sweep['scale']!r}, expected one of {self.loaded.name!r}"
            )
        settings = experiment.scales[sweep["scale"]]
        cells = experiment.cells(settings, sweep["seeds"])
        found = [self.read(cell, sweep["data"]) for cell in cells]
        finished = [result for result in found if result is not None]
        return Results(sweep["scale"], settings, finished, len(cells) - len(finished))


def _as_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _damaged(path) from error
    if not isinstance(content, dict):
        raise _damaged(path)
    return content


def _damaged(path: Path) -> ValueError:
    return ValueError(f"{path} is damaged, or of another kind; remove it, and run the experiment again with --resume")
