"""Digests of the bits that random calls give with the refwarp that is imported: one side of `compare.py`.

    PYTHONPATH=SOURCE python benchmarks/same_bits/call_digests.py DIGESTS.json [--calls 200] [--operation NAME ...]

Each call is made with one and with two threads, forward, for its first and for its second derivatives. Of an error the
type counts as the result.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import inspect
import json
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from random_calls import CALLS, Call, Draw, draw_call

DTYPES = ("float32", "float64")
THREADS = (1, 2)
PARTS = ("forward", "first", "second")
# Public functions that compute nothing.
NO_OPERATIONS = {"get_num_threads", "set_num_threads", "use_backend"}

# A digest of bits, or the type of an error; its message, or ""; and the range of the numbers that were given (`_span`).
Result = tuple[str, str, list[float]]


def _public(*names: str) -> Any:
    """Return what refwarp has under one of the names: some have changed."""
    refwarp = importlib.import_module("refwarp")
    return next(found for name in names if (found := getattr(refwarp, name, None)) is not None)


def _kernel(name: str, *parameters: float) -> Any:
    """Return a sampling kernel by its name."""
    if name == "parabola":
        profiles = (lambda d: 1 - d * d, lambda d: -2 * d)  # no second derivative: some of the calls are refused
        return _public("KernelFunction", "Kernel")("parabola", 1.0, profiles)
    found = getattr(_public("kernel_functions", "sampling_kernels"), name)
    return found(*parameters) if parameters else found


def _applied(call: Call, arrays: Mapping[str, Any]) -> Any:
    """Return what an operation makes of arrays or Tensors."""
    function, options = _public(call.operation), dict(call.options)
    if isinstance(kernel := options.get("kernel"), tuple):
        options["kernel"] = _kernel(*kernel)
    if isinstance(noise := options.get("noise"), int):
        options["noise"] = np.random.default_rng(noise)
    if options.get("variant") == "first_release" and "first_release" not in function.__doc__:
        options["variant"] = "released"  # what it was called while there was no other
    return function(**arrays, **options)


def _part(call: Call, part: str, given: list[Any]) -> list[Any]:
    """Return the results of a call, its first or its second derivatives; add the cotangents to what is given."""
    from autograd_core import Tensor, grad

    if part == "forward":
        return [_applied(call, call.arrays)]
    tensors = {name: Tensor(array, requires_grad=name in call.inputs) for name, array in call.arrays.items()}
    out, inputs = _applied(call, tensors), [tensors[name] for name in call.inputs]
    draw = Draw(call.dtype, call.operation, call.number, "cotangents")
    gout = Tensor(draw.numbers(*out.shape), requires_grad=True)
    given.append(gout.data)
    if part == "first":
        return list(grad(out, inputs, gout))
    cotangents = [draw.numbers(*tensor.shape) for tensor in inputs]
    given += cotangents
    gradients = grad(out, inputs, gout, create_graph=True)
    # A gradient that is stopped has no history.
    live = [pair for pair in zip(gradients, cotangents, strict=True) if pair[0].requires_grad]
    return list(grad([g for g, _ in live], [gout, *inputs], [cotangent for _, cotangent in live]))


def _bits(results: list[Any]) -> str:
    """Return a digest of the bits of arrays or Tensors, but of NaN only that it is one."""
    digest = hashlib.blake2b(digest_size=8)
    for result in results:
        array = np.asarray(getattr(result, "data", result) if type(result).__name__ == "Tensor" else result)
        digest.update(repr((type(result).__name__, str(array.dtype), array.shape)).encode())
        digest.update(np.where(np.isnan(array), np.nan, array).tobytes())
    return digest.hexdigest()


def _span(arrays: list[Any]) -> list[float]:
    """Return the logarithms to the base 2 of the smallest and the largest size but 0; and 1 if some are not finite."""
    numbers = np.concatenate([[1.0], *(np.abs(array).astype(float).ravel() for array in arrays)])
    sizes = np.log2(numbers[np.isfinite(numbers) & (numbers > 0.0)])
    return [round(sizes.min(), 1), round(sizes.max(), 1), float(not np.isfinite(numbers).all())]


def digests_of(call: Call) -> dict[str, Result]:
    """Return the result of each part and number of threads."""
    found = {}
    for threads in THREADS:
        _public("set_num_threads")(threads)
        for part in PARTS if call.inputs else PARTS[:1]:
            given = list(call.arrays.values())
            try:
                found[f"{part} {threads}"] = _bits(_part(call, part, given)), "", _span(given)
            except Exception as error:
                found[f"{part} {threads}"] = type(error).__name__, str(error), _span(given)
    return found


def public_operations() -> set[str]:
    """Return the names of the public functions that compute something."""
    names = importlib.import_module("refwarp").__all__
    return {name for name in names if inspect.isfunction(_public(name))} - NO_OPERATIONS


def main() -> None:
    """Write the digests of random calls of the refwarp that is imported."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("digests", type=Path)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--operation", nargs="*", default=sorted(CALLS))
    arguments = parser.parse_args()
    if missing := public_operations() - CALLS.keys():
        sys.exit(f"benchmarks/same_bits/random_calls.py has no calls of {', '.join(sorted(missing))}")
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    found = {}
    for operation in arguments.operation:
        start = time.process_time()
        for dtype in DTYPES:
            calls = [draw_call(operation, dtype, number) for number in range(arguments.calls)]
            found[f"{operation} {dtype}"] = [digests_of(call) for call in calls]
        print(f"  {operation}: {time.process_time() - start:.0f} s", file=sys.stderr)
    arguments.digests.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
