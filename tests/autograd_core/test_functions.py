"""Every function's values against NumPy or exact numbers, and its derivatives, to second order, by gradcheck."""

import math
import operator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd_core import Tensor, functions, grad, gradcheck
from autograd_core.arrays import sum_over
from tests.autograd_core.examples import FUNCTIONS, draw, positive

EPS = np.finfo(np.float64).eps
EPS32 = np.finfo(np.float32).eps


@pytest.mark.parametrize(("method", "order"), [("auto", 2), ("central", 1)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name, method, order):
    function, inputs = FUNCTIONS[name]
    gradcheck(function, inputs, rng=np.random.default_rng(7), order=order, method=method)


@pytest.mark.parametrize("name", ["exp", "tanh", "divide", "solve", "power 3"])
def test_third_derivatives(name):
    function, inputs = FUNCTIONS[name]
    gradcheck(function, inputs, rng=np.random.default_rng(7), order=3)


def test_astype_converts_its_gradient_back():
    x = Tensor(draw(3), requires_grad=True)
    w = draw(3, seed=1).astype(np.float32)
    (gx,) = grad(functions.astype(x, np.float32), x, w)
    assert functions.astype(x, np.float32).dtype == np.float32
    assert gx.dtype == np.float64
    np.testing.assert_array_equal(gx.data, w)


UNARY = ["exp", "log", "sqrt", "square", "absolute", "sin", "cos", "tanh", "negative"]


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_dtypes_are_numpys(name, dtype):
    x = positive(2, 3).astype(dtype)
    out = getattr(functions, name)(Tensor(x))
    assert out.dtype == dtype
    np.testing.assert_array_equal(out.data, getattr(np, name)(x))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_stays_float32(name):
    function, inputs = FUNCTIONS[name]
    tensors = [Tensor(np.asarray(x, np.float32), requires_grad=True) for x in inputs]
    out = function(*tensors)
    gradients = grad(out, tensors, np.ones(out.shape, np.float32), create_graph=True)
    assert {t.dtype for t in (out, *gradients)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operators_take_numbers_arrays_and_tensors_on_either_side(op, dtype):
    x, y = positive(2, 3).astype(dtype), positive(3, seed=1).astype(dtype)
    for other in (2, 0.5, y, Tensor(y)):
        plain = other.data if isinstance(other, Tensor) else other
        for out, expected in ((op(Tensor(x), other), op(x, plain)), (op(other, Tensor(x)), op(plain, x))):
            assert isinstance(out, Tensor) and out.dtype == dtype
            np.testing.assert_array_equal(out.data, expected)


def test_matmul_and_abs_operators():
    a, b = draw(2, 3), draw(3, 2, seed=1)
    np.testing.assert_array_equal((Tensor(a) @ b).data, a @ b)
    np.testing.assert_array_equal((a @ Tensor(b)).data, a @ b)
    np.testing.assert_array_equal(abs(-Tensor(a)).data, abs(a))


@pytest.mark.parametrize("other", [np.float64(2.0), np.ones(3), Tensor(np.ones(3)), [1.0, 2.0, 3.0], np.arange(3)])
def test_two_precisions_are_refused(other):
    with pytest.raises(TypeError, match=r"multiply: .*float32.*convert one of them with .*astype"):
        Tensor(np.ones(3, np.float32)) * other


def test_masks_and_small_integers_change_no_precision():
    x = Tensor(np.ones(3, np.float32))
    assert (x * np.array([True, False, True])).dtype == np.float32
    assert (x * np.arange(3, dtype=np.int8)).dtype == np.float32
    assert (Tensor(np.arange(3)) + 1).dtype == np.int64


def test_real_and_complex_of_one_precision_may_meet():
    assert (Tensor(np.ones(2, np.complex64)) * np.ones(2, np.float32)).dtype == np.complex64
    with pytest.raises(TypeError, match="one precision"):
        Tensor(np.ones(2, np.complex128)) * np.ones(2, np.float32)


KINKS = {
    "relu": (functions.relu, [[-1.0, 0.0, 2.0]], [[0, 0, 1]]),
    "leaky_relu": (lambda x: functions.leaky_relu(x, 0.25), [[-1.0, 0.0, 2.0]], [[0.25, 0.25, 1]]),
    "absolute": (functions.absolute, [[-1.0, 0.0, 2.0]], [[-1, 0, 1]]),
    "maximum": (functions.maximum, [[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]], [[0, 0.5, 1], [1, 0.5, 0]]),
    "minimum": (functions.minimum, [[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]], [[1, 0.5, 0], [0, 0.5, 1]]),
    "clip": (lambda x: functions.clip(x, 0.0, 1.0), [[-1.0, 0.0, 0.5, 1.0, 2.0]], [[0, 1, 1, 1, 0]]),
}


@pytest.mark.parametrize("name", KINKS)
def test_gradients_at_kinks_are_the_documented_ones(name):
    function, inputs, expected = KINKS[name]
    tensors = [Tensor(x, requires_grad=True) for x in inputs]
    w = draw(len(inputs[0]), seed=3)
    gradients = grad(function(*tensors), tensors, w)
    for gradient, factor in zip(gradients, expected, strict=True):
        np.testing.assert_array_equal(gradient.data, w * factor)  # exact: factors are 0, 1/2 and +-1


def test_powers_at_zero():
    x = Tensor([0.0], requires_grad=True)
    (first,) = grad(x**2, x, create_graph=True)
    (second,) = grad(first, x, create_graph=True)
    (third,) = grad(second, x)
    assert (first.item(), second.item(), third.item()) == (0.0, 2.0, 0.0)
    assert (x**0).item() == 1.0


@pytest.mark.parametrize("x", [-800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0])
def test_sigmoid_and_its_derivative_keep_their_digits_in_the_tails(x):
    # Independent of the code: sigma = 1 / (1 + e^-x), sigma' = e^-|x| / (1 + e^-|x|)^2, through decimal arithmetic.
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 60
        e = (-abs(Decimal(x))).exp()
        value, slope = (1 if x >= 0 else e) / (1 + e), e / (1 + e) ** 2
        t = Tensor([x], requires_grad=True)
        out = functions.sigmoid(t)
        (gradient,) = grad(out, t)
        # Two exponentials of an error below one ulp each, and three roundings: 8 eps, and a subnormal for the tails.
        for got, exact in ((out.item(), value), (gradient.item(), slope)):
            assert abs(Decimal(got) - exact) <= Decimal(8 * EPS) * exact + Decimal(5e-324)


def test_tanh_keeps_its_derivative_where_it_is_flat():
    x = Tensor([20.0], requires_grad=True)
    (slope,) = grad(functions.tanh(x), x)
    exact = 4 * math.exp(-40) / (1 + math.exp(-40)) ** 2  # 1 - tanh^2 x, without the cancellation
    assert abs(slope.item() - exact) <= 16 * EPS * exact  # some ten roundings


def test_logsumexp_neither_overflows_nor_loses_infinities():
    x = Tensor([[1000.0, 1000.0], [-1000.0, -np.inf]], requires_grad=True)
    out = functions.logsumexp(x, 1)
    np.testing.assert_allclose(out.data, [1000 + math.log(2), -1000.0], rtol=2 * EPS)
    (gx,) = grad(out, x, np.array([1.0, 3.0]))
    np.testing.assert_allclose(gx.data, [[0.5, 0.5], [3.0, 0.0]], rtol=1000 * EPS)  # eps |x| in the exponent
    assert functions.logsumexp(Tensor([np.inf, 1.0])).item() == np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1, (0, 2), None])
