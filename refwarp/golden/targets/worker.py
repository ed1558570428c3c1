"""The process in which a peer or an adapter runs: `python -m refwarp.golden.targets.worker MODULE`.

MODULE is the name of a module, or the path of a file that ends in .py. Messages come on stdin and go out on stdout:
first what the module is, or why it cannot be imported, then an answer to each request. The module itself finds an
empty stdin, and its stdout is stderr, so that whatever it prints is seen and disturbs nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import ModuleType
from typing import IO, Any

from refwarp.golden.manners import Calling
from refwarp.golden.operations import OPERATIONS
from refwarp.golden.outcomes import Reply
from refwarp.golden.targets.messages import Item, receive, send
from refwarp.golden.targets.module import ModuleTarget, laid_out, one_line
from refwarp.terminal.streams import guard_streams


def main() -> None:
    """Import the module, and answer requests until stdin ends."""
    requests, replies = _take_pipes()
    try:
        # It refuses an environment of which a module that uses Numba would hear in each of its calls.
        importlib.import_module("refwarp.backend")
        target = ModuleTarget(_import(sys.argv[1]), sys.argv[1])
    except BaseException as error:  # SystemExit too, and what native libraries derive from BaseException
        why = f"{type(error).__name__}: {one_line(error)}{_line_of(error, sys.argv[1])}"
        send(replies, {"error": why, "absent": isinstance(error, ModuleNotFoundError)})
        return
    functions = [call.function(operation) for operation, calls in OPERATIONS.items() for call in calls]
    send(
        replies,
        {
            "version": target.version,
            "dtypes": target.dtypes,
            "choices": target.choices,
            "selects_gradients": target.selects_gradients,
            "takes_threads": target.takes_threads,
            "functions": [function for function in functions if target.offers(function)],
        },
    )
    while True:
        content, arrays = requests.get()
        try:
            given = laid_out(dict(zip(content["names"], arrays, strict=True)), content["layout"])
            reply = target.run(content["function"], given, content["options"], Calling(**content["calling"]))
        except BaseException as error:
            reply = Reply(raised=f"{type(error).__name__}: {one_line(error)}")
        answer = {name: getattr(reply, name) for name in ("raised", "refused", "missing", "broken", "repeatable")}
        send(replies, answer, reply.results)


def _take_pipes() -> tuple[SimpleQueue[tuple[dict[str, Any], list[Item]]], IO[bytes]]:
    """Take stdin and stdout for messages; return what is read from the one, and the other as a stream."""
    source, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    guard_streams(silent=True)
    requests: SimpleQueue[tuple[dict[str, Any], list[Item]]] = SimpleQueue()

    def read() -> None:
        # In a thread of its own: when whoever started us is gone, we go too, even in the middle of a call.
        try:
            while True:
                requests.put(receive(source))
        except EOFError:
            os._exit(0)

    Thread(target=read, daemon=True).start()
    return requests, replies


def _import(name: str) -> ModuleType:
    if not name.lower().endswith(".py"):
        return importlib.import_module(name)
    # Last in the path: an adapter finds its neighbours, and one called torch.py still finds the library.
    sys.path.append(str(Path(name).resolve().parent))
    # Which loads a mine.PY, too.
    loader = SourceFileLoader("refwarp_adapter", name)
    spec = importlib.util.spec_from_file_location("refwarp_adapter", name, loader=loader)
    assert spec is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _line_of(error: BaseException, name: str) -> str:
    """Return where in the file an exception arose, if anywhere."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f" (line {lines[-1]})" if lines else ""


if __name__ == "__main__":
    main()
