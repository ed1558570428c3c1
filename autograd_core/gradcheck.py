"""gradcheck: hold the gradients of a function of Tensors against numerical derivatives.

The gradient is the vector-Jacobian product J^T w that the reverse sweep returns, for a random cotangent w, in
float64. It is compared element by element. The bound on the difference is no setting: it follows from the estimated
error of the numerical derivative and from rounding. Where it is too wide to see a relative error of one in a
thousand, the check fails as undecided instead of passing. At a second point J v is compared along one line, for a
backward that reads what the first forward kept is right at the first point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from autograd_core.arguments import integer
from autograd_core.arrays import device_of, read_only
from autograd_core.differences import EPS, LEVELS, Derivative, Vector, differences
from autograd_core.probing import (
    HALF_THE_DIGITS,
    RESOLUTION,
    SAFETY,
    Direction,
    Method,
    Problem,
    analytic_gradients,
    in_a_row,
    kinks,
    outputs_of,
    random_line,
    scales_of,
    vjp,
)
from autograd_core.probing import GradientError as GradientError
from autograd_core.probing import KinkError as KinkError
from autograd_core.tensor import Tensor, as_tensor

# How often the noise of an element is looked at, and how many times the largest that was seen it may be: to see less
# than a thirtieth of what is there, four times, happens about once in a million.
RIPPLES, RIPPLE = 4, 30.0
# Where the second point is looked for, in units of the point's own size: far away, for a stale branch to be another,
# or nearer, where the function is defined. No short binary number, so that it is on no kink by design.
DISTANCES = 0.7 * 0.5 ** np.arange(LEVELS)


def _check(
    problem: Problem, rng: np.random.Generator, method: Method, direction: Direction
) -> list[np.ndarray[Any, Any]]:
    """Check first derivatives; return the cotangents that were used."""
    outputs, leaves = problem.record(problem.point)
    for number, output in enumerate(outputs):
        if output.dtype != np.float64:
            raise GradientError(f"output {number} is {output.dtype}, expected float64 from float64 inputs")
    values = in_a_row(output.numpy() for output in outputs)
    if not np.isfinite(values).all():
        raise GradientError("the function is not finite at the inputs, so it has no derivative there")
    if problem.values(problem.point).tobytes() != values.tobytes():
        raise GradientError("a second evaluation differs from the first; gradcheck needs a function of its inputs")
    cotangents = [rng.standard_normal(output.shape) for output in outputs]
    given = problem.constants(cotangents)
    analytic = analytic_gradients(outputs, leaves, given)
    w = in_a_row(cotangents)

    line = random_line(problem.point, rng)
    slopes = differences(problem.along(line), 0.125)
    if direction == "both" and kinks(slopes).any():
        problem.report_kink()
    if method != "central":
        continues = problem.continues_analytically(line, slopes.central)
        if method == "complex" and not continues:
            raise GradientError("the function does not continue analytically to complex inputs; use 'central'")
        method = "complex" if continues else "central"

    numerical, errors, sizes = ([np.zeros(x.shape) for x in problem.point] for _ in range(3))
    for number, index, scale, axis in problem.axes():
        slope = problem.slope(axis, method, direction)
        numerical[number][index] = w @ slope.value / scale
        errors[number][index] = SAFETY * abs(w) @ slope.error / scale
        sizes[number][index] = abs(w) @ abs(slope.value) / scale
    for number, name in enumerate(problem.names):
        # The last bits of the outputs, and of the input's largest derivative, are noise to all its elements.
        noise = abs(w) @ abs(values) / scales_of(problem.point[number]) + sizes[number].max(initial=0.0)
        bounds = errors[number] + HALF_THE_DIGITS * sizes[number] + (len(w) + 8) * EPS * noise
        _compare(name, method, analytic[number], numerical[number], bounds)
        _check_decided(name, method, analytic[number], numerical[number], bounds, noise)
    fine = [error + HALF_THE_DIGITS * size for error, size in zip(errors, sizes, strict=True)]
    _compare_small(problem, cotangents, (method, direction), analytic, numerical, fine, rng)
    if direction == "both":
        _check_adjointness(problem.slope(line, method, direction), line, w, analytic, values)
    again = analytic_gradients(outputs, leaves, given)
    if any(first.tobytes() != second.tobytes() for first, second in zip(analytic, again, strict=True)):
        raise GradientError("a second backward differs from the first: it reads what other calls have changed")
    _check_elsewhere(problem, cotangents, method, direction, rng)
    return cotangents


def _check_adjointness(
    slope: Derivative, line: Sequence[Vector], w: Vector, analytic: Sequence[Vector], values: Vector
) -> None:
    """Hold <J v, w> against <v, J^T w>, where `slope` is J v, the derivative along the line v."""
    products = in_a_row(v * gradient for v, gradient in zip(line, analytic, strict=True))
    forward, reverse = w @ slope.value, products.sum()
    size = abs(w) @ (abs(slope.value) + EPS * abs(values)) + abs(products).sum()
    bound = SAFETY * abs(w) @ slope.error + HALF_THE_DIGITS * size
    if not abs(forward - reverse) <= bound:
        raise GradientError(
            f"<J v, w> = {forward:.17g} but <v, J^T w> = {reverse:.17g}; they differ by "
            f"{abs(forward - reverse):.3g}, more than {bound:.3g}"
        )


def _disagreement(
    name: str, index: tuple[Any, ...], method: str, analytic: float, numerical: float, bound: float
) -> str:
    return (
        f"{name}, element {tuple(map(int, index))}: analytic {analytic:.17g}, numerical {numerical:.17g} ({method}); "
        f"they differ by {abs(analytic - numerical):.3g}, more than {bound:.3g}"
    )


def _compare(name: str, method: str, analytic: Vector, numerical: Vector, bounds: Vector) -> None:
    """Hold one input's gradient against the numerical one."""
    if not analytic.size:
        return
    differ = abs(analytic - numerical)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(differ <= bounds, 0.0, np.nan_to_num(differ / bounds, nan=np.inf))
    worst = np.unravel_index(int(shares.argmax()), shares.shape)
    if shares[worst]:
        wrong = f"({np.count_nonzero(shares)} of {shares.size} elements are wrong)"
        found = analytic[worst], numerical[worst], bounds[worst]
        raise GradientError(f"{_disagreement(name, worst, method, *found)} {wrong}")


