"""The truth about compose, invert and inverse_compositional_update.

Matrices are 3 x 3, an affine one with the row (0, 0, 1) below; its cotangents have a row of zeros, and of gradients the
two rows above are returned. With J = H^-1, J_d that of delta, and cotangents G of the result, C_o, C_i, C and B of
gradients,

    compose    gG = C_o H_i + H_o C_i                    gH_o = G C_i^T             gH_i = C_o^T G
    invert     gG = -J C J                               gH = J^T (C^T J^T G + G J^T C^T) J^T
    update     gG = C J_d - theta K, K = J_d B J_d       gtheta = -G K^T
               gdelta = J_d^T (-C^T G + theta^T G J_d^T B^T + B^T J_d^T theta^T G) J_d^T

follow from dJ = -J dH J in the gradients of `refwarp.exact.composition`. Translations are sums, and similarities
functions of parameters, see `parameters`.

c is that of docs/composition.md: products 4, inverses 4, their gradient 8, similarities 12. The rest: a second
derivative has one more factor and product than the first, 4 more where it is not a plain product; an update has an
inverse's roundings beside those of its product, 4 more than an inverse (similarities: than a composition).

Nothing here has coordinates. But the M of derivatives takes the entries of an inverse as they are, and in working
precision the digits of an entry that cancel in minors and determinant are lost: so it moves by its M, to first order in
e. Adjugate and determinant have at most 6 roundings, and Gaussian elimination subtracts the same products (the tests
look at badly scaled matrices).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from refwarp.exact import composition as exact
from refwarp.exact.arithmetic.balls import Balls
from refwarp.exact.arithmetic.numbers import Number
from refwarp.golden.case import Case
from refwarp.golden.judging.answer import BITS, numbers
from refwarp.golden.judging.judge import Answers, Judge
from refwarp.golden.judging.moved import Moved, Numbers, answer, moved
from refwarp.golden.judging.parameters import Function, entries, gradient, second_gradients
from refwarp.golden.operations import OPERATIONS, PARTS, outputs

Parts = Iterator[tuple[str, Numbers]]

# The input, or the two, and the output.
# c of forward, vjp and second_vjp.
MATRICES = {"compose": (4, 4, 4), "invert": (4, 8, 12), "inverse_compositional_update": (8, 12, 16)}
SIMILARITIES = {"compose": (12, 12, 16), "invert": (12, 12, 16), "inverse_compositional_update": (16, 16, 20)}
TRANSLATIONS = dict.fromkeys(MATRICES, (4, 4, 4))

# ---- matrices ----


def inverse(h: Numbers) -> Numbers:
    """Return the entries C/D of H^-1."""
    sums = exact.inverse([[entry.value for entry in row] for row in h])
    return np.array([[Moved(part.value, part.k, part.M, 0) for part in row] for row in sums], object)


def _as_numbers(j: Numbers) -> Numbers:
    """Return the entries of an inverse as numbers of one term, that move by their rounding."""
    return np.array([[entry.number() for entry in row] for row in j], object)


def compose_matrices(outer: Numbers, inner: Numbers, g: Numbers, a: Numbers, b: Numbers) -> Parts:
    """Yield the parts of compose; a and b are cotangents of the gradients to outer and inner."""
    yield "forward/theta", outer @ inner
    yield "vjp/gouter", g @ inner.T
    yield "vjp/ginner", outer.T @ g
    yield "second_vjp/ggtheta", a @ inner + outer @ b
    yield "second_vjp/gouter", g @ b.T
    yield "second_vjp/ginner", a.T @ g


def invert_matrices(h: Numbers, g: Numbers, c: Numbers) -> Parts:
    """Yield the parts of invert; c is the cotangent of the gradient."""
    found = inverse(h)
    j = _as_numbers(found)
    yield "forward/inverse", found
    yield "vjp/gtheta", -(j.T @ g @ j.T)
    yield "second_vjp/gginverse", -(j @ c @ j)
    yield "second_vjp/gtheta", j.T @ (c.T @ j.T @ g + g @ j.T @ c.T) @ j.T


def update_matrices(theta: Numbers, delta: Numbers, g: Numbers, c: Numbers, b: Numbers) -> Parts:
    """Yield the parts of an update; c and b are cotangents of the gradients to theta and delta."""
    found = inverse(delta)
    j = _as_numbers(found)
    k = j @ b @ j
    yield "forward/updated", theta @ found
    yield "vjp/gtheta", g @ found.T
    yield "vjp/gdelta", -(j.T @ theta.T @ g @ j.T)
    yield "second_vjp/ggupdated", c @ j - theta @ k
    yield "second_vjp/gtheta", -(g @ k.T)
    yield "second_vjp/gdelta", j.T @ (theta.T @ g @ j.T @ b.T + b.T @ j.T @ theta.T @ g - c.T @ g) @ j.T


MATRIX_PARTS: Mapping[str, Callable[..., Parts]] = {
    "compose": compose_matrices,
    "invert": invert_matrices,
    "inverse_compositional_update": update_matrices,
}


def _names(operation: str) -> tuple[tuple[str, ...], str]:
    """Return the names of the arguments and of the output."""
    forward = OPERATIONS[operation][0]
    return forward.arguments, forward.outputs[0]


def _three_rows(matrix: list[list[Number]], last: list[Number]) -> Numbers:
    """Return a matrix as 3 x 3: an affine one, or its cotangent, with a last row."""
    return moved(matrix if len(matrix) == 3 else [*matrix, last])


def _matrix_parts(operation: str, image: Mapping[str, Any]) -> Parts:
    """Yield the parts of one image."""
    names, output = _names(operation)
    warps = [_three_rows(image[name], [0, 0, 1]) for name in names]
    cotangents = [image[f"g{output}"], *(image[f"cotangent_{name}"] for name in names)]
    rows = len(image[names[0]])
    for path, part in MATRIX_PARTS[operation](*warps, *(_three_rows(matrix, [0, 0, 0]) for matrix in cotangents)):
        yield path, part[:rows]


# ---- parameters that are no matrices ----


def _translation_terms(operation: str, theta: list[Number]) -> exact.Terms:
    """Return the terms of (composition.4)."""
    if operation == "invert":
        return [(-t,) for t in theta]
    sign = 1 if operation == "compose" else -1
    return [(theta[axis], sign * theta[axis + 2]) for axis in range(2)]


def _similarity_terms(operation: str, theta: list[Number]) -> exact.Terms:
    """Return the terms of (composition.5), (composition.6) and of both."""
    if operation == "invert":
        return exact.inverse_terms(theta)
    inner = [(t,) for t in theta[4:]] if operation == "compose" else exact.inverse_terms(theta[4:])
    return exact.composed_terms(theta[:4], inner)


def _parameter_parts(operation: str, image: Mapping[str, Any]) -> Parts:
    """Yield the parts of one image."""
    names, output = _names(operation)
    theta = [parameter for name in names for parameter in image[name]]
    count = len(image[names[0]])
    similarity = count == 4
    function = Function(
        partial(_similarity_terms if similarity else _translation_terms, operation),
        tuple(range(1, len(theta), 4)) if similarity else (),
    )
    g = moved(image[f"g{output}"])
    b = moved([parameter for name in names for parameter in image[f"cotangent_{name}"]])
    yield f"forward/{output}", entries(function, theta)
    second = second_gradients(function, theta, g, b)
    yield f"second_vjp/gg{output}", second.gg
    for part, gtheta in (("vjp", gradient(function, theta, g)), ("second_vjp", second.gtheta)):
        for place, name in enumerate(names):
            yield f"{part}/g{name}", gtheta[place * count : (place + 1) * count]


# ---- all kinds ----


def _answers(operation: str, case: Case, convention: str) -> Answers:
    shape = case.inputs[_names(operation)[0][0]].shape
    is_matrix, with_angles = len(shape) == 3, shape[1:] == (4,)
    constants = (MATRICES if is_matrix else SIMILARITIES if with_angles else TRANSLATIONS)[operation]
    parts = _matrix_parts if is_matrix else _parameter_parts
    found: dict[str, list[Numbers]] = {path: [] for path in outputs(operation)}
    with Balls(BITS) as balls:
        given = {name: numbers(array) for name, array in case.inputs.items()}
        if with_angles:
            given = {name: balls(array) for name, array in given.items()}
        for n in range(shape[0]):
            for path, part in parts(operation, {name: array[n] for name, array in given.items()}):
                found[path].append(part)
        return {
            path: answer(float(constants[PARTS.index(path.partition("/")[0])]), shape, images)
            for path, images in found.items()
        }


JUDGES = {operation: Judge(partial(_answers, operation)) for operation in MATRIX_PARTS}
