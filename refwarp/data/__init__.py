"""Pictures to learn from: readers of published data, and distortions that make them hard."""

from refwarp.data.digits import Digits, Examples, load_digits
from refwarp.data.distortions import (
    DISTORTIONS,
    AffineDistortion,
    ClutterDistortion,
    Distortion,
    ElasticDistortion,
    GridDistortion,
    ProjectiveDistortion,
    distort,
    similarity,
    stn_distortions,
)

__all__ = [
    "DISTORTIONS",
    "AffineDistortion",
    "ClutterDistortion",
    "Digits",
    "Distortion",
    "ElasticDistortion",
    "Examples",
    "GridDistortion",
    "ProjectiveDistortion",
    "distort",
    "load_digits",
    "similarity",
    "stn_distortions",
]
