"""Files that hold the state of a training run, and are either whole or not there.

A state is a nested dictionary: of arrays, and of what JSON can say (numbers, strings, booleans, None, lists of
these). In HDF5 a dictionary is a group, an array a dataset, and all else a dataset of JSON text, which keeps every
bit of a Python float and integers of any length that Python reads, such as the 128 bits of a Generator. Nothing is
pickled, so a file from a stranger can't run code.

A file is either the old one or the new one, whenever the program is killed (`refwarp.files`), and before it is
written, the state is read back from its bytes and compared. Format 2: the file begins with 512 bytes of text, zeros
after it, that HDF5 leaves to its user:

    refwarp state 2
    sha256 <hexadecimal digits> of the bytes from 512 on

The digest is of bytes and not of values, so that it is checked before HDF5 sees any of them: HDF5 crashes on some
damaged files.
"""

from __future__ import annotations

import hashlib
import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from refwarp.files import atomic_write, check_input_file
from refwarp.hdf5 import file_image, member, open_bytes, open_image

FORMAT, VERSION = b"refwarp state", 2
# The size of the text before the HDF5 file, a power of two from 512 on.
_OFFSET = 512
_HDF5 = b"\x89HDF\r\n\x1a\n"
# Far from what Python and HDF5 can follow, wherever a state is loaded.
_MOST_LEVELS = 100

State = dict[str, Any]


def save_state(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a state to an HDF5 file, atomically.

    Parameters
    ----------
    path : path
        The file; an older one is replaced.
    state : mapping
        Nested dictionaries of arrays (numbers or booleans) and of what JSON can hold, at most 100 levels of them;
        keys are strings without "/", NUL and lone surrogates. NaN and infinity are numbers like any other.

    Raises
    ------
    TypeError
        If the state holds anything that `load_state` would not give back as it is: keys or values of another type,
        subclasses, itself; the message says where. No file is touched then.
    ValueError
        If a folder, a device or a pipe is at `path`.
    OSError
        If the folder is missing or cannot be written to, or the disk is full. The older file stays then.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"state: given {type(state).__name__}, expected a dictionary")
    image = file_image(lambda file: _store(file, {"state": state}, "", ()), track_order=True)
    with open_image(image) as file:
        _check_kept(state, _retrieve(member(file, "state")), "", 0)
    with atomic_write(path) as temporary:
        temporary.write_bytes(_header(hashlib.sha256(image).hexdigest().encode()) + image)


def load_state(path: str | Path) -> State:
    """Read what `save_state` wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    dict
        The state, with the bits that were saved, NaN included. A NumPy scalar comes back as an array without axes, a
        tuple as a list.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, damaged in any byte, no checkpoint, one of another version of refwarp, or larger than the
        memory; or if a folder, a device or a pipe is at `path`.
    OSError
        As `refwarp.hdf5.open_bytes` does.
    """
    check_input_file(path, "path", "a checkpoint")
    try:
        return _load(path)
    except MemoryError as error:
        raise ValueError(f"{path} is larger than the memory that is free; name another, or free memory") from error


# ---- what is in the file ----


def _load(path: str | Path) -> State:
    with open_bytes(path) as file:
        digest = _read_header(path, file.read(_OFFSET))  # first: what is no checkpoint may be of any size
        image = file.read()
    try:
        if hashlib.sha256(image).hexdigest().encode() != digest:
            raise ValueError("its digest differs")
        with open_image(image) as opened:
            return _retrieve(member(opened, "state"))
    # What h5py raises on broken files is as varied as the damage.
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise _unusable(path) from error


def _read_header(path: str | Path, header: bytes) -> bytes:
    """Return the digest, in hexadecimal, in the text before an HDF5 file; ValueError if that is another text."""
    if header.startswith(_HDF5):
        raise ValueError(
            f"{path} is an HDF5 file, but no checkpoint of refwarp in format {VERSION}, which begins with a digest; "
            "name another"
        )
    version = header.partition(b"\n")[0].removeprefix(FORMAT + b" ")
    if header.startswith(FORMAT) and version.isdigit() and int(version) > VERSION:
        raise ValueError(
            f"{path} is a checkpoint of format {int(version)}, and this refwarp reads format {VERSION}; "
            "install a newer refwarp"
        )
    digest = header.partition(b"sha256 ")[2][:64]
    if header != _header(digest):
        raise _unusable(path)
    return digest


