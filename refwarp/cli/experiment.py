"""`refwarp experiment list | run | show`."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refwarp.cli.options import DataOption, Device, DeviceOption

if TYPE_CHECKING:
    from concurrent.futures import Executor

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
    from refwarp.arguments import check_option
    from refwarp.sweeps import Sweep, SweepFolder, load_experiment, processes, run_sweep
    from refwarp.sweeps.terminal import cost, sweep_display
    from refwarp.terminal.console import TextConsole
    from refwarp.training import check_device

    if cluster is not None and workers is not None:
        raise ValueError("workers: given with a cluster, which has its own; leave one of the two out")
    loaded = load_experiment(name)
    check_option("scale", scale, tuple(loaded.experiment.scales))
    check_device(device.value)
    settings = loaded.experiment.scales[scale]
    first = settings.seeds[0]
    chosen = settings.seeds if seeds is None else range(first, first + seeds)
    workers = workers or os.cpu_count() or 1
    folder = SweepFolder(out or Path("sweeps") / f"{loaded.name}-{scale}", loaded)
    sweep = Sweep(loaded, scale, tuple(chosen), folder, data, device.value, workers)
    stderr = TextConsole(stderr=True)
    stderr.print(f"{loaded.name}, scale {scale}: {cost(loaded, scale, chosen)}", highlight=False)
    executor: AbstractContextManager[Executor]
    if cluster is None:
        executor = processes(workers)
    else:
        from refwarp.sweeps.cluster import cluster_executor

        executor = cluster_executor(cluster)
    with executor as pool, sweep_display(loaded.name, stderr) as progress:
        results = run_sweep(sweep, pool, resume=resume, progress=progress)
    report = loaded.experiment.report(results)
    path = report.write(folder.path)
    report.show(TextConsole())
    print(f"{path} and the pictures beside it show the same.")


@app.command()
def show(
    name: _NameArgument,
    scale: Annotated[str, typer.Option(help="Of the results that come with the experiment.")] = "small",
    out: Annotated[Path | None, typer.Option(help="The folder of another sweep.")] = None,
) -> None:
    """Write and print what results show, finished ones or those so far; nothing is computed."""
    from refwarp.sweeps import SweepFolder, load_experiment
    from refwarp.sweeps.pages import RESULTS
    from refwarp.terminal.console import TextConsole

    loaded = load_experiment(name)
    folder = SweepFolder(out or loaded.path.parent / RESULTS / loaded.name / scale, loaded)
    report = loaded.experiment.report(folder.read_all())
    report.write(folder.path)
    report.show(TextConsole())
