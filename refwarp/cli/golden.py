"""`refwarp golden build | check | export | show`."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from refwarp.cli.options import GoldenOption

app = typer.Typer(help="Build, check, export and look into golden files.", rich_markup_mode=None)


@app.command()
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


class _Format(StrEnum):
    JSON = "json"
    ONNX = "onnx"


class _Dtype(StrEnum):
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


@app.command()
def export(
    out: Annotated[
        Path, typer.Option(help="The file to write; compressed, if its name ends in .gz. Of ONNX, a new folder.")
    ],
    golden: GoldenOption = None,
    format: Annotated[_Format, typer.Option(help="JSON, or node tests of ONNX.")] = _Format.JSON,
    dtype: Annotated[_Dtype, typer.Option(help="What ONNX's tensors hold.")] = _Dtype.FLOAT32,
) -> None:
    """Write a golden file as JSON, for languages without HDF5, or as node tests of ONNX."""
    from refwarp.files import check_output_file, make_output_folder
    from refwarp.golden import SUITE
    from refwarp.golden.reading import read

    source = golden or SUITE
    if format == _Format.ONNX:
        from refwarp.golden import onnx

        written = onnx.export(out, read(source), dtype)
        print(f"{out}: {written.tests} tests of GridSample and AffineGrid in {dtype}")
        for reason, count in sorted(written.left_out.items()):
            print(f"Left out: {count}, {reason}.")
        return
    from refwarp.golden.export import export

    make_output_folder(check_output_file(out, source=source).parent)
    found = read(source)
    export(out, found)
    print(f"{out}: {len(found.cases)} cases, {found.digest}")


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A golden file.")]) -> None:
    """Check that a golden file, of HDF5 or of JSON, is whole and undamaged."""
    from refwarp.golden.reading import read

    found = read(file)
    print(f"{file}: {len(found.cases)} cases by generator {found.generator}, undamaged, {found.digest}")


@app.command()
def show(
    case: Annotated[str, typer.Argument(help="A case's name, as operation/what_it_is.")],
    golden: GoldenOption = None,
) -> None:
    """Print one case: what it is for, its inputs, and the truth about its outputs."""
    from refwarp.golden import SUITE
    from refwarp.golden.reading import read_case
    from refwarp.golden.report.terminal import show_case
    from refwarp.terminal.console import TextConsole

    show_case(read_case(golden or SUITE, case), TextConsole())
