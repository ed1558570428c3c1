"""The truth about the grids and the matrices that are made of a few parameters.

The terms of a matrix A come from `refwarp.exact.affine_parameters`. A grid is A times the output's points (x_t, y_t,
1), of which x_t and y_t move as those of an affine grid do, by `target_move`; the gradient of A is the sum over the
points of ggrid times the point. What else moves is an angle's sine and cosine and a power of two, see `parameters`.
Both to first order in e.

c is that of docs/affine_parameters.md: 4 where A consists of parameters, 12 where there are angles. A second derivative
has two more products, with a cotangent and with ln 2, and sums over the parameters: 16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from refwarp.exact import affine_parameters as exact
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.numbers import Number
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import BITS, numbers
from refwarp.golden.judging.judge import Answers, Judge
from refwarp.golden.judging.moved import Numbers, answer, moved
from refwarp.golden.judging.parameters import Function, entries, gradient, second_gradients
from refwarp.golden.judging.pixels import points
from refwarp.golden.operations import outputs

Make = Callable[..., exact.Parametrised]
Convert = Callable[[Fraction], Number]


class Parameters(NamedTuple):
    """A matrix's parameters: how it is made of them, and which ones are angles or logarithms of scales."""

    make: Make
    through: tuple[int, ...] = ()

    @property
    def constants(self) -> tuple[float, float]:
        """The c of values and gradients, and that of second derivatives."""
        return (12.0, 16.0) if self.through else (4.0, 4.0)


PARAMETERS = {
    "attention": Parameters(exact.attention),
    "translation": Parameters(exact.translation),
    "kurbiel": Parameters(exact.kurbiel),
    "similarity": Parameters(exact.similarity, (1,)),
    "rotation_scale_translation": Parameters(exact.rotation_scale_translation, (0, 1, 2)),
}


def _numbers(values: Any, convert: Convert) -> Any:
    """Return nested lists of rational numbers, or of the balls that `convert` makes of them; NaN stays NaN."""
    if isinstance(values, list):
        return [_numbers(value, convert) for value in values]
    return convert(values) if isinstance(values, Fraction) else convert(Fraction(0)) + values


def _parts(parameters: Parameters, is_grid: bool, case: Case, convert: Convert) -> Iterator[tuple[str, Numbers]]:
    """Yield, for each image, its part of each output."""
    options = dict(case.options)
    _, _, height, width = options.pop("size", (1, 1, 1, 1))
    align_corners = options.pop("align_corners", False)

    def terms(theta: list[Number]) -> list[tuple[Number, ...]]:
        return [terms for row in parameters.make(theta, **options).matrix for terms in row]

    function = Function(terms, parameters.through)
    given = {name: _numbers(numbers(array), convert) for name, array in case.inputs.items()}
    p = points(height, width, align_corners, convert)
    output = "grid" if is_grid else "matrix"

    def as_given(matrix: Numbers) -> Numbers:
        matrix = matrix.reshape(2, 3)
        return (matrix @ p).T if is_grid else matrix  # (affine_parameters.6)

    for n, theta in enumerate(given["theta"]):
        g = moved(given[f"g{output}"][n])
        g = (g.reshape(-1, 2).T @ p.T if is_grid else g).ravel()  # the gradient of A
        yield f"forward/{output}", as_given(entries(function, theta))
        yield "vjp/gtheta", gradient(function, theta, g)  # (affine_parameters.7)
        if "cotangent_theta" in given:
            second = second_gradients(function, theta, g, moved(given["cotangent_theta"][n]))
            yield f"second_vjp/gg{output}", as_given(second.gg)
            yield "second_vjp/gtheta", second.gtheta


def _judge(parameters: Parameters, is_grid: bool) -> Judge:
    """Return the judge of a matrix, or of its grid."""

    def answers(case: Case, convention: str) -> Answers:
        shapes = outputs(case.operation)
        found: dict[str, list[Numbers]] = {path: [] for path in shapes}
        with Balls(BITS) as balls, np.errstate(invalid="ignore"):  # infinity times 0 is NaN, as it should be
            for path, part in _parts(parameters, is_grid, case, balls if parameters.through else Fraction):
                found[path].append(part)
            first, second = parameters.constants
            return {
                path: answer(second if "second" in path else first, case.inputs[shapes[path]].shape, parts)
                for path, parts in found.items()
            }

    return Judge(answers)


JUDGES = {
    **{f"{name}_matrix": _judge(parameters, False) for name, parameters in PARAMETERS.items()},
    **{f"{name}_grid": _judge(parameters, True) for name, parameters in PARAMETERS.items() if name != "kurbiel"},
}
