"""A function of Tensors at a point: its values, its gradients, and numerical derivatives along lines."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from autograd_core.arrays import array_module, to_device
from autograd_core.differences import EPS, Derivative, Differences, Vector, complex_step, differences
from autograd_core.function import recording
from autograd_core.sweep import grad
from autograd_core.tensor import Tensor

Method = Literal["auto", "complex", "central"]
Direction = Literal["both", "right", "left", "central"]

# An estimated error is taken three times, for it is an estimate.
SAFETY = 3.0
# Rounding, in the function or in its backward, may have cost half of the digits, by cancellation, and not more.
HALF_THE_DIGITS = EPS**0.5
# What is smaller than this share of an input's largest derivative is not seen: no bound may be wider.
RESOLUTION = 1e-4


class GradientError(AssertionError):
    """A gradient is wrong, or cannot be decided, or the function breaks a rule that gradients rest on."""


class KinkError(AssertionError):
    """The function has a kink or a jump at the given inputs, and so no derivative."""


@dataclass(frozen=True)
class Problem:
    """A function of floating-point inputs at a point, and what its inputs are called in a message."""

    function: Callable[..., Any]
    point: list[Vector]
    names: list[str]
    device: str

    def record(self, arrays: Sequence[Any]) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        """Apply the function to arrays; return its outputs, and the leaves they were computed from."""
        leaves = [Tensor(to_device(array, self.device), requires_grad=True) for array in arrays]
        with recording(True):
            return outputs_of(self.function(*leaves)), leaves

    def constants(self, arrays: Sequence[Vector]) -> list[Tensor]:
        """Return arrays as Tensors on the function's device."""
        return [Tensor(to_device(array, self.device)) for array in arrays]

    def values(self, arrays: Sequence[Any]) -> Vector:
        """Return all elements of all outputs in one row."""
        return in_a_row(output.numpy() for output in self.record(arrays)[0])

    def moved(self, line: Sequence[Vector], t: float) -> Problem:
        """Return the function at the point that lies t times `line` further."""
        return replace(self, point=[x + t * v for x, v in zip(self.point, line, strict=True)])

    def along(self, line: Sequence[Vector]) -> Callable[[complex], Vector]:
        """Restrict the function to the line through the point in the direction `line`."""
        return lambda t: self.values([x + t * v for x, v in zip(self.point, line, strict=True)])

    def axes(self) -> Iterator[tuple[int, tuple[int, ...], float, list[Vector]]]:
        """Yield each element: its input, its index, its scale, and the line along it with that scale."""
        for number, array in enumerate(self.point):
            scales = scales_of(array)
            for index in np.ndindex(array.shape):
                line = [np.zeros(x.shape) for x in self.point]
                line[number][index] = scales[index]
                yield number, index, float(scales[index]), line

    def slope(self, line: Sequence[Vector], method: Method, direction: Direction) -> Derivative:
        """Return the numerical derivative along a line."""
        if method == "complex":
            value = complex_step(self.along(line))
            return Derivative(value, np.zeros(value.shape))
        slopes = differences(self.along(line), 0.25)
        if direction == "both" and kinks(slopes).any():
            self.report_kink()
        sides = {"right": slopes.right, "left": slopes.left}
        return sides.get(direction, slopes.central)

    def continues_analytically(self, line: Sequence[Vector], central: Derivative) -> bool:
        """Tell whether the complex step, if the function takes complex input at all, gives its real derivative."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            try:
                slope = complex_step(self.along(line))
            except Exception:  # whatever a function may raise on an input it was not made for
                return False
        rounding = 64 * EPS * abs(slope)
        return bool((abs(slope - central.value) <= SAFETY * central.error + rounding).all())

    def report_kink(self) -> None:
        """Raise the error that names the element in which there is a kink."""
        for number, index, scale, line in self.axes():
            slopes = differences(self.along(line), 0.25)
            found = np.flatnonzero(kinks(slopes))
            if found.size:
                left, right = slopes.left.value[found[0]] / scale, slopes.right.value[found[0]] / scale
                raise KinkError(
                    f"{self.names[number]}, element {index}: the derivative is {left:.9g} from the left and "
                    f"{right:.9g} from the right; move the input, or check one side with direction='right' or 'left'"
                )
        raise KinkError("along a random line through the inputs, but along no axis, there is a kink, or only noise")


def in_a_row(arrays: Iterable[Vector]) -> Vector:
    """Return all elements of all arrays as one vector."""
    row: Vector = np.concatenate([array.ravel() for array in arrays])
    return row


def outputs_of(result: Any) -> tuple[Tensor, ...]:
    """Return what a function returned as a tuple, or raise TypeError if it holds anything but Tensors."""
    outputs = tuple(result) if isinstance(result, tuple | list) else (result,)
    if not outputs:
        raise TypeError(f"function: returned an empty {type(result).__name__}, expected at least one Tensor")
    for output in outputs:
        if not isinstance(output, Tensor):
            raise TypeError(
                f"function: returned {type(output).__name__}, expected a Tensor or several in a tuple or list"
            )
    return outputs


def scales_of(array: Vector) -> Vector:
    """Return a power of two near the size of each element, but not far below the largest; 1 for zeros."""
    largest = float(abs(array).max(initial=0.0)) or 1.0
    scales: Vector = 2.0 ** np.floor(np.log2(np.maximum(abs(array), largest / 1024)))
    return scales


def random_line(point: Sequence[Vector], rng: np.random.Generator) -> list[Vector]:
    """Return a direction with components of the point's sizes, of few bits, so that steps along it are exact."""
    return [scales_of(x) * rng.choice([-1, 1], x.shape) * (1 + rng.integers(0, 2**12, x.shape) / 2**12) for x in point]


def vjp(
    outputs: Sequence[Tensor], leaves: Sequence[Tensor], cotangents: Sequence[Tensor], create_graph: bool = False
) -> tuple[Tensor, ...]:
    """Return the gradients of the leaves; outputs that depend on none of them add nothing."""
    pairs = [pair for pair in zip(outputs, cotangents, strict=True) if pair[0].requires_grad]
    if not pairs:
        return tuple(Tensor(array_module(leaf.data).zeros(leaf.shape, leaf.dtype)) for leaf in leaves)
    return grad([output for output, _ in pairs], leaves, [cotangent for _, cotangent in pairs], create_graph)


def analytic_gradients(outputs: Sequence[Tensor], leaves: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Vector]:
    """Return the gradients of the leaves as arrays; GradientError if the backward fails."""
    try:
        return [gradient.numpy() for gradient in vjp(outputs, leaves, weights)]
    except (RuntimeError, ValueError, TypeError) as error:
        raise GradientError(f"the backward failed: {error}") from error


def kinks(slopes: Differences) -> Vector:
    """Tell where the derivatives from the right and from the left differ by more than their errors."""
    right, left = slopes.right, slopes.left
    seen = SAFETY * (right.error + left.error) + RESOLUTION * (abs(right.value) + abs(left.value))
    return slopes.jump | (abs(right.value - left.value) > seen)
