"""HDF5 files: written by way of memory, and read in one of two ways.

Where HDF5 itself writes, a full disk ends in a segmentation fault; written by the system's calls, it is an OSError
like any other, and what was there before stays (`refwarp.files`). So a file is built in memory (`file_image`).

HDF5 crashes on some damaged files. One that has a digest of its bytes, as a checkpoint, is read by the system
(`open_bytes`), judged, and only then opened, in memory (`open_image`). One that another program may have written, or
of which a part may be enough, as golden files and results, is opened by HDF5 itself (`open_hdf5`). Either way the
lock of a program that writes into the file is seen, and what keeps it from being read is said in the same words.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import h5py

from refwarp.files import try_lock


def file_image(fill: Callable[[Any], None], **options: Any) -> bytes:
    """Return the bytes of an HDF5 file, built in memory.

    Parameters
    ----------
    fill : callable
        Is given the open `h5py.File`, and fills it.
    **options
        Of `h5py.File`: `libver`, `track_order`.
    """
    memory = io.BytesIO()
    with h5py.File(memory, "w", **options) as file:
        fill(file)
    # Not the image of the open file: HDF5 1 clears its mark of being open there, and leaves the checksum as it was.
    return memory.getvalue()


@contextmanager
def open_image(image: bytes) -> Iterator[Any]:
    """Open the bytes of an HDF5 file, as an `h5py.File` to read.

    Raises
    ------
    Exception
        As varied as the damage, if they are none: OSError, RuntimeError and others.
    """
    with h5py.File(h5py.h5f.open_file_image(image)) as file:
        yield file


@contextmanager
def open_bytes(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that programs with HDF5 may have open, to read its bytes: `with open_bytes(path) as file: ...`.

    The lock is theirs, and as theirs it is left out where HDF5_USE_FILE_LOCKING is FALSE or 0.

    Raises
    ------
    BlockingIOError
        If another program has it open to write into it. The file may be whole.
    OSError
        If it is missing, or the system does not let it be opened or read; a FileNotFoundError, PermissionError, ...
    """
    try:
        with open(path, "rb") as file:
            locks = os.environ.get("HDF5_USE_FILE_LOCKING") not in ("FALSE", "0")
            if locks and not try_lock(file.fileno(), shared=True):
                raise BlockingIOError(errno.EAGAIN, _LOCKED)
            yield file
    except OSError as error:
        raise _in_words(path, error) from error


def member(group: Any, name: str) -> Any:
    """Return a member of a group that lies in this file; None if there is none.

    Raises
    ------
    ValueError
        If it is a link that may lead elsewhere or nowhere.
    """
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"{name!r} is a link, which is not followed")
    return group[name]


def open_hdf5(path: str | os.PathLike[str]) -> Any:
    """Open an HDF5 file for reading: `with open_hdf5(path) as file: ...`.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    h5py.File

    Raises
    ------
    OSError
        As `open_bytes` does.
    ValueError
        If it is no HDF5 file, or is truncated or damaged.

    Each says in one clause what is wrong with which file, and those whose cause lies outside of it what to do.
    """
    try:
        with open(path, "rb"):  # `h5py.is_hdf5` says no to whatever cannot be read
            pass
        if not h5py.is_hdf5(path):
            raise ValueError(f"{path} is no HDF5 file")
        return h5py.File(path, "r")
    except (OSError, RuntimeError) as error:
        raise _in_words(path, error) from error


# HDF5's own words, in the middle of its message.
_LOCKED = "unable to lock file"


def _in_words(path: str | os.PathLike[str], error: Exception) -> Exception:
    """Return what kept an HDF5 file from being opened or read, in one clause."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    number = error.errno if isinstance(error, OSError) else None
    reason = os.strerror(number) if number else said
    if _LOCKED in said:
        if number in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
            return OSError(f"{path} cannot be locked there ({reason}); set HDF5_USE_FILE_LOCKING=FALSE, or copy it")
        return BlockingIOError(f"{path} is open in another program; try again when that has closed it")
    if "already open for write" in said:  # a mark in the file, which a program that died leaves behind
        return BlockingIOError(
            f"{path} is marked as open for writing; try again when the program that writes it has closed it, or if "
            f"that has died, remove the mark with `h5clear -s`"
        )
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(f"{path}: there is no such file; check the name")
    if number:
        advice = "; check its permissions" if isinstance(error, PermissionError) else ""
        return type(error)(f"{path} cannot be read ({reason}){advice}")
    return ValueError(f"{path} is truncated or damaged ({said})")
