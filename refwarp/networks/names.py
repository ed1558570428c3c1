"""Transformations and samplers by their names, as on a command line: `affine`, `gaussian(1.5)`.

A name may have options in parentheses, written as in Python, of numbers, strings, truth values, None and tuples of
these. Which transformations and samplers there are is found, so what is added elsewhere is known here.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from autograd_core.layers import Module
from refwarp.networks import samplers, transformations
from refwarp.networks.samplers import Sampler
from refwarp.networks.transformations import Transformation
from refwarp.samplers import kernel_functions
from refwarp.samplers.grid_sample import MODES, grid_sample
from refwarp.samplers.kernel_functions import KernelFunction
from refwarp.samplers.multiscale import multiscale_sample
from refwarp.samplers.separable import separable_sample

# Names that the field abbreviates.
_SHORT = {"tps": "thin_plate_spline"}


def transformation_names() -> dict[str, Callable[..., Transformation]]:
    """Return what makes a transformation, by its name: every one that needs no arguments."""
    classes = [value for value in _classes_in(transformations) if hasattr(value, "grid")]
    return {_snake(value.__name__): value for value in classes if value is not Transformation and _is_complete(value)}


def sampler_names(rng: np.random.Generator | None = None) -> dict[str, Callable[..., Sampler]]:
    """Return what makes a sampler, by its name.

    They are the modes of `grid_sample`, `multiscale`, every kernel function for `separable_sample` (whose
    `padding_mode` may stand among the kernel's options), and every module of `refwarp.networks.samplers`.

    Parameters
    ----------
    rng : numpy.random.Generator, optional
        Draws the noise of samplers that have some; without it one can be named, and not made.
    """
    found: dict[str, Callable[..., Sampler]] = {mode: _options_of(grid_sample, mode=mode) for mode in MODES}
    found[multiscale_sample.__name__.removesuffix("_sample")] = _options_of(multiscale_sample)
    for value in _classes_in(samplers):
        if issubclass(value, Module):
            found[_snake(value.__name__).removesuffix("_sampler")] = partial(value, rng)
    for name, value in vars(kernel_functions).items():
        if isinstance(value, KernelFunction):
            found[name.lower()] = _options_of(separable_sample, kernel=value)
        elif inspect.isfunction(value) and value.__annotations__.get("return") == KernelFunction.__name__:
            found[name] = partial(_with_kernel, value)
    return found


def transformation(name: str, argument: str = "transformation") -> Transformation:
    """Return a transformation by its name, with options if it has some: "affine", "thin_plate_spline(points=(5, 5))".

    Raises
    ------
    ValueError
        If there is none of this name, or its options do not fit; `argument` is what the message calls it.
    """
    found: Transformation = _made(name, transformation_names(), argument)
    return found


def sampler(name: str, rng: np.random.Generator | None = None, argument: str = "sampler") -> Sampler:
    """Return a sampler by its name, with options if it has some: "bilinear(padding_mode='border')", "lanczos(2)".

    Parameters
    ----------
    name : str
        The name.
    rng : numpy.random.Generator, optional
        Draws the noise of samplers that have some.
    argument : str
        What messages call it.

    Raises
    ------
    ValueError
        If there is none of this name, or its options do not fit.
    """
    found: Sampler = _made(name, sampler_names(rng), argument)
    try:
        output = found(np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 1, 2)), align_corners=False)
        if output.shape != (1, 1, 1, 1):
            raise ValueError(f"samples of a map have {output.ndim} axes, expected 4")
    except (TypeError, ValueError) as error:
        raise _unfit(argument, name, error) from error
    return found


def _made(text: str, known: Mapping[str, Callable[..., Any]], argument: str) -> Any:
    name, given, options = _parsed(text, argument)
    name = _SHORT.get(name, name)
    if name not in known:
        raise ValueError(f"{argument}: given {name!r}, expected one of {', '.join(map(repr, known))}")
    try:
        return known[name](*given, **options)
    except (TypeError, ValueError) as error:
        raise _unfit(argument, text, error) from error


def _unfit(argument: str, text: str, error: Exception) -> ValueError:
    return ValueError(f"{argument}: given {text!r}, whose options do not fit: {error}")


def _parsed(text: str, argument: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Return a name, and the values in the parentheses after it, without and with names."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, [], {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg}
            if len(options) == len(node.keywords):  # else there is a `**`
                return node.func.id, [ast.literal_eval(value) for value in node.args], options
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        pass
    raise ValueError(
        f"{argument}: given {text!r}, expected a name, with options in parentheses if need be, as gaussian(1.5) or "
        "thin_plate_spline(points=(5, 5))"
    )


def _snake(name: str) -> str:
    """Return ThinPlateSpline as thin_plate_spline."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _classes_in(module: ModuleType) -> list[Any]:
    """Return the classes that a module defines."""
    return [value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == module.__name__]


def _is_complete(maker: Callable[..., Any]) -> bool:
    """Tell whether something can be called without arguments."""
    return all(parameter.default is not parameter.empty for parameter in inspect.signature(maker).parameters.values())


def _options_of(function: Callable[..., Any], **fixed: Any) -> Callable[..., Sampler]:
    """Return what makes a sampler of a function: it takes options of the function by their names."""

    def make(**options: Any) -> Sampler:
        return partial(function, **fixed, **options)

    return make


def _with_kernel(make_kernel: Callable[..., KernelFunction], *given: Any, **options: Any) -> Sampler:
    """Return separable sampling with a kernel of a family; options that the family does not have are the sampling's."""
    own = inspect.signature(make_kernel).parameters
    kernel = make_kernel(*given, **{name: value for name, value in options.items() if name in own})
    return partial(separable_sample, kernel=kernel, **{k: v for k, v in options.items() if k not in own})
