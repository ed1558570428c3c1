"""Options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

GoldenOption = Annotated[Path | None, typer.Option(help="A golden file. [default: the one that refwarp brings]")]


class Device(StrEnum):
    """Where to compute."""

    CPU = "cpu"
    CUDA = "cuda"


DeviceOption = Annotated[
    Device, typer.Option(help="Where to compute; cuda needs a GPU and refwarp[cuda12] or refwarp[cuda13].")
]

DataOption = Annotated[
    Path | None, typer.Option(help="The folder of the data sets. [default: the environment's REFWARP_DATA]")
]
