"""The golden file: HDF5, format version 1, as docs/golden-format.md describes it.

A file is written whole or not at all, without timestamps: the same cases give the same bytes. Reading trusts
nothing. Names, types, shapes and the digest of the content are checked; nothing is unpickled or executed, and no
link out of the file is followed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t

from refwarp.files import atomic_write, check_input_file
from refwarp.golden.case import ELEMENT, RESULTS, SEAM, Case, Truth
from refwarp.golden.flags import FLAGS
from refwarp.golden.operations import OPERATIONS, PARTS
from refwarp.hdf5 import file_image, open_hdf5

FORMAT = "refwarp golden"
VERSION = 1

# More elements than this in one dataset are no golden case, whatever the file says.
_MOST_ELEMENTS = 2**24
# Datasets from this size on are compressed. A chunk costs some 150 bytes, which smaller ones would not save.
_COMPRESSED_FROM = 512

# The types of arrays, and what HDF5 calls them.
_DOUBLE = np.dtype("<f8")
_KINDS = {dtype: h5t.py_create(dtype) for dtype in (_DOUBLE, ELEMENT, SEAM)}
# The groups that a case may have.
_GROUPS = ("inputs", *PARTS, "seams", *(f"seams/{part}" for part in PARTS))


class GoldenFileError(ValueError):
    """A golden file that cannot be used, and what to do about it, in one sentence.

    It is missing, foreign, truncated, damaged, of a newer version, or open in another program.
    """


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
    image = file_image(lambda file: _fill(file, cases, generator), libver=("v110", "v110"), track_order=False)
    with atomic_write(path) as temporary:
        temporary.write_bytes(image)


def read(path: str | os.PathLike[str]) -> Golden:
    """Read a golden file and check all of it.

    Raises
    ------
    GoldenFileError
        If it cannot be used.
    """
    with _opened(path) as file:
        header = _read_header(path, file)
        cases = tuple(_read_case(name, group, what) for name, group, what in _case_groups(file))
        if header.case_count != len(cases) or digest(cases, header.generator, header.flags) != header.digest:
            raise ValueError("the digest of the content differs")
    return Golden(cases, header.generator, header.flags, header.digest)


def read_case(path: str | os.PathLike[str], name: str) -> Case:
    """Read one case of a golden file, and check it alone: that the whole is undamaged only `read` can tell.

    Parameters
    ----------
    path : path
        The file.
    name : str
        The case's.

    Raises
    ------
    GoldenFileError
        As `read` does.
    ValueError
        If there is no such case.
    """
    with _opened(path) as file:
        _read_header(path, file)
        groups = {found: (group, what) for found, group, what in _case_groups(file)}
        if name in groups:
            return _read_case(name, *groups[name])
    raise no_such_case(name, groups)


def no_such_case(name: str, known: Iterable[str]) -> ValueError:
    """Return an error that says which cases of a file have the names nearest to one that there is not."""
    nearest = get_close_matches(name, list(known), n=3, cutoff=0.0)
    return ValueError(f"case: given {name!r}, which there is not; the nearest are {', '.join(nearest)}")


def check_version(path: str | os.PathLike[str], version: object) -> None:
    """Raise GoldenFileError unless a file's format version, whatever stands in its place, is the one that is read."""
    if type(version) is not int or version != VERSION:
        raise GoldenFileError(
            f"{path} has format version {reprlib.repr(version)} while this refwarp reads version {VERSION}; "
            "install a refwarp that reads it"
        )


def check_case(case: Case, stated: Mapping[str, str]) -> None:
    """Raise ValueError unless a case makes sense, and is what the attributes in its file state, in their text."""
    if case.operation not in OPERATIONS or case.result not in RESULTS:
        raise ValueError(f"{case.name!r} has an operation or a result that there is not")
    for path in (*case.outputs, *case.seams):
        if path.partition("/")[0] not in PARTS:
            raise ValueError(f"{path!r} is no part of a case")
    for path, hulls in case.seams.items():
        if any(truth.elements.shape != hulls.shape for truth in case.conventions(path).values()):
            raise ValueError(f"the seams of {case.name!r} have another shape than {path}")
    if _attributes(case) != stated:
        raise ValueError(f"the attributes of {case.name!r} contradict its content")


# ---- what is in the file ----

_REMEDY = "`refwarp golden build --out FILE`"


def _fill(file: Any, cases: Sequence[Case], generator: str) -> None:
    """Put the cases into an empty file."""
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
#
# By h5py's lower level: the suite has thousands of arrays, and the upper level takes most of the time for each.


