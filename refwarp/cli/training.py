"""`refwarp tour`, `refwarp train` and `refwarp predict`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from refwarp.cli.options import Device, DeviceOption

_RUN = Path("run")


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


def train(  # noqa: PLR0913 - its options
    data: Annotated[
        str | None,
        typer.Option(help="A folder of pictures by class, or a set's name, as mnist. [default: scikit-learn's digits]"),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder to write into.")] = _RUN,
    model: Annotated[str, typer.Option(help="CNN, FCN, ST-CNN or ST-FCN.")] = "ST-CNN",
    warp: Annotated[
        str | None, typer.Option(help="none, translation, affine, projective, tps, ... [default: affine with ST-...]")
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(help="bilinear, bicubic, linearized, multiscale, lanczos, ... [default: bilinear]"),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Height and width to resize to, as 32 or 32x48. [default: their own up to 64, or 64]"),
    ] = None,
    distortion: Annotated[
        str | None,
        typer.Option(help="R, RTS, P, E, TC or none, afresh in each epoch. [default: none; RTS for the digits]"),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="sgd or adam.")] = "adam",
    lr: Annotated[float | None, typer.Option(help="The learning rate. [default: the optimizer's]")] = None,
    schedule: Annotated[str, typer.Option(help="cosine, plateau or constant, after a warm-up.")] = "cosine",
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the pictures. [default: some 3,000 steps, from 4 to 60]")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures in a step.")] = 64,
    patience: Annotated[
        int, typer.Option(min=0, help="Stop after so many epochs without progress and one more; 0: never.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of parts, weights, and all that training draws.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    device: DeviceOption = Device.CPU,
) -> None:
    """Let a network that may warp learn pictures by class, and test it.

    It can be interrupted at any time; the same command with --resume goes on after the last epoch. `refwarp predict`
    uses what it has learnt.
    """
    from refwarp.classification.parts import DIGITS
    from refwarp.classification.recipe import Recipe
    from refwarp.classification.run import UNDISTORTED, Options, train_run
    from refwarp.training import training_progress

    recipe = Recipe(optimizer, lr, schedule, epochs, batch_size, patience)
    distorted = distortion or ("RTS" if data is None else UNDISTORTED)
    options = Options(data or DIGITS, _parsed_size(size), distorted, model, warp, sampler, recipe, seed)
    with training_progress() as progress:
        summary = train_run(options, out, resume=resume, device=device.value, progress=progress)
    outcome, used = summary.outcome, summary.options
    what = used.model if used.sampler is None else f"{used.model} ({used.warp}, {used.sampler})"
    how = "" if used.distortion == UNDISTORTED else f", distorted by {used.distortion}"
    print(
        f"{what} on {summary.parts.name}{how}, seed {seed}: {outcome.test_error:.1%} of the "
        f"{len(summary.parts.test):,} test pictures wrong ({summary.parameters:,} parameters, "
        f"{sum(outcome.history.seconds):.0f} s of training, epoch {outcome.best_epoch} of {len(outcome.history)} kept)"
    )
    print(f"{out} has the network, its numbers and its pictures.")


def _parsed_size(text: str | None) -> tuple[int, int] | None:
    """Return height and width of a text as "32" or "32x48"; ValueError if it is none."""
    if text is None:
        return None
    numbers = text.lower().split("x")
    if len(numbers) > 2 or not all(re.fullmatch("[1-9][0-9]{0,3}", number) for number in numbers):
        raise ValueError(f"size: given {text!r}, expected a number of pixels up to 9999, or two as 32x48")
    return int(numbers[0]), int(numbers[-1])


def predict(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    run: Annotated[Path, typer.Option(help="The folder that `refwarp train` wrote.")] = _RUN,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the probability of every class.")] = False,
    warped: Annotated[
        Path | None, typer.Option(help="A folder to write what the transformer makes of each picture.")
    ] = None,
) -> None:
    """Tell the class of pictures, by a network that `refwarp train` has trained."""
    from rich.table import Table
    from rich.text import Text

    from refwarp.classification.kept import load_classifier
    from refwarp.classification.prediction import classify, find_pictures
    from refwarp.classification.run import WEIGHTS
    from refwarp.files import check_input_file
    from refwarp.terminal.console import TextConsole

    check_input_file(run / WEIGHTS, "run", "the folder of a run that is finished")
    classifier = load_classifier(run / WEIGHTS)
    found = classify(classifier, find_pictures(pictures), warped)
    if as_json:
        rows = [
            {
                "picture": str(one.path),
                "class": classifier.classes[one.label],
                "probability": one.probability,
                "probabilities": dict(zip(classifier.classes, one.probabilities.tolist(), strict=True)),
            }
            for one in found
        ]
        print(json.dumps(rows, indent=1))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("picture", "class", "probability"):
        table.add_column(name, justify="right" if name == "probability" else "left")
    for one in found:
        table.add_row(Text(str(one.path)), Text(classifier.classes[one.label]), f"{one.probability:.1%}")
    TextConsole().print(table)
