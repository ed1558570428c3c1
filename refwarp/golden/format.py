"""The golden file: HDF5, format version 1, as docs/golden-format.md describes it.

A file is written whole or not at all, without timestamps: the same cases give the same bytes. Reading trusts
nothing. Names, types, shapes and the digest of the content are checked; nothing is unpickled or executed, and no
link out of the file is followed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from refwarp.files import atomic_write
from refwarp.golden.case import ELEMENT, INPUT_DTYPES, RESULTS, SEAM, Case, Truth
from refwarp.golden.flags import FLAGS
from refwarp.golden.operations import OPERATIONS, PARTS

FORMAT = "refwarp golden"
VERSION = 1

# More elements than this in one dataset are no golden case, whatever the file says.
_MOST_ELEMENTS = 2**24
# Datasets from this size on are compressed. A chunk costs some 150 bytes, which smaller ones would not save.
_COMPRESSED_FROM = 512


class GoldenFileError(ValueError):
    """A golden file that cannot be used, and what to do about it, in one sentence."""


@dataclass(frozen=True)
class Golden:
    """What a golden file holds.

    Attributes
    ----------
    cases : tuple of Case
        In the order of their names.
    generator : str
        The version of what built them.
    flags : mapping of str to mapping
        What each flag says: its kind, its description, its thread.
    digest : str
        Of all this, in hexadecimal.
    """

    cases: tuple[Case, ...]
    generator: str
    flags: Mapping[str, Mapping[str, str]]
    digest: str


def canonical_json(content: Any) -> str:
    """Return the canonical JSON of some content: one line of ASCII, with sorted keys and without spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(cases: Sequence[Case], generator: str, flags: Mapping[str, Mapping[str, str]]) -> str:
    """Return the content digest: SHA-256 over a canonical serialisation, in hexadecimal.

    For the header and then for each case, in the order of their names: a line of JSON with sorted keys, and for a
    case the bytes of its inputs, of its outputs and of its seams, each in the order of their names.
    """
    sha = hashlib.sha256()

    def line(content: dict[str, Any]) -> None:
        sha.update(canonical_json(content).encode() + b"\n")

    text = canonical_json(flags)
    line({"format": FORMAT, "version": VERSION, "generator": generator, "cases": len(cases), "flags": text})
    for case in sorted(cases, key=lambda case: case.name):
        inputs, outputs, seams = sorted(case.inputs.items()), sorted(case.outputs.items()), sorted(case.seams.items())
        line(
            {
                "name": case.name,
                **_attributes(case),
                "inputs": {name: array.shape for name, array in inputs},
                "outputs": {name: [truth.c, truth.elements.shape] for name, truth in outputs},
                "seams": {name: array.shape for name, array in seams},
            }
        )
        for _, array in inputs:
            sha.update(np.ascontiguousarray(array, "<f8").tobytes())
        for _, truth in outputs:
            sha.update(np.ascontiguousarray(truth.elements, ELEMENT).tobytes())
        for _, hulls in seams:
            sha.update(np.ascontiguousarray(hulls, SEAM).tobytes())
    return sha.hexdigest()


def write(path: str | os.PathLike[str], cases: Sequence[Case], generator: str) -> None:
    """Write a golden file, whole or not at all.

    Parameters
    ----------
    path : path
        The final name; its folder must exist.
    cases : sequence of Case
        With their outputs.
    generator : str
        The version of what built them.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with (
        atomic_write(path) as temporary,
        h5py.File(temporary, "w", libver=("v110", "v110"), track_order=False) as file,
    ):
        flags = {name: flag._asdict() for name, flag in FLAGS.items()}
        content = digest(cases, generator, flags)
        header = {"format": FORMAT, "generator": generator, "digest": content, "flags": canonical_json(flags)}
        for name, text in header.items():
            file.attrs[name] = _text(text)
        file.attrs["version"] = np.int64(VERSION)
        file.attrs["cases"] = np.int64(len(cases))
        for case in sorted(cases, key=lambda case: case.name):
            group = file.create_group(case.name)
            for name, text in _attributes(case).items():
                group.attrs[name] = _text(text)
            inputs = group.create_group("inputs")
            for name, array in sorted(case.inputs.items()):
                _create(inputs, name, np.asarray(array, "<f8", order="C"))
            for name, truth in sorted(case.outputs.items()):
                _create(group, name, truth.elements).attrs["c"] = np.float64(truth.c)
            for name, seams in sorted(case.seams.items()):
                _create(group, f"seams/{name}", seams)


def read(path: str | os.PathLike[str]) -> Golden:
    """Read a golden file and check all of it.

    Raises
    ------
    GoldenFileError
        If the file is missing, foreign, truncated, damaged, or of a newer version.
    """
    with _opened(Path(path)) as file:
        found = file.attrs
        if "format" not in found or _read_text(found["format"]) != FORMAT:
            raise GoldenFileError(f"{path} is an HDF5 file but no golden file; give one made by {_REMEDY}")
        version = int(found["version"])
        if version != VERSION:
            raise GoldenFileError(
                f"{path} has format version {version} while this refwarp reads version {VERSION}; "
                "install a refwarp that reads it"
            )
        generator, expected = _read_text(found["generator"]), _read_text(found["digest"])
        flags = json.loads(_read_text(found["flags"]))
        cases = tuple(
            _read_case(f"{operation}/{name}", _group(_group(file, operation), name))
            for operation in sorted(file)
            for name in sorted(_group(file, operation))
        )
        if int(found["cases"]) != len(cases) or digest(cases, generator, flags) != expected:
            raise ValueError("the digest of the content differs")
    return Golden(cases, generator, flags, expected)


# ---- what is in the file ----

_REMEDY = "`refwarp golden build --out FILE`"


def _attributes(case: Case) -> dict[str, str]:
    """Return a case's attributes, as they are stored and digested."""
    return {
        "operation": case.operation,
        "options": canonical_json(dict(case.options)),
        "flags": " ".join(case.flags),
        "comment": case.comment,
        "dtype": case.dtype,
        "result": case.result,
    }


