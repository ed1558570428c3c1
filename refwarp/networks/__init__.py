"""Networks with warps inside: localisation, the spatial transformer, and classifiers with and without it."""

from refwarp.networks.classifiers import CNN, STCNN, convolutional_classifier, count_parameters, parameter_table
from refwarp.networks.localisation import AffineLocalisation, affine_regression
from refwarp.networks.spatial_transformer import SpatialTransformer

__all__ = [
    "CNN",
    "STCNN",
    "AffineLocalisation",
    "SpatialTransformer",
    "affine_regression",
    "convolutional_classifier",
    "count_parameters",
    "parameter_table",
]
