"""A strict stand-in for CuPy, for machines without a GPU.

Its arrays refuse what CuPy's refuse: to meet a NumPy array in an operation, and to be turned into one by anything but
`get()`. Its module lacks what CuPy 14 lacks, and NumPy's functions hand over to it, as to CuPy. What CuPy's own
functions do, only a machine with a GPU can tell.
"""

import functools
import sys
import types

import numpy as np

# Of NumPy's names those that CuPy does not have, as far as anyone might want them in an engine.
ABSENT = {
    "block", "bmat", "einsum_path", "errstate", "frompyfunc", "geomspace", "geterr", "insert", "longdouble", "ma",
    "matrix", "matvec", "memmap", "nanquantile", "ndenumerate", "nditer", "object_", "recarray", "seterr", "spacing",
    "unstack", "vecdot", "vecmat",
}  # fmt: skip

METHODS = {
    "all", "any", "argmax", "astype", "copy", "item", "max", "mean", "min", "ravel", "reshape", "squeeze", "sum",
    "swapaxes", "tobytes", "transpose", "view",
}  # fmt: skip

ATTRIBUTES = {"T", "dtype", "imag", "itemsize", "ndim", "real", "shape", "size", "strides"}


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array as if its memory were elsewhere."""

    def __init__(self, host):
        self.host = host

    def get(self):
        return self.host.copy()

    def __array__(self, *arguments, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed; use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        result = getattr(ufunc, method)(*map(to_host, inputs), **to_host(options))
        if out is None:
            return to_device(result)
        to_host(out[0])[...] = result
        return out[0]

    def __array_function__(self, function, kinds, arguments, options):
        module = functools.reduce(getattr, function.__module__.split(".")[1:], sys.modules["cupy"])
        of_library = getattr(module, function.__name__, None)
        return of_library(*arguments, **options) if of_library else NotImplemented

    def __getattr__(self, name):
        if name in ATTRIBUTES:
            return to_device(getattr(self.host, name))
        if name in METHODS:
            return DeviceFunction(getattr(self.host, name))
        raise AttributeError(f"ndarray has no attribute {name!r}")

    def __getitem__(self, index):
        return to_device(self.host[to_host(index, refuse=False)])

    def __setitem__(self, index, value):
        self.host[to_host(index, refuse=False)] = to_host(value)

    def __len__(self):
        return len(self.host)

    def __bool__(self):
        return bool(self.host)

    def __int__(self):
        return int(self.host)

    def __float__(self):
        return float(self.host)

    def __format__(self, specification):
        return format(self.host, specification)


def like(value, elements):
    """Return a list, a tuple or a NamedTuple like `value` with other elements."""
    return type(value)(*elements) if hasattr(value, "_fields") else type(value)(elements)


def to_host(value, refuse=True):
    """Return what a function of NumPy takes in the place of `value`; NumPy's arrays are refused, if asked for."""
    if isinstance(value, list | tuple):
        return like(value, [to_host(element, refuse) for element in value])
    if isinstance(value, dict):
        return {name: to_host(element, refuse) for name, element in value.items()}
    if refuse and isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return value.host if isinstance(value, DeviceArray) else value


def to_device(value):
    """Return what a function of CuPy returns in the place of `value`: arrays, also of no axes, and no NumPy scalars."""
    if isinstance(value, list | tuple):
        return like(value, map(to_device, value))
    return DeviceArray(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else value


class DeviceFunction:
    """A function of the library; its attributes (`add.at`) are functions too."""

    def __init__(self, function, refuse=True):
        self.function, self.refuse = function, refuse

    def __call__(self, *arguments, out=None, **options):
        result = to_device(self.function(*to_host(arguments, self.refuse), **to_host(options, self.refuse)))
        if out is None:
            return result
        out[...] = result
        return out

    def __getattr__(self, name):
        return DeviceFunction(getattr(self.function, name))


def _solve(a, b):
    if a.shape[:-1] != b.shape[:-1]:
        raise ValueError("a must have (..., M, M) shape and b must have (..., M, K)")
    return np.linalg.solve(a, b)


def library():
    """Return the module."""

    def find(name):
        if name in ABSENT or name.startswith("__"):
            raise AttributeError(f"module 'cupy' has no attribute {name!r}")
        found = getattr(np, name)
        if isinstance(found, type) or not callable(found):  # a dtype, a constant
            return found
        return DeviceFunction(found, refuse=name not in ("array", "asarray"))

    module = types.ModuleType("cupy")
    module.ndarray = DeviceArray
    module.linalg = types.SimpleNamespace(solve=DeviceFunction(_solve))
    strided = DeviceFunction(np.lib.stride_tricks.as_strided)
    module.lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(as_strided=strided))
    module.__getattr__ = find
    return module
