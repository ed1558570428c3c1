"""One call or more of every function and layer of the engine, each a function of Tensors with inputs it is smooth at.

What all of them share (derivatives, dtypes, byte order, infinite cotangents) is tested over all of them; a test makes
sure that none is missing here. A name starts with that of its function or layer.
"""

import numpy as np

from autograd_core import functions, layers


def draw(*shape, seed=0, low=-2.0, high=2.0):
    return np.random.default_rng(seed).uniform(low, high, shape)


def positive(*shape, seed=0):
    return draw(*shape, seed=seed, low=0.25, high=3.0)


MASK = np.array([[True, False, True], [False, True, True]])

# name: (function, inputs). Each is checked to second order, and once more by central differences.
FUNCTIONS = {
    "add": (functions.add, [draw(2, 3), draw(3, seed=1)]),
    "add to a row and a column": (functions.add, [draw(2, 1), draw(1, 3, seed=1)]),
    "add itself": (lambda x: x + x, [draw(2, 3)]),
    "subtract": (functions.subtract, [draw(2, 1, 3), draw(4, 1, seed=1)]),
    "multiply": (functions.multiply, [draw(2, 3), draw(2, 1, seed=1)]),
    "multiply by a scalar tensor": (functions.multiply, [draw(2, 3), draw(seed=1)]),
    "divide": (functions.divide, [draw(3), positive(2, 3)]),
    "divide a number": (lambda x: 3 / x, [positive(2, 3)]),
    "negative": (functions.negative, [draw(2, 3)]),
    "power 3": (lambda x: x**3, [draw(2, 3)]),
    "power -1.5": (lambda x: x**-1.5, [positive(2, 3)]),
    "power 1": (lambda x: x**1, [draw(2, 3)]),
    "power 0": (lambda x: x**0 * x, [draw(2, 3)]),
    "exp": (functions.exp, [draw(2, 3)]),
    "log": (functions.log, [positive(2, 3)]),
    "sqrt": (functions.sqrt, [positive(2, 3)]),
    "square": (functions.square, [draw(2, 3)]),
    "sin": (functions.sin, [draw(2, 3)]),
    "cos": (functions.cos, [draw(2, 3)]),
    "tanh": (functions.tanh, [draw(2, 3)]),
    "sigmoid": (functions.sigmoid, [draw(2, 3)]),
    "absolute": (functions.absolute, [draw(2, 3)]),
    "relu": (functions.relu, [draw(2, 3)]),
    "leaky_relu": (lambda x: functions.leaky_relu(x, 0.25), [draw(2, 3)]),
    "maximum": (functions.maximum, [draw(2, 3), draw(3, seed=1)]),
    "minimum": (functions.minimum, [draw(2, 3), draw(2, 1, seed=1)]),
    "maximum with a number": (lambda x: functions.maximum(x, 0.5), [draw(2, 3)]),
    "clip": (lambda x: functions.clip(x, -1.0, 1.5), [draw(3, 4)]),
    "clip below": (lambda x: functions.clip(x, 0.0, None), [draw(3, 4)]),
    "where": (lambda a, b: functions.where(MASK, a, b), [draw(2, 3), draw(3, seed=1)]),
    "where with a number": (lambda a: functions.where(MASK, a, 1.0), [draw(3)]),
    "sum": (functions.sum, [draw(2, 3)]),
    "sum along an axis": (lambda x: functions.sum(x * x, 1), [draw(2, 3, 2)]),
    "sum keeping axes": (lambda x: x.sum(axis=(0, -1), keepdims=True) * x, [draw(2, 3, 2)]),
    "mean": (lambda x: functions.mean(x, (0, 2)) ** 2, [draw(2, 3, 2)]),
    "logsumexp": (functions.logsumexp, [draw(2, 3)]),
    "logsumexp along an axis": (lambda x: functions.logsumexp(x, 1), [draw(2, 3)]),
    "logsumexp keeping axes": (lambda x: x - functions.logsumexp(x, 0, keepdims=True), [draw(2, 3)]),
    "reshape": (lambda x: x.reshape(3, -1) ** 2, [draw(2, 3)]),
    "transpose": (lambda x: x.transpose(2, 0, 1) ** 2, [draw(2, 3, 4)]),
    "reverse axes": (lambda x: x.transpose() ** 2, [draw(2, 3)]),
    "matrix_transpose": (lambda x: functions.matrix_transpose(x) ** 2, [draw(2, 2, 3)]),
    "broadcast_to": (lambda x: functions.broadcast_to(x, (4, 2, 3)) ** 2, [draw(2, 1)]),
    "sum_to": (lambda x: functions.sum_to(x * x, (3, 1)), [draw(2, 3, 4)]),
    "getitem slice": (lambda x: x[..., ::-2] ** 2, [draw(2, 5)]),
    "getitem integers": (lambda x: x[1, None, 2:] ** 2, [draw(2, 5)]),
    "getitem array": (lambda x: x[[2, 0, 2, 2]] ** 2, [draw(3, 2)]),
    "getitem arrays": (lambda x: x[np.array([[0], [1]]), :, np.array([0, 0, 2])] ** 2, [draw(2, 2, 3)]),
    "getitem mask": (lambda x: x[MASK] ** 2, [draw(2, 3)]),
    "pad": (lambda x: functions.pad(x, ((1, 0), (0, 2))) ** 2, [draw(2, 3)]),
    "concatenate": (lambda a, b: functions.concatenate([a, b, a], 1) ** 2, [draw(2, 3), draw(2, 1, seed=1)]),
    "stack": (lambda a, b: functions.stack([a, b], 1) ** 2, [draw(2, 3), draw(2, 3, seed=1)]),
    "expand_dims": (lambda x: functions.expand_dims(x, -2) ** 2, [draw(2, 3)]),
    "squeeze": (lambda x: functions.squeeze(x, 1) ** 2, [draw(2, 1, 1)]),
    "astype": (lambda x: functions.astype(x, x.dtype if x.dtype.kind == "f" else np.float64) ** 2, [draw(2, 3)]),
    "flatten": (lambda x: functions.flatten(x) ** 2, [draw(2, 3, 2)]),
    "matmul": (functions.matmul, [draw(2, 3), draw(3, 4, seed=1)]),
    "matmul of batches": (functions.matmul, [draw(2, 1, 2, 3), draw(3, 3, 2, seed=1)]),
    "matmul of a row": (functions.matmul, [draw(3), draw(2, 3, 2, seed=1)]),
    "matmul of a column": (functions.matmul, [draw(2, 3), draw(3, seed=1)]),
    "matmul of vectors": (functions.matmul, [draw(3), draw(3, seed=1)]),
    "solve": (functions.solve, [draw(3, 3) + 3 * np.eye(3), draw(3, 2, seed=1)]),
    "solve for a vector": (functions.solve, [draw(2, 3, 3) + 3 * np.eye(3), draw(3, seed=1)]),
    "solve a batch": (functions.solve, [draw(2, 2) + 3 * np.eye(2), draw(3, 2, 1, seed=1)]),
}


