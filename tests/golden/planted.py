"""Faults with known conditions, planted into refwarp's own functions: what a verdict should name."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from refwarp.golden.operations import OPERATIONS
from refwarp.golden.targets import refwarp as own


class Plant(NamedTuple):
    """A fault: in which function, what it does to the results, given arrays and options; and what must be said."""

    name: str
    function: str
    spoil: Callable[..., Any]
    said: tuple[str, ...]

    @property
    def operation(self) -> str:
        return self.function.removesuffix("_second_vjp").removesuffix("_vjp")

    def module(self) -> Any:
        """Return a module of refwarp's functions, one of them with the fault."""
        right = getattr(own, self.function)

        def function(*arrays, **options):
            results = right(*arrays, **options)
            several = isinstance(results, tuple)
            copies = [None if r is None else np.array(r) for r in (results if several else [results])]
            self.spoil(copies, arrays, options)
            return tuple(copies) if several else copies[0]

        functions = {
            call.function(self.operation): getattr(own, call.function(self.operation))
            for call in OPERATIONS[self.operation]
        }
        return SimpleNamespace(**{**functions, self.function: function}, SELECTS_GRADIENTS=True)


def scaled(where, output=0):
    """Return a fault that scales the elements of an output at an index, which may depend on arrays and options."""

    def spoil(results, arrays, options):
        index = where(arrays, options) if callable(where) else where
        if index is not None and results[output] is not None:
            results[output][index] = results[output][index] * results[output].dtype.type(1.25)

    return spoil


def when(holds, output=0):
    """Return a fault of the whole output, where something holds of the arrays and the options."""
    return scaled(lambda arrays, options: ... if holds(arrays, options) else None, output)


def at_samples(holds):
    """Return an index of the elements of (N, C, H, W) at samples of which something holds."""

    def index(arrays, options):
        input, grid = arrays[-2:]
        return np.broadcast_to(holds(grid, input.shape, options)[:, None], (*input.shape[:2], *grid.shape[1:3]))

    return index


def on_the_lattice(grid, shape, options):
    """Tell whether the pixel coordinate x of a sample is an integer, for coordinates that are exact."""
    size = shape[3]
    with np.errstate(all="ignore"):
        g = grid[..., 0].astype(float)
        x = (g + 1) * (size - 1) / 2 if options["align_corners"] else ((g + 1) * size - 1) / 2
        return x == np.rint(x)


PLANTS = [
    Plant("second image", "grid_sample", scaled(np.s_[1:]), ("images >= 2", r"image >= 1")),
    Plant("second channel", "grid_sample", scaled(np.s_[:, 1:]), ("channels >= 2", r"channel >= 1")),
    Plant(
        "beyond column 64",
        "affine_grid",
        scaled(np.s_[:, :, 65:]),
        (r"(columns|longer axis|elements) of (the|a) grid >= \d\d|longer axis of the grid >= \d\d", r"column >= \d\d"),
    ),
    Plant(
        "float64",
        "grid_sample_vjp",
        when(lambda arrays, options: arrays[0].dtype == np.float64, 1),
        ("Only in float64", "Only in vjp/ggrid"),
    ),
    Plant(
        "border",
        "grid_sample_vjp",
        when(lambda arrays, options: options["padding_mode"] == "border", 1),
        ("padding_mode is border", "Only in vjp/ggrid"),
    ),
    Plant(
        "bicubic reflection",
        "grid_sample",
        when(lambda arrays, options: options["mode"] == "bicubic" and options["padding_mode"] == "reflection"),
        ("mode is bicubic and padding_mode is reflection", "Only in forward/output"),
    ),
    Plant(
        "negative g",
        "grid_sample",
        scaled(at_samples(lambda grid, shape, options: grid[..., 0] < 0)),
        (r"the sample is at a negative coordinate in x",),
    ),
    Plant("on the lattice", "grid_sample", scaled(at_samples(on_the_lattice)), ("the sample is on the lattice in x",)),
    Plant(
        "NaN is 0",
        "grid_sample",
        lambda results, arrays, options: np.nan_to_num(results[0], copy=False),
        ("NaN|not finite",),
    ),
    Plant(
        "last column",
        "grid_sample_vjp",
        scaled(np.s_[..., -1:]),
        ("the place is in the last column", "Only in vjp/ginput"),
    ),
    Plant("component y", "grid_sample_vjp", scaled(np.s_[..., 1], 1), ("component is y", "Only in vjp/ggrid")),
    Plant("second order", "grid_sample_second_vjp", scaled(...), ("Only in second_vjp/ggout",)),
    Plant(
        "lanczos",
        "separable_sample",
        when(lambda arrays, options: options["kernel"]["name"] == "lanczos"),
        ("kernel is lanczos",),
    ),
    Plant(
        "reflection at second order",
        "separable_sample_second_vjp",
        when(lambda arrays, options: options["padding_mode"] == "reflection", 2),
        ("padding_mode is reflection", "Only in second_vjp/ggrid"),
    ),
    Plant(
        "six rows",
        "affine_grid",
        when(lambda arrays, options: options["size"][2] >= 6),
        (r"rows of the grid >= [6-9]",),
    ),
    Plant(
        "fill",
        "dense_decode",
        when(lambda arrays, options: options["fill"] == "neighbours"),
        ("fill is neighbours",),
    ),
    Plant(
        "laplacian mean",
        "bending_energy",
        when(lambda arrays, options: options["form"] == "laplacian" and options["reduction"] == "mean"),
        ("form is laplacian and reduction is mean",),
    ),
    Plant("norm 1", "smoothness", when(lambda arrays, options: options["norm"] in (1, "1")), ("norm is 1",)),
    Plant(
        "one pixel",
        "flow_grid",
        when(lambda arrays, options: min(arrays[0].shape[2:]) == 1),
        (r"the shorter axis of the flow <= 1|rows of the flow <= 1|columns of the flow <= 1",),
    ),
    Plant(
        "stack",
        "multiscale_sample",
        when(lambda arrays, options: options["aggregate"] == "stack"),
        ("aggregate is stack",),
    ),
    Plant(
        "many samples",
        "grid_sample",
        when(lambda arrays, options: arrays[1].shape[1] * arrays[1].shape[2] > 33),
        (r"(elements of a|the longer axis of the|columns of the) grid >= ",),
    ),
    Plant(
        "one gradient",
        "grid_sample_vjp",
        when(lambda arrays, options: options.get("gradients") == ["ggrid"], 1),
        ("Only if asked for one gradient", "Only in vjp/ggrid"),
    ),
]
