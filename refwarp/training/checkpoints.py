"""Files that hold the state of a training run, and are either whole or not there.

A state is a nested dictionary: of arrays, and of what JSON can say (numbers, strings, booleans, None, lists of
these). In HDF5 a dictionary is a group, an array a dataset, and all else a dataset of JSON text, which keeps every
bit of a Python float and integers of any length, such as the 128 bits of a Generator. Nothing is pickled, so a file
from a stranger can't run code.

A file is either the old one or the new one, whenever the program is killed (`refwarp.files`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from refwarp.files import atomic_write

FORMAT, VERSION = "refwarp state", 1

State = dict[str, Any]


def _store(group: h5py.Group, state: Mapping[str, Any], place: str) -> None:
    for name, value in state.items():
        if not isinstance(name, str) or name in ("", ".", "..") or "/" in name:
            raise TypeError(f"state{place}: given the key {name!r}, expected a string without '/', not empty or dots")
        if isinstance(value, Mapping):
            _store(group.create_group(name, track_order=True), value, f"{place}[{name!r}]")
        elif isinstance(value, np.ndarray | np.generic):
            if value.dtype.kind not in "biufc":
                raise TypeError(f"state{place}[{name!r}]: given dtype {value.dtype}, expected numbers or booleans")
            group[name] = value
        else:
            try:
                group[name] = json.dumps(value)
            except TypeError as error:
                raise TypeError(
                    f"state{place}[{name!r}]: given {type(value).__name__}, expected a dictionary, an array, "
                    "or what JSON can hold"
                ) from error


def _retrieve(group: h5py.Group) -> State:
    if not isinstance(group, h5py.Group):
        raise ValueError("a dataset where a group is expected")
    state: State = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            state[name] = _retrieve(item)
        elif h5py.check_string_dtype(item.dtype) is not None:
            state[name] = json.loads(item.asstr()[()])
        else:
            state[name] = item[...]
    return state


def save_state(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a state to an HDF5 file, atomically.

    Parameters
    ----------
    path : path
        The file; an older one is replaced.
    state : mapping
        Nested dictionaries of arrays (numbers or booleans) and of what JSON can hold; keys are strings without "/".

    Raises
    ------
    TypeError
        If the state holds anything else; no file is touched then.
    ValueError
        If a folder, a device or a pipe is at `path`.
    OSError
        If the folder is missing or cannot be written to.
    """
    with atomic_write(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        _store(file.create_group("state", track_order=True), state, "")


def load_state(path: str | Path) -> State:
    """Read what `save_state` wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    dict
        The state, with the bits that were saved. A NumPy scalar comes back as an array without axes, a tuple as a
        list.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, no checkpoint, or one of a newer version of refwarp.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such checkpoint; check the name, or start without resuming")
    try:
        with h5py.File(path, "r") as file:
            known, version = file.attrs.get("format") == FORMAT, file.attrs.get("version", 0)
            state = _retrieve(file["state"]) if known and version == VERSION else {}
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read as a checkpoint: it is truncated, damaged or of another kind; name another, or "
            "remove it and start again"
        ) from error
    if not known:
        raise ValueError(f"{path} is an HDF5 file, but no checkpoint of refwarp; name another")
    if version != VERSION:
        raise ValueError(
            f"{path} is a checkpoint of format {version}, and this refwarp reads format {VERSION}; "
            "install a newer refwarp"
        )
    return state
