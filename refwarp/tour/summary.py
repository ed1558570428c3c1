"""What a tour says at its end, on one screen."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from refwarp.golden.report import summary
from refwarp.tour.results import CNN, MODELS, ST_CNN, Results, mean_test_error, verdict


def show(results: Results, folder: Path, console: Console) -> None:
    """Print where everything is, the kernels' verdict, and each network's test errors."""
    seconds = sum(results.timings.values())
    title = Text.assemble("\n", ("refwarp tour", "bold"), f", {seconds:.0f} s, written to {folder.resolve()}:")
    console.print(title, soft_wrap=True)
    console.print(Text.assemble("  ", ("report.html", "bold"), "   all of it, with its pictures, for a browser"))
    console.print("  tour.png, poses.png, errors.png, curves.png, kink.png")
    console.print("  golden.h5     the exact values that the kernels were checked against")
    console.print("  metrics.json  all the numbers\n")
    style = "green" if results.verification.passed else "bold red"
    console.print(Text.assemble(("Kernels:", style), f" {summary(results.verification)}\n"))
    console.print(_errors(results))
    for distortion in results.distortions:
        sentence = verdict(results.of(distortion, CNN), results.of(distortion, ST_CNN))
        console.print(Text.assemble((f"{distortion}:", "bold"), f" {sentence}"))


def _errors(results: Results) -> Table:
    """Return the table of test errors."""
    seeds = sorted({trial.seed for trial in results.trials})
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("wrong test pictures", "parameters", *(f"seed {seed}" for seed in seeds), "mean"):
        table.add_column(column, justify="left" if column == "wrong test pictures" else "right")
    for distortion in results.distortions:
        for model in MODELS:
            trials = {trial.seed: trial for trial in results.of(distortion, model)}
            table.add_row(
                f"{distortion}  {model}",
                f"{next(iter(trials.values())).parameters:,}",
                *(f"{trials[seed].test_error:.1%}" if seed in trials else "" for seed in seeds),
                Text(f"{mean_test_error(trials.values()):.1%}", "bold"),
            )
    return table
