"""Penalties written as programs usually are, with a matrix of differences; everything rounded to the field's dtype."""

import numpy as np

DTYPES = ("float16", "float32", "float64")
XX, YY = {(0, -1): 1, (0, 0): -2, (0, 1): 1}, {(-1, 0): 1, (0, 0): -2, (1, 0): 1}
XY = {(1, 1): 0.25, (1, -1): -0.25, (-1, 1): -0.25, (-1, -1): 0.25}
STENCILS = {
    "": [{(0, 1): 1, (0, 0): -1}, {(1, 0): 1, (0, 0): -1}],
    "laplacian": [{(0, -1): 1, (0, 1): 1, (-1, 0): 1, (1, 0): 1, (0, 0): -4}],
    "hessian": [XX, XY, XY, YY],
}


def differences(form, boundary, height, width, dtype):
    """Return a matrix (entries, pixels centred on, pixels) of the differences."""
    number = np.arange(height * width).reshape(height, width)
    padded = np.pad(number, 1, mode="edge")
    low = 0 if boundary == "replicate" or not form else 1
    high = 0 if boundary == "replicate" else 1
    centres = number[low : height - high, low : width - high].ravel()
    matrix = np.zeros((len(STENCILS[form]), len(centres), height * width), dtype)
    for entry, stencil in enumerate(STENCILS[form]):
        for (down, right), weight in stencil.items():
            for row, centre in enumerate(centres):
                i, j = divmod(centre, width)
                matrix[entry, row, padded[i + 1 + down, j + 1 + right]] += dtype.type(weight)
    return matrix


def in_order(x):
    """Return the sum of an array, one element after the other."""
    return np.cumsum(np.append(x.dtype.type(0), x), dtype=x.dtype)[-1]


def outputs(a, gpenalty, field, norm, boundary, reduction, form=""):
    """Return the penalty, its gradient, and the two second gradients."""
    dtype, shape = field.dtype, field.shape
    matrix = differences(form, boundary, *shape[2:], dtype)
    field = np.where(np.isfinite(field), field, np.nan).astype(dtype)
    used = matrix != 0  # so that a NaN reaches no other pixel

    def entries(x):
        pixels = x.reshape(*shape[:2], 1, 1, shape[2] * shape[3])
        return np.where(used, matrix * pixels, 0).sum(-1, dtype=dtype)

    def back(x):
        terms = np.where(used, matrix * (x * (gpenalty * share))[..., None], 0)
        return terms.sum((2, 3), dtype=dtype).reshape(shape)

    v, d = entries(field), entries(a)
    share = dtype.type(1 / max(shape[0] * matrix.shape[1], 1) if reduction == "mean" else 1)
    r = np.sqrt((v * v).sum((1, 2), keepdims=True))
    away = np.where(r == 0, dtype.type(1), r)
    if norm == "1":
        value, slope, turn = in_order(abs(v)), np.sign(v), 0 * v
    elif norm == "2":
        value, slope = in_order(r), v / away
        turn = np.where(r == 0, 0, (d - slope * (slope * d).sum((1, 2), keepdims=True)) / away).astype(dtype)
    else:
        value, slope, turn = in_order(v * v), 2 * v, 2 * d

    return value * share, back(slope), in_order(slope * d) * share, back(turn)


def _call(places):
    def call(*arrays, **options):
        field, gpenalty = arrays[-1], arrays[-2] if len(arrays) > 1 else arrays[-1].dtype.type(1)
        a = arrays[0] if len(arrays) > 2 else np.zeros_like(field)
        with np.errstate(all="ignore"):
            found = outputs(a, gpenalty, field, **options)
        return tuple(np.asarray(found[place]) for place in places)

    return call


smoothness = bending_energy = _call([0])
smoothness_vjp = bending_energy_vjp = _call([1])
smoothness_second_vjp = bending_energy_second_vjp = _call([2, 3])
