"""gradcheck: hold the gradients of a function of Tensors against numerical derivatives.

The gradient is the vector-Jacobian product J^T w that the reverse sweep returns, for a random cotangent w, in
float64. It is compared element by element. The bound on the difference is no setting: it follows from the estimated
error of the numerical derivative and from rounding. Where it is too wide to see a relative error of one in a
thousand, the check fails as undecided instead of passing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from autograd_core.arguments import integer
from autograd_core.arrays import array_module, device_of, read_only, to_device
from autograd_core.differences import EPS, Derivative, Differences, Vector, complex_step, differences
from autograd_core.function import recording
from autograd_core.sweep import grad
from autograd_core.tensor import Tensor, as_tensor

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
class _Problem:
    """A function of floating-point inputs at a point, and what its inputs are called in a message."""

    function: Callable[..., Any]
    point: list[Vector]
    names: list[str]
    device: str

    def record(self, arrays: Sequence[Any]) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        """Apply the function to arrays; return its outputs, and the leaves they were computed from."""
        leaves = [Tensor(to_device(array, self.device), requires_grad=True) for array in arrays]
        with recording(True):
            result = self.function(*leaves)
        return (result if isinstance(result, tuple) else (result,)), leaves

    def values(self, arrays: Sequence[Any]) -> Vector:
        """Return all elements of all outputs in one row."""
        return np.concatenate([output.numpy().ravel() for output in self.record(arrays)[0]])

    def along(self, line: Sequence[Vector]) -> Callable[[complex], Vector]:
        """Restrict the function to the line through the point in the direction `line`."""
        return lambda t: self.values([x + t * v for x, v in zip(self.point, line, strict=True)])

    def axes(self) -> Iterator[tuple[int, tuple[int, ...], float, list[Vector]]]:
        """Yield each element: its input, its index, its scale, and the line along it with that scale."""
        for number, array in enumerate(self.point):
            scales = _scales(array)
            for index in np.ndindex(array.shape):
                line = [np.zeros(x.shape) for x in self.point]
                line[number][index] = scales[index]
                yield number, index, float(scales[index]), line


def _scales(array: Vector) -> Vector:
    """Return a power of two near the size of each element, but not far below the largest; 1 for zeros."""
    largest = float(abs(array).max(initial=0.0)) or 1.0
    scales: Vector = 2.0 ** np.floor(np.log2(np.maximum(abs(array), largest / 1024)))
    return scales


def _vjp(
    outputs: Sequence[Tensor], leaves: Sequence[Tensor], cotangents: Sequence[Tensor], create_graph: bool = False
) -> tuple[Tensor, ...]:
    """Return the gradients of the leaves; outputs that depend on none of them add nothing."""
    pairs = [pair for pair in zip(outputs, cotangents, strict=True) if pair[0].requires_grad]
    if not pairs:
        return tuple(Tensor(array_module(leaf.data).zeros(leaf.shape, leaf.dtype)) for leaf in leaves)
    return grad([output for output, _ in pairs], leaves, [cotangent for _, cotangent in pairs], create_graph)


def _analytic(outputs: Sequence[Tensor], leaves: Sequence[Tensor], cotangents: Sequence[Tensor]) -> list[Vector]:
    try:
        return [gradient.numpy() for gradient in _vjp(outputs, leaves, cotangents)]
    except (RuntimeError, ValueError, TypeError) as error:
        raise GradientError(f"the backward failed: {error}") from error


def _kinks(slopes: Differences) -> Vector:
    """Tell where the derivatives from the right and from the left differ by more than their errors."""
    right, left = slopes.right, slopes.left
    seen = SAFETY * (right.error + left.error) + RESOLUTION * (abs(right.value) + abs(left.value))
    return slopes.jump | (abs(right.value - left.value) > seen)


def _report_kink(problem: _Problem) -> None:
    """Raise the error that names the element in which there is a kink."""
    for number, index, scale, line in problem.axes():
        slopes = differences(problem.along(line), 0.25)
        found = np.flatnonzero(_kinks(slopes))
        if found.size:
            left, right = slopes.left.value[found[0]] / scale, slopes.right.value[found[0]] / scale
            raise KinkError(
                f"{problem.names[number]}, element {index}: the derivative is {left:.9g} from the left and "
                f"{right:.9g} from the right; move the input, or check one side with direction='right' or 'left'"
            )
    raise KinkError("along a random line through the inputs, but along no axis, there is a kink, or only noise")


def _continues_analytically(problem: _Problem, line: Sequence[Vector], central: Derivative) -> bool:
    """Tell whether the complex step, if the function takes complex input at all, gives its real derivative."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            slope = complex_step(problem.along(line))
        except Exception:  # whatever a function may raise on an input it was not made for
            return False
    rounding = 64 * EPS * abs(slope)
    return bool((abs(slope - central.value) <= SAFETY * central.error + rounding).all())