def _check_decided(name: str, method: str, analytic: Vector, numerical: Vector, bounds: Vector, noise: Vector) -> None:
    """Raise GradientError if the bounds are too wide to see an error that matters."""
    if not analytic.size:
        return
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


def _compare_small(
    problem: Problem,
    cotangents: Sequence[Vector],
    rule: tuple[Method, Direction],
    analytic: Sequence[Vector],
    numerical: Sequence[Vector],
    fine: Sequence[Vector],
    rng: np.random.Generator,
) -> None:
    """Judge the elements that the bounds for all leave open, each for itself: by `fine`, its own bound, or closer.

    Seen is an element's share in the outputs that change with it: others, however large and noisy, get the cotangent
    0. It may still be the small difference of large numbers, in the function or in its backward. Then its noise is
    theirs, and shows when inputs, cotangents and step are changed in their last bits.
    """

    def judge(problem: Problem, weights: Vector, number: int, index: tuple[int, ...], line: list[Vector]) -> Vector:
        """Return an element's derivative, analytic and numerical, and the bound on their difference."""
        slope = problem.slope(line, *rule)
        w = np.where(slope.value == 0, 0.0, weights)
        outputs, leaves = problem.record(problem.point)
        parts = np.split(w, np.cumsum([output.size for output in outputs])[:-1])
        given = [part.reshape(output.shape) for part, output in zip(parts, outputs, strict=True)]
        gradients = analytic_gradients(outputs, leaves, problem.constants(given))
        bound = abs(w) @ (SAFETY * slope.error + HALF_THE_DIGITS * abs(slope.value))
        scale = line[number][index]
        return np.array([gradients[number][index], w @ slope.value / scale, bound / abs(scale)])

    def ripple(array: Vector) -> Vector:
        changed: Vector = array * (1 + EPS * rng.integers(1, 9, array.shape) * rng.choice([-1, 1], array.shape))
        return changed

    weights = in_a_row(cotangents)
    for number, index, _, line in problem.axes():
        difference = abs(analytic[number][index] - numerical[number][index])
        decided = fine[number][index] <= RESOLUTION * abs(numerical[number][index])
        if not difference or decided and difference <= fine[number][index]:
            continue
        here = judge(problem, weights, number, index, line)
        if abs(here[0] - here[1]) <= here[2]:
            continue
        seen = []
        for _ in range(RIPPLES):
            near = replace(problem, point=list(map(ripple, problem.point)))
            seen.append(judge(near, ripple(weights), number, index, list(map(ripple, line))))
        noise = np.nan_to_num(abs(np.array(seen) - here)[:, :2].max(axis=0), nan=np.inf).sum()
        bound = here[2] + RIPPLE * noise
        if not abs(here[0] - here[1]) <= bound:
            raise GradientError(_disagreement(problem.names[number], index, rule[0], here[0], here[1], bound))


