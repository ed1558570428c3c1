"""What an experiment is: a file in `experiments/` that says which cells it has, and what one cell computes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from refwarp.arguments import check_option
from refwarp.files import check_input_file, checkout_folder

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Outcome:
    """What one cell computed.

    Attributes
    ----------
    result : mapping
        Numbers and texts that JSON can hold. The same cell gives the same ones, bit for bit, on the same machine.
    seconds : mapping of str to float
        How long what took. It differs from run to run.
    arrays : mapping of str to ndarray
        What pictures are drawn from; kept in a file beside the result.
    """

    result: Mapping[str, Any]
    seconds: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Surroundings:
    """What a cell is computed with, none of which changes its result.

    Attributes
    ----------
    data : Path or None
        The folder of the data sets.
    device : str
        "cpu" or "cuda".
    checkpoint : Path
        Where the cell may save its state. If the file is there, the cell was interrupted, and goes on from it.
    report : callable
        `report(done, total, text)` says how far the cell is, in steps of its own, and how it is doing.
    """

    data: Path | None
    device: str
    checkpoint: Path
    report: Callable[[int, int, str], None]


@dataclass(frozen=True)
class Experiment:
    """A table or a figure of a paper, as cells that can be computed one by one.

    A cell is a frozen dataclass of numbers, texts and booleans that holds everything that determines its result. Its
    field `seed` is the seed of all that is random in it. Results are kept under a digest of the fields whose values are
    not the defaults, so old ones stay valid if a field is added whose default says what was computed before. A default
    never changes: results of the old one would be taken for those of the new one.

    Attributes
    ----------
    title : str
        What is shown, in a few words.
    source : str
        The paper, and its table or figure.
    cell : type
        The dataclass of the cells.
    scales : mapping of str to Any
        The settings of each scale: "tiny", "small", "paper" and others, each with an attribute `seeds`, a sequence of
        seeds.
    cells : callable
        `cells(settings, seeds)` returns the cells of a scale.
    compute : callable
        `compute(cell, surroundings)` returns the `Outcome` of a cell. A ValueError, an ArithmeticError or a MemoryError
        is about this cell, and others are computed all the same; any other exception ends the sweep.
    label : callable
        `label(cell)` returns a name of a cell for people; no two cells of a scale have the same.
    seconds : callable
        `seconds(cell)` returns roughly how long a cell takes on one core.
    data : callable
        `data(settings, folder)` returns a digest for each data set that a scale needs, by name. It raises OSError or
        ValueError if one is missing or damaged.
    report : callable
        `report(results)` returns the `refwarp.sweeps.report.Report` of the `refwarp.sweeps.results.Results` of a scale.
    """

    title: str
    source: str
    cell: type[Any]
    scales: Mapping[str, Any]
    cells: Callable[[Any, Sequence[int]], Sequence[Any]]
    compute: Callable[[Any, Surroundings], Outcome]
    label: Callable[[Any], str]
    seconds: Callable[[Any], float]
    data: Callable[[Any, Path | None], Mapping[str, str]]
    report: Callable[[Any], Any]


@dataclass(frozen=True)
class LoadedExperiment:
    """An experiment and the file that it was read from.

    Attributes
    ----------
    experiment : Experiment
        The experiment.
    path : Path
        Its file.
    module : ModuleType
        What Python made of the file.
    """

    experiment: Experiment
    path: Path
    module: ModuleType

    @property
    def name(self) -> str:
        """The name of the file without its suffix."""
        return self.path.stem


def experiments_folder() -> Path:
    """Return the folder of the experiments; FileNotFoundError where refwarp is installed without one."""
    folder = checkout_folder("experiments")
    if folder is None:
        raise FileNotFoundError(
            "experiments: they are files of a checkout of refwarp, and this one is installed without them; "
            "clone the repository and install it with pip install --editable '.[data]'"
        )
    return folder


def experiment_names() -> list[str]:
    """Return the names of all experiments."""
    return sorted(path.stem for path in experiments_folder().glob("*.py") if not path.stem.startswith("_"))


def load_experiment(name: str | Path) -> LoadedExperiment:
    """Return an experiment.

    Parameters
    ----------
    name : str or path
        The name of a file in `experiments/`, without its suffix; or the path of any such file, with it.

    Raises
    ------
    ValueError
        If there is no such experiment, or the file has none.
    FileNotFoundError
        If there is no such file, or there are no experiments here.
    ImportError
        If the file imports what is not installed.
    Exception
        What else its statements raise; in place of ValueError and OSError, which would be taken for wrong input, a
        RuntimeError that has it as its cause.
    """
    path = Path(name)
    if path.suffix != ".py":
        check_option("name", str(name), tuple(experiment_names()))
        path = experiments_folder() / f"{name}.py"
    path = check_input_file(path, "name", "the file of an experiment").resolve()
    with _loading:
        module = _load(path)
    experiment = getattr(module, "EXPERIMENT", None)
    if not isinstance(experiment, Experiment):
        raise ValueError(f"name: given {str(name)!r}, a file without an Experiment named EXPERIMENT")
    return LoadedExperiment(experiment, path, module)


_loading = threading.RLock()
# What was loaded under the name of each module, and the file's content: it may change while a cluster's worker lives.
_loaded: dict[str, tuple[Path, bytes]] = {}


def _load(path: Path) -> ModuleType:
    """Return the module of a file, as it is now."""
    name, content = f"refwarp_experiment_{path.stem}", path.read_bytes()
    if _loaded.get(name) == (path, content):
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # where dataclasses look for it
    _loaded.pop(name, None)
    try:
        specification.loader.exec_module(module)
    except ImportError as error:
        raise ImportError(f"{path} cannot be imported: {error}") from error
    except (ValueError, OSError) as error:  # which the command line would tell without the place
        raise RuntimeError(f"{path} cannot be imported") from error
    _loaded[name] = (path, content)
    return module


def cell_settings(cell: Any) -> dict[str, Any]:
    """Return a cell as a dictionary, without what has its default value: so a cell may be given further fields."""
    return {
        item.name: getattr(cell, item.name)
        for item in fields(cell)
        if item.default is MISSING or getattr(cell, item.name) != item.default
    }


def cell_digest(name: str, cell: Any, data: Mapping[str, str]) -> str:
    """Return the digest of a cell: of its experiment's name, of its settings, and of the data's digests."""
    content = {"experiment": name, "cell": cell_settings(cell), "data": dict(data)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