def _unusable(path: str | Path) -> ValueError:
    return ValueError(
        f"{path} cannot be read as a checkpoint: it is truncated, damaged, of another kind, or another program "
        "has had it open to write into it; name another, or remove it and start again"
    )


def _header(digest: bytes) -> bytes:
    """Return the text before an HDF5 file: what this is, and the digest of the file."""
    text = b"%b %d\nsha256 %b of the bytes from %d on\n"
    return (text % (FORMAT, VERSION, digest, _OFFSET)).ljust(_OFFSET, b"\0")


def _store(group: h5py.Group, state: Mapping[str, Any], place: str, parents: tuple[Any, ...]) -> None:
    for name, value in state.items():
        _check_key(name, place)
        there = f"{place}[{name!r}]" if parents else ""
        if isinstance(value, Mapping):
            if len(parents) > _MOST_LEVELS or any(value is parent for parent in parents):
                raise TypeError(f"state{there}: it contains itself, or has more than {_MOST_LEVELS} levels")
            _store(group.create_group(name, track_order=True), value, there, (*parents, value))
        elif isinstance(value, np.ndarray | np.generic):
            if value.dtype.kind not in "biufc":
                raise TypeError(f"state{there}: given dtype {value.dtype}, expected numbers or booleans")
            group[name] = np.asarray(value)
        else:
            try:
                # What JSON cannot hold becomes null, which `_check_kept` finds, and knows where.
                group[name] = np.bytes_(json.dumps(value, default=lambda _: None))
            except (TypeError, ValueError, RecursionError) as error:
                raise TypeError(f"state{there}: JSON cannot hold it ({error}); expected what it can hold") from error


def _check_key(name: object, place: str) -> None:
    """Raise TypeError unless HDF5 can keep a name as it is."""
    if (
        type(name) is not str
        or name in ("", ".", "..")
        or any(character in "/\0" or "\ud800" <= character <= "\udfff" for character in name)
    ):
        raise TypeError(
            f"state{place}: given the key {name!r}, expected a string without '/', NUL and lone surrogates, not empty "
            "or dots"
        )


def _check_kept(given: Any, kept: Any, place: str, level: int) -> None:
    """Raise TypeError unless what comes back is what was given."""
    if level > _MOST_LEVELS:
        raise TypeError(f"state{place}: given more than {_MOST_LEVELS} levels")
    if isinstance(given, Mapping) and isinstance(kept, dict):
        for key, value in given.items():
            if type(key) is not str or key not in kept:
                raise TypeError(f"state{place}: given the key {key!r}, expected a string that JSON can keep")
            _check_kept(value, kept[key], f"{place}[{key!r}]", level + 1)
    elif type(given) in (list, tuple) and isinstance(kept, list):
        for position, (value, other) in enumerate(zip(given, kept, strict=True)):
            _check_kept(value, other, f"{place}[{position}]", level + 1)
    elif isinstance(kept, np.ndarray):
        if not (type(given) is np.ndarray or isinstance(given, np.generic)):
            raise TypeError(f"state{place}: given {type(given).__name__}, which would come back as a plain array")
        if (given.dtype, given.shape, given.tobytes()) != (kept.dtype, kept.shape, kept.tobytes()):
            raise TypeError(f"state{place}: given an array of {given.dtype}, which HDF5 does not keep as it is")
    elif type(given) is not type(kept):
        raise TypeError(
            f"state{place}: given {type(given).__name__}, expected a dictionary, an array, or what JSON can hold"
        )
    elif repr(given) != repr(kept):  # so that nan is nan, and -0.0 not 0.0
        raise TypeError(f"state{place}: given {reprlib.repr(given)}, which would come back as {reprlib.repr(kept)}")


def _retrieve(group: h5py.Group) -> State:
    """Return what a group holds; ValueError if it is none, or holds anything that `_store` does not write."""
    if not isinstance(group, h5py.Group):
        raise ValueError("no group where one is expected")
    state: State = {}
    for name in group:
        item = member(group, name)
        if isinstance(item, h5py.Group):
            state[name] = _retrieve(item)
            continue
        if not isinstance(item, h5py.Dataset) or item.shape is None or item.dtype.kind not in "biufcS":
            raise ValueError(f"{name!r} is neither a group nor an array")
        if item.external or item.id.get_storage_size() != item.size * item.dtype.itemsize:
            raise ValueError(f"{name!r} lies outside of the file, or is larger")
        state[name] = json.loads(item[()]) if item.dtype.kind == "S" else item[...]
    return state
