"""HDF5 files that are built and read in memory: the disk sees ordinary writes and reads, and no others.

Where HDF5 itself writes, a full disk ends in a segmentation fault; written by the system's calls, it is an OSError
like any other, and what was there before stays (`refwarp.files`). Where HDF5 itself opens a file, its lock is an
error among those of damage; here it is a sentence of its own.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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
    with h5py.File("in memory", "w", driver="core", backing_store=False, **options) as file:
        fill(file)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


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


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a file that programs with HDF5 may have open, with a lock that they know.

    Raises
    ------
    BlockingIOError
        If another program has it open for writing.
    OSError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            if try_lock(file.fileno(), shared=True):
                return file.read()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise type(error)(f"{path} cannot be read ({reason}); check the name and its permissions") from error
    raise BlockingIOError(f"{path} is open in another program; try again when that has closed it")


def member(group: Any, name: str) -> Any:
    """Return a member of a group that lies in this file.

    Raises
    ------
    ValueError
        If there is none of this name, or a link that may lead elsewhere or nowhere.
    """
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name!r} is missing, or a link")
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
    BlockingIOError
        If another program has it open to write into it. The file may be whole.
    OSError
        If it is missing, or the system does not let it be read; a FileNotFoundError, PermissionError, ...
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


def _in_words(path: str | os.PathLike[str], error: Exception) -> Exception:
    """Return what kept an HDF5 file from being opened, in one clause."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    number = error.errno if isinstance(error, OSError) else None
    reason = os.strerror(number) if number else said
    if "unable to lock file" in said:
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
