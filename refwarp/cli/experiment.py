"""`refwarp experiment list | run | show`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refwarp.cli.options import DataOption, Device, DeviceOption

if TYPE_CHECKING:
    from refwarp.sweeps import Results
    from refwarp.sweeps.experiment import LoadedExperiment

app = typer.Typer(help="Run the papers' experiments, and show their results.", rich_markup_mode=None)

_NameArgument = Annotated[str, typer.Argument(help="stn_table1, ..., or the path of an experiment's file.")]


@app.command("list")
def list_experiments() -> None:
    """Print which experiments there are, and how much work each of their scales is."""
    from refwarp.sweeps import experiment_names, load_experiment
    from refwarp.sweeps.terminal import show_experiments
    from refwarp.terminal.console import TextConsole

    show_experiments([load_experiment(name) for name in experiment_names()], TextConsole())


@app.command()
def run(  # noqa: PLR0913 - its options
    name: _NameArgument,
    scale: Annotated[str, typer.Option(help="tiny, small, paper, or another that the experiment has.")] = "tiny",
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write into. [default: sweeps/NAME-SCALE]")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds. [default: the scale's]")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="How many processes. [default: a core each]")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="The address of a Dask scheduler, instead of processes here.")
    ] = None,
    device: DeviceOption = Device.CPU,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder.")] = False,
) -> None:
    """Compute an experiment's cells, and write and print what they show.

    It can be interrupted at any time; --resume goes on, with cells under way from their last checkpoint.
    """
    from autograd_core import get_num_threads
    from refwarp.arguments import check_option
    from refwarp.sweeps import CellError, Sweep, SweepFolder, cluster_workers, load_experiment, processes, run_sweep
    from refwarp.sweeps.terminal import cost, sweep_display
    from refwarp.training import check_device

    if cluster is not None and workers is not None:
        raise ValueError("workers: given with a cluster, which has its own; leave one of the two out")
    loaded = load_experiment(name)
    check_option("scale", scale, tuple(loaded.experiment.scales))
    if cluster is None:
        check_device(device.value)
    chosen = _seeds(loaded.experiment.scales[scale].seeds, seeds)
    folder = SweepFolder(out or Path("sweeps") / f"{loaded.name}-{scale}", loaded)
    sweep = Sweep(loaded, scale, chosen, folder, data, device.value)
    heading = f"{loaded.name}, scale {scale}: {cost(loaded, scale, chosen)}"
    failed = None
    with (
        processes(workers or get_num_threads()) if cluster is None else cluster_workers(cluster) as team,
        sweep_display(loaded.name, heading) as progress,
    ):
        try:
            results = run_sweep(sweep, team, resume=resume, progress=progress)
        except CellError as error:
            results, failed = error.results, error
    if results.cells:
        _report(loaded, folder.path, results)
    if failed is not None:
        raise failed


def _seeds(own: Sequence[int], count: int | None) -> list[int]:
    """Return the seeds of a scale, or the first of them, followed by others if there are too few."""
    following = max(own) + 1
    return [*own, *range(following, following + (count or 0))][: count or len(own)]


def _report(loaded: LoadedExperiment, folder: Path, results: Results) -> None:
    """Write and print what results show."""
    from refwarp.terminal.console import TextConsole

    report = loaded.experiment.report(results)
    path = report.write(folder)
    report.show(TextConsole())
    print(f"{path} and the pictures beside it show the same." if report.figures else f"{path} shows the same.")


@app.command()
def show(
    name: _NameArgument,
    scale: Annotated[str, typer.Option(help="Of the results that come with the experiment.")] = "small",
    out: Annotated[Path | None, typer.Option(help="The folder of another sweep.")] = None,
) -> None:
    """Write and print what results show, finished ones or those so far; nothing is computed."""
    from refwarp.sweeps import SweepFolder, load_experiment
    from refwarp.sweeps.pages import RESULTS

    loaded = load_experiment(name)
    folder = SweepFolder(out or loaded.path.parent / RESULTS / loaded.name / scale, loaded)
    results = folder.read_all()
    if not results.cells:
        raise ValueError(f"out: {folder.path} holds a sweep of which no cell is finished yet; go on with run --resume")
    _report(loaded, folder.path, results)
