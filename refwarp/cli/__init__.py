"""The command line. Each command imports its room when it runs, so that `refwarp --help` answers at once.

Exit codes: 0; 1 when something was verified and found wrong, or nothing was there to verify; 2 when the command
could not run as asked, or what it found cannot be printed or written, with one sentence on stderr that says why and
what to do; 3 when all that ran is right, but calls were skipped that may not be; 130 when it was interrupted; 141 when
nobody read its output to the end, as with `| head`.

A command writes its files before it prints what it found.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from refwarp.cli import bench, data, experiment, golden, training, verify
from refwarp.files import checkout_folder
from refwarp.memory import keep_freed_memory
from refwarp.terminal.interrupts import take_interrupts
from refwarp.terminal.streams import OutputError, guard_streams

app = typer.Typer(
    help="Differentiable image warps with hand-derived gradients, proven in exact arithmetic.",
    context_settings={"help_option_names": ["-h", "--help"]},  # of all commands
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # "[default: ...]" and "refwarp[cuda13]" are no markup
)
app.command()(verify.verify)
app.command()(training.tour)
app.command()(training.train)
app.command()(training.predict)
app.command(hidden=checkout_folder("benchmarks") is None)(bench.bench)  # where it cannot run, it only says so
app.add_typer(golden.app, name="golden")
app.add_typer(data.app, name="data")
app.add_typer(experiment.app, name="experiment", hidden=checkout_folder("experiments") is None)

# What typer raises for a wrong command line: click's UsageError, of the package or, in newer versions, of a copy
# inside typer. Its subclass BadParameter is the one that typer exports from either.
_UsageError: Any = typer.BadParameter.__base__
# What the rooms raise for bad input, each with a sentence for people.
_BAD_INPUT = (ValueError, OSError, ImportError)
_REFUSED, _INTERRUPTED, _BROKEN_PIPE = 2, 130, 141


def _print_version(wanted: bool) -> None:
    if wanted:
        from refwarp import __version__

        print(f"refwarp {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before any command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line of this process, or the given one, and end with its exit code."""
    guard_streams()
    take_interrupts()
    keep_freed_memory()
    warnings.showwarning = _show_warning
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code; what went wrong is one sentence on stderr."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    except OutputError as error:
        if error.nobody_reads:
            return _BROKEN_PIPE
        with suppress(OutputError):
            _refuse(f"{error}; write to another place")
        return _REFUSED
    return code


def _run(arguments: list[str]) -> int:
    try:
        code = app(arguments, prog_name="refwarp", standalone_mode=False) or 0
    except _UsageError as error:
        message = error.format_message().rstrip()
        stop = "" if message.endswith((".", "?", "!")) else "."
        command = error.ctx.command_path if error.ctx else "refwarp"
        return _refuse(f"{message}{stop} See `{command} --help`.")
    except _BAD_INPUT as error:
        return _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == 1 and arguments[0] in ("--install-completion", "--show-completion"):
        return _refuse("The shell is unknown; completion is there for bash, zsh, fish and PowerShell.")
    if code == _INTERRUPTED:
        print("refwarp: interrupted", file=sys.stderr)
    return int(code)


def _refuse(reason: str) -> int:
    _print_line(reason)
    return _REFUSED


def _show_warning(message: Warning | str, *where: object, **more: object) -> None:
    """Show a warning without the place in the sources that Python adds."""
    _print_line(str(message))


def _print_line(text: str) -> None:
    print(f"refwarp: {' '.join(text.split())}", file=sys.stderr)
