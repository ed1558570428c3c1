"""A target that runs in a process of its own, where it may raise, hang, die and print as it likes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from refwarp.golden.case import Case
from refwarp.golden.layouts import CONTIGUOUS
from refwarp.golden.manners import PLAIN, Calling
from refwarp.golden.operations import Call, choice
from refwarp.golden.outcomes import Reply
from refwarp.golden.targets.messages import Item, receive, send
from refwarp.golden.targets.module import arguments, one_line, options_in, told

# How many time limits the first call may take: libraries load and compile then.
FIRST_CALL_LIMITS = 5
# When calls of a function that hung or killed the process have cost so many time limits, no more are tried; and when
# those of all functions have cost so many, none at all.
PATIENCE, PATIENCE_IN_ALL = 3, 15

_Message = tuple[dict[str, Any], Sequence[Item]]


class Lost(Exception):
    """The process hung or died; the message says which, as a verdict."""


class Worker:
    """A process that runs `refwarp.golden.targets.worker`; a thread talks to it, so that we wait only so long."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-P", "-m", "refwarp.golden.targets.worker", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
                **environment,
            },
            start_new_session=True,  # Ctrl-C is for us; and what it starts ends with it
        )
        self._requests: SimpleQueue[_Message | None] = SimpleQueue()
        self._answers: SimpleQueue[_Message | Exception] = SimpleQueue()
        Thread(target=self._talk, daemon=True).start()

    def answer(self, seconds: float, request: _Message | None = None) -> _Message:
        """Return the answer to a request, or without one what the process says of itself when it starts.

        Raises
        ------
        Lost
            If there is none within so many seconds, or the process died. It is gone then, with all that it started.
        """
        if request is not None:
            self._requests.put(request)
        try:
            answer = self._answers.get(timeout=seconds)
        except Empty:
            self.end()
            raise Lost(f"hung, and was stopped after {seconds:g} s") from None
        if isinstance(answer, Exception):
            raise Lost(self._death()) from answer
        return answer

    def end(self) -> None:
        """Stop the process and all that it started."""
        self._requests.put(None)
        if os.name == "posix":
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def _death(self) -> str:
        """Return how a process whose pipe broke ended, once it is gone."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self.end()
        code = self._process.returncode
        return f"the process died of {signal.Signals(-code).name}" if code < 0 else f"the process exited with {code}"

    def _talk(self) -> None:
        """Pass on what the process says, and between that one request at a time."""
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None and sink is not None
        with source, suppress(OSError), sink:
            try:
                self._answers.put(receive(source))
                while (request := self._requests.get()) is not None:
                    send(sink, *request)
                    self._answers.put(receive(source))
            except Exception as error:  # the pipe broke, or what came is no message
                self._answers.put(error)


class ProcessTarget:
    """A module with functions of documented names, in a process of its own that is started anew when it is lost.

    Parameters
    ----------
    name : str
        How to call it.
    module : str
        The name of a module, or the path of a file that ends in .py.
    timeout : float
        How many seconds a call may take; the first one `FIRST_CALL_LIMITS` times as many.
    environment : mapping of str to str
        Variables of the process's environment, beside those of ours.
    import_timeout : float
        How many seconds importing the module may take.

    Raises
    ------
    ImportError
        If the module cannot be imported; a ModuleNotFoundError if it needs one that is not there.
    """

    takes_arrays = True

    def __init__(
        self,
        name: str,
        module: str,
        timeout: float,
        environment: Mapping[str, str],
        import_timeout: float,
    ) -> None:
        self.name = one_line(name)
        self._module, self._timeout, self._environment = module, timeout, environment
        self._import_timeout = import_timeout
        self._worker: Worker | None = None
        self._called = False
        self._lost: dict[str, float] = {}
        self._gone = ""
        try:
            said = self._start()
        except Lost as lost:
            raise ImportError(f"while it was imported, {lost}") from lost
        if "error" in said:
            self.close()
            raise (ModuleNotFoundError if said["absent"] else ImportError)(said["error"])
        self.version: str = said["version"]
        self.dtypes: tuple[str, ...] = tuple(said["dtypes"])
        self._choices: Mapping[str, Sequence[str]] = said["choices"]
        self.selects_gradients: bool = said["selects_gradients"]
        self.takes_threads: bool = said["takes_threads"]
        self._functions = frozenset(said["functions"])

    def offers(self, function: str) -> bool:
        """Tell whether the module has such a function."""
        return function in self._functions

    def conventions(self, case: Case, dtype: str) -> Sequence[str]:
        """Return the conventions that the module can choose in a case."""
        return self._choices.get(choice(case.operation, case.options), ())

    def remarks(self, cases: Sequence[Case]) -> Sequence[str]:
        """Return nothing: all is in the outcomes."""
        return ()

    def reply(
        self,
        case: Case,
        call: Call,
        dtype: str,
        options: Mapping[str, Any],
        layout: str = CONTIGUOUS,
        calling: Calling = PLAIN,
    ) -> Reply:
        """Call a function in some manner with copies of the case's inputs, in a memory layout, and wait for answer."""
        function = call.function(case.operation)
        lost_seconds = self._lost.get(function, 0.0)
        if self._gone or lost_seconds >= PATIENCE * self._timeout:
            return Reply(broken=self._gone or f"not tried: calls that hung or died have cost {lost_seconds:.0f} s")
        given = arguments(case, call, dtype)
        content = {
            "function": function,
            "names": list(given),
            "options": options_in(call, dtype, options),
            "layout": layout,  # which the process makes: through the pipe come bytes
            "calling": asdict(told(call, dtype, calling)),
        }
        limit = self._timeout * calling.calls * (1 if self._called else FIRST_CALL_LIMITS)
        self._called = True
        try:
            if self._worker is None and "error" in (said := self._start()):
                raise Lost(said["error"])
        except Lost as lost:
            self._gone = f"not tried: the process could not be started again ({lost})"
            return Reply(broken=self._gone)
        assert self._worker is not None
        begun = time.monotonic()
        try:
            said, items = self._worker.answer(limit, (content, list(given.values())))
        except Lost as lost:
            self._worker = None
            self._lost[function] = lost_seconds + (time.monotonic() - begun) + self._start_seconds
            if sum(self._lost.values()) >= PATIENCE_IN_ALL * self._timeout:
                self._gone = f"not tried: calls that hung or died have cost {sum(self._lost.values()):.0f} s in all"
            return Reply(broken=str(lost))
        return Reply(tuple(item for item in items if item is not None), **said)

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def _start(self) -> dict[str, Any]:
        """Start the process, and return what it says of itself."""
        begun = time.monotonic()
        self._worker = Worker(self._module, self._environment)
        try:
            said = self._worker.answer(self._import_timeout)[0]
            self._start_seconds = time.monotonic() - begun
            return said
        except BaseException:  # Ctrl-C too: nobody else knows of the process yet
            self.close()
            raise