def _slope(problem: _Problem, line: Sequence[Vector], method: Method, direction: Direction) -> Derivative:
    """Return the numerical derivative along a line."""
    if method == "complex":
        value = complex_step(problem.along(line))
        return Derivative(value, np.zeros(value.shape))
    slopes = differences(problem.along(line), 0.25)
    if direction == "both" and _kinks(slopes).any():
        _report_kink(problem)
    sides = {"right": slopes.right, "left": slopes.left}
    return sides.get(direction, slopes.central)


def _check(
    problem: _Problem, rng: np.random.Generator, method: Method, direction: Direction
) -> list[np.ndarray[Any, Any]]:
    """Check first derivatives; return the cotangents that were used."""
    outputs, leaves = problem.record(problem.point)
    for number, output in enumerate(outputs):
        if output.dtype != np.float64:
            raise GradientError(f"output {number} is {output.dtype}, expected float64 from float64 inputs")
    values = np.concatenate([output.numpy().ravel() for output in outputs])
    if not np.isfinite(values).all():
        raise GradientError("the function is not finite at the inputs, so it has no derivative there")
    if problem.values(problem.point).tobytes() != values.tobytes():
        raise GradientError("a second evaluation differs from the first; gradcheck needs a function of its inputs")
    cotangents = [rng.standard_normal(output.shape) for output in outputs]
    given = [Tensor(to_device(cotangent, problem.device)) for cotangent in cotangents]
    analytic = _analytic(outputs, leaves, given)
    w = np.concatenate([cotangent.ravel() for cotangent in cotangents])

    # A random line, whose few bits make the steps along it exact.
    line = [
        _scales(x) * rng.choice([-1, 1], x.shape) * (1 + rng.integers(0, 2**12, x.shape) / 2**12)
        for x in problem.point
    ]
    slopes = differences(problem.along(line), 0.125)
    if direction == "both" and _kinks(slopes).any():
        _report_kink(problem)
    if method != "central":
        continues = _continues_analytically(problem, line, slopes.central)
        if method == "complex" and not continues:
            raise GradientError("the function does not continue analytically to complex inputs; use 'central'")
        method = "complex" if continues else "central"

    numerical, errors, sizes = ([np.zeros(x.shape) for x in problem.point] for _ in range(3))
    for number, index, scale, axis in problem.axes():
        slope = _slope(problem, axis, method, direction)
        numerical[number][index] = w @ slope.value / scale
        errors[number][index] = SAFETY * abs(w) @ slope.error / scale
        sizes[number][index] = abs(w) @ abs(slope.value) / scale
    for number, name in enumerate(problem.names):
        # The last bits of the outputs, and of the input's largest derivative, are noise to all its elements.
        noise = abs(w) @ abs(values) / _scales(problem.point[number]) + sizes[number].max(initial=0.0)
        bounds = errors[number] + HALF_THE_DIGITS * sizes[number] + (len(w) + 8) * EPS * noise
        _compare(name, method, analytic[number], numerical[number], bounds, noise)
    if direction == "both":
        _check_adjointness(_slope(problem, line, method, direction), line, w, analytic, values)
    again = _analytic(outputs, leaves, given)
    if any(first.tobytes() != second.tobytes() for first, second in zip(analytic, again, strict=True)):
        raise GradientError("a second backward differs from the first: it reads what other calls have changed")
    return cotangents


def _check_adjointness(
    slope: Derivative, line: Sequence[Vector], w: Vector, analytic: Sequence[Vector], values: Vector
) -> None:
    """Hold <J v, w> against <v, J^T w>, where `slope` is J v, the derivative along the line v."""
    products = np.concatenate([(v * gradient).ravel() for v, gradient in zip(line, analytic, strict=True)])
    forward, reverse = w @ slope.value, products.sum()
    size = abs(w) @ (abs(slope.value) + EPS * abs(values)) + abs(products).sum()
    bound = SAFETY * abs(w) @ slope.error + HALF_THE_DIGITS * size
    if not abs(forward - reverse) <= bound:
        raise GradientError(
            f"<J v, w> = {forward:.17g} but <v, J^T w> = {reverse:.17g}; they differ by "
            f"{abs(forward - reverse):.3g}, more than {bound:.3g}"
        )


