"""The truth about NAME: derivatives of the exact forward; and what the cases tell apart."""

from types import SimpleNamespace

import numpy as np
import pytest

from refwarp.exact import NAME as exact
from refwarp.exact.arithmetic.numbers import fractions
from refwarp.golden.build import build
from refwarp.golden.families.NAME.cases import cases
from refwarp.golden.outcomes import Grade
from refwarp.golden.targets.module import ModuleTarget
from refwarp.golden.verify import verify
from tests.exact.nested import derivative
from tests.golden.families.plain_grids import axis


@pytest.fixture(scope="module")
def built():
    return build([case for case in cases() if case.result == "valid"])


def test_the_truth_is_the_derivative_of_the_exact_forward(built):
    for case in built:
        if not all(np.isfinite(array).all() for array in case.inputs.values()):
            continue
        height, width = case.options["size"][2:]
        for n, (theta, ggrid) in enumerate(zip(*map(fractions, case.inputs.values()), strict=True)):

            def product(theta, ggrid=ggrid, height=height, width=width, align_corners=case.options["align_corners"]):
                grid = exact.NAME(theta, height, width, align_corners)
                terms = [ggrid[i][j][r] * grid[i][j][r].value for i, j, r in np.ndindex(height, width, 2)]
                return sum(terms)

            found = case.outputs["vjp/gtheta"].elements["value"][n]
            assert found.tolist() == [float(derivative(product, theta, (r,))) for r in range(2)], case.name


def points(size, align_corners, dtype):
    """Return the centres of the output pixels, each step in a dtype."""
    x, y = (axis(length, align_corners, dtype) for length in size[:1:-1])
    return np.stack(np.meshgrid(x, y), axis=-1)


def plain(ggrid, theta, size, align_corners):
    return (ggrid * points(size, align_corners, theta.dtype)).sum(axis=(1, 2))


PLAIN = SimpleNamespace(
    NAME=lambda theta, size, align_corners: theta[:, None, None] * points(size, align_corners, theta.dtype),
    NAME_vjp=plain,
)
WRONG = {
    "swapped axes": SimpleNamespace(NAME=lambda theta, **options: PLAIN.NAME(theta[:, ::-1], **options)),
    "corners": SimpleNamespace(NAME=lambda theta, size, align_corners: PLAIN.NAME(theta, size, True)),
    "sign": SimpleNamespace(NAME_vjp=lambda ggrid, theta, **options: -plain(ggrid, theta, **options)),
}


def test_plain_arithmetic_is_within_the_working_precision(built):
    with np.errstate(all="ignore"):
        assert verify(built, ModuleTarget(PLAIN, "plain")).grade == Grade.WORKING


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_found(built, wrong):
    with np.errstate(all="ignore"):
        assert verify(built, ModuleTarget(WRONG[wrong], wrong)).grade == Grade.WRONG
