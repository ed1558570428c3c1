"""Random calls of every public operation, by which `compare.py` compares two states of the sources.

A call follows from its operation, its dtype and its number alone, so that both states get the same ones.
There are numbers of moderate size and the ends of the range of floats, zeros, subnormal and not finite numbers; samples
inside the map, outside and on the lattice; maps of no pixel, of one, and of so many that two threads share the work;
arrays that are not contiguous; and calls that have to be refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

PADDINGS = ("zeros", "border", "reflection")
KINKS = ("right", "right", "left", "central", "literal")
# Names of sampling kernels, and their parameters.
KERNELS = (
    ("TENT",),
    ("INTEGER",),
    ("CUBIC_B_SPLINE",),
    ("keys", -0.5),
    ("keys", -0.75),
    ("lanczos", 2),
    ("gaussian", 0.7),
    ("parabola",),
)
# Arrays that an operation is not differentiated with respect to.
CONSTANTS = {
    "auxiliary_grid": {"grid", "noise", "theta"},
    "linearized_sample": {"auxiliary"},
    "thin_plate_spline_basis": {"control"},
}

LAYOUTS: Mapping[str, Callable[[Any], Any]] = {
    "fortran": lambda array: array.copy("F"),
    "negative": lambda array: np.flip(np.flip(array).copy()),
    "strided": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "transposed": lambda array: array.swapaxes(0, -1).copy().swapaxes(0, -1),
    "unaligned": lambda array: np.ndarray(array.shape, array.dtype, bytearray(b"\0" + array.tobytes()), 1),
}
# What numbers are, each as often as it stands here.
NUMBERS = (*["ordinary"] * 10, "zeros", "zeros", "integers", "integers", "wide", "tiny", "huge", "not finite")
POINTS = (
    *["inside"] * 4,
    *["around"] * 3,
    *["lattice"] * 3,
    "identity",
    "identity",
    "far",
    "tiny",
    "huge",
    "not finite",
)


@dataclass(frozen=True)
class Call:
    """One call of a public operation; `inputs` are the arrays that it is differentiated with respect to."""

    operation: str
    dtype: str
    number: int
    arrays: Mapping[str, Any]
    options: Mapping[str, Any]
    inputs: tuple[str, ...]

    def __str__(self) -> str:
        """Return the call in a line."""
        arrays = [f"{name}={array.dtype}{list(array.shape)}" for name, array in self.arrays.items()]
        options = [f"{name}={option!r}" for name, option in self.options.items()]
        return f"{self.operation}({', '.join(arrays + options)}), {self.dtype} call {self.number}"


class Draw:
    """What chance decides in one call; `large` is whether there is enough work for two threads."""

    def __init__(self, dtype: str, *seed: Any) -> None:
        self.random = np.random.default_rng(zlib.crc32(repr((dtype, *seed)).encode()))
        self.dtype = np.dtype(dtype)
        self.large = self.chance(0.15)

    def chance(self, share: float) -> bool:
        """Return True with that probability."""
        return bool(self.random.random() < share)

    def truth(self) -> bool:
        """Return True or False."""
        return self.chance(0.5)

    def one(self, *choices: Any) -> Any:
        """Return one of the choices."""
        return choices[int(self.random.integers(len(choices)))]

    def length(self) -> int:
        """Return the length of an axis of a map."""
        return int(self.random.integers(48, 60)) if self.large else self.one(1, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 23)

    def batch(self) -> int:
        """Return a number of images."""
        return self.one(2, 3) if self.large else 0 if self.chance(0.03) else self.one(1, 1, 2, 3)

    def channels(self) -> int:
        """Return a number of channels."""
        return self.one(2, 3, 4) if self.large else 0 if self.chance(0.02) else self.one(1, 1, 2, 3, 4, 5, 16, 17)

    def outputs(self) -> tuple[int, int]:
        """Return the lengths of an output's axes."""
        height, width = self.length(), self.length()
        return (0, width) if self.chance(0.02) else (height, width)

    def size(self, batch: int) -> tuple[int, ...]:
        """Return the size (N, C, H, W) of an output."""
        return batch, self.channels(), *self.outputs()

    def laid_out(self, array: Any) -> Any:
        """Return an array in the dtype of the call, a quarter of them not contiguous."""
        array = array.astype(self.dtype)
        return LAYOUTS[self.one(*LAYOUTS)](array) if self.chance(0.25) and array.size and array.ndim else array

    def sprinkled(self, array: Any, share: float, draw: Callable[[tuple[int, ...]], Any]) -> Any:
        """Return an array with a share of its elements drawn otherwise."""
        return np.where(self.random.random(array.shape) < share, draw(array.shape), array)

    def extreme(self, kind: str, shape: tuple[int, ...]) -> Any:
        """Return numbers that are `tiny` (half of them subnormal), `huge` or `not finite`."""
        range_of, normal = np.finfo(self.dtype), self.random.standard_normal(shape)
        if kind == "tiny":
            return normal * float(range_of.tiny) * self.random.choice([2.0**-10, 2.0**10], shape)
        if kind == "huge":
            return np.clip(normal, -2.0, 2.0) * (0.5 * float(range_of.max))
        return self.random.choice([np.nan, np.inf, -np.inf], shape)

    def numbers(self, *shape: int, kinds: tuple[str, ...] = NUMBERS) -> Any:
        """Return the numbers of a map, of parameters or of a cotangent."""
        kind, values = self.one(*kinds), self.random.standard_normal(shape)
        if kind == "zeros":
            values = self.sprinkled(values, 0.3, lambda shape: self.random.choice([0.0, -0.0], shape))
        elif kind == "integers":
            values = np.round(2.0 * values)
        elif kind == "wide":
            range_of = np.finfo(self.dtype)
            values = np.ldexp(values, self.random.integers(range_of.minexp // 2, range_of.maxexp // 2, shape))
        elif kind != "ordinary":
            values = self.sprinkled(values, self.one(0.1, 1.0), lambda shape: self.extreme(kind, shape))
        return self.laid_out(values)

    def points(self, batch: int, height: int, width: int, over: tuple[int, int]) -> Any:
        """Return a grid (N, height, width, 2) of samples of a map `over` so many rows and columns."""
        kind, shape = self.one(*POINTS), (batch, height, width, 2)
        points = self.random.uniform(-1.0, 1.0, shape) * (1.0 if kind == "inside" else 1.5)
        if kind == "lattice":  # centres of pixels, and the middles between them
            for axis, length in enumerate(reversed(over)):
                scale = max(length - self.truth(), 1)
                points[..., axis] = np.round(points[..., axis] * scale * 2.0) / (2.0 * scale)
        elif kind == "identity":
            ends = 1.0 - self.truth() / max(height, width, 1)
            points[..., 0] = np.linspace(-ends, ends, width)
            points[..., 1] = np.linspace(-ends, ends, height)[:, None]
        elif kind == "far":
            points *= 10.0 ** self.random.integers(0, 8, shape)
        elif kind not in ("inside", "around"):
            points = self.sprinkled(points, self.one(0.1, 0.5), lambda shape: self.extreme(kind, shape))
        return self.laid_out(points)

    def map_and_grid(self) -> dict[str, Any]:
        """Return the arrays of a sampler."""
        batch, over = self.batch(), (self.length(), self.length())
        return {
            "input": self.numbers(batch, self.channels(), *over),
            "grid": self.points(batch, *self.outputs(), over),
        }

    def placing(self) -> dict[str, Any]:
        """Return the options that all samplers have."""
        return {"padding_mode": self.one(*PADDINGS), "align_corners": self.truth()}


Arguments = tuple[dict[str, Any], dict[str, Any]]  # arrays, and options
CALLS: dict[str, Callable[[Draw], Arguments]] = {}


def random_call(function: Callable[[Draw], Arguments]) -> Callable[[Draw], Arguments]:
    """Have the function draw the calls of the operation that it is named after."""
    CALLS[function.__name__.removeprefix("_")] = function
    return function


# ---- grids ----


def _parameters(operation: str, count: int, grid: bool) -> None:
    def arguments(draw: Draw) -> Arguments:
        theta = draw.numbers(batch := draw.batch(), count)
        options = {"size": draw.size(batch), "align_corners": draw.truth()} if grid else {}
        if operation.startswith("rotation"):
            options["translate_first"] = draw.truth()
        return {"theta": theta}, options

    CALLS[operation] = arguments


for _name, _count in {"attention": 3, "translation": 2, "similarity": 4, "rotation_scale_translation": 5}.items():
    _parameters(f"{_name}_matrix", _count, grid=False)
    _parameters(f"{_name}_grid", _count, grid=True)
_parameters("kurbiel_matrix", 6, grid=False)
_parameters("homography_matrix", 8, grid=False)


@random_call
def _affine_grid(draw: Draw) -> Arguments:
    theta = draw.numbers(batch := draw.batch(), 2, 3)
    return {"theta": theta}, {"size": draw.size(batch), "align_corners": draw.truth()}


@random_call
def _affine_motion(draw: Draw) -> Arguments:
    arrays, options = _affine_grid(draw)
    return arrays, {**options, "unit": draw.one("pixels", "normalised")}


@random_call
def _flow_grid(draw: Draw) -> Arguments:
    flow = draw.numbers(draw.batch(), 2, *draw.outputs())
    return {"flow": flow}, {"align_corners": draw.truth(), "unit": draw.one("pixels", "normalised")}


@random_call
def _projective_grid(draw: Draw) -> Arguments:
    theta = draw.numbers(batch := draw.batch(), *draw.one((8,), (3, 3)))
    return {"theta": theta}, {"size": draw.size(batch), "align_corners": draw.truth()}


@random_call
def _piecewise_affine_grid(draw: Draw) -> Arguments:
    vertices = draw.numbers(batch := draw.batch(), draw.one(2, 3, 5), draw.one(2, 3, 4), 2)
    return {"vertices": vertices}, {"size": draw.size(batch), "align_corners": draw.truth()}


@random_call
def _linear_basis_grid(draw: Draw) -> Arguments:
    count = draw.one(1, 3, 4, 9, 20)
    return {"M": draw.numbers(draw.batch(), 2, count), "B": draw.numbers(count, *draw.outputs())}, {}


@random_call
def _affine_basis(draw: Draw) -> Arguments:
    return {}, {"size": draw.size(draw.batch()), "align_corners": draw.truth()}


@random_call
def _bernstein_basis(draw: Draw) -> Arguments:
    return {}, {"degree": draw.one(0, 1, 2, 3, 7, 16), **_affine_basis(draw)[1]}


def _control(draw: Draw, *shape: int) -> Any:
    return draw.laid_out(draw.random.uniform(-1.0, 1.0, shape))


@random_call
def _thin_plate_spline_basis(draw: Draw) -> Arguments:
    smoothing = draw.one(0.0, 0.0, 1e-3, 2.0)
    return {"control": _control(draw, draw.one(3, 4, 9, 16), 2)}, {**_affine_basis(draw)[1], "smoothing": smoothing}


@random_call
def _tps_grid(draw: Draw) -> Arguments:
    batch, count, kind = draw.batch(), draw.one(4, 9, 16), draw.one("regular", "one", "each")
    arrays = {"points": draw.numbers(batch, count, 2)}
    if kind != "regular":
        arrays["control"] = _control(draw, *([batch] if kind == "each" else []), count, 2)
    options = {"size": draw.size(batch), "align_corners": draw.truth(), "smoothing": draw.one(0.0, 0.0, 1e-3, 2.0)}
    return arrays, options


def _warps(*names: str) -> Callable[[Draw], Arguments]:
    def arguments(draw: Draw) -> Arguments:
        shape = draw.batch(), *draw.one((2,), (4,), (2, 3), (3, 3))
        return {name: draw.numbers(*shape) for name in names}, {}

    return arguments


CALLS["compose"] = _warps("outer", "inner")
CALLS["invert"] = _warps("theta")
CALLS["inverse_compositional_update"] = _warps("theta", "delta")

# ---- samplers ----


@random_call
def _grid_sample(draw: Draw) -> Arguments:
    mode = draw.one("bilinear", "bilinear", "nearest", "bicubic")
    kink = {"kink": draw.one(*KINKS)} if mode == "bilinear" else {}
    return draw.map_and_grid(), {"mode": mode, **draw.placing(), **kink}


@random_call
def _separable_sample(draw: Draw) -> Arguments:
    return draw.map_and_grid(), {"kernel": draw.one(*KERNELS), **draw.placing()}


@random_call
def _multiscale_sample(draw: Draw) -> Arguments:
    deviations = draw.one((1.0,), (0.5, 2.0), (1.0, 5.0, 10.0), (0.0, 1.0))
    options = {"deviations": deviations, "aggregate": draw.one("mean", "sum", "stack"), "truncate": draw.one(2.0, 4.0)}
    return draw.map_and_grid(), {**options, **draw.placing(), "kink": draw.one(*KINKS)}


@random_call
def _dense_decode(draw: Draw) -> Arguments:
    batch, channels, over = draw.batch(), draw.channels(), (draw.length(), draw.length())
    variant = draw.one("paper", "paper", "paper", "released", "first_release")
    fill = draw.one("zeros", "previous", *(["neighbours"] if variant == "paper" else []))
    height, width = draw.outputs()
    arrays = {"values": draw.numbers(batch, channels, height, width), "grid": draw.points(batch, height, width, over)}
    if fill != "zeros":
        arrays["previous"] = draw.numbers(batch, channels, *over)
    paper = {"align_corners": draw.truth(), "kink": draw.one(*KINKS)} if variant == "paper" else {}
    return arrays, {"size": (batch, channels, *over), "fill": fill, "variant": variant, **paper}


@random_call
def _linearized_sample(draw: Draw) -> Arguments:
    arrays, count = draw.map_and_grid(), draw.one(0, 1, 2, 3, 5, 8)
    points = arrays["grid"]
    around = points[..., None, :] + draw.one(0.05, 0.5) * draw.random.standard_normal((*points.shape[:3], count, 2))
    options = {
        "mask": draw.one("position", "offset", "none", draw.random.random(around.shape[:4]) < 0.7),
        "tikhonov": draw.one(0.0, 1e-6, 0.1, (1e-3, 0.0, 0.5)),
        "intercept": draw.one(True, False, True, False, "bias-free"),
        "input_gradient": draw.one("none", "center", "fit"),
    }
    return {**arrays, "auxiliary": draw.laid_out(around)}, {**options, **draw.placing()}


@random_call
def _auxiliary_grid(draw: Draw) -> Arguments:
    batch, over, (height, width) = draw.batch(), (draw.length(), draw.length()), draw.outputs()
    count = draw.one(1, 2, 5)
    arrays = {"grid": draw.points(batch, height, width, over)}
    if given := draw.truth():
        arrays["noise"] = draw.numbers(2, batch, height, width, count, 2)
    displaced_in = draw.one("target", "source")
    if displaced_in == "target" and draw.truth():
        arrays["theta"] = draw.numbers(batch, 2, 3)
    return arrays, {
        "map_size": over,
        **({} if given else {"noise": draw.one(0, 1, 2), "count": draw.one(None, count)}),
        "deviation": draw.one(1.0, 0.25, (0.5, 2.0)),
        "collapse_deviation": draw.one(1.0, 0.0, (0.5, 2.0)),
        "displaced_in": displaced_in,
        "align_corners": draw.truth(),
    }


# ---- penalties ----


@random_call
def _smoothness(draw: Draw) -> Arguments:
    options = {"norm": draw.one("1", "2", "squared"), "boundary": draw.one("valid", "replicate")}
    least = draw.one(0, 2, 2, 2)  # maps that are too small are to be refused
    field = draw.numbers(draw.batch(), draw.one(1, 2, 2, 3), least + draw.length(), least + draw.length())
    return {"field": field}, {**options, "reduction": draw.one("mean", "sum")}


@random_call
def _bending_energy(draw: Draw) -> Arguments:
    arrays, options = _smoothness(draw)
    return arrays, {"form": draw.one("laplacian", "hessian"), **options}


# ---- calls ----


def _spoiled(draw: Draw, arrays: dict[str, Any], options: dict[str, Any]) -> Arguments:
    """Return arguments of which one is to be refused: an axis is missing, or a dtype or an option is another."""
    name = draw.one(*arrays, *options)
    if name not in arrays:
        return arrays, {**options, name: "no such thing"}
    wrong = arrays[name][..., 0] if draw.truth() else np.zeros(arrays[name].shape, draw.one("int64", "complex128"))
    return {**arrays, name: wrong}, options


def draw_call(operation: str, dtype: str, number: int) -> Call:
    """Return a random call, the same whenever it is asked for."""
    draw = Draw(dtype, operation, number)
    with np.errstate(all="ignore"):
        arrays, options = CALLS[operation](draw)
    if draw.chance(0.03):
        arrays, options = _spoiled(draw, arrays, options)
    inputs = [name for name in arrays if name not in CONSTANTS.get(operation, ())]
    if draw.chance(0.2) and inputs:
        inputs = [draw.one(*inputs)]
    return Call(operation, dtype, number, arrays, options, tuple(inputs))
