"""Pictures to learn from: readers of published data, and distortions that make them hard."""

from refwarp.data.digits import Digits, load_digits
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
from refwarp.data.examples import Examples, Splits
from refwarp.data.mnist import load_mnist
from refwarp.data.pictures import PictureFiles
from refwarp.data.reading import DamagedFileError, data_folder

__all__ = [
    "DISTORTIONS",
    "AffineDistortion",
    "ClutterDistortion",
    "DamagedFileError",
    "Digits",
    "Distortion",
    "ElasticDistortion",
    "Examples",
    "GridDistortion",
    "PictureFiles",
    "ProjectiveDistortion",
    "Splits",
    "data_folder",
    "distort",
    "load_digits",
    "load_mnist",
    "similarity",
    "stn_distortions",
]
