"""Standard output and standard error that can take any text, and that say so when it cannot be written.

A console may lack characters, a disk may be full, and whoever reads a pipe may have gone. None of these is a verdict
on what was computed. `guard_streams` has what an encoding lacks escaped, and what cannot be written raise
`OutputError`, which is no OSError: no library deals with it in its own way, and nobody takes it for a file's.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import Any

# Of these the interpreter raises UnicodeEncodeError where the encoding lacks a character. Any other was asked for.
_STRICT = ("strict", "surrogateescape")


class OutputError(Exception):
    """Standard output or standard error cannot be written.

    Parameters
    ----------
    stream : str
        Which, in words.
    error : OSError
        Why.
    """

    def __init__(self, stream: str, error: OSError) -> None:
        reason = os.strerror(error.errno) if error.errno else str(error)
        super().__init__(f"{stream} cannot be written ({reason})")
        self.nobody_reads = error.errno == errno.EPIPE


def guard_streams(silent: bool = False) -> None:
    """Put streams that take any text in the places of `sys.stdout` and `sys.stderr`.

    Where one was closed before the program began, as with `2>&-` in a shell, what is written goes nowhere: neither
    into the other, as `print` has it, nor into a file that was given the free descriptor.

    Characters that the encoding lacks are escaped as in Python's strings. The first write that fails raises
    `OutputError`; what is written later goes nowhere, so that it cannot fail when the interpreter ends.

    Parameters
    ----------
    silent : bool
        Whether the first write that fails goes nowhere, too.
    """
    _fill_descriptors()
    for name, words in (("stdout", "standard output"), ("stderr", "standard error")):
        stream = getattr(sys, name)
        if stream is None:  # it was closed
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8", errors="backslashreplace"))
            continue
        if not isinstance(stream, io.TextIOWrapper):  # whatever else took its place
            continue
        stream.flush()
        # What python's option -u opens has no buffer.
        guarded = _Guarded(getattr(stream.buffer, "raw", stream.buffer), words, silent)
        text = io.TextIOWrapper(
            guarded if stream.write_through else io.BufferedWriter(guarded),
            encoding=stream.encoding,
            errors="backslashreplace" if stream.errors in _STRICT else stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        setattr(sys, name, text)


def _fill_descriptors() -> None:
    """Open the null device under each of the first three descriptors that is free: the next file would take it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free is this one


class _Guarded(io.RawIOBase):
    """What lies below a stream, with failures that are told from others, once."""

    def __init__(self, raw: Any, words: str, silent: bool) -> None:
        self._raw, self._words, self._silent = raw, words, silent
        self._lost = False
        self.name = getattr(raw, "name", words)

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def isatty(self) -> bool:
        return bool(self._raw.isatty())

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self._lost or not len(data):  # a full device refuses even nothing
            return len(data)
        try:
            while (written := self._raw.write(data)) is None:  # a pipe that does not block, and is full
                select.select((), (self._raw,), ())
        except OSError as error:
            self._lost = True
            if self._silent:
                return len(data)
            raise OutputError(self._words, error) from error
        return int(written)