def test_sums_are_accurate_along_every_axis(dtype, axis):
    # Terms of one sign and of like size, where a running sum in the dtype drifts by thousands of eps.
    x = np.random.default_rng(0).uniform(1, 2, (20_000, 2, 3)).astype(dtype)
    got = sum_over(x, axis)
    moved = {0: (1, 2, 0), 1: (0, 2, 1), (0, 2): (1, 0, 2), None: (0, 1, 2)}[axis]
    rows = x.transpose(moved).reshape(*got.shape, -1)
    exact = np.apply_along_axis(math.fsum, -1, rows)
    # float32 is summed in float64 and rounded once; float64 pairwise, with log2(n) roundings on each path at most,
    # and 128 terms at its leaves in eight running sums.
    bound = EPS32 / 2 if dtype == np.float32 else (math.log2(x.size) + 16) * EPS / 2
    assert got.dtype == dtype
    assert (abs(got - exact) <= bound * exact).all()


@given(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=4, max_side=3), elements=st.integers(-9, 9).map(float)),
    st.data(),
)
def test_sum_and_its_axes_are_numpys(x, data):
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1) | st.just(tuple(range(0, x.ndim, 2))))
    keepdims = data.draw(st.booleans())
    np.testing.assert_array_equal(functions.sum(Tensor(x), axis, keepdims).data, x.sum(axis, keepdims=keepdims))


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3))
def test_broadcasting_gradients_count_repetitions(shapes):
    # d sum(a b w) / da is the sum of b w over everything a is repeated along; integers, so exactly.
    rng = np.random.default_rng(0)
    a, b = (Tensor(rng.integers(-4, 5, s).astype(float), requires_grad=True) for s in shapes.input_shapes)
    w = rng.integers(-4, 5, shapes.result_shape).astype(float)
    ga, gb = grad(a * b, [a, b], w)
    for operand, gradient, term in ((a, ga, b.data * w), (b, gb, a.data * w)):
        expected = np.zeros(operand.shape)
        views = np.broadcast_to(np.arange(operand.size).reshape(operand.shape), w.shape)
        np.add.at(expected.reshape(-1), views.ravel(), np.broadcast_to(term, w.shape).ravel())
        np.testing.assert_array_equal(gradient.data, expected)


