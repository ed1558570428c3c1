"""Networks with warps inside: localisation, the spatial transformer, and classifiers with and without it."""

from refwarp.networks.classifiers import (
    CNN,
    Transformed,
    convolutional_classifier,
    count_parameters,
    fully_connected_classifier,
    parameter_table,
    width_for,
)
from refwarp.networks.localisation import (
    Localisation,
    convolutional_localisation,
    fully_connected_localisation,
    regression,
)
from refwarp.networks.spatial_transformer import SpatialTransformer
from refwarp.networks.stacks import Convolution
from refwarp.networks.transformations import Affine, Projective, ThinPlateSpline, Transformation

__all__ = [
    "CNN",
    "Affine",
    "Convolution",
    "Localisation",
    "Projective",
    "SpatialTransformer",
    "ThinPlateSpline",
    "Transformation",
    "Transformed",
    "convolutional_classifier",
    "convolutional_localisation",
    "count_parameters",
    "fully_connected_classifier",
    "fully_connected_localisation",
    "parameter_table",
    "regression",
    "width_for",
]
