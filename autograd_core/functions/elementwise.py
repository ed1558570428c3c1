"""Elementwise functions, with NumPy's broadcasting: a gradient is summed back to its operand's shape.

Python numbers take the dtype of the tensor they meet; tensors of two precisions are refused (`operands.py`). Of
integers, functions whose value is none give float64 (`conversion.py`).

At a kink the gradient is a convention: relu'(0) = 0, abs'(0) = 0, leaky_relu'(0) is the slope below 0, `maximum` and
`minimum` give half to each of two equal operands, `clip` passes the gradient on at both ends of the interval.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from autograd_core.arguments import not_negative
from autograd_core.arrays import Array, array_module, keep_where
from autograd_core.function import Context, Function
from autograd_core.functions.conversion import floating
from autograd_core.functions.operands import operands
from autograd_core.functions.shaping import sum_to
from autograd_core.tensor import Tensor, as_tensor

Gradients = tuple[Tensor | None, ...]


class _Masked(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, mask: Array) -> Array:
        return keep_where(x, mask)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return _Masked.apply(gout, mask=ctx.parameters["mask"])


def masked(x: Tensor, mask: Array) -> Tensor:
    """Return x where the mask, a boolean array of its shape or one that broadcasts to it, holds, and 0 elsewhere.

    Every backward that passes some elements on and others not does it here: a product with the mask would make an
    infinite cotangent that is not passed on NaN.
    """
    return _Masked.apply(x, mask=mask)


class _Add(Function):
    @staticmethod
    def forward(ctx: Context, a: Array, b: Array) -> Array:
        return a + b

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Gradients:
        a, b = ctx.inputs
        return (
            sum_to(gout, a.shape) if ctx.needs[0] else None,
            sum_to(gout, b.shape) if ctx.needs[1] else None,
        )


def add(a: Any, b: Any) -> Tensor:
    """Return a + b."""
    return _Add.apply(*operands("add", a, b))


class _Subtract(Function):
    @staticmethod
    def forward(ctx: Context, a: Array, b: Array) -> Array:
        return a - b

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Gradients:
        a, b = ctx.inputs
        return (
            sum_to(gout, a.shape) if ctx.needs[0] else None,
            -sum_to(gout, b.shape) if ctx.needs[1] else None,
        )


def subtract(a: Any, b: Any) -> Tensor:
    """Return a - b."""
    return _Subtract.apply(*operands("subtract", a, b))


class _Multiply(Function):
    @staticmethod
    def forward(ctx: Context, a: Array, b: Array) -> Array:
        return a * b

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Gradients:
        a, b = ctx.inputs
        return (
            sum_to(gout * b, a.shape) if ctx.needs[0] else None,
            sum_to(gout * a, b.shape) if ctx.needs[1] else None,
        )


def multiply(a: Any, b: Any) -> Tensor:
    """Return a b, element by element."""
    return _Multiply.apply(*operands("multiply", a, b))


class _Divide(Function):
    keeps_outputs = True

    @staticmethod
    def forward(ctx: Context, a: Array, b: Array) -> Array:
        return a / b

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Gradients:
        a, b = ctx.inputs
        quotient = gout / b
        return (
            sum_to(quotient, a.shape) if ctx.needs[0] else None,
            -sum_to(quotient * ctx.outputs[0], b.shape) if ctx.needs[1] else None,
        )


def divide(a: Any, b: Any) -> Tensor:
    """Return a / b."""
    return _Divide.apply(*operands("divide", a, b))


class _Negative(Function):
    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        return -x

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return -gout


def negative(x: Any) -> Tensor:
    """Return -x."""
    return _Negative.apply(x)


def _python_number(name: str, value: Any) -> int | float:
    """Return a number as Python's own, which takes the tensor's precision; a numpy.float64 would impose its own."""
    if not isinstance(value, Real):
        raise TypeError(f"{name}: given {type(value).__name__}, expected a Python number")
    return int(value) if isinstance(value, Integral) else float(value)


class _Power(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, exponent: float) -> Array:
        return x**exponent

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        (x,), exponent = ctx.inputs, float(ctx.parameters["exponent"])
        if exponent == 0:  # not 0 x^-1, which is not a number at x = 0
            return Tensor(array_module(x.data).zeros(x.shape, x.dtype))
        return power(x, exponent - 1) * exponent * gout


def power(x: Any, exponent: float) -> Tensor:
    """Return x to a constant power, a Python number; the power 0 is 1 everywhere, also at x = 0."""
    return _Power.apply(x, exponent=_python_number("exponent", exponent))


class _Exp(Function):
    keeps_outputs = True

    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        return array_module(x).exp(x)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return gout * ctx.outputs[0]


def exp(x: Any) -> Tensor:
    """Return e to the x."""
    return _Exp.apply(floating(x))


class _Log(Function):
    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        return array_module(x).log(x)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return gout / ctx.inputs[0]


def log(x: Any) -> Tensor:
    """Return the natural logarithm."""
    return _Log.apply(floating(x))


class _Sqrt(Function):
    keeps_outputs = True

    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        return array_module(x).sqrt(x)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return 0.5 * gout / ctx.outputs[0]


def sqrt(x: Any) -> Tensor:
    """Return the square root; its gradient at 0 is infinite."""
    return _Sqrt.apply(floating(x))


class _Square(Function):
    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        return x * x

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return 2 * ctx.inputs[0] * gout


def square(x: Any) -> Tensor:
    """Return x squared."""
    return _Square.apply(x)


class _Absolute(Function):
    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        return abs(x)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        x = ctx.inputs[0].data
        return masked(gout, x != 0) * Tensor(array_module(x).sign(x))


def absolute(x: Any) -> Tensor:
    """Return the absolute value of a real x; its derivative at 0 is taken as 0."""
    return _Absolute.apply(x)


class _Sin(Function):
    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        return array_module(x).sin(x)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return gout * cos(ctx.inputs[0])


def sin(x: Any) -> Tensor:
    """Return the sine of an angle in radians."""
    return _Sin.apply(floating(x))


class _Cos(Function):
    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        return array_module(x).cos(x)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return -(gout * sin(ctx.inputs[0]))


def cos(x: Any) -> Tensor:
    """Return the cosine of an angle in radians."""
    return _Cos.apply(floating(x))


class _Sigmoid(Function):
    keeps_outputs = True

    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        # Of 1 / (1 + e^-x) and e^x / (1 + e^x), the one whose exponential cannot overflow.
        xp = array_module(x)
        right = x.real >= 0
        small = xp.exp(xp.where(right, -x, x))
        return xp.where(right, 1, small) / (1 + small)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        # sigmoid(-x), since 1 - sigmoid(x) would lose every digit at large x.
        return gout * ctx.outputs[0] * sigmoid(-ctx.inputs[0])


def sigmoid(x: Any) -> Tensor:
    """Return 1 / (1 + e^-x), without overflow and accurate in both tails."""
    return _Sigmoid.apply(floating(x))


class _Tanh(Function):
    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        return array_module(x).tanh(x)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        # 1 - tanh^2 x = 4 sigmoid(2x) sigmoid(-2x), and only the latter keeps its digits at large x.
        double = 2 * ctx.inputs[0]
        return 4 * gout * sigmoid(double) * sigmoid(-double)


def tanh(x: Any) -> Tensor:
    """Return the hyperbolic tangent."""
    return _Tanh.apply(floating(x))


class _Relu(Function):
    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        return array_module(x).maximum(x, 0)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        return masked(gout, ctx.inputs[0].data > 0)


def relu(x: Any) -> Tensor:
    """Return max(x, 0), the rectified linear unit; its derivative at 0 is taken as 0."""
    return _Relu.apply(x)


class _LeakyRelu(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, slope: float) -> Array:
        return array_module(x).where(x > 0, x, x * slope)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        xp, x, slope = array_module(*ctx.arrays), ctx.arrays[0], ctx.parameters["slope"]
        return multiply(gout, xp.where(x > 0, x.dtype.type(1), slope))


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """Return x where it is positive and negative_slope x elsewhere; the derivative at 0 is taken as negative_slope.

    Raises
    ------
    ValueError
        If the slope is no positive number; `relu` has slope 0.
    """
    if not not_negative("negative_slope", negative_slope):
        raise ValueError(f"negative_slope: given {negative_slope}, expected a number > 0; use relu")
    return _LeakyRelu.apply(floating(x), slope=float(negative_slope))


class _Extremum(Function):
    """The larger or, with `smaller`, the smaller of two."""

    @staticmethod
    def forward(ctx: Context, a: Array, b: Array, smaller: bool) -> Array:
        xp = array_module(a, b)
        return xp.minimum(a, b) if smaller else xp.maximum(a, b)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Gradients:
        a, b = ctx.inputs
        equal = a.data == b.data
        taken = a.data < b.data if ctx.parameters["smaller"] else a.data > b.data
        shared = gout * Tensor(array_module(equal).where(equal, 0.5, 1).astype(gout.dtype))
        return (
            sum_to(masked(shared, taken | equal), a.shape) if ctx.needs[0] else None,
            sum_to(masked(shared, ~taken), b.shape) if ctx.needs[1] else None,
        )


def maximum(a: Any, b: Any) -> Tensor:
    """Return the larger of a and b; where they are equal, each gets half the gradient."""
    return _Extremum.apply(*operands("maximum", a, b), smaller=False)


def minimum(a: Any, b: Any) -> Tensor:
    """Return the smaller of a and b; where they are equal, each gets half the gradient."""
    return _Extremum.apply(*operands("minimum", a, b), smaller=True)


class _Clip(Function):
    @staticmethod
    def forward(ctx: Context, x: Array, low: float | None, high: float | None) -> Array:
        return array_module(x).clip(x, low, high)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Tensor:
        x = ctx.inputs[0].data
        low, high = ctx.parameters["low"], ctx.parameters["high"]
        return masked(gout, array_module(x).clip(x, low, high) == x)


def clip(x: Any, low: float | None, high: float | None) -> Tensor:
    """Return x limited to [low, high] (Python numbers; None for no limit).

    The gradient passes where low <= x <= high, both ends included.
    """
    limits = {"low": low, "high": high}
    return _Clip.apply(x, **{k: None if v is None else _python_number(k, v) for k, v in limits.items()})


class _Where(Function):
    @staticmethod
    def forward(ctx: Context, condition: Array, a: Array, b: Array) -> Array:
        return array_module(condition, a, b).where(condition, a, b)

    @staticmethod
    def backward(ctx: Context, gout: Tensor) -> Gradients:
        condition, a, b = ctx.inputs
        return (
            None,
            sum_to(masked(gout, condition.data), a.shape) if ctx.needs[1] else None,
            sum_to(masked(gout, ~condition.data), b.shape) if ctx.needs[2] else None,
        )


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """Return a where the condition (boolean, without a gradient) holds, and b elsewhere."""
    chosen = as_tensor(condition)
    if chosen.dtype.kind != "b":
        raise TypeError(f"condition: given dtype {chosen.dtype}, expected a boolean array")
    return _Where.apply(chosen, *operands("where", a, b))