@given(hnp.arrays(np.int64, st.integers(0, 20), elements=st.integers(-5, 4)))
def test_indexing_scatters_what_it_gathered(index):
    x = Tensor(np.arange(5.0), requires_grad=True)
    w = np.random.default_rng(0).integers(-9, 10, index.shape).astype(float)
    (gx,) = grad(x[index], x, w)
    np.testing.assert_array_equal(gx.data, [w[index % 5 == k].sum() for k in range(5)])


def test_repeated_indices_accumulate_in_float64():
    n = 100_000
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    w = np.random.default_rng(0).uniform(1, 2, n).astype(np.float32)
    (gx,) = grad(x[np.zeros(n, int)], x, w)
    exact = math.fsum(w)
    assert gx.dtype == np.float32 and abs(gx.data[0] - exact) <= EPS32 / 2 * (1 + n * EPS) * exact


def test_an_index_is_copied():
    index = np.array([0, 1])
    x = Tensor(np.arange(3.0), requires_grad=True)
    out = x[index]
    index[:] = 2
    np.testing.assert_array_equal(grad(out, x, np.array([3.0, 5.0]))[0].data, [3.0, 5.0, 0.0])


def test_solve_has_the_exact_solution_and_gradients():
    # Against Cramer's rule in fractions: gB = A^-T w, gA = -gB X^T.
    a, b, w = [[4, 1], [2, 3]], [5, 7], [1, -3]
    det = Fraction(a[0][0] * a[1][1] - a[0][1] * a[1][0])
    inverse = [[a[1][1] / det, -a[0][1] / det], [-a[1][0] / det, a[0][0] / det]]
    x = [sum(inverse[i][j] * b[j] for j in range(2)) for i in range(2)]
    gb = [sum(inverse[j][i] * w[j] for j in range(2)) for i in range(2)]
    ga = [[-gb[i] * x[j] for j in range(2)] for i in range(2)]
    matrix, right = Tensor(np.array(a, float), requires_grad=True), Tensor(np.array(b, float), requires_grad=True)
    out = functions.solve(matrix, right)
    gmatrix, gright = grad(out, [matrix, right], np.array(w, float))
    for got, exact in ((out, x), (gright, gb), (gmatrix, ga)):
        # The condition number is below 4: a dozen roundings of at most that weight.
        np.testing.assert_allclose(got.data, np.array(exact, float), rtol=48 * EPS)


@pytest.mark.parametrize("number", [np.float64(0.5), np.float32(0.5), 0.5, np.int64(2), 2])
def test_numbers_do_not_change_the_precision(number):
    x = Tensor(np.array([0.25, 1.0, 4.0], np.float32), requires_grad=True)
    for out in (x**number, functions.clip(x, number, None), functions.clip(x, 0.0, number)):
        (gx,) = grad(out, x, np.ones(3, np.float32))
        assert out.dtype == gx.dtype == np.float32
    assert functions.clip(Tensor([1, 5]), 0, 3).dtype == np.int64


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, bool])
def test_maximum_and_minimum_of_every_integer(dtype):
    # Two's complement has no negative of the least integer, and unsigned integers have none at all.
    least, most = (False, True) if dtype is bool else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    a, b = np.array([least, most, least, 1], dtype), np.array([most, least, least, 0], dtype)
    smaller, larger = functions.minimum(Tensor(a), Tensor(b)), functions.maximum(Tensor(a), Tensor(b))
    np.testing.assert_array_equal(smaller.data, np.array([least, least, least, 0], dtype), strict=True)
    np.testing.assert_array_equal(larger.data, np.array([most, most, least, 1], dtype), strict=True)


