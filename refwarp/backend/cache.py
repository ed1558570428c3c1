"""Compiled kernels on disk: one file with a checksum for each kernel and signature.

A file's name is a digest of everything that its machine code depends on, and its content starts with a digest of the
rest. So a file that is damaged, truncated or of another origin is detected before it is used, and processes that write
at the same time write the same. Any problem with a file or the folder only costs time: the kernel is compiled, and the
first such event of a process is reported, as a `CacheWarning`.

A cache that depended only on the file of the kernel would run stale code after an edit in a file of scalars. So the
files are in a folder named after a digest of all sources that contain kernels or scalars.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import shutil
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import llvmlite
import numba
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

_DIGEST = hashlib.sha256
_SEAL = _DIGEST().digest_size
_PACKAGE = Path(__file__).parents[1]
# How a file imports what marks functions to compile.
_COMPILES = re.compile(rb"refwarp\.backend(\.jit\b| import [^#]*\bjit\b)")


def sources() -> dict[Path, bytes]:
    """Return every source file that compiled code can come from, with its content.

    These are the files of the rooms in which something is compiled. A room is a file or a folder of the package, and
    counts as a whole if one of its files, however deep, imports `refwarp.backend.jit`, whose decorators compile.
    """
    found: dict[Path, bytes] = {}
    for room in sorted(_PACKAGE.iterdir()):
        files = sorted(room.rglob("*.py")) if room.is_dir() else [room] if room.suffix == ".py" else []
        contents = {file: file.read_bytes() for file in files}
        if any(map(_COMPILES.search, contents.values())):
            found |= contents
    return found


def _source_digest() -> str:
    digest = _DIGEST()
    for source, content in sources().items():
        name = source.relative_to(_PACKAGE).as_posix()
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()[:16]


def _cache_folder() -> Path:
    """Choose where compiled kernels are stored: NUMBA_CACHE_DIR, next to the sources, or in the user's cache.

    It is the first place that can be written to; if none can, the last, where the first write reports why. Files of
    older states of the sources are removed after a day: until then a process may be using them.
    """
    beside = _PACKAGE / "__pycache__"
    home = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "refwarp"
    name = f"refwarp-kernels-{_source_digest()}"
    for place in [Path(os.path.abspath(numba.config.CACHE_DIR))] if numba.config.CACHE_DIR else [beside, home]:
        folder = place / name
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
            for older in place.glob("refwarp-kernels-*"):
                with suppress(OSError):  # another process may be removing it
                    if older != folder and older.stat().st_mtime < time.time() - 86400:
                        shutil.rmtree(older, ignore_errors=True)
            break
    return folder


CACHE_FOLDER = _cache_folder()


class CacheWarning(RuntimeWarning):
    """Compiled kernels could not be stored on disk, or those stored there not be used: kernels are compiled again."""


# The kinds of warnings that this process has given.
_warned: set[type[Warning]] = set()


def warn_once(sentence: str, kind: type[Warning]) -> None:
    """Warn, once in a process for each kind of warning."""
    if kind not in _warned:
        _warned.add(kind)  # first, since the warning may be raised
        warnings.warn(sentence, kind, stacklevel=2)


@cache
def _digest_of_file(path: str) -> bytes:
    return _DIGEST(Path(path).read_bytes()).digest()


class KernelCache(NullCache):  # type: ignore[misc] # Numba is untyped
    """Loads and stores the machine code of one kernel, in place of Numba's own cache.

    Parameters
    ----------
    function : callable
        The kernel in Python.
    folder : Path
        Where files are stored; it is created when the first is written. Its name identifies the sources of the
        scalars that the kernel calls.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._code: CodeType = function.__code__
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._folder = folder

    @property
    def cache_path(self) -> str:
        """The folder, as Numba's statistics show it."""
        return str(self._folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was compiled for a signature, or None."""
        target_context.refresh()
        path = self._path(sig, target_context.codegen())
        if path is None:
            return None
        try:
            sealed = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            warn_once(
                f"{path}: a compiled kernel that cannot be read ({_reason(error)}); it is compiled anew", CacheWarning
            )
            return None
        seal, content = sealed[:_SEAL], sealed[_SEAL:]
        try:
            if seal != _DIGEST(content).digest():
                raise ValueError("its digest is another")
            kept, payload = pickle.loads(content)
            if kept != (path.name, sig):
                raise ValueError("it belongs to another kernel")
            return CompileResult._rebuild(target_context, *payload)
        except Exception as error:  # a pickle can fail with any
            warn_once(
                f"{path}: a compiled kernel that is damaged ({_reason(error)}); it is compiled anew and replaced",
                CacheWarning,
            )
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store what was compiled for a signature; the file is written atomically."""
        path = self._path(sig, data.codegen)
        if path is None or data.library.has_dynamic_globals:
            return
        content = dumps(((path.name, sig), data._reduce()))
        temporary = path.with_name(f".{uuid.uuid4().hex}.partial")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                with open(temporary, "xb") as file:
                    file.write(_DIGEST(content).digest())
                    file.write(content)
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        except OSError as error:
            warn_once(
                f"{self._folder}: compiled kernels cannot be kept there ({_reason(error)}), so each start compiles "
                "them anew; make room there, or set NUMBA_CACHE_DIR to another folder",
                CacheWarning,
            )

    def _path(self, sig: Any, codegen: Any) -> Path | None:
        """Return the file for a signature; None for a kernel without a source file, or one that has a closure."""
        if self._code.co_freevars:
            return None
        try:
            source = _digest_of_file(self._code.co_filename)
        except OSError:
            return None
        versions = numba.__version__, llvmlite.__version__, sys.implementation.cache_tag, getattr(sys, "abiflags", "")
        key = self._name, self._code.co_firstlineno, source, repr(sig), codegen.magic_tuple(), versions
        return self._folder / f"{self._name}-{_DIGEST(repr(key).encode()).hexdigest()[:32]}.kernel"


def _reason(error: Exception) -> str:
    """Return the message of an error, on one line."""
    said = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
    return " ".join(str(said).split())[:200]
