"""The hierarchical spatial transformer: an affine transformation, and a flow for what it leaves (HSTN, Sect. 3.2).

    theta = linear generator(U)                                       the localisation of a spatial transformer
    H x   = affine_motion(theta)                                      the converter, (HSTN 5)
    U_H   = sampler(U, flow_grid(H x))
    w     = gain flow generator(U_H)                                  a U-Net; 0 at first
    V     = sampler(U, flow_grid(H x + w))                            (HSTN 3)

The picture is sampled from the original, by the sum of the motions, as HSTN does; the warp by w of the warp by H is
another one, which agrees with it to first order (docs/flow.md). At first w is 0, and V what the affine transformer
makes.

Motions are in pixels of the output. The penalty on w, (HSTN 7), is added to the loss of whatever is trained:

    alpha |Laplacian w| + beta |grad w|                                                         (HSTN 7)

The paper has alpha = 0.01 and beta = 1, and says neither the unit of w, nor the norm, nor whether pixels are summed or
averaged. With pixels, the 1-norm and the mean, these weights keep w near 0, so that nothing is left but the affine
transformer; `FlowPenalty` has all of that as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.arrays import array_module
from autograd_core.functions import reshape
from autograd_core.layers import Module
from refwarp.arguments import check_array, check_option, number
from refwarp.conventions import coordinate_scale
from refwarp.grids.flow import UNITS, affine_motion, flow_grid
from refwarp.networks.samplers import Sampler
from refwarp.networks.spatial_transformer import SpatialTransformer, Warp
from refwarp.networks.transformations import AFFINE, Affine
from refwarp.networks.unet import Architecture, UNet
from refwarp.penalties import NORMS, REDUCTIONS, bending_energy, smoothness
from refwarp.samplers.grid_sample import grid_sample

# HSTN, Fig. 5, but for the number of its levels and filters, which are not printed.
FLOW_GENERATOR = Architecture(depth=3, convolutions=1, descent="strided", ascent="transposed", bottleneck=1)


def flow_generator(
    in_channels: int,
    architecture: Architecture = FLOW_GENERATOR,
    *,
    rng: np.random.Generator,
    dtype: Any = np.float32,
) -> UNet:
    """Return a U-Net that makes a flow of maps, and says 0 at first, whatever they are.

    Parameters
    ----------
    in_channels : int
        Channels of the maps.
    architecture : Architecture
        Of the U-Net.
    rng : numpy.random.Generator
        Draws the weights, but for those of the last layer, which are zeros.
    dtype : dtype
        Of the parameters.

    Returns
    -------
    UNet
        (N, in_channels, H, W) -> (N, 2, H, W), u before v.

    Raises
    ------
    ValueError
        If there is no such architecture.
    """
    network = UNet(in_channels, 2, architecture, rng=rng, dtype=dtype)
    network.last.weight = Tensor(np.zeros(network.last.weight.shape, dtype), requires_grad=True)
    return network


class HierarchicalTransformer(SpatialTransformer):
    """Warp each map by an affine transformation and a flow, both read from it.

    Parameters
    ----------
    localisation : Module
        The linear generator: maps the input (N, C, H, W) to the parameters of an affine transformation, (N, 6).
    flow : Module
        The flow generator: maps what the transformation makes of the input, (N, C, H', W'), to a flow (N, 2, H', W'),
        u before v; see `flow_generator`.
    sampler : callable
        Called as ``sampler(input, grid, align_corners=...)``, before the flow generator and for the output.
    size : int or (int, int), optional
        Height and width of the output; those of the input by default.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).
    gain : float
        How many pixels of the output a flow of 1 is. The larger, the faster the flow learns.

    Raises
    ------
    ValueError
        If `size` is not one or two positive integers, or `gain` is no positive number.
    """

    def __init__(
        self,
        localisation: Module,
        flow: Module,
        sampler: Sampler = grid_sample,
        size: int | tuple[int, int] | None = None,
        align_corners: bool = False,
        gain: float = 1.0,
    ) -> None:
        super().__init__(localisation, AFFINE, sampler, size, align_corners)
        self.flow = flow
        self.gain = number("gain", gain, "a positive number", lambda value: 0 < value < np.inf)

    @classmethod
    def joined(cls, transformer: SpatialTransformer, flow: Module, gain: float = 1.0) -> HierarchicalTransformer:
        """Return an affine transformer with a flow generator behind it, to be trained jointly.

        Parameters
        ----------
        transformer : SpatialTransformer
            An affine one, trained before. Its localisation is taken over as it is, so that training changes it; give a
            deep copy of the transformer to keep it.
        flow : Module
            The flow generator.
        gain : float
            As above.

        Raises
        ------
        ValueError
            If the transformation is not affine.
        """
        if not isinstance(transformer.transformation, Affine):
            raise ValueError(
                f"transformer: given one of {type(transformer.transformation).__name__}, expected one of Affine"
            )
        return cls(
            transformer.localisation, flow, transformer.sampler, transformer.size, transformer.align_corners, gain
        )

    def warp(self, input: Tensor, theta: Tensor) -> Warp:
        """Warp maps (N, C, H, W) by the transformations of theta (N, 6), and the flows read from what these make."""
        batch, channels, *own = input.shape
        height, width = self.size or own
        size = (batch, channels, height, width)
        linear = affine_motion(reshape(theta, (batch, 2, 3)), size, self.align_corners)  # (HSTN 5)
        seen = self.sampler(input, flow_grid(linear, self.align_corners), align_corners=self.align_corners)
        flow = self.flow(seen)
        if flow.shape != (batch, 2, height, width):
            raise ValueError(
                f"flow: it returned shape {flow.shape} for maps of shape {seen.shape}, expected "
                f"{(batch, 2, height, width)}"
            )
        flow = self.gain * flow
        grid = flow_grid(linear + flow, self.align_corners)  # (HSTN 3)
        output = self.sampler(input, grid, align_corners=self.align_corners)
        warp = Warp(input, output, theta, grid, self.align_corners, flow)
        if self.observer:
            self.observer(warp)
        return warp


@dataclass(frozen=True)
class FlowPenalty:
    """alpha |Laplacian w| + beta |grad w| (HSTN 7) of flows, the mean over a batch.

    Attributes
    ----------
    bending : float
        alpha.
    smoothness : float
        beta.
    unit : {"pixels", "normalised"}
        What the motion is measured in: pixels, or half of the interval [-1, 1]. Derivatives are per pixel in both.
    norm : {"1", "2", "squared"}
        As `refwarp.smoothness` and `refwarp.bending_energy` take it.
    reduction : {"mean", "sum"}
        Over the pixels of a picture that have the neighbours that the derivatives need. Over the pictures it is the
        mean in either case, as a loss is.

    Raises
    ------
    ValueError
        If a weight is negative, or an option is none.
    """

    bending: float = 0.01
    smoothness: float = 1.0
    unit: str = "pixels"
    norm: str = "1"
    reduction: str = "mean"

    def __post_init__(self) -> None:
        """Refuse what is none."""
        for name in ("bending", "smoothness"):
            number(name, getattr(self, name), "a finite number that is not negative")
        check_option("unit", self.unit, UNITS)
        check_option("norm", self.norm, NORMS)
        check_option("reduction", self.reduction, REDUCTIONS)

    def __call__(self, flow: Any, align_corners: bool = False) -> Tensor:
        """Return the penalty of flows in pixels.

        Parameters
        ----------
        flow : Tensor, shape (N, 2, H, W)
            The flows, u before v, in pixels; H and W at least 3, or 2 without `bending`.
        align_corners : bool
            What half of the interval [-1, 1] is in pixels: (W - 1)/2 along x (True), or W/2.

        Returns
        -------
        Tensor, shape ()
            The penalty, in the flow's dtype.

        Raises
        ------
        TypeError, ValueError
            If the flow has the wrong type, dtype or shape.
        """
        check_array("flow", flow, "(N, 2, H, W)", (None, 2, None, None))
        batch, _, height, width = flow.shape
        if self.unit == "normalised":
            scales = [2 / max(coordinate_scale(length, align_corners), 1.0) for length in (width, height)]
            flow = flow * array_module(flow.data).asarray(scales, flow.dtype).reshape(2, 1, 1)
        total = Tensor(array_module(flow.data).zeros((), flow.dtype))
        for weight, penalty in ((self.bending, bending_energy), (self.smoothness, smoothness)):
            if weight:
                total = total + weight * penalty(flow, norm=self.norm, reduction=self.reduction)  # (HSTN 7)
        return total / max(batch, 1) if self.reduction == "sum" else total