def test_logsumexp_where_all_are_minus_infinity():
    x = Tensor([[-np.inf, -np.inf], [0.0, -np.inf]], requires_grad=True)
    out = functions.logsumexp(x, 1)
    np.testing.assert_array_equal(out.data, [-np.inf, 0.0])
    (first,) = grad(out, x, np.array([3.0, 5.0]), create_graph=True)
    np.testing.assert_array_equal(first.data, [[0.0, 0.0], [5.0, 0.0]])
    (second,) = grad(first, x, np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(second.data, np.zeros((2, 2)))  # at softmax (1, 0) the Jacobian is 0


LISTS = {
    "mean": lambda x: functions.mean(x, 0),
    "logsumexp": functions.logsumexp,
    "transpose": functions.transpose,
    "matrix_transpose": functions.matrix_transpose,
    "flatten": functions.flatten,
    "expand_dims": lambda x: functions.expand_dims(x, 0),
    "squeeze": functions.squeeze,
    "broadcast_to": lambda x: functions.broadcast_to(x, (3, 2, 2)),
    "sum_to": lambda x: functions.sum_to(x, (2,)),
    "pad": lambda x: functions.pad(x, [(1, 0), (0, 1)]),
    "astype": lambda x: functions.astype(x, np.float32),
}


@pytest.mark.parametrize("name", LISTS)
def test_what_becomes_a_tensor_is_as_good_as_one(name):
    function, x = LISTS[name], [[1.0, 2.0], [3.0, 4.0]]
    for value in (x, np.array(x)):
        np.testing.assert_array_equal(function(value).data, function(Tensor(x)).data, strict=True)


ONES = np.ones((2, 3))
ERRORS = {
    "clip to an array": (lambda: functions.clip(Tensor([1.0]), ONES, None), TypeError, "low: given ndarray, expected"),
    "widths": (lambda: functions.pad(Tensor([1.0]), [(1,)]), ValueError, r"widths: given \[\(1,\)\], expected 1 pairs"),
    "one width": (lambda: functions.pad(Tensor([1.0]), 1), ValueError, "widths: given 1, expected 1 pairs"),
    "broken width": (lambda: functions.pad(Tensor([1.0]), [(1, 0.5)]), ValueError, "widths: given"),
    "matmul": (lambda: Tensor(ONES) @ ONES, ValueError, r"matmul: given shapes \(2, 3\) and \(2, 3\), expected"),
    "matmul of a column": (lambda: ONES @ Tensor(ONES[0, :2]), ValueError, r"shapes \(2, 3\) and \(2,\), expected"),
    "matmul of a number": (lambda: Tensor(ONES) @ 2.0, ValueError, r"given shapes \(2, 3\) and \(\), expected"),
    "matmul of batches": (
        lambda: functions.matmul(np.ones((2, 1, 3)), np.ones((3, 3, 1))),
        ValueError,
        "leading axes that broadcast",
    ),
    "solve rows": (lambda: functions.solve(np.eye(2), np.ones((3, 1))), ValueError, r"\(2, 2\) and \(3, 1\), expected"),
    "solve a vector": (lambda: functions.solve(np.eye(2), np.ones(3)), ValueError, r"\(2, 2\) and \(3,\), expected"),
    "solve batches": (
        lambda: functions.solve(np.ones((2, 1, 1)), np.ones((3, 1, 1))),
        ValueError,
        "leading axes that broadcast",
    ),
    "concatenate": (
        lambda: functions.concatenate([ONES, ONES[:, :2]]),
        ValueError,
        r"concatenate: given shapes \(2, 3\), \(2, 2\), expected the same lengths along all axes but 0",
    ),
    "concatenate axes": (lambda: functions.concatenate([ONES, ONES[0]]), ValueError, r"given shapes \(2, 3\), \(3,\)"),
    "stack": (
        lambda: functions.stack([ONES, ONES[:1]]),
        ValueError,
        r"stack: given shapes \(2, 3\), \(1, 3\), expected one shape",
    ),
    "mean of nothing": (lambda: functions.mean(ONES[:0]), ValueError, r"mean: given shape \(0, 3\) and axis None"),
    "logsumexp of nothing": (lambda: functions.logsumexp(ONES[:0], 0), ValueError, "logsumexp: given shape .* axis 0"),
    "power of a tensor": (lambda: Tensor([1.0]) ** Tensor([2.0]), TypeError, "exponent: given Tensor"),
    "condition": (lambda: functions.where([1, 0], 1.0, 2.0), TypeError, "condition: given dtype int64"),
    "nothing to join": (lambda: functions.concatenate([]), ValueError, "tensors: given none"),
    "pad": (lambda: functions.pad(Tensor([1.0]), ((1, -1),)), ValueError, "widths: given"),
    "solve": (lambda: functions.solve(np.ones((2, 3)), np.ones(2)), ValueError, r"solve: given shapes \(2, 3\)"),
    "singular": (lambda: functions.solve(np.ones((2, 2)), np.ones(2)), np.linalg.LinAlgError, "Singular"),
    "astype to integers": (lambda: functions.astype(Tensor([1.0]), int), TypeError, "dtype: given int64"),
    "imaginary part": (lambda: functions.astype(Tensor([1j]), float), TypeError, "dtype: given float64"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_bad_arguments_end_in_one_clear_sentence(name):
    call, error, message = ERRORS[name]
    with pytest.raises(error, match=message):
        call()


def test_empty_arrays_pass():
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    (gx,) = grad((functions.exp(x) * 2).sum(), x)
    assert gx.shape == (0, 3)
    assert functions.concatenate([x, x]).shape == (0, 3)
