"""How data are found and read: in bounded memory, and with errors that name the file and say what to do."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from refwarp.files import check_input_file

# The environment variable that names the folder with the data.
VARIABLE = "REFWARP_DATA"

# Most bytes that one array of a file may take. What a damaged or malicious file claims is checked before it is
# believed.
MOST_BYTES = 2**31

_PIECE = 2**20


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


def find_file(folders: Sequence[Path], names: Sequence[str], expected: str) -> Path:
    """Return the first file there is, of some names in some folders.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    for folder in folders:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    places = " or ".join(map(str, folders))
    raise FileNotFoundError(f"{places}: there is no {names[0]}; expected {expected}")


def damaged(path: Path, flaw: str) -> ValueError:
    """Return the error about a file that is damaged or foreign."""
    return ValueError(f"{path}: {flaw}; get the file once more from where its data set is published")


@contextmanager
def open_plain_or_gzip(path: Path) -> Iterator[BinaryIO]:
    """Open a file, uncompressed on the way if it is compressed with gzip, whatever its name says.

    Raises
    ------
    ValueError
        In the block, if the compressed data are damaged or end too early.
    OSError
        If the file is missing or cannot be read.
    """
    with check_input_file(path, "data").open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not compressed:
            yield file
            return
        try:
            with gzip.open(file) as unpacked:
                yield cast(BinaryIO, unpacked)
        except EOFError as error:
            raise damaged(path, "the compressed file is truncated") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise damaged(path, f"the compressed file is damaged ({error})") from error


def read_exactly(file: BinaryIO, path: Path, count: int) -> bytes:
    """Return the next `count` bytes of an open file, never allocating much more than there are.

    Raises
    ------
    ValueError
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