class _Header(NamedTuple):
    case_count: int
    generator: str
    flags: Mapping[str, Mapping[str, str]]
    digest: str


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open a file, and turn what goes wrong with it into one sentence."""
    try:
        check_input_file(path, "golden", f"a golden file, as made by {_REMEDY}")
    except (OSError, ValueError) as error:
        raise GoldenFileError(str(error)) from error
    try:
        opened = open_hdf5(path)
    except OSError as error:
        raise GoldenFileError(str(error)) from error
    except ValueError as error:
        raise GoldenFileError(f"{error}; get it again, or make one with {_REMEDY}") from error
    try:
        with opened as file:
            yield file
    except GoldenFileError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError) as error:
        # What h5py raises on broken files is as varied as the damage.
        raise GoldenFileError(
            f"{path} is truncated or damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__}); "
            f"get it again, or make one with {_REMEDY}"
        ) from error


def _read_header(path: str | os.PathLike[str], file: Any) -> _Header:
    found = file.attrs
    if "format" not in found or _read_text(found["format"]) != FORMAT:
        raise GoldenFileError(f"{path} is an HDF5 file but no golden file; give one made by {_REMEDY}")
    check_version(path, int(found["version"]))
    flags = json.loads(_read_text(found["flags"]))
    return _Header(int(found["cases"]), _read_text(found["generator"]), flags, _read_text(found["digest"]))


def _read_text(stored: Any) -> str:
    if isinstance(stored, str):
        return stored
    if not isinstance(stored, bytes):
        raise ValueError(f"found {type(stored).__name__} where text belongs")
    return stored.decode()


def _case_groups(file: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield the names of all cases in their order; for each the group that it is in, and its name there."""
    for operation in sorted(_names(file.id)):
        group = _open(file.id, operation, h5g.GroupID)
        yield from ((f"{operation}/{what}", group, what) for what in sorted(_names(group)))


def _open(group: Any, path: str, kind: type) -> Any:
    """Return an object of a kind at a path below a group."""
    found = h5o.open(group, path.encode())
    if not isinstance(found, kind):
        raise ValueError(f"{path!r} is {'an array' if kind is h5g.GroupID else 'no array'}")
    return found


def _names(group: Any, below: bool = False) -> list[str]:
    """Return the names in a group, or the paths of all that lies below it; each must lie in this file."""
    names: list[bytes] = []
    # Python code, and an interrupt in it, must not come between: h5py makes a SystemError of what is raised there.
    (group.links.visit if below else group.links.iterate)(names.append)
    for name in names:
        if group.links.get_info(name).type != h5l.TYPE_HARD:
            raise ValueError(f"{name.decode()!r} is a link")
    return [name.decode() for name in names]


def _read_attributes(group: Any) -> dict[str, str]:
    """Return the attributes of a group, which must be text."""
    found = {}
    for index in range(h5a.get_num_attrs(group)):
        attribute = h5a.open(group, index=index)
        name, kind = attribute.name.decode(), attribute.get_type()
        if isinstance(kind, h5t.TypeStringID) and not kind.is_variable_str() and attribute.shape == ():
            stored = np.empty((), f"S{kind.get_size()}")
            attribute.read(stored, kind)
            found[name] = _read_text(stored[()])
        else:
            found[name] = _read_text(h5py.Group(group).attrs[name])
    return found


def _read_array(group: Any, path: str, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the array of a dataset that lies in this file and is what it should be, and the dataset."""
    dataset, kind = _open(group, path, h5d.DatasetID), _KINDS[dtype]
    space, properties = dataset.get_space(), dataset.get_create_plist()
    shape, size = space.shape, space.get_simple_extent_npoints()
    if not dataset.get_type().equal(kind) or size != math.prod(shape):  # it differs where there is no array at all
        raise ValueError(f"{path!r} is no array of the expected type")
    if properties.get_external_count() or properties.get_layout() == h5d.VIRTUAL or size > _MOST_ELEMENTS:
        raise ValueError(f"{path!r} lies outside of the file, or is too large")
    array = np.empty(shape, dtype)
    dataset.read(h5s.ALL, h5s.ALL, array, kind)
    return array, dataset


def _read_truth(group: Any, path: str) -> Truth:
    elements, dataset = _read_array(group, path, ELEMENT)
    attribute, c = h5a.open(dataset, b"c"), np.empty((), _DOUBLE)
    if attribute.shape != () or not attribute.get_type().equal(_KINDS[_DOUBLE]):
        raise ValueError(f"the constant of {path!r} is no number")
    attribute.read(c)
    return Truth(float(c), elements)


def _read_case(name: str, above: Any, what: str) -> Case:
    """Return the case that is in a group `above` under the name `what`."""
    group = _open(above, what, h5g.GroupID)
    text = _read_attributes(group)
    paths = {*_names(group, below=True), "inputs"}
    full = {path.rpartition("/")[0] for path in paths}
    inputs: dict[str, Any] = {}
    outputs: dict[str, Truth] = {}
    seams: dict[str, Any] = {}
    for path in sorted(paths):
        place, _, key = path.rpartition("/")
        if path in _GROUPS:
            if path not in full:
                _open(group, path, h5g.GroupID)
        elif place == "inputs":
            inputs[key] = _read_array(group, path, _DOUBLE)[0]
        elif place in PARTS:
            outputs[path] = _read_truth(group, path)
        elif place in _GROUPS and place != "seams":
            seams[path.removeprefix("seams/")] = _read_array(group, path, SEAM)[0]
        else:
            raise ValueError(f"{path!r} is no part of a case")
    flags = tuple(text["flags"].split())
    options = json.loads(text["options"])
    case = Case(name, options, inputs, flags, text["comment"], text["result"], outputs, seams)
    check_case(case, text)
    return case
