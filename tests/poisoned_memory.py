"""Memory that was never written, made visible."""

import numpy as np

_FILLINGS = {"f": np.nan, "c": np.nan, "b": True}


def poison(monkeypatch):
    """Let NumPy allocate arrays in which every element is NaN, or the least integer, until it is written.

    No kernel can be compiled from here on, since Numba no longer knows `numpy.empty`.
    """

    def poisoned(allocate):
        def function(*arguments, **options):
            array = allocate(*arguments, **options)
            kind = array.dtype.kind
            if kind in "iufcb":
                array.fill(_FILLINGS[kind] if kind in _FILLINGS else np.iinfo(array.dtype).min)
            return array

        return function

    for name in ("empty", "empty_like"):
        monkeypatch.setattr(np, name, poisoned(getattr(np, name)))
