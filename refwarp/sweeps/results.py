"""The results of a sweep: one JSON file for each cell, under a digest of its settings.

    FOLDER/sweep.json                   the experiment, its scale and the digests of its data
    FOLDER/cells/LABEL-DIGEST.json      a cell and its result; the first 12 digits of its digest
    FOLDER/cells/LABEL-DIGEST.npz       its arrays, if it has any
    FOLDER/unfinished/DIGEST.h5         the checkpoint of a cell under way, DIGEST.txt how far it is

Each file is written whole or not at all, and a cell's JSON file last, so that a cell is finished if it is there.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refwarp.files import atomic_write, lock, make_output_folder
from refwarp.sweeps.experiment import Array, LoadedExperiment, Outcome, cell_digest, cell_settings

_DIGITS = 12
_SWEEP = "sweep.json"


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
    def opened(self, scale: str, seeds: Sequence[int], data: Mapping[str, str], resume: bool) -> Iterator[None]:
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
            own: dict[str, Any] = {"experiment": self.loaded.name, "scale": scale, "data": dict(data)}
            if there is not None and not resume:
                raise ValueError(
                    f"out: {self.path} holds a sweep already; add --resume to go on with it, or give another folder"
                )
            if there is not None and {name: there.get(name) for name in own} != own:
                which = next(name for name in own if there.get(name) != own[name])
                raise ValueError(
                    f"out: {self.path} holds a sweep whose {which} is {there.get(which)!r}, and that of this one is "
                    f"{own[which]!r}; give another folder"
                )
            before = there["seeds"] if there is not None else []
            for folder in ("cells", "unfinished"):
                make_output_folder(self.path / folder)
            own["seeds"] = list(dict.fromkeys([*before, *seeds]))
            _write_json(self.path / _SWEEP, own)
            yield

    def read_sweep(self) -> dict[str, Any] | None:
        """Return what the folder says of its sweep; None if there is none, ValueError if it is damaged."""
        path = self.path / _SWEEP
        if not path.is_file():
            return None
        sweep = _read_json(path)
        if not isinstance(sweep.get("data"), dict) or not isinstance(sweep.get("seeds"), list):
            raise _damaged(path)
        return sweep

    # ---- its cells ----

    def cell_path(self, cell: Any, data: Mapping[str, str]) -> Path:
        """Return the file of a cell's result."""
        label = re.sub(r"[^A-Za-z0-9.]+", "-", self.loaded.experiment.label(cell)).strip("-")
        digest = cell_digest(self.loaded.name, cell, data)
        return self.path / "cells" / f"{label}-{digest[:_DIGITS]}.json"

    def unfinished_path(self, cell: Any, data: Mapping[str, str], suffix: str) -> Path:
        """Return a file of a cell that is under way."""
        return self.path / "unfinished" / (cell_digest(self.loaded.name, cell, data)[:_DIGITS] + suffix)

    def write(self, cell: Any, data: Mapping[str, str], outcome: Outcome) -> None:
        """Write a cell's result, and remove what was kept of it while it was under way."""
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
        content = {
            "experiment": self.loaded.name,
            "digest": cell_digest(self.loaded.name, cell, data),
            "data": dict(data),
            "cell": cell_settings(cell),
            "result": dict(outcome.result),
            "seconds": {name: round(seconds, 2) for name, seconds in outcome.seconds.items()},
        }
        _write_json(path, content)
        for suffix in (".h5", ".txt"):
            self.unfinished_path(cell, data, suffix).unlink(missing_ok=True)

    def read(self, cell: Any, data: Mapping[str, str]) -> Result | None:
        """Return a cell's result; None if it is not finished, ValueError if its file is damaged or of another cell."""
        path = self.cell_path(cell, data)
        if not path.is_file():
            return None
        content = _read_json(path)
        if content.get("digest") != cell_digest(self.loaded.name, cell, data) or content.get("cell") != cell_settings(
            cell
        ):
            raise _damaged(path)
        arrays: dict[str, Array] = {}
        packed = path.with_suffix(".npz")
        if packed.is_file():
            try:
                with np.load(packed, allow_pickle=False) as archive:
                    arrays = dict(archive)
            except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
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
        if sweep.get("experiment") != self.loaded.name or sweep.get("scale") not in experiment.scales:
            raise ValueError(
                f"out: {self.path} holds a sweep of the experiment {sweep.get('experiment')!r} in the scale "
                f"{sweep.get('scale')!r}, expected one of {self.loaded.name!r}"
            )
        settings = experiment.scales[sweep["scale"]]
        cells = experiment.cells(settings, sweep["seeds"])
        found = [self.read(cell, sweep["data"]) for cell in cells]
        finished = [result for result in found if result is not None]
        return Results(sweep["scale"], settings, finished, len(cells) - len(finished))


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


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
