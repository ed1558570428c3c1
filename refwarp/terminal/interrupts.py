"""Ctrl-C that is not lost.

Python raises KeyboardInterrupt wherever the program is. If that is in a function that garbage collection calls (a
`__del__`, or the callback of a weak reference, as h5py has thousands), the exception is printed as ignored, and the
program goes on. `take_interrupts` lets it be raised again.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import CodeType, FrameType
from typing import Any

# Between a KeyboardInterrupt that was ignored and the next try.
_PAUSE_SECONDS = 0.01


def take_interrupts() -> None:
    """Let an interrupt that was ignored be raised again until it arrives, and a second one kill the process.

    Where interrupts are ignored on purpose, as in the background of a script, they stay ignored.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()  # no other is interrupted
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        handler = _Handler(sys.unraisablehook)
        signal.signal(signal.SIGINT, handler.interrupt)
        sys.unraisablehook = handler.unraisable


class _Handler:
    """What happens at an interrupt, and when an exception is ignored; `hook` is called for any other exception."""

    def __init__(self, hook: Any) -> None:
        self._hook = hook
        self._raised = self._ignored = False

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt the first time, and again if that was ignored; else end at once."""
        if _is_within(frame, _Handler.unraisable.__code__):  # where it would be ignored, and nobody told
            _thread.start_new_thread(_interrupt_soon, ())
            return
        if self._raised and not self._ignored:
            if os.name == "posix" and os.isatty(2):
                os.write(2, b"\x1b[?25h")  # a progress bar may have hidden the cursor
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
        self._raised, self._ignored = True, False
        raise KeyboardInterrupt

    def unraisable(self, unraisable: Any) -> None:
        """Interrupt again if an interrupt was ignored."""
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._hook(unraisable)
            return
        self._ignored = True
        with suppress(RuntimeError):  # the interpreter ends
            _thread.start_new_thread(_interrupt_soon, ())


def _is_within(frame: FrameType | None, code: CodeType) -> bool:
    """Tell whether a frame is one of some code, or was called from one."""
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


def _interrupt_soon() -> None:
    """Interrupt the main thread, after it has left the function in which an interrupt is ignored."""
    time.sleep(_PAUSE_SECONDS)
    _thread.interrupt_main()
