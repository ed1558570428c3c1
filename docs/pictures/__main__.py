"""Draw the pictures of the book: `python -m docs.pictures [NAME ...]` writes docs/images/NAME.png, all by default."""

import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from docs.pictures import decoder, flows, grids, samplers
from refwarp.drawing.style import render

IMAGES = Path(__file__).parents[1] / "images"

PICTURES: dict[str, Callable[[], Figure]] = {
    drawing.__name__: drawing
    for drawing in (
        samplers.bilinear,
        samplers.padding,
        samplers.nearest,
        samplers.bicubic,
        samplers.kernels,
        samplers.multiscale,
        decoder.dense_decode,
        decoder.linearized,
        grids.affine,
        grids.affine_parameters,
        grids.projective,
        grids.piecewise_affine,
        grids.linear_basis,
        grids.thin_plate_spline,
        grids.flow,
        grids.composition,
        grids.penalties,
        flows.brox,
        flows.sift_flow_picture,
        flows.ldof,
    )
}


def main(names: list[str]) -> int:
    """Draw the named pictures."""
    unknown = [name for name in names if name not in PICTURES]
    if unknown:
        print(f"no picture is called {unknown[0]}; there are {', '.join(PICTURES)}", file=sys.stderr)
        return 2
    for name in names or PICTURES:
        (IMAGES / f"{name}.png").write_bytes(render(PICTURES[name]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
