"""Pictures to learn from: readers of published data, and distortions that make them hard."""

from refwarp.data.cluttered_mnist import load_cluttered_mnist
from refwarp.data.cub import Birds, load_cub
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
from refwarp.data.em import Sections, load_em
from refwarp.data.examples import Examples, Splits
from refwarp.data.gtsrb import TrafficSigns, load_gtsrb
from refwarp.data.middlebury import FlowPair, load_middlebury, middlebury_scenes, read_flow
from refwarp.data.mnist import load_mnist
from refwarp.data.pictures import PictureFiles
from refwarp.data.rasl import LandmarkedPictures, load_rasl, rasl_sets
from refwarp.data.reading import DamagedFileError, data_folder
from refwarp.data.svhn import load_svhn
from refwarp.data.voc import SegmentedPictures, load_voc, voc_splits

__all__ = [
    "DISTORTIONS",
    "AffineDistortion",
    "Birds",
    "ClutterDistortion",
    "DamagedFileError",
    "Digits",
    "Distortion",
    "ElasticDistortion",
    "Examples",
    "FlowPair",
    "GridDistortion",
    "LandmarkedPictures",
    "PictureFiles",
    "ProjectiveDistortion",
    "Sections",
    "SegmentedPictures",
    "Splits",
    "TrafficSigns",
    "data_folder",
    "distort",
    "load_cluttered_mnist",
    "load_cub",
    "load_digits",
    "load_em",
    "load_gtsrb",
    "load_middlebury",
    "load_mnist",
    "load_rasl",
    "load_svhn",
    "load_voc",
    "middlebury_scenes",
    "rasl_sets",
    "read_flow",
    "similarity",
    "stn_distortions",
    "voc_splits",
]
