"""A Function with a gradient that is one, too, for tests that plant errors in second derivatives."""

from autograd_core import Function


def cube(gradient):
    """Return x -> x^3, whose backward is the Function `gradient` of x and the cotangent."""

    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            return x**3

        @staticmethod
        def backward(ctx, gout):
            return gradient.apply(ctx.inputs[0], gout)

    return Cube
