"""What a network is built from, in words and numbers, so that it can be built again.

The sizes follow from that of the pictures. Convolutions and poolings by two go on, three times at most, until no side
has more than 8 pixels. A convolutional localisation looks at a picture that is averaged to 14 pixels or a little more,
for a pose shows at a low resolution too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from autograd_core import Tensor, no_grad
from autograd_core.layers import Module
from refwarp.networks import (
    Convolution,
    Localisation,
    SpatialTransformer,
    Transformation,
    Transformed,
    convolutional_classifier,
    convolutional_localisation,
    fully_connected_classifier,
    fully_connected_localisation,
)
from refwarp.networks.names import sampler, transformation

MODELS = ("CNN", "FCN", "ST-CNN", "ST-FCN")
NO_WARP = "none"
_PREFIX = "ST-"

# Channels of convolution after convolution, and of the dense layers after them; those of localisations.
_FEATURES, _HIDDEN = (16, 32, 64), (64,)
_FCN_HIDDEN = (128, 128)
_KERNEL, _SMALL_KERNEL = 5, 3
# Convolutions end where no more pixels than these are left; the side of what a localisation looks at.
_ENOUGH, _LOCALISATION_SIDE = 8, 14


@dataclass(frozen=True)
class Design:
    """A classifier, without or with a spatial transformer before it.

    Attributes
    ----------
    model : str
        "CNN" or "FCN", the classifier; "ST-CNN" or "ST-FCN" with a transformer.
    warp : str
        The transformation, as `refwarp.networks.names` has it; "none" without a transformer.
    sampler : str
        The sampler, as `refwarp.networks.names` has it.
    shape : (int, int, int)
        Channels, height and width of the input.
    size : (int, int)
        Height and width of what the transformer makes of it.
    classes : int
        How many classes there are.
    """

    model: str
    warp: str
    sampler: str
    shape: tuple[int, int, int]
    size: tuple[int, int]
    classes: int

    def build(self, rng: np.random.Generator) -> Module:
        """Return the untrained network, whose weights are drawn by `rng`.

        Raises
        ------
        ValueError
            If there is no such model, transformation or sampler, or the pictures are too small.
        """
        kind, has_warp = self.model.removeprefix(_PREFIX), self.model.startswith(_PREFIX)
        if not has_warp:
            return self._classifier(kind, self.shape, rng)
        warp = transformation(self.warp, "warp")
        chosen = sampler(self.sampler, rng.spawn(1)[0])
        localisation = self._localisation(kind, warp, rng)
        classifier = self._classifier(kind, (self.shape[0], *self.size), rng)
        return Transformed(SpatialTransformer(localisation, warp, chosen, self.size), classifier)

    def _localisation(self, kind: str, warp: Transformation, rng: np.random.Generator) -> Localisation:
        if kind == "FCN":
            return fully_connected_localisation(self.shape, warp, hidden=(32, 32), rng=rng)
        reduction = max(1, min(self.shape[1:]) // _LOCALISATION_SIDE)
        convolutions = (Convolution(16, _KERNEL, 2), Convolution(20, _SMALL_KERNEL))
        try:
            return convolutional_localisation(
                self.shape, warp, convolutions=convolutions, hidden=(32,), reduction=reduction, rng=rng
            )
        except ValueError as error:
            raise self._too_small(self.shape) from error

    def _classifier(self, kind: str, shape: tuple[int, int, int], rng: np.random.Generator) -> Module:
        if kind == "FCN":
            return fully_connected_classifier(shape, hidden=_FCN_HIDDEN, classes=self.classes, rng=rng)
        convolutions: list[Convolution] = []
        sides: tuple[int, ...] = shape[1:]
        for features in _FEATURES:
            if not convolutions or (max(sides) > _ENOUGH and min(sides) > _KERNEL):
                convolutions.append(Convolution(features, _KERNEL, 2))
                sides = tuple((side - _KERNEL + 1) // 2 for side in sides)
        try:
            return convolutional_classifier(
                shape, convolutions=convolutions, hidden=_HIDDEN, classes=self.classes, rng=rng
            )
        except ValueError as error:
            raise self._too_small(shape) from error

    def _too_small(self, shape: tuple[int, int, int]) -> ValueError:
        return ValueError(
            f"size: given pictures of {shape[1]}x{shape[2]} pixels, which are too small for the convolutions of "
            f"{self.model}; give a larger --size, or another --model"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def of_dict(cls, given: Mapping[str, Any]) -> Design:
        """Return what `as_dict` returned; ValueError if it is none, such as that of a damaged file."""
        try:
            channels, height, width = map(int, given["shape"])
            rows, columns = map(int, given["size"])
            words = [str(given[name]) for name in ("model", "warp", "sampler")]
            return cls(words[0], words[1], words[2], (channels, height, width), (rows, columns), int(given["classes"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the description of a network is damaged: {error}") from error


def resolved(model: str, warp: str | None) -> tuple[str, str]:
    """Return a model and its transformation, of which either implies something about the other.

    "ST-CNN" is "CNN" with a transformer, an affine one if nothing else is said.

    Parameters
    ----------
    model : str
        One of `MODELS`.
    warp : str, optional
        The transformation, or "none".

    Returns
    -------
    model, warp : str
        With the model's name "ST-..." if, and only if, there is a transformation.

    Raises
    ------
    ValueError
        If there is no such model or transformation, or the model is one with a transformer and the warp "none".
    """
    if model not in MODELS:
        raise ValueError(f"model: given {model!r}, expected one of {', '.join(map(repr, MODELS))}")
    named = model.startswith(_PREFIX)
    if warp is None:
        warp = "affine" if named else NO_WARP
    if warp == NO_WARP:
        if named:
            raise ValueError(
                f"warp: given {warp!r} with the model {model!r}, which warps; give a transformation, or the model "
                f"{model.removeprefix(_PREFIX)!r}"
            )
        return model, warp
    transformation(warp, "warp")
    return _PREFIX + model.removeprefix(_PREFIX), warp


@no_grad()
def check_runs(design: Design) -> None:
    """Make sure that a network can be built, and takes pictures as they will be.

    Raises
    ------
    ValueError
        If it cannot, in one sentence.
    """
    network = design.build(np.random.default_rng(0))
    network(Tensor(np.zeros((2, *design.shape), np.float32)))
