"""Cases for splines whose control points and pixel lie close together: where r^2 log r^2 is small, and all that counts.

Whatever keeps the logarithm from its pole (log(r^2 + 1e-8), r^2 clipped at 1e-10) is a small part of r^2 log r^2 at
distances of 1, and disappears in the error budget of float32. At distances of 2^-10 to 2^-15 it is most of it. The
coordinates are multiples of these, so that differences and squares are exact, and five points have few terms.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refwarp.golden.case import Case
from refwarp.golden.drawing import call

CONTROL = np.array([[-1.0, -1.0], [2.0, -1.0], [-1.0, 1.0], [1.0, 2.0], [0.5, -0.25]])
# Not exact in float16 or bfloat16, which can't hold the squares of such distances.
POINTS = np.array([[[-0.5, -0.5], [1.0, -0.25], [-0.25, 0.5], [0.5, 0.75], [1.0 + 2.0**-14, 1.0]]])


def cases() -> list[Case]:
    """Return the cases."""
    found = []
    for exponent in (10, 13, 15):
        control = CONTROL * 2.0**-exponent
        options: dict[str, Any] = {"size": [1, 1, 1, 1], "align_corners": False, "smoothing": 0.0}
        comment = f"One pixel among control points 2^-{exponent} apart: r^2 log r^2 as it is near 0."
        inputs = {"points": POINTS, "control": control}
        found += [
            call.case(f"tps_grid/around_2e-{exponent}", comment, "Interior", inputs, (1, 1, 1, 2), **options),
            call.case(
                f"thin_plate_spline_basis/around_2e-{exponent}",
                comment,
                "Interior",
                {"control": control},
                **options,
            ),
        ]
    return found
