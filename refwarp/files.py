"""Files that are there whole or not at all, and what is wrong with those that cannot be read.

A file is written under a temporary name in its own folder, forced to the disk, and renamed. Whoever kills the
program at any moment finds the old file or the new one under the final name, never half of one. What a killed
program leaves is a hidden file whose name ends in `.partial`; the next write of the same file removes it.
"""

from __future__ import annotations

import errno
import glob
import itertools
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Process numbers come back, in containers soon: a number alone does not say that a file is this process's.
_TOKEN = secrets.token_hex(4)
_count = itertools.count()


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file whole or not at all: `with atomic_write(path) as temporary: ...`.

    Parameters
    ----------
    path : path
        The final name. Its folder must exist. A symbolic link stays, and what it points to is replaced.

    Yields
    ------
    Path
        The temporary name, with the suffix of the final one, of an empty file. The block fills that file, and
        closes it. When the block ends, the file is forced to the disk and takes the place of what was at `path`;
        if the block raises, it is removed, and what was at `path` stays.

    Raises
    ------
    ValueError
        If a folder, a device or a pipe is at `path`; it is left alone.
    OSError
        If the folder is missing, or no file can be created in it.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "answer.txt") as temporary:
    ...     size = temporary.write_text("42")
    >>> [file.name for file in folder.iterdir()]
    ['answer.txt']
    """
    path = check_output_file(path, "path")
    _remove_stale(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{_TOKEN}-{next(_count)}.partial{path.suffix}")
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise type(error)(f"{path}: no file can be written there ({reason}); give another name") from error
    try:
        yield temporary
        _force_to_disk(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _force_to_disk(path.parent)


def check_output_file(
    path: str | os.PathLike[str], argument: str = "out", source: str | os.PathLike[str] | None = None
) -> Path:
    """Make sure that a file can take the place of what is at `path`, if anything is.

    Parameters
    ----------
    path : path
        The file; it need not exist.
    argument : str
        What the caller calls it, for the message.
    source : path, optional
        The file that is read to write this one.

    Returns
    -------
    Path
        The file itself, where `path` is a symbolic link to it.

    Raises
    ------
    ValueError
        If it is there and no regular file, but a folder, a device, a pipe or a link in a circle; or if it is
        `source`, by whatever name.
    """
    target = Path(os.path.realpath(path))
    if os.path.lexists(target) and not target.is_file():
        what = "a folder" if target.is_dir() else "no regular file"
        raise ValueError(f"{argument}: given {str(path)!r}, which is {what}; expected the name of a file")
    if source is not None and target.exists() and os.path.exists(source) and target.samefile(source):
        raise ValueError(f"{argument}: given {str(path)!r}, which is the file that is read; give another name")
    return target


def make_output_folder(path: str | os.PathLike[str], argument: str = "out") -> Path:
    """Create the folder `path` where it is missing, and make sure that files can be written in it.

    Parameters
    ----------
    path : path
        The folder; those above it are created too.
    argument : str
        What the caller calls it, for the message.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If it is a file, or cannot be created or written to.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{argument}: given {str(folder)!r}, which is a file; expected a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(
            f"{argument}: given {str(folder)!r}, where no file can be written ({reason}); give another folder"
        ) from error
    return folder


def check_input_file(path: str | os.PathLike[str], argument: str, expected: str = "a file") -> Path:
    """Make sure that there is a file to read.

    Parameters
    ----------
    path : path
        The file.
    argument : str
        What the caller calls it, for the message.
    expected : str
        What it should be, for the message.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If there is nothing, or a folder, a device or a pipe.
    """
    found = Path(path)
    if found.is_file():
        return found
    if found.is_dir():
        what = "which is a folder"
    else:
        what = "which is no regular file" if os.path.exists(found) else "but there is no such file"
    raise ValueError(f"{argument}: given {str(path)!r}, {what}; expected {expected}")


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
    import h5py  # which takes time, and whoever writes other files does not need

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


def _force_to_disk(path: Path) -> None:
    """Wait until the file or folder is on the disk (a folder: the names in it; where the system can)."""
    if path.is_dir() and os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(path: Path) -> None:
    """Remove the temporary files that killed programs left of `path`."""
    name = re.compile(rf"\.{re.escape(path.stem)}\.(\d+)-([0-9a-f]+)-\d+\.partial{re.escape(path.suffix)}")
    for file in path.parent.glob(f".{glob.escape(path.stem)}.*.partial{glob.escape(path.suffix)}"):
        match = name.fullmatch(file.name)
        if match and not _is_running(int(match[1]), match[2]):
            file.unlink(missing_ok=True)


def _is_running(process: int, token: str) -> bool:
    """Tell whether the process that wrote a temporary file may still be at it."""
    if process == os.getpid():
        return token == _TOKEN
    if os.name != "posix":  # elsewhere `os.kill(process, 0)` is no question
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
