"""The museum: defects that real libraries have or had, each with the public thread it comes from.

Every defect here is a flag of the kind KNOWN_BUG. The cases that carry the flag show the defect in a small space;
for each one the tests have a deliberately broken implementation, which those cases catch.
"""

from __future__ import annotations

from typing import NamedTuple


class Bug(NamedTuple):
    """A defect: what is computed, in one sentence, and where it was reported."""

    description: str
    thread: str


_COORDINATES = {
    "IntegerCast": Bug(
        "A NaN, infinite or huge coordinate is cast to an integer before it is known to be in range.",
        "github.com/pytorch/pytorch/issues/24823",
    ),
    "HugeGivesNaN": Bug(
        "A huge finite coordinate overflows on its way to pixels and gives NaN instead of padding.",
        "github.com/pytorch/pytorch/issues/51911",
    ),
    "NaNIsAPixel": Bug(
        "A NaN coordinate is replaced by a number, so that the sample is some pixel's.",
        "github.com/pytorch/pytorch/issues/163851",
    ),
    "IdentityNotExact": Bug(
        "The identity does not return the map, because coordinates are rounded or clipped.",
        "github.com/pytorch/pytorch/issues/81868 and github.com/tensorflow/models/issues/7564",
    ),
    "HalfPixelMissing": Bug(
        "The pixel coordinate is (g + 1) W/2: pixels are taken to be at their left edges.",
        "github.com/tensorflow/models/issues/2016",
    ),
    "AlignCornersMixed": Bug(
        "The coordinates are made for one value of align_corners and read by the other.",
        "github.com/kornia/kornia/issues/1651",
    ),
    "SwappedAxes": Bug(
        "The points of the grid are read as (y, x), or written so.",
        "github.com/pytorch/torchtitan/pull/4244",
    ),
    "CopiedAxis": Bug(
        "The cell along one axis is found from the coordinate of another.",
        "github.com/pytorch/pytorch/issues/34704",
    ),
    "OnePixelCorners": Bug(
        "With align_corners, what coordinates beyond 1 mean on an axis of one pixel was never settled; "
        "here every coordinate is that pixel.",
        "github.com/pytorch/pytorch/issues/42625",
    ),
    "Float32Coordinates": Bug(
        "float64 coordinates are rounded to float32.",
        "github.com/opencv/opencv/issues/4283",
    ),
    "HalfCoordinates": Bug(
        "Coordinates turn to pixels in float16, where (2/3 + 1) 3/2 - 1/2 is 2, the next pixel.",
        "github.com/pytorch/pytorch/issues/96429",
    ),
    "WritesIntoGrid": Bug(
        "The grid is turned to pixel coordinates in place, and the caller's is lost.",
        "github.com/pytorch/pytorch/issues/81868",
    ),
}

