"""Networks with warps inside: spatial transformers of all kinds, and classifiers with and without them."""

from refwarp.networks.classifiers import (
    CNN,
    Transformed,
    TransformedWithTheta,
    convolutional_classifier,
    count_parameters,
    fully_connected_classifier,
    parameter_table,
    width_for,
)
from refwarp.networks.compositional import CompositionalTransformer
from refwarp.networks.hierarchical import FLOW_GENERATOR, FlowPenalty, HierarchicalTransformer, flow_generator
from refwarp.networks.localisation import (
    Localisation,
    convolutional_localisation,
    fully_connected_localisation,
    regression,
)
from refwarp.networks.parallel import EachGlimpse, Parallel
from refwarp.networks.recurrent import GRUCell, RecurrentLocalisation
from refwarp.networks.samplers import LinearizedSampler, Sampler
from refwarp.networks.source_sampler import SourceSampler
from refwarp.networks.spatial_transformer import GlimpseTransformer, SpatialTransformer, Warp, observed
from refwarp.networks.stacks import Convolution
from refwarp.networks.transformations import (
    Affine,
    Attention,
    LinearBasis,
    PiecewiseAffine,
    Projective,
    RotationScaleTranslation,
    Similarity,
    ThinPlateSpline,
    Transformation,
    Translation,
    regular_points,
)
from refwarp.networks.unet import Architecture, Pair, UNet

__all__ = [
    "CNN",
    "FLOW_GENERATOR",
    "Affine",
    "Architecture",
    "Attention",
    "CompositionalTransformer",
    "Convolution",
    "EachGlimpse",
    "FlowPenalty",
    "GRUCell",
    "GlimpseTransformer",
    "HierarchicalTransformer",
    "LinearBasis",
    "LinearizedSampler",
    "Localisation",
    "Pair",
    "Parallel",
    "PiecewiseAffine",
    "Projective",
    "RecurrentLocalisation",
    "RotationScaleTranslation",
    "Sampler",
    "Similarity",
    "SourceSampler",
    "SpatialTransformer",
    "ThinPlateSpline",
    "Transformation",
    "Transformed",
    "TransformedWithTheta",
    "Translation",
    "UNet",
    "Warp",
    "convolutional_classifier",
    "convolutional_localisation",
    "count_parameters",
    "flow_generator",
    "fully_connected_classifier",
    "fully_connected_localisation",
    "observed",
    "parameter_table",
    "regression",
    "regular_points",
    "width_for",
]
