"""The flags of golden cases: what each one probes, its kind, and for a known bug the public thread."""

from __future__ import annotations

from typing import NamedTuple

from refwarp.golden.museum import MUSEUM

KINDS = ("BASIC", "EDGE_CASE", "CONVENTION", "KNOWN_BUG")


class Flag(NamedTuple):
    """One flag: its kind, what it says, and where a known bug was reported."""

    kind: str
    description: str
    thread: str = ""


FLAGS = {
    "Interior": Flag("BASIC", "Ordinary arguments: samples inside the map and off the lattice."),
    "FullPrecision": Flag("BASIC", "Inputs that use every bit of float32 or float64."),
    "Shape": Flag("BASIC", "Batches, channels, maps and outputs that are not square."),
    "Border": Flag("EDGE_CASE", "Samples between the outermost pixels and the padding."),
    "Outside": Flag("EDGE_CASE", "Samples out of reach of the map: zero, and no gradient."),
    "OnePixel": Flag("EDGE_CASE", "An axis of one pixel."),
    "Empty": Flag("EDGE_CASE", "An empty batch or an empty output."),
    "Wide": Flag("EDGE_CASE", "A wide map: rounding the coordinate costs as many digits as the width has."),
    "TinyCoordinate": Flag("EDGE_CASE", "A coordinate so small that adding 1 to it loses it."),
    "NearSeam": Flag("EDGE_CASE", "A neighbour of a kink among floating-point numbers: rounding moves it across."),
    "Subnormal": Flag("EDGE_CASE", "Subnormal inputs or results."),
    "Cancellation": Flag("EDGE_CASE", "Terms that nearly cancel: the error is measured by their sum of magnitudes."),
    "LongSum": Flag("EDGE_CASE", "Many terms for one element, of a scatter or a reduction."),
    "Colliding": Flag("EDGE_CASE", "Several sources reach one pixel of a decoded map by the same corner."),
    "TinyWeight": Flag("EDGE_CASE", "A pixel that is covered by almost nothing, and takes its value from that."),
    "IllConditioned": Flag("EDGE_CASE", "A problem whose answer hangs on the last digits of what is given."),
    "Kink": Flag("CONVENTION", "A sample exactly on the lattice, where the gradient is what a convention says."),
    "Ties": Flag("CONVENTION", "A sample halfway between two pixels: which one is nearest is what a convention says."),
    "PaddingSeam": Flag("CONVENTION", "A sample exactly where the padding begins, or where the mirror has its fold."),
    "ZeroDistance": Flag("CONVENTION", "Points that coincide: the radial function, its slope, and where it has none."),
    "ZeroNorm": Flag("CONVENTION", "A norm at 0, where it has a kink: its gradient is 0."),
    "AxisOrder": Flag("BASIC", "Results that differ if x and y, or rows and columns, are swapped."),
    "Masked": Flag("CONVENTION", "Auxiliary samples out of bounds: a fit leaves them out."),
    "Undetermined": Flag("CONVENTION", "Samples that determine no plane: no fit, or the regularised one."),
    "Hole": Flag("CONVENTION", "Pixels of a decoded map that no source reaches: they are filled as is documented."),
    "ReleasedProgram": Flag("CONVENTION", "What the authors of a paper released, where it is not what they printed."),
    "NonFinite": Flag("CONVENTION", "NaN coordinates give NaN and touch nothing else; infinite ones lie outside."),
    "Huge": Flag("CONVENTION", "Huge finite coordinates lie outside."),
    "Order": Flag("CONVENTION", "Results that differ if parameters or transformations are taken in another order."),
    "Units": Flag("CONVENTION", "What numbers are in: pixels, normalised units, radians, logarithms to the base 2."),
    "Angle": Flag("EDGE_CASE", "Angles next to multiples of a quarter turn, tiny ones, and many turns."),
    "Horizon": Flag("CONVENTION", "On the horizon of a homography points are infinite, and beyond it points again."),
    "NearHorizon": Flag("EDGE_CASE", "Points next to a homography's horizon, where its denominator nearly cancels."),
    "MeshEdge": Flag("CONVENTION", "Pixels on edges, vertices and diagonals of a mesh."),
    "NearSingular": Flag("EDGE_CASE", "A matrix whose determinant nearly cancels."),
    "Refused": Flag("CONVENTION", "A call that must be refused."),
    **{name: Flag("KNOWN_BUG", bug.description, bug.thread) for name, bug in MUSEUM.items()},
}
