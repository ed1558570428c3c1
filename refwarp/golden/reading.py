"""Golden files of either kind: HDF5, as `format` writes them, and JSON, as `export` does."""

from __future__ import annotations

import codecs
import gzip
import json
import math
import os
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden import format
from refwarp.golden.case import ELEMENT, SEAM, Case, Truth
from refwarp.golden.format import FORMAT, Golden, GoldenFileError, check_case, check_version, digest, no_such_case

# A document of more characters, when it is no longer compressed, is none of ours, whatever it says.
_MOST_CHARACTERS = 2**30
_GZIP = b"\x1f\x8b"
# Where JSON is told from HDF5, whose files begin otherwise: an editor may have put a mark and some blanks before it.
_MOST_BLANKS = 512


def read(path: str | os.PathLike[str]) -> Golden:
    """Read a golden file of either kind and check all of it.

    Raises
    ------
    GoldenFileError
        If it cannot be used.
    """
    return _read_document(path) if _is_document(path) else format.read(path)


def read_case(path: str | os.PathLike[str], name: str) -> Case:
    """Read one case of a golden file of either kind; of HDF5 only that one is read and checked.

    Raises
    ------
    GoldenFileError
        As `read` does.
    ValueError
        If there is no such case.
    """
    if not _is_document(path):
        return format.read_case(path, name)
    cases = {case.name: case for case in _read_document(path).cases}
    if name not in cases:
        raise no_such_case(name, cases)
    return cases[name]


def _is_document(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is JSON, perhaps compressed, by how it begins."""
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(_MOST_BLANKS)
    except OSError:  # whoever opens it as HDF5 says why
        return False
    return start.startswith(_GZIP) or start.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"[")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return what a JSON file holds, perhaps compressed by gzip.

    Raises
    ------
    OSError, EOFError, RecursionError, MemoryError, zlib.error
        If it cannot be read.
    ValueError
        If it is no JSON, or too large.
    """
    with open(path, "rb") as plain:
        compressed = plain.read(2) == _GZIP
        plain.seek(0)
        with gzip.GzipFile(fileobj=plain) if compressed else plain as file:
            content = file.read(_MOST_CHARACTERS + 1)
    if len(content) > _MOST_CHARACTERS:
        raise ValueError("it is too large")
    return json.loads(content)


def _read_document(path: str | os.PathLike[str]) -> Golden:
    try:
        document = read_json(path)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise GoldenFileError(f"{path} is JSON but no golden file; give one made by `refwarp golden export`")
        check_version(path, document["version"])
        cases = tuple(_case(entry) for entry in document["cases"])
        generator, flags = document["generator"], document["flags"]
        if document["count"] != len(cases) or digest(cases, generator, flags) != document["digest"]:
            raise ValueError("the digest of the content differs")
    except GoldenFileError:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        OSError,
        OverflowError,
        RecursionError,
        MemoryError,
        zlib.error,
    ) as error:  # what JSON can hold in the place of something else is as varied as with HDF5
        raise GoldenFileError(
            f"{path} is truncated or damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__}); "
            "get it again, or make one with `refwarp golden export`"
        ) from error
    return Golden(cases, generator, flags, document["digest"])


def _case(entry: Mapping[str, Any]) -> Case:
    f"{entry['name']}{entry['comment']}".encode()  # JSON can escape halves of characters, which are none
    case = Case(
        entry["name"],
        entry["options"],
        {name: _numbers(stored["values"], _shape(stored)) for name, stored in sorted(entry["inputs"].items())},
        tuple(entry["flags"]),
        entry["comment"],
        entry["result"],
        {
            path: Truth(float.fromhex(stored["c"]), _compound(stored, ELEMENT))
            for path, stored in sorted(entry["outputs"].items())
        },
        {path: _compound(stored, SEAM) for path, stored in sorted(entry["seams"].items())},
    )
    stated = {name: entry[name] for name in ("operation", "comment", "dtype", "result")}
    options, flags = format.canonical_json(entry["options"]), " ".join(entry["flags"])
    check_case(case, {**stated, "options": options, "flags": flags})
    return case


def _compound(stored: Mapping[str, Any], dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Return an array of compound elements."""
    shape = _shape(stored)
    found = np.empty(shape, dtype)
    for name in dtype.names or ():
        found[name] = _numbers(stored[name], shape, dtype[name].kind == "i")
    return found


def _shape(stored: Mapping[str, Any]) -> tuple[int, ...]:
    shape = stored["shape"]
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"{shape!r} is no shape")
    return tuple(shape)


def _numbers(text: str, shape: tuple[int, ...], integers: bool = False) -> npt.NDArray[Any]:
    """Return the numbers that a text lists, in row-major order."""
    words = text.split()
    if len(words) != math.prod(shape):
        raise ValueError(f"there are {len(words)} numbers for the shape {list(shape)}")
    if integers:
        return np.array(list(map(int, words)), np.int64).reshape(shape)
    return np.array(list(map(float.fromhex, words)), np.float64).reshape(shape)
