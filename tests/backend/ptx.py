"""A program that compiles kernels to PTX, for the types that golden cases bring them: `python ptx.py DTYPE`.

It needs NVVM but neither a GPU nor a driver. The cases run as on CUDA, but for the kernels themselves, which the CPU
computes: so the arguments of every launch are known, of kernels that only CUDA uses, too. Prints a JSON object:
`launched`, for each kernel and its types PTX or why it does not compile; `idle`, the kernels that no case launches.
"""

import json
import sys
from collections import Counter
from typing import Any

import numba
from numba import cuda, types
from numba.core.registry import CPUDispatcher
from numba.cuda import dispatcher

import refwarp
from refwarp.backend.cuda import _with_parts_of_cuda
from refwarp.golden import SUITE
from refwarp.golden.format import read
from refwarp.golden.targets import load
from refwarp.golden.verify import Selection, verify

CAPABILITY = (8, 0)
# Of the calls that differ in nothing but numbers, the first few.
ALIKE = 2

launched: dict[Any, dict[tuple, None]] = {}


def launch(kernel, count, *arguments):
    """Note the types of a launch, and compute it on the CPU."""
    given = types.int64, types.int64, *(on_cuda(numba.typeof(argument)) for argument in arguments)
    launched.setdefault(kernel, {})[given] = None
    if count:
        kernel(0, count, *arguments)


def on_cuda(given):
    """Return the type of what arrives there: no array is read-only, nor is one in a NamedTuple."""
    if isinstance(given, types.containers.BaseTuple):
        return types.BaseTuple.from_types([on_cuda(field) for field in given], given.instance_class)
    return types.Array(given.dtype, given.ndim, given.layout) if isinstance(given, types.Array) else given


def few_of_each_kind(cases):
    """Return the cases' names, without those that are like many before them: options, and axes of arguments."""
    seen, chosen = Counter(), []
    for case in cases:
        words = {name: option for name, option in case.options.items() if not isinstance(option, list | float)}
        axes = {name: array.ndim for name, array in case.inputs.items()}
        kind = f"{case.operation}{sorted(words.items(), key=str)}{axes}{sorted(case.outputs)}"
        seen[kind] += 1
        if case.result != "invalid" and seen[kind] <= ALIKE:
            chosen.append(case.name)
    return chosen


def compiled(kernel, given):
    """Return a kernel's PTX, or why there is none."""
    try:
        ptx, _ = cuda.compile_ptx(_with_parts_of_cuda(kernel.py_func), given, cc=CAPABILITY)
    except Exception as error:  # Numba raises many kinds
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ptx": ptx}


def name_of(kernel):
    """Return module and name of a kernel."""
    return f"{kernel.py_func.__module__.removeprefix('refwarp.')}.{kernel.py_func.__name__}"


def all_kernels():
    """Return the kernels of all modules that are imported, by name."""
    modules = [module for name, module in sys.modules.items() if name.startswith("refwarp.")]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, CPUDispatcher)]
    return {name_of(kernel): kernel for kernel in found if kernel.py_func.__code__.co_varnames[:2] == ("start", "stop")}


def main(dtype):
    """Run cases, compile what they launched, and print it."""
    dispatcher.get_current_device = lambda: type("Device", (), {"compute_capability": CAPABILITY})
    refwarp.backend.cuda.check_cuda, refwarp.backend.cuda.launch = lambda argument: None, launch
    cases = read(SUITE).cases
    with load("refwarp") as target, refwarp.use_backend("cuda"):
        found = verify(cases, target, Selection([dtype], cases=few_of_each_kind(cases)))
    problems = {outcome.problem for outcome in found.outcomes if outcome.problem}
    assert not problems, problems
    idle = sorted(all_kernels().keys() - {name_of(kernel) for kernel in launched} - {"backend.jit.items"})
    print(json.dumps({
        "launched": {
            f"{name_of(kernel)}({', '.join(map(str, given))})": compiled(kernel, given)
            for kernel, signatures in launched.items()
            for given in signatures
        },
        "idle": idle,
    }))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