def like(layer, *sizes, **options):
    """Return a function that applies a new layer of the input's dtype (float64 for integers); equal draws each time."""

    def apply(x):
        dtype = x.dtype if x.dtype.kind in "fc" else np.float64
        return layer(*sizes, dtype=dtype, **options)(x)

    return apply


def dense(*sizes, **options):
    return layers.Dense(*sizes, rng=np.random.default_rng(3), **options)


def convolution(*sizes, **options):
    return layers.Conv2d(*sizes, rng=np.random.default_rng(3), **options)


def transposed(*sizes, **options):
    return layers.ConvTranspose2d(*sizes, rng=np.random.default_rng(3), **options)


def evaluated(*sizes, **options):
    layer = layers.BatchNorm(*sizes, **options)
    layer.eval()
    return layer


LABELS = np.array([2, 0])
PIXELS = np.random.default_rng(4).integers(0, 3, (2, 4, 3))
MAPS = [draw(2, 2, 4, 3)]

LAYERS = {
    "conv2d": (layers.conv2d, [draw(2, 2, 4, 3), draw(2, 2, 2, 2, seed=1), draw(2, seed=2)]),
    "conv2d in strides": (lambda x, w: layers.conv2d(x, w, None, 2), [draw(1, 2, 5, 4), draw(2, 2, 2, 2, seed=1)]),
    "conv2d in a frame": (lambda x, w: layers.conv2d(x, w, None, 1, 1), [draw(1, 2, 3, 2), draw(1, 2, 2, 2, seed=1)]),
    "conv2d in a frame that keeps the size": (
        lambda x, w: layers.conv2d(x, w, None, 1, "same"),
        [draw(1, 2, 3, 2), draw(1, 2, 2, 3, seed=1)],
    ),
    "conv_transpose2d": (
        lambda x, w, b: layers.conv_transpose2d(x, w, b, (2, 1), 0, (1, 0)),
        [draw(2, 2, 2, 3), draw(2, 2, 3, 2, seed=1), draw(2, seed=2)],
    ),
    "conv_transpose2d in a frame that is cut off": (
        lambda x, w: layers.conv_transpose2d(x, w, None, 2, 1),
        [draw(1, 2, 2, 3), draw(2, 2, 3, 4, seed=1)],
    ),
    "max_pool2d": (lambda x: layers.max_pool2d(x, 2), MAPS),
    "max_pool2d of nine": (lambda x: layers.max_pool2d(x, 3), MAPS),
    "max_pool2d overlapping": (lambda x: layers.max_pool2d(x, (2, 3), 1), MAPS),
    "average_pool2d": (lambda x: layers.average_pool2d(x, 2), MAPS),
    "average_pool2d overlapping": (lambda x: layers.average_pool2d(x, (2, 3), 1), MAPS),
    "global_average_pool2d": (layers.global_average_pool2d, MAPS),
    "global_max_pool2d": (layers.global_max_pool2d, MAPS),
    "resize2d": (lambda x: layers.resize2d(x, (7, 2)), MAPS),
    "resize2d to many": (lambda x: layers.resize2d(x, (2, 19)), [draw(1, 2, 3, 5)]),
    "resize2d between corners": (lambda x: layers.resize2d(x, (3, 5), align_corners=True), MAPS),
    "resize2d to the nearest": (lambda x: layers.resize2d(x, (7, 2), "nearest"), MAPS),
    "softmax_cross_entropy": (lambda x: layers.softmax_cross_entropy(x, LABELS), [draw(2, 3)]),
    "softmax_cross_entropy of pixels": (lambda x: layers.softmax_cross_entropy(x, PIXELS), [draw(2, 3, 4, 3)]),
    "softmax_cross_entropy with ignored pixels": (
        lambda x: layers.softmax_cross_entropy(x, PIXELS, ignore_label=1, weight=[0.5, 0.0, 2.0]),
        [draw(2, 3, 4, 3)],
    ),
    "mean_squared_error": (layers.mean_squared_error, [draw(2, 3), draw(2, 3, seed=1)]),
    "Conv2d": (like(convolution, 2, 2, 2), MAPS),
    "ConvTranspose2d": (like(transposed, 2, 2, 2), MAPS),
    "Dense": (like(dense, 3, 2), [draw(2, 3)]),
    "BatchNorm": (like(layers.BatchNorm, 2), MAPS),
    "BatchNorm in evaluation": (like(evaluated, 2), MAPS),
    "Dropout": (lambda x: layers.Dropout(0.5, np.random.default_rng(1))(x), [draw(2, 3)]),
    "MaxPool2d": (lambda x: layers.MaxPool2d(2)(x), MAPS),
    "AveragePool2d": (lambda x: layers.AveragePool2d(2)(x), MAPS),
    "GlobalAveragePool2d": (lambda x: layers.GlobalAveragePool2d()(x), MAPS),
    "GlobalMaxPool2d": (lambda x: layers.GlobalMaxPool2d()(x), MAPS),
    "Resize2d": (lambda x: layers.Resize2d((2, 6))(x), MAPS),
    "ReLU": (lambda x: layers.ReLU()(x), [draw(2, 3)]),
    "LeakyReLU": (lambda x: layers.LeakyReLU(0.25)(x), [draw(2, 3)]),
    "Sigmoid": (lambda x: layers.Sigmoid()(x), [draw(2, 3)]),
    "Tanh": (lambda x: layers.Tanh()(x), [draw(2, 3)]),
    "Flatten": (lambda x: layers.Flatten()(x), [draw(2, 3, 2)]),
    "Sequential": (lambda x: layers.Sequential(functions.exp, layers.ReLU())(x), [draw(2, 3)]),
}

ALL = FUNCTIONS | LAYERS