_SAMPLES = {
    "LastPixelDropped": Bug(
        "The upper neighbour is clipped to the map before the weights are formed: at the last pixel both are 0.",
        "github.com/kevinzakka/spatial-transformer-network/issues/13 and "
        "github.com/divelab/dtn (Dense_Transformer_Network.py)",
    ),
    "TruncatedCell": Bug(
        "The cell is found by truncation towards 0: between -1 and 0 the weights extrapolate.",
        "github.com/webarkit/jsfeatNext/issues/119",
    ),
    "BorderSmears": Bug(
        "Samples beyond the map take the pixel at its border, although the padding is zero.",
        "github.com/Lasagne/Lasagne/issues/689",
    ),
    "NoFadeOut": Bug(
        "Beyond the centre of an outermost pixel the sample is 0 at once, and does not fade out.",
        "github.com/jax-ml/jax/issues/14819",
    ),
    "QuantisedWeights": Bug(
        "The fraction of a coordinate is rounded to 1/32 of a pixel.",
        "github.com/opencv/opencv/issues/25937",
    ),
    "HalfAccumulation": Bug(
        "The weighted pixels are added in float16.",
        "github.com/pytorch/pytorch/issues/89836",
    ),
    "ChannelsLast": Bug(
        "The map's memory is read as (N, H, W, C).",
        "github.com/pytorch/pytorch/issues/174339",
    ),
    "ModesSwapped": Bug(
        "The numbers of the modes are mixed up: bilinear samples the nearest pixel, and nearest is bilinear.",
        "github.com/pytorch/TensorRT/pull/3340",
    ),
    "UnknownModeIsNearest": Bug(
        "A mode whose name is not known is not refused, but taken for nearest.",
        "github.com/onnx/onnx-tensorrt/pull/1060",
    ),
    "NearestInverted": Bug(
        "The nearest pixel is the upper one where the fraction is below a half.",
        "github.com/opencv/opencv/issues/24106",
    ),
    "BoundsBeforeRounding": Bug(
        "Whether the nearest pixel is in the map is asked before the coordinate is rounded to it.",
        "github.com/image-rs/image/pull/1962",
    ),
    "TiesAway": Bug(
        "Ties go to the even pixel forward, and away from 0 backward.",
        "github.com/pytorch/pytorch/pull/97000",
    ),
    "BicubicKernel": Bug(
        "The cubic kernel has another parameter, a = -1/2 for a = -3/4.",
        "github.com/microsoft/onnxscript/pull/562",
    ),
    "BicubicBorderPoint": Bug(
        "With border padding the point is clamped, and not the pixels of its 4 x 4 window.",
        "github.com/microsoft/onnxruntime/issues/10607",
    ),
    "ReflectedAfterWeights": Bug(
        "The weights come from the coordinate before it is mirrored, the pixels from after.",
        "github.com/pytorch/pytorch/pull/10051",
    ),
    "MirrorAxis": Bug(
        "With align_corners the mirror stands at the outer edges of the map, and not in the corner pixels' centres.",
        "github.com/onnx/onnx/issues/4033",
    ),
    "FoldCount": Bug(
        "How often a coordinate is mirrored is counted in 32 bits.",
        "github.com/microsoft/onnxruntime/pull/27975",
    ),
    "OnePixelReflection": Bug(
        "On an axis of one pixel with align_corners the mirror's period is 0, and divides.",
        "github.com/openvinotoolkit/openvino/pull/12867",
    ),
}

_GRADIENTS = {
    "FloorMeetsCeil": Bug(
        "The upper neighbour is taken as ceil(x), so at integers both neighbours are one and the slope is 0.",
        "github.com/google-deepmind/dm_pix/pull/126",
    ),
    "BorderGradient": Bug(
        "With border padding the slope at the last pixel is that towards a 0 beyond it.",
        "github.com/pytorch/pytorch/issues/23925",
    ),
    "ReflectionGradient": Bug(
        "With reflection the slope at the last pixel is that towards a 0 beyond it, with its sign turned.",
        "github.com/pytorch/pytorch/issues/23925",
    ),
    "BorderScatterDropped": Bug(
        "Samples that are clamped to the border give the pixels there no gradient.",
        "github.com/ooples/AiDotNet.Tensors/pull/390",
    ),
    "GradientUnits": Bug(
        "The gradient of a coordinate is per pixel where it should be per normalised unit, or the other way round.",
        "github.com/anuragranj/spynet/issues/4",
    ),
}

