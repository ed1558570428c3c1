"""How data are found and read: in bounded memory, and with errors that name the file and say what to do.

What a file says of itself (lengths, shapes, sizes when unpacked) is checked before it is believed, and nothing is ever
unpickled.
"""

from __future__ import annotations

import errno
import gzip
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np

from refwarp.files import check_input_file

Array = np.ndarray[Any, Any]

# The environment variable that names the folder with the data.
VARIABLE = "REFWARP_DATA"

# Most bytes that one array of a file may take, and a list in text.
MOST_BYTES, MOST_TEXT = 2**31, 2**26

_PIECE = 2**20

# Numbers of errors that a library causes: none, or that of a place before the file's beginning.
_OF_LIBRARIES = (None, errno.EINVAL)


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, count: int, /) -> bytes:
        """Return up to `count` bytes, none at the end."""
        ...


class DamagedFileError(ValueError):
    """A file of a data set is damaged, or another than its name and place say."""


def damaged(path: Path, flaw: str) -> DamagedFileError:
    """Return the error about a file that is damaged or foreign."""
    return DamagedFileError(f"{path}: {flaw}; get the file once more from where its data set is published")


def data_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that holds the data sets, a folder for each.

    Parameters
    ----------
    given : path, optional
        As `--data` has it; else it is the environment variable REFWARP_DATA.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If neither names a folder, or what they name is none.
    FileNotFoundError
        If there is nothing.
    """
    if given is None and not os.environ.get(VARIABLE):
        raise ValueError(
            f"data: no folder is given; name the one that holds the data sets as `--data DIR`, or in the environment "
            f"variable {VARIABLE}"
        )
    named = os.environ[VARIABLE] if given is None else given
    return check_input_folder(named, VARIABLE if given is None else "data", "the folder that holds the data sets")


def check_input_folder(path: str | os.PathLike[str], argument: str, expected: str) -> Path:
    """Make sure that there is a folder to read from; arguments and errors are those of `check_input_file`."""
    folder = Path(path)
    try:
        if folder.is_dir():
            return folder
        there = folder.exists()
    except (OSError, ValueError):  # too long a name, or one with NUL
        there = False
    if there:
        raise ValueError(f"{argument}: given {str(path)!r}, which is no folder; expected {expected}")
    raise FileNotFoundError(f"{argument}: given {str(path)!r}, but there is no such folder; expected {expected}")


def find_file(places: Sequence[Path]) -> Path:
    """Return the first file there is, of some that would do.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    for place in places:
        if place.is_file():
            return place
    others = f", nor {', '.join(place.name for place in places[1:])}" if len(places) > 1 else ""
    raise FileNotFoundError(f"{places[0]}: there is no such file{others}; the data set needs it, so get it once more")


@contextmanager
def reads_as(path: Path, kind: str) -> Iterator[None]:
    """Have a file read in this block, by a library too, and turn whatever is raised into one sentence that names it.

    Libraries raise exceptions as varied as the damage, and warn of some.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What it is read as, with an article.

    Raises
    ------
    DamagedFileError
        If it cannot be read as one of this kind.
    ValueError
        If there is no regular file.
    OSError
        If it is missing, or the system cannot read it.
    """
    check_input_file(path, "data")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DamagedFileError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in _OF_LIBRARIES:
            raise type(error)(f"{path}: the file cannot be read ({error.strerror or error})") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise damaged(path, f"the file cannot be read as {kind} ({reason[:200]})") from error


@contextmanager
def open_plain_or_gzip(path: Path, kind: str = "a file") -> Iterator[BinaryIO]:
    """Open a file, uncompressed on the way if it is compressed with gzip, whatever its name says; the rest as above."""
    with reads_as(path, kind), path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not compressed:
            yield file
            return
        with gzip.open(file) as unpacked:
            yield cast(BinaryIO, unpacked)


def read_exactly(file: Readable, path: Path, count: int) -> bytes:
    """Return the next `count` bytes, never allocating much more than there are.

    Raises
    ------
    DamagedFileError
        If there are fewer.
    """
    pieces, missing = [], count
    while missing:
        piece = file.read(min(missing, _PIECE))
        if not piece:
            raise damaged(path, f"the file is truncated: {missing:,} of {count:,} bytes are missing")
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a list in text (UTF-8), without those that are empty.

    Raises
    ------
    DamagedFileError
        If it is no text, or much longer than any list.
    OSError
        If it is missing or cannot be read.
    """
    with reads_as(path, "a list in text"), path.open("rb") as file:
        content = file.read(MOST_TEXT + 1)
        if len(content) > MOST_TEXT or b"\0" in content:
            raise damaged(path, "the file is no list in text")
        return [line for line in content.decode("utf-8-sig").splitlines() if line.strip()]


def is_count(text: str) -> bool:
    """Tell whether a text is a number of things, of digits alone and not too long for any array."""
    return text.isascii() and text.isdecimal() and len(text) < 10


def class_labels(path: Path, values: Array, classes: int) -> Array:
    """Return labels (N,) as int64.

    Raises
    ------
    DamagedFileError
        If one is no class, 0 to `classes` - 1.
    """
    wrong = (values < 0) | (values >= classes)
    if wrong.any():
        raise damaged(path, f"there is a label {values[wrong][0]}, expected 0 to {classes - 1}")
    return values.astype(np.int64)


def unit_range(values: Array) -> Array:
    """Return bytes as float32 in [0, 1], each correctly rounded."""
    scaled: Array = values / np.float32(255)
    return scaled
