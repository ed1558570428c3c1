"""JAX as a target: `jax.scipy.ndimage.map_coordinates`, mapped over images and channels, and its gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates

from refwarp.golden.targets import pixels

jax.config.update("jax_enable_x64", True)  # without it float64 arrays turn into float32

VERSION = jax.__version__
DTYPES = ("float16", "bfloat16", "float32", "float64")

# Compiled functions are kept for ever, one for each shape, until LLVM finds no memory for more.
_MOST_COMPILED = 256
_calls = count(1)


def grid_sample(input: Any, grid: Any, *, dtype: str = "", **options: Any) -> Any:
    """Return the samples."""
    return _applied(_compiled("forward", **options), (input, grid), dtype)[0]


def grid_sample_vjp(gout: Any, input: Any, grid: Any, *, dtype: str = "", **options: Any) -> Any:
    """Return the gradients with respect to input and grid."""
    return _applied(_compiled("vjp", **options), (gout, input, grid), dtype)


def grid_sample_second_vjp(
    cotangent_input: Any, cotangent_grid: Any, gout: Any, input: Any, grid: Any, *, dtype: str = "", **options: Any
) -> Any:
    """Return the gradients of the gradients with respect to gout, input and grid."""
    return _applied(_compiled("second_vjp", **options), (cotangent_input, cotangent_grid, gout, input, grid), dtype)


@lru_cache(maxsize=64)
def _compiled(part: str, *, mode: Any, padding_mode: Any, align_corners: Any) -> Any:
    """Return a part of grid_sample as a function of JAX's arrays; it compiles itself for each shape and dtype."""
    sample = _sampler(mode, padding_mode, align_corners)

    def vjp(gout: Any, *inputs: Any) -> Any:
        return jax.vjp(sample, *inputs)[1](gout)

    def second_vjp(cotangent_input: Any, cotangent_grid: Any, *inputs: Any) -> Any:
        return jax.vjp(vjp, *inputs)[1]((cotangent_input, cotangent_grid))

    return jax.jit({"forward": sample, "vjp": vjp, "second_vjp": second_vjp}[part])


def _sampler(mode: Any, padding_mode: Any, align_corners: Any) -> Callable[..., Any]:
    """Return grid_sample. The way to pixels is differentiated with it, in float64."""
    order = pixels.option("mode", mode, {"nearest": 0, "bilinear": 1})
    borders = {"zeros": "constant", "border": "nearest", "reflection": "mirror" if align_corners else "reflect"}
    border = pixels.option("padding_mode", padding_mode, borders)

    def sample(plane: Any, points: Any) -> Any:
        return map_coordinates(plane, [points[..., 1], points[..., 0]], order, border)

    planes = jax.vmap(jax.vmap(sample, (0, None)))
    return lambda input, grid: planes(input, pixels.to_pixels(input, grid, align_corners, grid.dtype))


def _applied(function: Callable[..., Any], arrays: Sequence[Any], dtype: str) -> Any:
    """Return a function of JAX's arrays, of arrays; `dtype` says that float32 arrays hold bfloat16 numbers."""
    if next(_calls) % _MOST_COMPILED == 0:
        jax.clear_caches()
    carried = arrays[0].dtype
    results = function(*(jnp.asarray(array, dtype or carried) for array in arrays))
    results = results if isinstance(results, tuple) else (results,)
    return tuple(np.asarray(result, carried) for result in results)
