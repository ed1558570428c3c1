"""Pictures to learn from: readers of published data, and distortions that make them hard."""

from refwarp.data.digits import Digits, Examples, load_digits
from refwarp.data.distortions import DISTORTIONS, AffineDistortion, Distortion, distort, similarity

__all__ = [
    "DISTORTIONS",
    "AffineDistortion",
    "Digits",
    "Distortion",
    "Examples",
    "distort",
    "load_digits",
    "similarity",
]
