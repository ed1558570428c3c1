"""The flags of golden cases: what each one probes, its kind, and for a known bug the public thread."""

from __future__ import annotations

from typing import NamedTuple

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
    "NearSeam": Flag("EDGE_CASE", "A neighbour of a kink among the floating-point numbers: rounding moves it across."),
    "Subnormal": Flag("EDGE_CASE", "Subnormal inputs or results."),
    "Cancellation": Flag("EDGE_CASE", "Terms that nearly cancel: the error is measured by their sum of magnitudes."),
    "LongSum": Flag("EDGE_CASE", "Many terms for one element, of a scatter or a reduction."),
    "Kink": Flag("CONVENTION", "A sample exactly on the lattice, where the gradient is what a convention says."),
    "AxisOrder": Flag("CONVENTION", "Results that differ if x and y, or rows and columns, are swapped."),
    "NonFinite": Flag("CONVENTION", "NaN coordinates give NaN and touch nothing else; infinite ones lie outside."),
    "Huge": Flag("CONVENTION", "Huge finite coordinates lie outside."),
    "Refused": Flag("CONVENTION", "A call that must be refused."),
    "FloorMeetsCeil": Flag(
        "KNOWN_BUG",
        "The upper neighbour is taken as ceil(x), so at integers both neighbours are one and the slope is 0.",
        "github.com/google-deepmind/dm_pix/pull/126",
    ),
    "IntegerCast": Flag(
        "KNOWN_BUG",
        "A NaN, infinite or huge coordinate is cast to an integer before it is known to be in range.",
        "github.com/pytorch/pytorch/issues/24823",
    ),
    "HugeGivesNaN": Flag(
        "KNOWN_BUG",
        "A huge finite coordinate overflows on its way to pixels and gives NaN instead of padding.",
        "github.com/pytorch/pytorch/issues/51911",
    ),
    "IdentityNotExact": Flag(
        "KNOWN_BUG",
        "The identity does not return the map, because coordinates are rounded or clipped.",
        "github.com/pytorch/pytorch/issues/81868 and github.com/tensorflow/models/issues/7564",
    ),
    "OnePixelCorners": Flag(
        "KNOWN_BUG",
        "With align_corners, what coordinates beyond 1 mean on an axis of one pixel was never settled; "
        "here every coordinate is that pixel.",
        "github.com/pytorch/pytorch/issues/42625",
    ),
}
