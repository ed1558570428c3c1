"""Files that are there whole or not at all, and locks on them.

A file is written under a temporary name in its own folder, forced to the disk, and renamed. Whoever kills the
program at any moment finds the old file or the new one under the final name, never half of one. What a killed
program leaves is a hidden file whose name ends in `.partial`; the next write of the same file removes it.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import itertools
import os
import re
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Process numbers come back, in containers soon: a number alone does not say that a file is this process's.
_TOKEN = secrets.token_hex(4)
_count = itertools.count()

# Bytes of a name that the hidden names beside it repeat. They add up to 60, and some file systems bear 143 in all.
_MOST_REPEATED, _LONGEST_SUFFIX = 64, 16

# How a write fails for want of room, or because of the disk: no space, larger than a limit, beyond a quota.
_UNWRITABLE = {getattr(errno, name, None) for name in ("ENOSPC", "EFBIG", "EDQUOT", "EIO", "EROFS")} - {None}


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
        The temporary name, with the suffix of the final one (of up to 16 bytes), of an empty file. The block fills
        that file, and closes it. When the block ends, the file is forced to the disk and takes the place of what
        was at `path`; if the block raises, it is removed, and what was at `path` stays.

    Raises
    ------
    ValueError
        If a folder, a device or a pipe is at `path`, which is left alone; or if no file can have that name.
    OSError
        If the folder is missing, no file can be created in it, or the disk is full; the message says so in one
        sentence.

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
    stem, suffix = _repeated(path)
    temporary = path.with_name(f".{stem}.{os.getpid()}-{_TOKEN}-{next(_count)}.partial{suffix}")
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise type(error)(f"{path}: no file can be written there ({reason}); give another name") from error
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno not in _UNWRITABLE:  # it may be about another file
                raise
            raise _unwritable(path, error) from error
        try:
            _force_to_disk(temporary)
            os.replace(temporary, path)
        except OSError as error:
            raise _unwritable(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _force_to_disk(path.parent)


def _unwritable(path: Path, error: OSError) -> OSError:
    """Return an error of the same kind that names the file, in one sentence."""
    reason = error.strerror or type(error).__name__
    found = type(error)(
        f"{path}: the file cannot be written ({reason}), and what was there is as before; "
        "make room, or give another name"
    )
    found.errno = error.errno
    return found


@contextmanager
def lock(path: str | os.PathLike[str], argument: str = "path") -> Iterator[None]:
    """Keep a file for this `with` block alone, among all those that lock it; reading it needs no lock.

    The lock lies on a hidden file beside it, whose name ends in `.lock`, and ends with the block or the process,
    however that ends. A killed process leaves the hidden file, without a lock, for the next to remove. On a file
    system that has no locks, nothing is locked.

    Parameters
    ----------
    path : path
        The file; it need not exist, but its folder must. Symbolic links to one file share its lock. Hard links do
        not, nor need they: a write puts a new file in the place of one of them (`atomic_write`), and the other
        keeps what it had.
    argument : str
        What the caller calls it, for the message.

    Raises
    ------
    BlockingIOError
        If the file is locked already, by another process or by this one.
    ValueError
        If a folder, a device or a pipe is at `path`, or no file can have that name.
    OSError
        If the hidden file cannot be created.
    """
    target = check_output_file(path, argument)
    hidden = target.with_name(f".{''.join(_repeated(target))}.lock")
    try:
        descriptor = _open_locked(hidden)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise type(error)(f"{argument}: {path} cannot be locked ({reason}); give another name") from error
    if descriptor is None:
        raise BlockingIOError(f"{argument}: {path} is in use by another run; wait for its end, or give another name")
    try:
        yield
    finally:
        if sys.platform == "win32":  # which removes no open file
            os.close(descriptor)
            with suppress(OSError):
                hidden.unlink()
        else:  # once it is closed, it may be another's
            hidden.unlink(missing_ok=True)
            os.close(descriptor)


def _open_locked(hidden: Path) -> int | None:
    """Return the descriptor of a file that is there and locked for this caller; None if another has the lock."""
    while True:
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT, 0o666)
        if not try_lock(descriptor):
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(hidden)):
                return descriptor
        os.close(descriptor)  # of a file that its last owner has removed in the meantime


def try_lock(descriptor: int, shared: bool = False) -> bool:
    """Lock an open file until it is closed, and tell whether that could be done.

    Parameters
    ----------
    descriptor : int
        Of the open file.
    shared : bool
        A lock that bears others of its kind, as that of a reader; on Windows, where opening a file does as much,
        none.

    Returns
    -------
    bool
        False if another holds a lock that does not bear this one. A file system without locks refuses nobody.
    """
    if sys.platform == "win32":
        try:
            if not shared:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


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
        If it is there and no regular file, but a folder, a device, a pipe or a link in a circle; if no file can
        have that name; or if it is `source`, by whatever name.
    """
    found = _look_up(path, argument, follow=False)
    if found is not None and not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise ValueError(f"{argument}: given {str(path)!r}, which is {what}; expected the name of a file")
    target = Path(os.path.realpath(path))
    if source is not None and found is not None and os.path.exists(source) and target.samefile(source):
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
    found = _look_up(folder, argument)
    if found is not None and not stat.S_ISDIR(found.st_mode):
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
    FileNotFoundError
        If there is nothing.
    ValueError
        If there is a folder, a device or a pipe, or no file can have that name.
    """
    found = _look_up(path, argument)
    if found is None:
        raise FileNotFoundError(f"{argument}: given {str(path)!r}, but there is no such file; expected {expected}")
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise ValueError(f"{argument}: given {str(path)!r}, which is {what}; expected {expected}")
    return Path(path)


def checkout_folder(name: str) -> Path | None:
    """Return a folder of the checkout that refwarp lies in; None where refwarp is installed without one.

    Beside an installed package, a folder of this name is someone else's.
    """
    root = Path(__file__).parents[1]
    return root / name if (root / name).is_dir() and (root / "pyproject.toml").is_file() else None


def _look_up(path: str | os.PathLike[str], argument: str, follow: bool = True) -> os.stat_result | None:
    """Return what is at a path, None if nothing is; ValueError if the system cannot tell, as with too long a name.

    Parameters
    ----------
    path : path
        What to look up.
    argument : str
        What the caller calls it, for the message.
    follow : bool
        Whether a link that is left over, as one in a circle, counts as an error and not as what is there.
    """
    try:
        return os.stat(path) if follow else os.lstat(os.path.realpath(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: NUL, or half a character
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(
            f"{argument}: given {str(path)!r}, which cannot be looked up ({reason}); give another name"
        ) from error


def _repeated(path: Path) -> tuple[str, str]:
    """Return the stem and the suffix that hidden names beside a file repeat: a digest where they would be too long."""
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
    stem = path.name.removesuffix(suffix)
    encoded = os.fsencode(stem)
    return stem if len(encoded) <= _MOST_REPEATED else hashlib.sha256(encoded).hexdigest(), suffix


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
    stem, suffix = _repeated(path)
    name = re.compile(rf"\.{re.escape(stem)}\.(\d+)-([0-9a-f]+)-\d+\.partial{re.escape(suffix)}")
    for file in path.parent.glob(f".{glob.escape(stem)}.*.partial{glob.escape(suffix)}"):
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
