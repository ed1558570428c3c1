"""The golden suite as JSON, for languages without HDF5, as docs/golden-format.md describes it.

One document with one case per line, so that simple readers can go line by line. Numbers are hexadecimal, so that
none is rounded on the way; the numbers of an array are one string. suite.schema.json, beside this file, is its schema.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from refwarp.files import atomic_write
from refwarp.golden.case import Case
from refwarp.golden.format import FORMAT, VERSION, Golden


def export(path: str | os.PathLike[str], golden: Golden) -> None:
    """Write a suite as JSON, whole or not at all. The same suite gives the same bytes.

    Parameters
    ----------
    path : path
        The final name; its folder must exist. If it ends in .gz, in letters of any case, the document is compressed.
    golden : Golden
        What to write.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        if temporary.suffix.lower() != ".gz":
            file.writelines(_lines(golden))
            return
        # Neither a name nor a time in its header.
        with gzip.GzipFile("", "wb", 9, file, mtime=0) as compressed:
            cast(IO[bytes], compressed).writelines(_lines(golden))


def hexadecimal(number: float) -> str:
    """Return a number as C's %a prints it, in its shortest form; C's strtod reads it.

    Examples
    --------
    >>> [hexadecimal(number) for number in (3.0, -0.0, 0.1, 5e-324, float("nan"), float("-inf"))]
    ['0x1.8p+1', '-0x0p+0', '0x1.999999999999ap-4', '0x0.0000000000001p-1022', 'nan', '-inf']
    """
    digits, p, exponent = number.hex().partition("p")
    return digits.rstrip("0").rstrip(".") + p + exponent if p else digits


def _lines(golden: Golden) -> Iterator[bytes]:
    """Return the document's lines: the header, one for each case, and the end."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "generator": golden.generator,
        "digest": golden.digest,
        "flags": golden.flags,
        "count": len(golden.cases),
    }
    yield f'{_json(header)[:-1]},"cases":[\n'.encode()
    for position, case in enumerate(golden.cases, 1):
        yield f"{_json(_case(case))}{',' if position < len(golden.cases) else ''}\n".encode()
    yield b"]}\n"


def _json(content: dict[str, Any]) -> str:
    """Return a line of ASCII, with the keys in the order they have."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def _case(case: Case) -> dict[str, Any]:
    return {
        "name": case.name,
        "operation": case.operation,
        "options": dict(case.options),
        "flags": list(case.flags),
        "comment": case.comment,
        "dtype": case.dtype,
        "result": case.result,
        "inputs": {
            name: {"shape": array.shape, "values": _numbers(array)} for name, array in sorted(case.inputs.items())
        },
        "outputs": {
            path: {"c": hexadecimal(truth.c), **_compound(truth.elements)}
            for path, truth in sorted(case.outputs.items())
        },
        "seams": {path: _compound(seams) for path, seams in sorted(case.seams.items())},
    }


def _compound(elements: npt.NDArray[np.void]) -> dict[str, Any]:
    """Return an array of compound elements: its shape, and the numbers of each member."""
    members = {name: _numbers(elements[name]) for name in elements.dtype.names or ()}
    return {"shape": elements.shape, **members}


def _numbers(array: npt.NDArray[Any]) -> str:
    """Return the numbers of an array in row-major order, separated by single spaces; integers are decimal."""
    numbers: Iterable[Any] = array.ravel().tolist()
    return " ".join(map(hexadecimal if array.dtype.kind == "f" else str, numbers))