_GRIDS = {
    "AlignCornersIgnored": Bug(
        "The affine grid is that of align_corners, whatever the option says.",
        "github.com/apache/tvm/pull/19864",
    ),
    "CoarseGrid": Bug(
        "The lattice of an affine grid is rounded to float16.",
        "github.com/pytorch/vision/issues/9029",
    ),
    "TransposedMatrix": Bug(
        "Row vectors are multiplied by the matrix, so that rotations turn the other way.",
        "github.com/MIC-DKFZ/batchgeneratorsv2/issues/24",
    ),
    "OnePixelDivision": Bug(
        "Coordinates of an axis of one pixel are divided by its number of steps, 0.",
        "github.com/kornia/kornia/pull/812",
    ),
    "CompositionOrder": Bug(
        "Of two warps the wrong one comes first.",
        "github.com/napari/napari/issues/1841",
    ),
    "HomogeneousEpsilon": Bug(
        "A small number is added to the homogeneous coordinate before it divides.",
        "github.com/kornia/kornia/issues/3938",
    ),
    "HomogeneousClamp": Bug(
        "The homogeneous coordinate is kept above a small number, which spoils all negative ones.",
        "github.com/kornia/kornia/pull/148",
    ),
    "HorizonIsZero": Bug(
        "Points on the horizon are mapped to 0, in the middle of the map.",
        "github.com/opencv/opencv/issues/23146",
    ),
    "FlowSign": Bug(
        "The motion is subtracted.",
        "github.com/tensorflow/addons/issues/1786",
    ),
    "FlowUnits": Bug(
        "Pixels are handed to a sampler that expects normalised units.",
        "github.com/kornia/kornia/issues/3459",
    ),
    "SplineLattice": Bug(
        "The spline is evaluated at the lattice of align_corners, whatever the option says.",
        "github.com/kornia/kornia/pull/3945",
    ),
    "KernelOfTwoPointSets": Bug(
        "The spline's matrix has the distances from the control to the fiducial points.",
        "github.com/kornia/kornia/pull/2690",
    ),
    "KernelFactor": Bug(
        "d^2 ln d stands for d^2 ln d^2: without smoothing the same spline, with it another.",
        "github.com/minar09/cp-vton-plus/issues/96",
    ),
    "LogOfEpsilon": Bug(
        "A small number is added to d^2 under the logarithm.",
        "github.com/kornia/kornia/issues/4557",
    ),
    "SmoothingSign": Bug(
        "The smoothing weight is subtracted from the diagonal.",
        "github.com/scipy/scipy/issues/2335",
    ),
}

_OTHERS = {
    "SumsMultiplied": Bug(
        "Values and weights are summed apart, corner by corner, and the sums multiplied.",
        "github.com/divelab/dtn (Dense_Transformer_Network.py)",
    ),
    "CornersClamped": Bug(
        "The corners of a source's cell are clamped to the map before their weights are formed: beyond the last pixel "
        "both are that pixel, and their weights cancel.",
        "github.com/divelab/dtn (Dense_Transformer_Network.py)",
    ),
    "SumNotAverage": Bug(
        "The values that meet in a pixel are added up, and not divided by their weights.",
        "github.com/lizhihao6/Forward-Warp/issues/10",
    ),
    "WeightFloor": Bug(
        "A small number is added to the sum of weights before it divides.",
        "github.com/sniklaus/softmax-splatting/pull/23",
    ),
    "SplatSign": Bug(
        "The slope of the splatting weights has the wrong sign: it is that to the pixel, not to the source.",
        "github.com/sniklaus/softmax-splatting/issues/34",
    ),
    "MaskByOffset": Bug(
        "Samples are masked by their offsets from the point, and not by their places.",
        "github.com/vcg-uvic/linearized_multisampling_release (warp/linearized.py)",
    ),
    "NaNToZero": Bug(
        "A fit that is NaN is replaced by one that is 0.",
        "github.com/vcg-uvic/linearized_multisampling_release (warp/linearized.py)",
    ),
    "BendingMixed": Bug(
        "The mixed derivative is doubled before it is squared.",
        "github.com/BioMedIA/deepali/issues/114",
    ),
    "Checkerboard": Bug(
        "Central differences leave out the pixel in the middle, so a checkerboard costs nothing.",
        "github.com/Project-MONAI/MONAI/issues/6541",
    ),
}

MUSEUM = {**_COORDINATES, **_SAMPLES, **_GRADIENTS, **_GRIDS, **_OTHERS}
