"""Layers of networks: Modules with parameters, and the functions behind them."""

from autograd_core.layers.activations import Flatten, LeakyReLU, ReLU, Sigmoid, Tanh
from autograd_core.layers.convolution import Conv2d, conv2d
from autograd_core.layers.dense import Dense
from autograd_core.layers.dropout import Dropout
from autograd_core.layers.initialization import he_normal
from autograd_core.layers.losses import mean_squared_error, softmax_cross_entropy
from autograd_core.layers.module import Module, Sequential
from autograd_core.layers.normalization import BatchNorm
from autograd_core.layers.pooling import (
    AveragePool2d,
    GlobalAveragePool2d,
    GlobalMaxPool2d,
    MaxPool2d,
    average_pool2d,
    global_average_pool2d,
    global_max_pool2d,
    max_pool2d,
)
from autograd_core.layers.resizing import Resize2d, resize2d
from autograd_core.layers.transposed_convolution import ConvTranspose2d, conv_transpose2d

__all__ = [
    "AveragePool2d",
    "BatchNorm",
    "Conv2d",
    "ConvTranspose2d",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePool2d",
    "GlobalMaxPool2d",
    "LeakyReLU",
    "MaxPool2d",
    "Module",
    "ReLU",
    "Resize2d",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "average_pool2d",
    "conv2d",
    "conv_transpose2d",
    "global_average_pool2d",
    "global_max_pool2d",
    "he_normal",
    "max_pool2d",
    "mean_squared_error",
    "resize2d",
    "softmax_cross_entropy",
]