def _compare(
    name: str, method: str, analytic: Vector, numerical: Vector, bounds: Vector, noise: Vector
) -> None:
    """Hold one input's gradient against the numerical one."""
    if not analytic.size:
        return
    differ = abs(analytic - numerical)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(differ <= bounds, 0.0, np.nan_to_num(differ / bounds, nan=np.inf))
    worst = np.unravel_index(int(shares.argmax()), shares.shape)
    if shares[worst]:
        raise GradientError(
            f"{name}, element {tuple(map(int, worst))}: analytic {analytic[worst]:.17g}, numerical "
            f"{numerical[worst]:.17g} ({method}); they differ by {differ[worst]:.3g}, more than "
            f"{bounds[worst]:.3g} ({np.count_nonzero(shares)} of {shares.size} elements are wrong)"
        )
    # A gradient that is zero as far as one can see needs only be seen from as near as the outputs' size allows.
    largest = max(abs(analytic).max(), abs(numerical).max())
    zero = (largest <= bounds) & (bounds <= RESOLUTION * noise)
    widest = np.unravel_index(int(np.where(zero, 0.0, bounds).argmax()), bounds.shape)
    if not zero[widest] and not bounds[widest] <= RESOLUTION * largest:
        raise GradientError(
            f"{name}, element {tuple(map(int, widest))}: undecided, since the numerical derivative "
            f"{numerical[widest]:.9g} ({method}) is known to {bounds[widest]:.3g} only; "
            "choose inputs where the function is smoother or better scaled"
        )


def _gradient_function(function: Callable[..., Any], count: int) -> Callable[..., tuple[Tensor, ...]]:
    """Return the function of (inputs, cotangents) that gives the gradients of `function`, with their history."""

    def gradients(*tensors: Tensor) -> tuple[Tensor, ...]:
        result = function(*tensors[:count])
        outputs = result if isinstance(result, tuple) else (result,)
        return _vjp(outputs, tensors[:count], tensors[count:], create_graph=True)

    return gradients


def gradcheck(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    rng: np.random.Generator,
    order: int = 1,
    method: Method = "auto",
    direction: Direction = "both",
) -> None:
    """Check that the gradients of `function` at `inputs` are right.

    Checked are: every element of J^T w against a numerical derivative; <J v, w> = <v, J^T w> for a random v; that
    the gradients have the inputs' shapes and dtypes; and that a second backward, after many other evaluations,
    gives the same bits as the first. The inputs are handed over read-only.

    Parameters
    ----------
    function : callable
        Takes as many Tensors as there are inputs and returns a Tensor or a tuple of Tensors. It must be a
        function: equal inputs, equal bits.
    inputs : sequence of array_like or Tensor
        Where to check. Float64 inputs are differentiated; integer and boolean ones are passed on as they are.
        If the first is CuPy's, the function gets all that are differentiated from there.
    rng : numpy.random.Generator
        Draws w and v.
    order : int
        1 checks gradients. 2 then checks, in the same way, the function (inputs, w) -> J^T w, whose derivatives
        are the second derivatives and J itself; and so on.
    method : {"auto", "complex", "central"}
        The complex step is exact up to rounding, but `function` must take complex arrays and continue
        analytically to them. Central differences, extrapolated to step zero, always work. "auto" tries the former
        along a random line, holds it against the latter there, and then uses the one or the other.
    direction : {"both", "right", "left", "central"}
        For kinks. "both" expects none and raises KinkError at one; "right" and "left" compare with the one-sided
        derivative in each element, "central" with their mean.

    Raises
    ------
    GradientError
        If anything of the above fails. The message names the input and the element, its analytic and numerical
        derivative, their difference and the bound that it breaks; or says why the check could not decide.
    KinkError
        If a derivative from the right differs from that from the left (only for direction "both").
    TypeError
        If an input is floating-point but not float64, or none is.
    ValueError
        If `order`, `method` or `direction` is none of the above; NumPy's, where `function` writes into an input.
    """
    order = integer("order", order, least=1)
    if method not in get_args(Method):
        raise ValueError(f"method: given {method!r}, expected one of {get_args(Method)}")
    if direction not in get_args(Direction):
        raise ValueError(f"direction: given {direction!r}, expected one of {get_args(Direction)}")
    tensors = [Tensor(read_only(as_tensor(value).data)) for value in inputs]
    for number, tensor in enumerate(tensors):
        if tensor.dtype.kind in "fc" and tensor.dtype != np.float64:
            raise TypeError(f"inputs[{number}]: given {tensor.dtype}, expected float64, integers or booleans")
    checked = [number for number, tensor in enumerate(tensors) if tensor.dtype == np.float64]
    if not checked:
        raise TypeError("inputs: given none that is float64, expected at least one to differentiate")

    def of_checked(*given: Tensor) -> Any:
        replaced = dict(zip(checked, given, strict=True))
        return function(*(replaced.get(number, tensor) for number, tensor in enumerate(tensors)))

    point, names = [tensors[k].numpy() for k in checked], [f"input {k}" for k in checked]
    problem = _Problem(of_checked, point, names, device_of(tensors[checked[0]].data))
    for level in range(1, order + 1):
        try:
            cotangents = _check(problem, rng, method, direction)
        except AssertionError as error:
            if level > 1:
                error.add_note(f"at order {level}: for the gradient as a function of inputs and cotangents")
            raise
        problem = _Problem(
            _gradient_function(problem.function, len(problem.point)),
            [*problem.point, *cotangents],
            [*problem.names, *(f"cotangent {k} of order {level}" for k in range(len(cotangents)))],
            problem.device,
        )
