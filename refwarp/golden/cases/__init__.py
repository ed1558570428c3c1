"""The cases: what is asked of each operation, and why."""

from __future__ import annotations

from refwarp.golden.case import Case
from refwarp.golden.cases import affine, bilinear, bilinear_extremes


def all_cases() -> list[Case]:
    """Return every case, without outputs."""
    return [*affine.cases(), *bilinear.cases(), *bilinear_extremes.cases()]
