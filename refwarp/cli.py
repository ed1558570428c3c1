"""The command line. Each command imports its room when it runs, so that `refwarp --help` answers at once.

Exit codes: 0; 1 when something was verified and found wrong, or nothing was there to verify; 2 when the command
could not run as asked, or what it found cannot be printed or written, with one sentence on stderr that says why and
what to do; 130 when it was interrupted; 141 when nobody read its output to the end, as with `| head`.

A command writes its files before it prints what it found.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from refwarp.files import checkout_folder
from refwarp.terminal.interrupts import take_interrupts
from refwarp.terminal.streams import OutputError, guard_streams

app = typer.Typer(
    help="Differentiable image warps with hand-derived gradients, proven in exact arithmetic.",
    context_settings={"help_option_names": ["-h", "--help"]},  # of all commands
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # "[default: ...]" and "refwarp[cuda13]" are no markup
)
golden_app = typer.Typer(help="Build, check, export and look into golden files.", rich_markup_mode=None)
app.add_typer(golden_app, name="golden")

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


# A golden file, for the commands that read one.
_GoldenOption = Annotated[Path | None, typer.Option(help="A golden file. [default: the one that refwarp brings]")]


class _Profile(StrEnum):
    FLOAT = "float"
    FIXED5 = "fixed5"
    FIXED8 = "fixed8"
    FIXED9 = "fixed9"


class _Required(StrEnum):
    FAITHFUL = "faithful"
    WORKING = "working"


@app.command()
def verify(  # noqa: PLR0913 - its options
    target: Annotated[
        str,
        typer.Argument(
            help="refwarp, refwarp:cuda, refwarp:simulator, a peer as torch, an adapter as mine.py, or a file of "
            "results as mine.h5."
        ),
    ] = "refwarp",
    golden: _GoldenOption = None,
    dtype: Annotated[list[str] | None, typer.Option(help="float32, ..., repeatable. [default: the target's]")] = None,
    operation: Annotated[list[str] | None, typer.Option(help="grid_sample, ..., repeatable. [default: all]")] = None,
    flag: Annotated[list[str] | None, typer.Option(help="NearSeam, ..., repeatable: any. [default: all]")] = None,
    without_flag: Annotated[
        list[str] | None, typer.Option(help="Subnormal, ..., repeatable: leave out cases with any. [default: none]")
    ] = None,
    case: Annotated[list[str] | None, typer.Option(help="operation/name, repeatable. [default: all]")] = None,
    layout: Annotated[
        list[str] | None,
        typer.Option(help="How arrays lie in memory: fortran, ..., or all; repeatable. [default: contiguous]"),
    ] = None,
    profile: Annotated[_Profile, typer.Option(help="How coordinates are rounded.")] = _Profile.FLOAT,
    require: Annotated[_Required, typer.Option(help="The grade that every case must have.")] = _Required.WORKING,
    timeout: Annotated[
        float, typer.Option(min=0.01, max=86400, help="Seconds for a call in another process; the first: 5 times.")
    ] = 60.0,
    report: Annotated[list[Path] | None, typer.Option(help="A .html, .json or .xml (JUnit) file, repeatable.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="A line for each output.")] = False,
) -> None:
    """Check an implementation against exact values, element by element.

    The exit code is 0 if every case that ran has the required grade, 1 if not or if none ran, and 2 if the command
    could not run as asked, or what it found cannot be printed or written.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    from refwarp.golden import SUITE
    from refwarp.golden.grades import PROFILES
    from refwarp.golden.layouts import LAYOUTS
    from refwarp.golden.reading import read
    from refwarp.golden.report import check_report_paths, write
    from refwarp.golden.report.terminal import show
    from refwarp.golden.targets import load
    from refwarp.golden.verify import Grade, Selection, verify
    from refwarp.terminal.console import TextConsole, text_column

    source, reports = golden or SUITE, report or ()
    check_report_paths(reports, source)
    laid = tuple(LAYOUTS) if "all" in (layout or ()) else layout or ()
    selection = Selection(
        dtype or (), operation or (), flag or (), case or (), layouts=laid, without_flags=without_flag or ()
    )
    stderr = TextConsole(stderr=True)
    columns = text_column("description"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)
    with load(target, timeout) as loaded, progress as bar:
        suite = read(source)
        task = bar.add_task(f"Verifying {target}")
        found = verify(
            suite.cases,
            loaded,
            selection,
            PROFILES[profile],
            Grade[require.upper()],
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    lost: list[Exception] = []
    for path in reports:
        try:
            write(path, found, suite)
        except (OSError, ValueError) as error:  # the other reports, and the verdict, are worth having
            lost.append(error)
    show(found, TextConsole(), verbose)
    if lost:
        raise OSError("; ".join(map(str, lost)))
    raise typer.Exit(0 if found.passed else 1)


class _Device(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


_DeviceOption = Annotated[
    _Device, typer.Option(help="Where to compute; cuda needs a GPU and refwarp[cuda12] or refwarp[cuda13].")
]


@app.command()
def tour(
    out: Annotated[Path, typer.Option(help="The folder to write into.")],
    seed: Annotated[int, typer.Option(min=0, help="The first seed of the training runs.")] = 0,
    device: _DeviceOption = _Device.CPU,
) -> None:
    """Check the kernels, let networks learn distorted digits, and write a report of both."""
    from refwarp.terminal.console import TextConsole
    from refwarp.tour import summary
    from refwarp.tour.run import run_tour

    results = run_tour(out, seed, device=device.value)
    summary.show(results, out, TextConsole())
    raise typer.Exit(0 if results.verification.passed else 1)


@app.command()
def train(
    model: Annotated[str, typer.Option(help="CNN or ST-CNN.")] = "ST-CNN",
    distortion: Annotated[str, typer.Option(help="R (rotation) or RTS (rotation, translation, scale).")] = "RTS",
    seed: Annotated[int, typer.Option(min=0, help="Of the weights, and of all that training draws.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the digits. [default: the tour's]")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="The file to save the run in, after each epoch.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    device: _DeviceOption = _Device.CPU,
) -> None:
    """Let a network learn distorted digits, and test it."""
    from refwarp.networks import count_parameters
    from refwarp.tour.distorted_digits import Budget, train_on_distorted_digits
    from refwarp.training import Checkpoint, training_progress

    budget = Budget() if epochs is None else Budget(epochs=epochs)
    if resume and checkpoint is None:
        raise ValueError("resume: given without a checkpoint, expected the file to resume from as `--checkpoint`")
    kept = None if checkpoint is None else Checkpoint(checkpoint, resume, replace=False)
    try:
        with training_progress() as progress:
            outcome = train_on_distorted_digits(
                model, distortion, seed, budget=budget, checkpoint=kept, progress=progress, device=device.value
            )
    except FileExistsError as error:
        raise ValueError(
            f"checkpoint: {checkpoint} is there already; add --resume to go on from it, or remove it"
        ) from error
    print(
        f"{model} on {distortion}, seed {seed}: {outcome.test_error:.1%} of the test pictures wrong "
        f"({count_parameters(outcome.model):,} parameters, {sum(outcome.history.seconds):.0f} s of training)"
    )


@app.command(hidden=checkout_folder("benchmarks") is None)  # where it cannot run, it only says so
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="grid_sample_torch, ... [default: all]")] = None,
    out: Annotated[Path, typer.Option(help="The folder to write into.")] = Path("bench"),
    quick: Annotated[bool, typer.Option("--quick", help="A representative part, in minutes.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="A text that an entry's name contains, repeatable.")] = None,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="How many threads, repeatable. [default: 1 and 2]")
    ] = None,
) -> None:
    """Measure refwarp against other libraries, each alternately with the other in one run.

    It runs the comparisons of a checkout; those whose library is not installed are left out. The exit code is 1 if a
    library and refwarp, asked for the same, do not compute the same.
    """
    from refwarp.benchmarking import run_comparisons
    from refwarp.benchmarking.terminal import progress_display, show
    from refwarp.terminal.console import TextConsole

    with progress_display() as progress:
        results = run_comparisons(
            names or (), out, quick=quick, threads=threads or (1, 2), only=only or (), progress=progress
        )
    show(results, out, TextConsole())
    raise typer.Exit(1 if any(comparison.disagreements for comparison in results.comparisons) else 0)


@golden_app.command()
def build(
    out: Annotated[Path, typer.Option(help="The file to write.")],
    jobs: Annotated[int | None, typer.Option(min=1, help="How many processes compute. [default: a core each]")] = None,
) -> None:
    """Compute the truth about every case, and write a golden file."""
    from rich.progress import Progress

    from refwarp.files import check_output_file, make_output_folder
    from refwarp.golden.build import GENERATOR_VERSION, build
    from refwarp.golden.format import read, write
    from refwarp.terminal.console import TextConsole

    make_output_folder(check_output_file(out).parent)
    stderr = TextConsole(stderr=True)
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task("Building the golden suite")
        cases = build(
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            jobs=jobs or os.cpu_count() or 1,
        )
    write(out, cases, GENERATOR_VERSION)
    print(f"{out}: {len(cases)} cases, {read(out).digest}")


@golden_app.command()
def export(
    out: Annotated[Path, typer.Option(help="The file to write; compressed, if its name ends in .gz.")],
    golden: _GoldenOption = None,
) -> None:
    """Write a golden file as JSON, for languages without HDF5."""
    from refwarp.files import check_output_file, make_output_folder
    from refwarp.golden import SUITE
    from refwarp.golden.export import export
    from refwarp.golden.reading import read

    source = golden or SUITE
    make_output_folder(check_output_file(out, source=source).parent)
    found = read(source)
    export(out, found)
    print(f"{out}: {len(found.cases)} cases, {found.digest}")


@golden_app.command()
def check(file: Annotated[Path, typer.Argument(help="A golden file.")]) -> None:
    """Check that a golden file, of HDF5 or of JSON, is whole and undamaged."""
    from refwarp.golden.reading import read

    found = read(file)
    print(f"{file}: {len(found.cases)} cases by generator {found.generator}, undamaged, {found.digest}")


@golden_app.command()
def show(
    case: Annotated[str, typer.Argument(help="A case's name, as operation/what_it_is.")],
    golden: _GoldenOption = None,
) -> None:
    """Print one case: what it is for, its inputs, and the truth about its outputs."""
    from refwarp.golden import SUITE
    from refwarp.golden.reading import read_case
    from refwarp.golden.report.terminal import show_case
    from refwarp.terminal.console import TextConsole

    show_case(read_case(golden or SUITE, case), TextConsole())


def main() -> None:
    """Run the command line, and end with its exit code."""
    guard_streams()
    take_interrupts()
    warnings.showwarning = _show_warning
    sys.exit(run(sys.argv[1:]))


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
