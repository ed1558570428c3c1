"""The tester is tested: wrong backwards are planted and must be caught, right ones must pass."""

import sys

import numpy as np
import pytest

from autograd_core import Function, GradientError, KinkError, Tensor, functions, gradcheck
from tests.autograd_core.cubes import cube


def rng():
    return np.random.default_rng(5)


X = np.random.default_rng(1).normal(size=(3, 3))


def matrix_product(backward):
    """x, y -> x @ y with another backward; `backward(ctx, gout, x, y)` returns the two gradients."""

    class Planted(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x @ y

        @staticmethod
        def backward(ctx, gout):
            return backward(ctx, gout, *ctx.inputs)

    return Planted.apply


def right(ctx, gout, x, y):
    return gout @ functions.matrix_transpose(y), functions.matrix_transpose(x) @ gout


PLANTED = {
    "scaled by 1.001": lambda c, g, x, y: (right(c, g, x, y)[0] * 1.001, right(c, g, x, y)[1]),
    "one element off by a thousandth": lambda c, g, x, y: (
        right(c, g, x, y)[0],
        right(c, g, x, y)[1] * (1 + 1e-3 * np.eye(3)[[2]] * np.eye(3)[:, [1]]),
    ),
    "axes swapped": lambda c, g, x, y: (functions.matrix_transpose(right(c, g, x, y)[0]), right(c, g, x, y)[1]),
    "sign flipped": lambda c, g, x, y: (right(c, g, x, y)[0], -right(c, g, x, y)[1]),
    "factors not transposed": lambda c, g, x, y: (g @ y, x @ g),
    "inputs exchanged": lambda c, g, x, y: right(c, g, x, y)[::-1],
    "zeros": lambda c, g, x, y: (g * 0, right(c, g, x, y)[1]),
    "nan": lambda c, g, x, y: (g * np.nan, right(c, g, x, y)[1]),
    "a constant added": lambda c, g, x, y: (right(c, g, x, y)[0] + 1e-3, right(c, g, x, y)[1]),
}


@pytest.mark.parametrize("method", ["complex", "central"])
@pytest.mark.parametrize("name", PLANTED)
def test_wrong_gradients_are_caught(name, method):
    with pytest.raises(GradientError, match=r"input [01], element \(\d, \d\): analytic"):
        gradcheck(matrix_product(PLANTED[name]), [X, X + 1], rng=rng(), method=method)


@pytest.mark.parametrize("method", ["complex", "central"])
def test_the_right_gradient_passes(method):
    gradcheck(matrix_product(right), [X, X + 1], rng=rng(), order=2, method=method)


def test_the_message_names_input_element_values_difference_and_bound():
    def wrong(ctx, gout, x, y):
        gx, gy = right(ctx, gout, x, y)
        return gx, gy * (1 + 0.5 * np.eye(3)[[2]] * np.eye(3)[:, [1]])

    with pytest.raises(GradientError) as caught:
        gradcheck(matrix_product(wrong), [X, X], rng=rng(), method="central")
    message = str(caught.value)
    assert message.startswith("input 1, element (1, 2): analytic ")
    analytic, numerical = (float(message.split(word)[1].split()[0].rstrip(",")) for word in ("analytic", "numerical"))
    assert abs(analytic / numerical - 1.5) < 1e-6
    assert "(central); they differ by" in message and "more than" in message
    assert message.endswith("(1 of 9 elements are wrong)")


def test_a_missing_sum_over_a_broadcast_axis_is_caught():
    class Add(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, gout):
            return gout, gout

    with pytest.raises(GradientError, match=r"returned float64\(3, 3\) for input 1, which is float64\(3,\)"):
        gradcheck(Add.apply, [X, X[0]], rng=rng())


def test_a_gradient_of_another_dtype_is_caught():
    def narrow(ctx, gout, x, y):
        gx, gy = right(ctx, gout, x, y)
        return functions.astype(gx, np.float32), gy

    with pytest.raises(GradientError, match=r"returned float32\(3, 3\) for input 0"):
        gradcheck(matrix_product(narrow), [X, X], rng=rng())


def test_values_of_another_dtype_are_caught():
    with pytest.raises(GradientError, match="output 0 is float32"):
        gradcheck(lambda x: functions.astype(x, np.float32), [X], rng=rng())


def test_adjointness_alone_catches_a_wrong_gradient(monkeypatch):
    for element_by_element in ("_compare", "_compare_small"):
        monkeypatch.setattr(sys.modules["autograd_core.gradcheck"], element_by_element, lambda *arguments: None)
    gradcheck(matrix_product(right), [X, X + 1], rng=rng())
    with pytest.raises(GradientError, match=r"<J v, w> = .* but <v, J\^T w> = "):
        gradcheck(matrix_product(PLANTED["scaled by 1.001"]), [X, X + 1], rng=rng())


def test_a_stale_cache_is_caught():
    cache = {}

    class Stale(Function):
        @staticmethod
        def forward(ctx, x):
            cache[x.shape] = x
            return x * x

        @staticmethod
        def backward(ctx, gout):
            return 2 * gout * Tensor(cache[gout.shape])

    with pytest.raises(GradientError, match="a second backward differs"):
        gradcheck(Stale.apply, [X], rng=rng(), method="central")


def test_a_mutated_cache_is_caught():
    class Mutating(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.parameters["factor"] = 2 * x
            return x * x

        @staticmethod
        def backward(ctx, gout):
            gradient = gout.data * ctx.parameters["factor"]
            ctx.parameters["factor"] *= 2
            return Tensor(gradient)

    with pytest.raises(GradientError, match="a second backward differs"):
        gradcheck(Mutating.apply, [X], rng=rng())


def test_writing_into_a_saved_array_is_caught():
    class Overwriting(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save(2 * x)
            return x * x

        @staticmethod
        def backward(ctx, gout):
            (double,) = ctx.saved
            double *= gout.data
            return Tensor(double)

    with pytest.raises(GradientError, match="the backward failed: .*read-only"):
        gradcheck(Overwriting.apply, [X], rng=rng())


def test_writing_into_an_input_is_caught():
    def writing(x, index):
        x.data[0, 0] = 1
        return x * x

    with pytest.raises(ValueError, match="read-only"):
        gradcheck(writing, [X, np.array([0, 1])], rng=rng())

    def writing_into_integers(x, index):
        index.data[1] = index.data[0]
        return x[index.data] ** 2

    with pytest.raises(ValueError, match="read-only"):
        gradcheck(writing_into_integers, [X, np.array([0, 1])], rng=rng())


def test_functions_that_are_none_are_refused():
    noise = rng()
    with pytest.raises(GradientError, match="a second evaluation differs"):
        gradcheck(lambda x: x * noise.normal(), [X], rng=rng())


class DetachedCube(Function):
    """x -> x^3, right at first order; its backward treats x as a constant."""

    @staticmethod
    def forward(ctx, x):
        return x**3

    @staticmethod
    def backward(ctx, gout):
        (x,) = ctx.inputs
        return gout * 3 * x.data**2


class WrongCubeGradient(Function):
    """(x, gout) -> 3 x^2 gout; its backward is wrong."""

    @staticmethod
    def forward(ctx, x, gout):
        return 3 * x**2 * gout

    @staticmethod
    def backward(ctx, ggradient):
        x, gout = ctx.inputs
        return 6 * x * gout * ggradient, 3 * x**2 * ggradient * 1.001


@pytest.mark.parametrize("method", ["complex", "central"])
@pytest.mark.parametrize(
    ("function", "name"), [(DetachedCube, "input 0"), (cube(WrongCubeGradient), "cotangent 0 of order 1")]
)
def test_a_gradient_right_at_first_order_and_wrong_at_second_is_caught_there(function, name, method):
    gradcheck(function.apply, [X], rng=rng(), method=method)
    with pytest.raises(GradientError, match=f"{name}, element") as caught:
        gradcheck(function.apply, [X], rng=rng(), order=2, method=method)
    assert "at order 2" in caught.value.__notes__[0]


def test_wrong_at_third_order_only():
    class Wrong(Function):  # x -> x^4 / 12, whose gradient's gradient loses its history
        @staticmethod
        def forward(ctx, x):
            return x**4 / 12

        @staticmethod
        def backward(ctx, gout):
            return First.apply(ctx.inputs[0]) * gout

    class First(Function):
        @staticmethod
        def forward(ctx, x):
            return x**3 / 3

        @staticmethod
        def backward(ctx, gout):
            return gout * ctx.inputs[0].data ** 2

    gradcheck(Wrong.apply, [X], rng=rng(), order=2)
    with pytest.raises(GradientError) as caught:
        gradcheck(Wrong.apply, [X], rng=rng(), order=3)
    assert "at order 3" in caught.value.__notes__[0]


SCALES = [1e-150, 1e-12, 1e-5, 1.0, 1e5, 1e12, 1e150]


@pytest.mark.parametrize("method", ["complex", "central"])
@pytest.mark.parametrize("scale", SCALES)
def test_right_gradients_pass_at_every_scale_and_wrong_ones_do_not(scale, method):
    x = scale * (1 + np.random.default_rng(2).random((2, 3)))

    def right_scaled(t):
        return functions.log(t) * (t / scale) ** 2

    gradcheck(right_scaled, [x], rng=rng(), order=2, method=method)

    class Wrong(Function):
        @staticmethod
        def forward(ctx, t):
            return t / scale

        @staticmethod
        def backward(ctx, gout):
            return gout / scale * 1.001

    with pytest.raises(GradientError, match="input 0, element"):
        gradcheck(lambda t: Wrong.apply(t) ** 2, [x], rng=rng(), method=method)


@pytest.mark.parametrize("scale", SCALES)
def test_outputs_of_every_scale(scale):
    gradcheck(lambda x: functions.sin(x) * scale, [X], rng=rng(), order=2, method="central")


def test_elements_of_different_scales_are_each_seen():
    # The second element's gradient is a millionth of the first's, and wrong by a thousandth of itself.
    weights = np.array([1.0, 1e-6])

    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return functions.sin(Tensor(x)).data * weights

        @staticmethod
        def backward(ctx, gout):
            return gout * functions.cos(ctx.inputs[0]) * weights * np.array([1.0, 1.001])

    with pytest.raises(GradientError, match=r"element \(1,\).*1 of 2"):
        gradcheck(Wrong.apply, [np.array([0.3, 0.4])], rng=rng(), method="central")


class Flat(Function):
    """A step function, whose gradient is zero; or, planted, `slope`."""

    @staticmethod
    def forward(ctx, x, slope):
        return np.floor(x)

    @staticmethod
    def backward(ctx, gout):
        return gout * ctx.parameters["slope"]


def test_a_zero_gradient_passes_and_a_small_one_in_its_place_does_not():
    inputs = [np.array([0.3, 1.6])]
    gradcheck(lambda x: Flat.apply(x, slope=0.0), inputs, rng=rng())
    gradcheck(lambda x: x.sum() - x[0] - x[1], inputs, rng=rng())
    with pytest.raises(GradientError, match="analytic"):
        gradcheck(lambda x: Flat.apply(x, slope=1e-6), inputs, rng=rng())


def test_auto_uses_the_complex_step_where_it_holds_and_differences_elsewhere():
    def dtypes_seen(function):
        seen = set()

        def watched(x):
            seen.add(x.dtype)
            return function(x)

        gradcheck(watched, [X], rng=rng())
        return seen

    assert np.dtype(np.complex128) in dtypes_seen(functions.sin)

    def real_only(x):
        if x.dtype != np.float64:
            raise TypeError("float64 only")
        return functions.sin(x)

    gradcheck(real_only, [X], rng=rng())
    gradcheck(functions.absolute, [X], rng=rng())  # takes complex numbers, but |z| is not analytic
    with pytest.raises(GradientError, match="does not continue analytically"):
        gradcheck(functions.absolute, [X], rng=rng(), method="complex")
    with pytest.raises(GradientError, match="does not continue analytically"):
        gradcheck(real_only, [X], rng=rng(), method="complex")


def test_functions_that_conjugate_are_not_trusted_with_the_complex_step():
    class Conjugating(Function):
        @staticmethod
        def forward(ctx, x):
            return x * x.conj()

        @staticmethod
        def backward(ctx, gout):
            return 2 * gout * ctx.inputs[0]

    gradcheck(Conjugating.apply, [X], rng=rng())


def test_what_cannot_be_decided_fails_loudly():
    def noisy(x):  # fourteen of sixteen digits are lost
        return (x + 1e14) - 1e14

    with pytest.raises((GradientError, KinkError), match="undecided|only noise"):
        gradcheck(noisy, [X], rng=rng(), method="central")

    def undefined(x):
        return functions.where(x.data.real > 10, x, np.nan)

    with pytest.raises(GradientError, match="not finite"):
        gradcheck(undefined, [X], rng=rng(), method="central")


def test_several_outputs_unused_inputs_and_integer_inputs():
    def function(x, index, y, unused):
        return x[index.data] * y, functions.sin(y), Tensor(np.ones(2))

    gradcheck(function, [X, np.array([2, 0]), X[0], X[1]], rng=rng(), order=2)


def test_bad_inputs_are_named():
    with pytest.raises(TypeError, match=r"inputs\[1\]: given float32"):
        gradcheck(functions.add, [X, X.astype(np.float32)], rng=rng())
    with pytest.raises(TypeError, match="inputs: given none that is float64"):
        gradcheck(functions.sum, [np.arange(3)], rng=rng())


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"order": 0}, "order: given 0, expected an integer >= 1"),
        ({"order": 1.5}, "order: given 1.5"),
        ({"order": True}, "order: given True"),
        ({"method": "foo"}, "method: given 'foo', expected one of .*'auto'"),
        ({"direction": "foo"}, "direction: given 'foo', expected one of .*'both'"),
    ],
)
def test_options_under_which_nothing_would_be_checked_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        gradcheck(matrix_product(PLANTED["scaled by 1.001"]), [X, X + 1], rng=rng(), **option)


def test_empty_inputs_pass():
    gradcheck(lambda x, y: x * y, [np.zeros((0, 3)), np.ones(3)], rng=rng(), order=2)