def _check_elsewhere(
    problem: Problem, cotangents: Sequence[Vector], method: Method, direction: Direction, rng: np.random.Generator
) -> None:
    """Hold <J v, w> against <v, J^T w> at a second point, the farthest of DISTANCES at which this can be decided."""
    w = in_a_row(cotangents)
    given = problem.constants(cotangents)
    for distance in DISTANCES:
        away, line = random_line(problem.point, rng), random_line(problem.point, rng)
        if direction in ("right", "left"):  # the function may be defined on that side only
            away = [abs(v) if direction == "right" else -abs(v) for v in away]
        there = problem.moved(away, distance)
        try:
            with np.errstate(all="ignore"):
                outputs, leaves = there.record(there.point)
                values = in_a_row(output.numpy() for output in outputs)
                slope = there.slope(line, method, direction)
        except Exception:  # whatever a function may raise where it is not defined, or has a kink
            continue
        same = [output.shape for output in outputs] == [cotangent.shape for cotangent in cotangents]
        if not same or not np.isfinite(values).all() or not np.isfinite(slope.value).all():
            continue
        if SAFETY * abs(w) @ slope.error > RESOLUTION * abs(w) @ (abs(slope.value) + abs(values)):
            continue
        try:
            _check_adjointness(slope, line, w, analytic_gradients(outputs, leaves, given), values)
        except GradientError as error:
            error.add_note("at a second point: the backward may read what the forward kept of the first")
            raise
        return
    raise GradientError("undecided at a second point, since the function is defined or smooth at none that was tried")


def _gradient_function(function: Callable[..., Any], count: int) -> Callable[..., tuple[Tensor, ...]]:
    """Return the function of (inputs, cotangents) that gives the gradients of `function`, with their history."""

    def gradients(*tensors: Tensor) -> tuple[Tensor, ...]:
        return vjp(outputs_of(function(*tensors[:count])), tensors[:count], tensors[count:], create_graph=True)

    return gradients


def gradcheck(
    function: Callable[..., Any],
    inputs: Any,
    *,
    rng: np.random.Generator,
    order: int = 1,
    method: Method = "auto",
    direction: Direction = "both",
) -> None:
    """Check that the gradients of `function` at `inputs` are right.

    Checked are: every element of J^T w against a numerical derivative; <J v, w> = <v, J^T w> for a random v; that
    the gradients have the inputs' shapes and dtypes; and that a second backward, after many other evaluations,
    gives the same bits as the first; and <J v, w> = <v, J^T w> once more at a second point. The inputs are handed over
    read-only.

    Parameters
    ----------
    function : callable
        Takes as many Tensors as there are inputs and returns a Tensor or a tuple or list of Tensors. It must be a
        function: equal inputs, equal bits.
    inputs : array, Tensor or sequence of array_like or Tensor
        Where to check; a list or tuple holds several inputs. Float64 inputs are differentiated; integer and boolean
        ones are passed on as they are. If the first is CuPy's, the function gets all that are differentiated from
        there.
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
        If an input is floating-point but not float64, or none is, or `function` returns anything but Tensors.
    ValueError
        If `order`, `method` or `direction` is none of the above; NumPy's, where `function` writes into an input.
    """
    order = integer("order", order, least=1)
    if method not in get_args(Method):
        raise ValueError(f"method: given {method!r}, expected one of {get_args(Method)}")
    if direction not in get_args(Direction):
        raise ValueError(f"direction: given {direction!r}, expected one of {get_args(Direction)}")
    given = inputs if isinstance(inputs, tuple | list) else (inputs,)
    tensors = [Tensor(read_only(as_tensor(value).data)) for value in given]
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
    problem = Problem(of_checked, point, names, device_of(tensors[checked[0]].data))
    for level in range(1, order + 1):
        try:
            cotangents = _check(problem, rng, method, direction)
        except AssertionError as error:
            if level > 1:
                error.add_note(f"at order {level}: for the gradient as a function of inputs and cotangents")
            raise
        problem = Problem(
            _gradient_function(problem.function, len(problem.point)),
            [*problem.point, *cotangents],
            [*problem.names, *(f"cotangent {k} of order {level}" for k in range(len(cotangents)))],
            problem.device,
        )
