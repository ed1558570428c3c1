"""`refwarp tour` and `refwarp train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from refwarp.cli.options import Device, DeviceOption


def tour(
    out: Annotated[Path, typer.Option(help="The folder to write into.")],
    seed: Annotated[int, typer.Option(min=0, help="The first seed of the training runs.")] = 0,
    device: DeviceOption = Device.CPU,
) -> None:
    """Check the kernels, let networks learn distorted digits, and write a report of both."""
    from refwarp.terminal.console import TextConsole
    from refwarp.tour import summary
    from refwarp.tour.run import run_tour

    results = run_tour(out, seed, device=device.value)
    summary.show(results, out, TextConsole())
    raise typer.Exit(0 if results.verification.passed else 1)


def train(
    model: Annotated[str, typer.Option(help="CNN or ST-CNN.")] = "ST-CNN",
    distortion: Annotated[str, typer.Option(help="R (rotation) or RTS (rotation, translation, scale).")] = "RTS",
    seed: Annotated[int, typer.Option(min=0, help="Of the weights, and of all that training draws.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the digits. [default: the tour's]")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="The file to save the run in, after each epoch.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    device: DeviceOption = Device.CPU,
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
