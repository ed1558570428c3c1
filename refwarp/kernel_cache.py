"""Compiled kernels on disk: a sealed file for each kernel and signature, which is used whole or not at all.

A file's name is a digest of all that its machine code depends on, and its content begins with a digest of the rest.
So a file that is damaged, cut off or of another origin is noticed before anything in it is used, and processes that
write at the same time write the same. Whatever goes wrong with a file or the folder costs time alone: the kernel is
compiled, and the first such event of a process is reported, as a `CacheWarning`.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import uuid
import warnings
from collections.abc import Callable
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


class CacheWarning(RuntimeWarning):
    """Compiled kernels could not be kept on disk, or those that are there not be used: kernels are compiled anew."""


_told = False


def _tell(sentence: str) -> None:
    """Warn, once in a process."""
    global _told
    if not _told:
        _told = True  # first, for the warning may be raised
        warnings.warn(sentence, CacheWarning, stacklevel=2)


@cache
def _digest_of_file(path: str) -> bytes:
    return _DIGEST(Path(path).read_bytes()).digest()


class KernelCache(NullCache):  # type: ignore[misc] # Numba is untyped
    """Where one kernel's machine code is looked up and kept, in the place of Numba's own cache.

    Parameters
    ----------
    function : callable
        The kernel in Python.
    folder : Path
        Where files lie; it is made when the first is written. Its name stands for what the file of `function` does
        not show: the sources of the scalars that the kernel calls.
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
            _tell(f"{path}: a compiled kernel that cannot be read ({_reason(error)}); it is compiled anew")
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
            _tell(f"{path}: a compiled kernel that is damaged ({_reason(error)}); it is compiled anew and replaced")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature; the file appears whole or not at all."""
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
            _tell(
                f"{self._folder}: compiled kernels cannot be kept there ({_reason(error)}), so each start compiles "
                "them anew; make room there, or set NUMBA_CACHE_DIR to another folder"
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
    """Return what an error says, on one line."""
    said = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
    return " ".join(str(said).split())[:200]