def _text(text: str) -> Any:
    """Return text as HDF5 stores it here: UTF-8 of a fixed length."""
    data = text.encode()
    return np.array(data, h5py.string_dtype("utf-8", max(len(data), 1)))


def _create(group: Any, name: str, array: Any) -> Any:
    compressed = {"compression": "gzip", "compression_opts": 9, "shuffle": True, "chunks": array.shape}
    return group.create_dataset(
        name, data=array, track_times=False, **(compressed if array.nbytes >= _COMPRESSED_FROM else {})
    )


# ---- reading: everything is checked ----


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file, and turn what goes wrong with it into one sentence."""
    if not path.is_file():
        raise GoldenFileError(f"{path} is no file; give the path of a golden file, or make one with {_REMEDY}")
    if not os.access(path, os.R_OK):
        raise GoldenFileError(f"{path} cannot be read; check its permissions")
    if not h5py.is_hdf5(path):
        raise GoldenFileError(f"{path} is no HDF5 file; give a golden file, or make one with {_REMEDY}")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except GoldenFileError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError) as error:
        # What h5py raises on broken files is as varied as the damage.
        raise GoldenFileError(
            f"{path} is truncated or damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__}); "
            f"get it again, or make one with {_REMEDY}"
        ) from error


def _read_text(stored: Any) -> str:
    if isinstance(stored, str):
        return stored
    if not isinstance(stored, bytes):
        raise ValueError(f"found {type(stored).__name__} where text belongs")
    return stored.decode()


def _member(group: Any, name: str) -> Any:
    """Return a member of a group that lies in this file."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name!r} is missing, or a link")
    return group[name]


def _group(group: Any, name: str) -> Any:
    member = _member(group, name)
    if not isinstance(member, h5py.Group):
        raise ValueError(f"{name!r} is no group")
    return member


def _read_array(group: Any, name: str, dtype: Any) -> tuple[Any, Any]:
    """Return the array of a dataset that lies in this file and is what it should be, and the dataset."""
    dataset = _member(group, name)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype != dtype or dataset.shape is None:
        raise ValueError(f"{name!r} is no array of the expected type")
    if dataset.external or dataset.is_virtual or dataset.size > _MOST_ELEMENTS:
        raise ValueError(f"{name!r} lies outside of the file, or is too large")
    return np.asarray(dataset[()]), dataset


def _read_truth(group: Any, name: str) -> Truth:
    elements, dataset = _read_array(group, name, ELEMENT)
    return Truth(float(dataset.attrs["c"]), elements)


def _read_seam(group: Any, name: str) -> Any:
    return _read_array(group, name, SEAM)[0]


def _read_parts(group: Any, read_one: Callable[[Any, str], Any], others: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a group holds by "part/output"; `others` are the members that it may have besides."""
    if foreign := set(group) - {*PARTS, *others}:
        raise ValueError(f"{min(foreign)!r} is no part of a case")
    parts = {part: _group(group, part) for part in PARTS if part in group}
    return {f"{part}/{key}": read_one(members, key) for part, members in parts.items() for key in sorted(members)}


def _read_case(name: str, group: Any) -> Case:
    text = {key: _read_text(value) for key, value in group.attrs.items()}
    operation = text["operation"]
    if operation not in OPERATIONS or text["result"] not in RESULTS or text["dtype"] not in INPUT_DTYPES:
        raise ValueError(f"{name!r} has an operation, a result or a dtype that there is not")
    inputs = _group(group, "inputs")
    case = Case(
        name,
        json.loads(text["options"]),
        {key: _read_array(inputs, key, np.dtype("<f8"))[0] for key in sorted(inputs)},
        tuple(text["flags"].split()),
        text["comment"],
        text["result"],
        _read_parts(group, _read_truth, ("inputs", "seams")),
        _read_parts(_group(group, "seams"), _read_seam) if "seams" in group else {},
    )
    for path, hulls in case.seams.items():
        if any(truth.elements.shape != hulls.shape for truth in case.conventions(path).values()):
            raise ValueError(f"the seams of {name!r} have another shape than {path}")
    if _attributes(case) != text:
        raise ValueError(f"the attributes of {name!r} contradict its content")
    return case
