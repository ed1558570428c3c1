"""Transformers in series whose warps are composed as parameters (Lin and Lucey, IC-STN; HSTN, Sect. 4.1).

    theta_0 = identity,  delta_k = localisation_k(U warped by theta_(k-1)),  theta_k = theta_(k-1) with delta_k
    V = U warped by theta_n

Each localisation sees what is left to be done, and the picture is sampled from the original every time, so that nothing
is interpolated twice and nothing is lost that a warp moves out of the map and the next one back. With a localisation
for each step this is C-STN-n, with one for all of them IC-STN-n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from autograd_core import Tensor
from autograd_core.arrays import array_module
from autograd_core.functions import reshape
from autograd_core.layers import Module
from refwarp.arguments import check_option
from refwarp.grids.affine import affine_grid
from refwarp.grids.affine_parameters import similarity_grid, translation_grid
from refwarp.grids.composition import compose, inverse_compositional_update
from refwarp.grids.projective import homography_matrix, projective_grid
from refwarp.networks.samplers import Sampler
from refwarp.networks.spatial_transformer import Transformer, check_is_maps
from refwarp.networks.transformations import AFFINE, Affine, Projective, Similarity, Transformation, Translation
from refwarp.samplers.grid_sample import grid_sample


class _Form(NamedTuple):
    """The parameters of one warp as `compose` takes them, and the function that makes a grid of them."""

    shape: tuple[int, ...]
    grid: Callable[..., Any]


_FORMS: dict[type, _Form] = {
    Translation: _Form((2,), translation_grid),
    Similarity: _Form((4,), similarity_grid),
    Affine: _Form((2, 3), affine_grid),
    Projective: _Form((3, 3), projective_grid),
}

# theta and the increment delta -> the next theta.
_UPDATES: dict[str, Callable[[Any, Any], Any]] = {
    "compositional": compose,
    "inverse": inverse_compositional_update,
    "released": lambda theta, delta: compose(delta, theta),
}


class CompositionalTransformer(Transformer):
    """Warp each map by several transformations, one after the other, composed as parameters.

    C-STN-n is ``CompositionalTransformer([first, second, ...])``, IC-STN-n ``CompositionalTransformer([one] * n)``.

    Parameters
    ----------
    localisations : sequence of Module
        What reads the increment of each step: maps (N, C, H, W) of the input's size to delta (N, count), as the
        localisation of a `SpatialTransformer`. One that is given several times has the same parameters each time.
    transformation : Translation, Similarity, Affine or Projective
        What an increment means.
    sampler : callable
        Called as ``sampler(input, grid, align_corners=...)``.
    size : int or (int, int), optional
        Height and width of the output; those of the input by default. Localisations see maps of the input's size.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels (True) or the outer edges of the map (False).
    update : {"compositional", "inverse", "released"}
        What an increment is done to theta: ``compose(theta, delta)``, so that delta is the warp of what its
        localisation sees; ``inverse_compositional_update(theta, delta)``, so that it is the warp that undoes it; or
        ``compose(delta, theta)``, as in the program released as IC-STN.
    between : callable, optional
        Samples what the localisations after the first one see; `sampler` by default, as it does the output.

    Raises
    ------
    TypeError
        If the localisations are a module.
    ValueError
        If there are no localisations, the transformation cannot be composed, there is no such update, or `size` is not
        one or two positive integers.
    """

    def __init__(
        self,
        localisations: Sequence[Module],
        transformation: Transformation = AFFINE,
        sampler: Sampler = grid_sample,
        size: int | tuple[int, int] | None = None,
        align_corners: bool = False,
        update: str = "compositional",
        between: Sampler | None = None,
    ) -> None:
        if isinstance(localisations, Module):
            raise TypeError("localisations: given one module, expected a sequence of them, as [module] * n for n steps")
        if not localisations:
            raise ValueError("localisations: given none, expected at least one module")
        if type(transformation) not in _FORMS:
            names = ", ".join(kind.__name__ for kind in _FORMS)
            raise ValueError(
                f"transformation: given {type(transformation).__name__}, which is not composed as parameters; "
                f"expected one of {names}"
            )
        check_option("update", update, tuple(_UPDATES))
        self.localisations = list(localisations)
        super().__init__(transformation, sampler, size, align_corners)
        self.update = update
        self.between = between or sampler

    def transform(self, input: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the transformer makes of its input, and how.

        Parameters
        ----------
        input : Tensor, shape (N, C, H, W)
            The maps.

        Returns
        -------
        output : Tensor, shape (N, C, H', W')
            The warped maps.
        theta : Tensor, shape (N, count)
            The parameters of the composed transformations; of homographies all nine entries of the matrix, row by row,
            since in a product the last may be anything.
        grid : Tensor, shape (N, H', W', 2)
            The points (x, y) of the input that are sampled.

        Raises
        ------
        ValueError
            If the input has not four axes, a localisation returns another number of parameters, or, with the update
            "inverse", an increment has no inverse.
        TypeError
            If a localisation's dtype is another than the input's.
        """
        check_is_maps(input)
        form = _FORMS[type(self.transformation)]
        batch, channels, *own = input.shape
        xp = array_module(input.data)
        identity = xp.asarray(self.transformation.identity, input.dtype)
        theta = self._as_composed(Tensor(xp.tile(identity, (batch, 1))))
        seen = input
        between = [(own, self.between)] * (len(self.localisations) - 1)
        for localisation, (size, sampler) in zip(
            self.localisations, [*between, (self.size or own, self.sampler)], strict=True
        ):
            delta = self._as_composed(self.predicted(localisation, seen))
            theta = _UPDATES[self.update](theta, delta)
            grid = form.grid(theta, (batch, channels, *size), self.align_corners)
            warp = self.sampled(sampler, input, reshape(theta, (batch, -1)), grid)
            seen = warp.output
        return warp.output, warp.theta, warp.grid

    def _as_composed(self, theta: Tensor) -> Tensor:
        """Return parameters (N, count) of the transformation as `compose` takes them."""
        if isinstance(self.transformation, Projective):
            matrices: Tensor = homography_matrix(self.transformation.entries(theta))
            return matrices
        return reshape(theta, (-1, *_FORMS[type(self.transformation)].shape))

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H', W')."""
        return self.transform(input)[0]
