"""Cases for smoothness and bending_energy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from refwarp.golden.case import Case
from refwarp.golden.drawing import call, draw

NORMS = ("1", "2", "squared")
FORMS = ("gradient", "laplacian", "hessian")
# What the forms are called in comments.
WORDS = {"gradient": "Differences", "laplacian": "Laplacians", "hessian": "Hessians"}


def _case(
    name: str,
    comment: str,
    flags: str,
    form: str,
    field: npt.ArrayLike,
    dtype: str = "",
    **options: Any,
) -> Case:
    """Return one case of smoothness (the form "gradient") or of bending_energy; without options, of 1-norms inside."""
    given = {"norm": "1", "boundary": "valid", "reduction": "sum", **options}
    operation = "smoothness"
    if form != "gradient":
        operation, given = "bending_energy", {"form": form, **given}
    return call.case(f"{operation}/{name}", comment, flags, {"field": field}, (), dtype, **given)


def _called(form: str, *parts: str) -> str:
    """Return a name of parts, for bending_energy with its form."""
    return "_".join([*([] if form == "gradient" else [form]), *parts])


def _norm(norm: str) -> str:
    return f"the {norm}-norm" if norm != "squared" else "the square"


def _every_option() -> list[Case]:
    cases = []
    for form in FORMS:
        for norm in NORMS:
            for boundary in ("valid", "replicate"):
                for reduction in ("mean", "sum"):
                    name = _called(form, norm, boundary, reduction)
                    comment = f"{WORDS[form]} of two components in {_norm(norm)}, {boundary}, {reduction}."
                    field = draw.dyadics(f"penalty {name}", 1, 2, 3, 4)
                    cases.append(
                        _case(name, comment, "Interior", form, field, norm=norm, boundary=boundary, reduction=reduction)
                    )
    return cases


def _basic() -> list[Case]:
    x, y = np.meshgrid(np.arange(5.0), np.arange(4.0))
    cases = [
        _case(
            "batch_2x3x3x2",
            "Two images, three components.",
            "Shape",
            "gradient",
            draw.dyadics("p batch", 2, 3, 3, 2),
            norm="2",
        ),
        _case(
            "batch_2x3x3x4",
            "Two images, three components.",
            "Shape",
            "hessian",
            draw.dyadics("b batch", 2, 3, 3, 4),
            norm="2",
            reduction="mean",
        ),
        _case("axes", "w = 3 x: tells w_x from w_y.", "AxisOrder", "gradient", (3.0 * x)[None, None], norm="squared"),
        _case(
            "laplacian_of_xy",
            "w = x y: its Laplacian is 0.",
            "ZeroNorm",
            "laplacian",
            (x * y)[None, None],
            norm="squared",
        ),
        _case(
            "hessian_of_xy",
            "w = x y: its squared Hessian is 2 at each pixel.",
            "AxisOrder",
            "hessian",
            (x * y)[None, None],
            norm="squared",
        ),
        _case(
            "axes_of_curvature", "w = x^2: tells w_xx from w_yy.", "AxisOrder", "hessian", (x * x)[None, None], norm="1"
        ),
        _case(
            "one_pixel",
            "One pixel and its copies: no differences.",
            "OnePixel ZeroNorm",
            "gradient",
            [[[[3.0]]]],
            norm="1",
            boundary="replicate",
        ),
        _case(
            "one_row",
            "A row and its copies: no differences along y.",
            "OnePixel",
            "hessian",
            draw.dyadics("p row", 1, 1, 1, 5),
            norm="squared",
            boundary="replicate",
        ),
        _case(
            "one_column",
            "A column and its copies.",
            "OnePixel",
            "laplacian",
            draw.dyadics("p column", 1, 1, 5, 1),
            norm="2",
            boundary="replicate",
        ),
        _case(
            "smallest",
            "The smallest field with a difference of each kind.",
            "Shape",
            "gradient",
            draw.dyadics("p 2x2", 1, 1, 2, 2),
            norm="2",
            reduction="mean",
        ),
        _case(
            "smallest_3x3",
            "The smallest field with a stencil inside it.",
            "Shape",
            "hessian",
            draw.dyadics("p 3x3", 1, 1, 3, 3),
            norm="2",
        ),
        _case("empty_batch", "No image: the sum is 0.", "Empty", "gradient", np.zeros((0, 2, 3, 3)), norm="2"),
        _case("empty_batch", "No image: the sum is 0.", "Empty", "laplacian", np.zeros((0, 2, 3, 3)), norm="squared"),
    ]
    for dtype in ("float32", "float64"):
        for form in FORMS:
            for norm in ("2", "squared"):
                name = _called(form, "full", norm, dtype)
                field = draw.full(f"penalty {name}", 1, 2, 4, 3, dtype=dtype, reach=8.0)
                comment = f"Every bit of {dtype} is used, {_norm(norm)}."
                cases.append(
                    _case(
                        name,
                        comment,
                        "FullPrecision",
                        form,
                        field,
                        norm=norm,
                        boundary="replicate",
                        reduction="mean",
                        dtype=dtype,
                    )
                )
    return cases


def _kinks() -> list[Case]:
    x, y = np.meshgrid(np.arange(4.0), np.arange(3.0))
    linear = np.stack([3 * x - 2 * y + 1, 0.5 * x + 4 * y])[None]
    cases = []
    for form in FORMS:
        for norm in NORMS:
            comment = f"A field that is 0, where training starts: in {_norm(norm)} the gradient is 0."
            cases.append(
                _case(_called(form, "zero", norm), comment, "ZeroNorm", form, np.zeros((1, 2, 3, 3)), norm=norm)
            )
    flat = [[[[0.0, 3.0, 3.0, 5.0], [7.0, 7.0, 7.0, 9.0]]]]
    return [
        *cases,
        _case(
            "flat_1",
            "Some differences are 0: the subgradient taken there is 0.",
            "ZeroNorm",
            "gradient",
            flat,
            norm="1",
        ),
        _case(
            "flat_2", "Some vectors have one entry that is 0, some have two.", "ZeroNorm", "gradient", flat, norm="2"
        ),
        _case("laplacian_linear", "A linear field does not bend.", "ZeroNorm", "laplacian", linear, norm="1"),
        _case(
            "hessian_linear",
            "A linear field does not bend: no gradient in the 2-norm.",
            "ZeroNorm",
            "hessian",
            linear,
            norm="2",
        ),
    ]


def _extremes() -> list[Case]:
    field = draw.dyadics("penalty extremes", 1, 2, 3, 3)
    cases = []
    for dtype in ("float32", "float64"):
        board = 1.5 * (np.indices((8, 8)).sum(axis=0) % 2)
        board[0, 0] = draw.creeping(dtype, 1).item()
        comment = f"Two large differences and 96 small ones: a plain {dtype} sum rounds each of these up."
        cases.append(_case(f"creeping_{dtype}", comment, "LongSum", "gradient", board[None, None], norm="1"))
    for dtype, smallest in (("float32", 2.0**-142), ("float64", 2.0**-1066)):
        for norm in NORMS:
            comment = f"A field next to the smallest {dtype}, in {_norm(norm)}."
            case = _case(f"subnormal_{norm}_{dtype}", comment, "Subnormal", "gradient", field * smallest, norm=norm)
            cases.append(call.first_order(case) if norm == "2" else case)  # else 1/|v| overflows
    for form in FORMS:
        for norm in NORMS:
            name, place = _called(form, "not_finite", norm), draw.dyadics(f"nan {form}", 1, 2, 4, 4)
            place[0, 0, 1, 1], place[0, 1, 2, 2] = math.nan, math.inf
            comment = f"A motion that is NaN and one that is infinite: the penalty is NaN, {_norm(norm)}."
            cases.append(call.first_order(_case(name, comment, "NonFinite", form, place, norm=norm)))
    return [
        *cases,
        _case(
            "huge_2",
            "Lengths of 2^100, whose squares float32 does not hold.",
            "Huge",
            "gradient",
            field * 2.0**98,
            norm="2",
        ),
        _case(
            "laplacian_huge_2",
            "Lengths of 2^600, whose squares float64 does not hold.",
            "Huge",
            "laplacian",
            field * 2.0**600,
            norm="2",
        ),
        _case(
            "cancellation",
            "A field near 1000: differences lose the first digits.",
            "Cancellation",
            "gradient",
            1000.0 + field / 4,
            norm="2",
        ),
        _case(
            "hessian_cancellation",
            "A field near 1000: second differences lose the first digits.",
            "Cancellation",
            "hessian",
            1000.0 + field / 4,
            norm="squared",
        ),
        _case(
            "long_16x16",
            "256 pixels, each with a share of the mean.",
            "LongSum",
            "gradient",
            draw.dyadics("p long", 1, 1, 16, 16),
            norm="2",
            boundary="replicate",
            reduction="mean",
        ),
    ]


def _refusals() -> list[Case]:
    fine = {"norm": "1", "boundary": "valid", "reduction": "mean"}
    bending = {"form": "laplacian", **fine}

    def refused(
        name: str, comment: str, fine: Mapping[str, Any], shape: tuple[int, ...] = (1, 2, 4, 4), **options: Any
    ) -> Case:
        return call.refused(name, comment, {"field": shape}, **{**fine, **options})

    return [
        refused("smoothness/refused_shape", "A field without components' axis.", fine, (1, 4, 4)),
        refused("smoothness/refused_one_row", "One row has no differences along y.", fine, (1, 2, 1, 4)),
        refused(
            "smoothness/refused_no_pixels",
            "No pixels, and so no copies of them.",
            fine,
            (1, 2, 0, 4),
            boundary="replicate",
        ),
        refused("smoothness/refused_mean_of_nothing", "The mean over no image.", fine, (0, 2, 4, 4)),
        refused("smoothness/refused_norm", "A norm that there is not.", fine, norm="L1"),
        refused("smoothness/refused_boundary", "A boundary that there is not.", fine, boundary="wrap"),
        refused("smoothness/refused_reduction", "A reduction that there is not.", fine, reduction="none"),
        refused("bending_energy/refused_two_rows", "Two rows have no second differences.", bending, (1, 2, 2, 4)),
        refused("bending_energy/refused_form", "A form that there is not.", bending, form="plate"),
        refused("bending_energy/refused_norm", "A norm that is a number.", bending, norm=1),
    ]


def cases() -> list[Case]:
    """Return the cases for smoothness and bending_energy."""
    return [*_every_option(), *_basic(), *_kinks(), *_extremes(), *_refusals()]
